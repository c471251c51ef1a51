"""Requests that each method takes: where hostile ones begin that are to reach deep code."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any

from google.protobuf.duration_pb2 import Duration
from google.protobuf.field_mask_pb2 import FieldMask
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp

from support.chats import ask, leaving, limits, say, tool
from trunkline.catalog.v1 import chain_pb2, model_pb2, provider_pb2, route_pb2, watch_pb2
from trunkline.credential.v1 import access_pb2, resolve_pb2, save_pb2
from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import chat_pb2, embedding_pb2, message_pb2, run_pb2, usage_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.options.v1 import options_pb2
from trunkline.process.v1 import process_pb2

_SCHEMA = '{"type":"object"}'
_YESTERDAY = Timestamp(seconds=1_750_000_000)


@dataclass(frozen=True, slots=True)
class Surroundings:
    """What there is in a deployment that requests can name.

    Attributes:
        base_url: an address that answers as a provider does.
        api_key: which it accepts.
        asked: providers that are asked in chats, each with the models `ok` and `tool`.
        doomed: a provider that may be changed and removed.
        credential: of the doomed provider.
        token: an access token that may be revoked.
        owner: whose token that is.
        runs: runs that have ended, of each who asks.
    """

    base_url: str
    api_key: str = field(repr=False)
    asked: Sequence[str]
    doomed: str
    credential: str
    token: str
    owner: str
    runs: Sequence[str]


def right_requests(around: Surroundings) -> dict[str, list[Message]]:
    """Return requests by the types that methods take, at least one of each."""
    found: dict[str, list[Message]] = {}
    for request in _list(around):
        found.setdefault(request.DESCRIPTOR.full_name, []).append(request)
    return found


def _list(around: Surroundings) -> Iterator[Message]:
    """Yield requests of every type."""
    yield from _of_catalog(around)
    yield from _of_credential(around)
    yield from _of_health(around)
    yield from _of_inference(around)
    yield process_pb2.GetProcessRequest()


def _of_catalog(around: Surroundings) -> Iterator[Message]:
    """Yield requests of the catalog."""
    endpoint = provider_pb2.ProviderEndpoint(
        base_url=around.base_url, headers={"x-team": "red"}, streaming=True
    )
    named = f"{around.doomed}/ok"
    yield provider_pb2.ListProviderTypesRequest()
    yield provider_pb2.CreateProviderRequest(
        provider=provider_pb2.Provider(
            name="created", display_name="Created", endpoint=endpoint, enabled=False
        ),
        models=["ok", "tool"],
    )
    yield provider_pb2.CreateProviderRequest(
        provider=provider_pb2.Provider(name="listed", type="sandbox", endpoint=endpoint)
    )
    yield provider_pb2.GetProviderRequest(name=around.doomed)
    yield provider_pb2.ListProvidersRequest(page_size=2)
    yield provider_pb2.UpdateProviderRequest(
        provider=provider_pb2.Provider(
            name=around.doomed, display_name="Doomed", endpoint=endpoint, default_model="ok"
        )
    )
    yield provider_pb2.UpdateProviderRequest(
        provider=provider_pb2.Provider(name=around.doomed, endpoint=endpoint, enabled=True),
        update_mask=FieldMask(paths=["endpoint", "enabled"]),
    )
    yield provider_pb2.DeleteProviderRequest(name=around.doomed)
    yield model_pb2.GetModelRequest(name=named)
    yield model_pb2.ListModelsRequest(page_size=2, include_disabled=True)
    facts = model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(value=4_096),
        tools=model_pb2.BoolFact(value=True),
        reasoning_modes=model_pb2.TextListFact(values=["low", "high"]),
        deprecation_time=model_pb2.TimeFact(value=_YESTERDAY),
        vector_space=model_pb2.TextFact(value="space"),
    )
    yield model_pb2.UpdateModelRequest(
        model=model_pb2.Model(name=named, display_name="OK", facts=facts, enabled=True)
    )
    yield model_pb2.UpdateModelRequest(
        model=model_pb2.Model(name=named, facts=facts),
        update_mask=FieldMask(paths=["facts.context_window", "facts.deprecation_time"]),
    )
    yield model_pb2.RefreshModelsRequest(provider=around.doomed)
    yield from _of_chains(around)
    yield watch_pb2.WatchCatalogRequest(after_revision=1)


def _of_chains(around: Surroundings) -> Iterator[Message]:
    """Yield requests about fallback chains."""
    candidates = [
        chain_pb2.Candidate(model=f"{around.doomed}/ok", rank=1, weight=3),
        chain_pb2.Candidate(model=f"{around.asked[0]}/ok"),
    ]
    chain = chain_pb2.Chain(
        name="created",
        candidates=candidates,
        balance=chain_pb2.BALANCE_WEIGHT,
        fall_back_on_credential_failure=True,
        description="Created.",
    )
    yield chain_pb2.CreateChainRequest(chain=chain)
    yield chain_pb2.GetChainRequest(name="created")
    yield chain_pb2.ListChainsRequest(page_size=1)
    yield chain_pb2.UpdateChainRequest(chain=chain)
    yield chain_pb2.UpdateChainRequest(
        chain=chain, update_mask=FieldMask(paths=["candidates", "description"])
    )
    yield chain_pb2.DeleteChainRequest(name="created")
    yield route_pb2.ExplainRouteRequest(
        model=f"{around.asked[0]}/ok",
        fallbacks=[f"{around.doomed}/ok"],
        needs=[route_pb2.NEED_TOOLS],
        input_tokens=1_000,
    )
    yield route_pb2.ExplainRouteRequest(chain="created")


def _of_credential(around: Surroundings) -> Iterator[Message]:
    """Yield requests of the credential service."""
    yield save_pb2.SaveApiKeyRequest(provider=around.doomed, api_key=around.api_key)
    yield save_pb2.SaveApiKeyRequest(
        provider=around.doomed,
        headers={"authorization": f"Bearer {around.api_key}"},
        base_url=around.base_url,
        organization="org",
        project="project",
        label="second",
        rank=-1,
        allow_unverified=True,
    )
    yield save_pb2.SaveLocalEndpointRequest(
        provider=around.doomed,
        base_url=around.base_url,
        api_key=around.api_key,
        allow_unverified=True,
    )
    yield save_pb2.GetCredentialRequest(id=around.credential)
    yield save_pb2.ListCredentialsRequest(page_size=1)
    yield save_pb2.DeleteCredentialRequest(id=around.credential)
    yield resolve_pb2.ResolveCredentialRequest(
        provider=around.doomed,
        principal="somebody",
        credential_id=around.credential,
        origin=around.base_url.removesuffix("/v1"),
    )
    yield resolve_pb2.GetContentKeyRequest(purpose="journal")
    yield resolve_pb2.GetContentKeyRequest(purpose="journal", key_id="dek_1")
    yield resolve_pb2.WatchCredentialsRequest(after_revision=1)
    yield access_pb2.IssueAccessTokenRequest(
        principal="somebody",
        role=options_pb2.CALLER_ROLE_DEVELOPER,
        scope=access_pb2.AccessScope(providers=["a"], models=["a/b"], impersonate=True),
        lifetime=Duration(seconds=60),
    )
    yield access_pb2.IssueAccessTokenRequest(
        principal=around.owner,
        role=options_pb2.CALLER_ROLE_DEVELOPER,
        replaces=around.token,
        overlap=Duration(seconds=1),
    )
    yield access_pb2.RevokeAccessTokenRequest(id=around.token)
    yield access_pb2.ListAccessTokensRequest(page_size=1, include_ended=True)
    yield access_pb2.WatchAccessRequest(after_revision=1)


def _of_health(around: Surroundings) -> Iterator[Message]:
    """Yield requests of the health service."""
    asked = around.asked[0]
    yield health_service_pb2.GetHealthRequest(provider=asked)
    yield health_service_pb2.ListHealthRequest(page_size=1)
    yield health_service_pb2.ListSnapshotsRequest(
        provider=asked, page_size=1, start_time=_YESTERDAY, end_time=_YESTERDAY
    )
    yield health_service_pb2.CheckNowRequest(provider=asked)
    outcome = health_service_pb2.Outcome(
        route=health_pb2.RouteKey(model=f"{around.doomed}/ok", credential_id=around.credential),
        start_age=Duration(seconds=1),
        retry_after=Duration(seconds=1),
        time_to_first_token=Duration(nanos=5_000_000),
        duration=Duration(seconds=2),
    )
    yield health_service_pb2.ReportOutcomesRequest(outcomes=[outcome, outcome])
    yield health_service_pb2.AcquireTrialRequest(route=outcome.route, ttl=Duration(seconds=5))
    yield health_service_pb2.WatchHealthRequest(after_revision=1)


def _of_inference(around: Surroundings) -> Iterator[Message]:
    """Yield requests of the inference service."""
    yield inference_pb2.ProbeProviderRequest(
        name=around.doomed,
        credential_id=around.credential,
        include_models=True,
        purpose=inference_pb2.PROBE_PURPOSE_PROVE_KEY,
        timeout=Duration(seconds=5),
    )
    yield inference_pb2.ProbeProviderRequest(
        endpoint=inference_pb2.Endpoint(format="openai", base_url=around.base_url),
        secret=inference_pb2.ProviderSecret(
            api_key=around.api_key, headers={"x-key": "secret"}, organization="org"
        ),
        include_models=True,
    )
    for run_id in around.runs:
        yield run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=1)
        yield run_pb2.CancelChatRequest(run_id=run_id)
        yield run_pb2.GetRunRequest(run_id=run_id)
        yield run_pb2.ConverseRequest(
            attach=run_pb2.ResumeChatRequest(run_id=run_id, after_sequence=1)
        )
    yield run_pb2.ListRunsRequest(page_size=1, start_time=_YESTERDAY)
    yield usage_pb2.ListAttemptsRequest(page_size=1, filter=_filter(around))
    yield usage_pb2.QueryUsageRequest(
        filter=_filter(around),
        group_by=[usage_pb2.USAGE_DIMENSION_MODEL, usage_pb2.USAGE_DIMENSION_ON_BEHALF_OF],
        interval=Duration(seconds=86_400),
    )
    for provider in around.asked:
        yield embedding_pb2.EmbedRequest(
            model=f"{provider}/ok",
            inputs=["Hello", "there"],
            dimensions=12,
            task=embedding_pb2.EMBEDDING_TASK_QUERY,
            fallbacks=[f"{around.asked[0]}/ok"],
            idempotency_key="key",
            limits=limits(connect=1, attempt=2, total=3),
            truncate=True,
        )
        for chat in _chats(provider):
            yield chat
            yield run_pb2.ConverseRequest(
                start=run_pb2.ConverseStart(
                    chat=chat,
                    max_turns=3,
                    max_parallel_calls=4,
                    tool_timeout=Duration(seconds=1),
                )
            )


def _filter(around: Surroundings) -> usage_pb2.UsageFilter:
    """Return which rows of the ledger are asked for."""
    return usage_pb2.UsageFilter(model=f"{around.asked[0]}/ok", start_time=_YESTERDAY)


def _chats(provider: str) -> Iterator[chat_pb2.ChatRequest]:
    """Yield chats that use all there is."""
    yield ask(f"{provider}/ok")
    yield ask(
        f"{provider}/tool",
        tools=[tool(city="string"), message_pb2.Tool(name="clock", parameters_json=_SCHEMA)],
        tool_choice=message_pb2.ToolChoice(
            mode=message_pb2.ToolChoice.MODE_REQUIRED, allowed=["weather"], parallel=False
        ),
        sampling=chat_pb2.Sampling(temperature=0.5, seed=7, stop=["never"]),
        max_output_tokens=1_000,
        limits=limits(connect=2, first_token=2, idle=2, attempt=2, total=3),
        disconnect=leaving(0.1),
    )
    structured = chat_pb2.JsonSchema(name="answer", schema_json=_SCHEMA, strict=True)
    yield ask(
        f"{provider}/ok",
        response_format=chat_pb2.ResponseFormat(json_schema=structured),
        reasoning=chat_pb2.ReasoningOptions(effort="low", budget_tokens=1_024, include=True),
    )
    yield chat_pb2.ChatRequest(
        model=f"{provider}/ok", messages=_transcript(provider), tools=[tool()]
    )


def _transcript(provider: str) -> Sequence[message_pb2.Message]:
    """Return messages of every role with parts of every kind."""
    issuer = message_pb2.Provenance(vendor="openai", model="ok", provider=provider)
    signature = message_pb2.Signature(value="c2lnbmVk", issuer=issuer)

    def turn(role: message_pb2.Role.ValueType, *parts: Any) -> message_pb2.Message:
        return message_pb2.Message(role=role, content=parts)

    picture = message_pb2.Image(data=b"\x89PNG\r\n\x1a\n", media_type="image/png")
    return (
        say("Be brief.", message_pb2.ROLE_SYSTEM),
        turn(
            message_pb2.ROLE_USER,
            message_pb2.Part(text="Look.", cache=message_pb2.CachePoint(ttl=Duration(seconds=300))),
            message_pb2.Part(image=picture),
        ),
        turn(
            message_pb2.ROLE_ASSISTANT,
            message_pb2.Part(reasoning=message_pb2.Reasoning(text="Hm."), signature=signature),
            message_pb2.Part(text="I see."),
            message_pb2.Part(
                tool_call=message_pb2.ToolCall(id="call_1", name="weather", arguments='{"a":1}')
            ),
            message_pb2.Part(
                provider_part=message_pb2.ProviderPart(
                    issuer=issuer, type="trace", data_json='{"type":"trace"}'
                )
            ),
        ),
        turn(
            message_pb2.ROLE_TOOL,
            message_pb2.Part(
                tool_result=message_pb2.ToolResult(
                    call_id="call_1", content=[message_pb2.Part(text="Rain.")], is_error=True
                )
            ),
        ),
        say("Thanks."),
    )
