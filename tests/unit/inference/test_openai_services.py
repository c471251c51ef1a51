"""The services that speak Chat Completions: addresses, headers, probes and what those prove."""

from __future__ import annotations

import json

import httpx
import pytest
from google.protobuf import json_format

from trunkline.catalog.provider_types import load_provider_types
from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.adapters.openai.services import OTHERS, ROWS, find_service
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.openai_rows import USER, parts
from unit.inference.openai_service_rows import SERVICES, at

ADAPTER = OpenAIAdapter()

LIST = provider_pb2.PROBE_PURPOSE_LIST_MODELS
PROVE = provider_pb2.PROBE_PURPOSE_PROVE_KEY
SECRET = provider_pb2.ProviderSecret(api_key="sk-1", organization="org-1", project="proj-1")

HELLO = json_format.ParseDict({"messages": [USER]}, chat_pb2.ChatRequest())
BEGUN = json_format.ParseDict(
    {"messages": [USER, parts("ROLE_ASSISTANT", {"text": "Hi"})]}, chat_pb2.ChatRequest()
)

# Types of this format of which nothing is known that another service does not do as well.
PLAIN = {"openai-compatible", "sandbox"}


def test_every_row_is_seen_in_a_request() -> None:
    """What the table of services says of one, a row of the table of requests holds it to."""
    seen = [find_service(row.target.type, row.target.model) for row in SERVICES]
    # In another country it is the same service.
    named = {(row.type.removesuffix("-cn"), row.family) for row in seen}
    assert {(row.type.removesuffix("-cn"), row.family) for row in ROWS} <= named


def test_every_type_of_the_format_has_a_row() -> None:
    """Whatever can be connected is known here by the same name, or is like all others."""
    kinds = {kind.name for kind in load_provider_types() if kind.format == "openai"}
    assert kinds - PLAIN == {row.type for row in ROWS}
    assert all(find_service(kind, "m") is OTHERS for kind in PLAIN)


def test_the_longest_family_counts() -> None:
    """A model belongs to the row that names most of it, and to no other type's."""
    assert find_service("xai", "grok-4.20-non-reasoning").family == "grok-4.20-non-reasoning"
    assert find_service("xai", "grok-4.20-reasoning").family == "grok-4.20-"
    assert find_service("xai", "grok-4-0709").family == "grok-4"
    assert find_service("xai", "grok-3").family == ""
    assert find_service("groq", "grok-4").type == "groq"
    assert find_service("", "gpt-5") is OTHERS


@pytest.mark.parametrize(
    ("base", "request_", "address"),
    [
        ("https://a.example/v1", HELLO, "https://a.example/v1/chat/completions"),
        ("https://a.example/v1", BEGUN, "https://a.example/beta/chat/completions"),
        ("https://a.example/beta", BEGUN, "https://a.example/beta/chat/completions"),
        ("https://a.example", BEGUN, "https://a.example/beta/chat/completions"),
        ("https://b.example/to/a", BEGUN, "https://b.example/to/a/beta/chat/completions"),
    ],
)
def test_deepseek_goes_on_at_another_version(
    base: str, request_: chat_pb2.ChatRequest, address: str
) -> None:
    """A partial answer is continued at `/beta` of the same place, and nothing else is."""
    target = Target("d", "deepseek-v4-pro", base, type="deepseek")
    assert str(ADAPTER.build_chat(target, request_, stream=True).request.url) == address


@pytest.mark.parametrize("kind", sorted({row.type for row in ROWS}))
def test_usage_of_a_stream_is_asked_for_where_it_may_be(kind: str) -> None:
    """Mistral and Perplexity refuse to be asked, and tell it without."""
    body = json.loads(ADAPTER.build_chat(at(kind), HELLO, stream=True).request.content)
    assert body["stream"] is True
    assert ("stream_options" not in body) == (kind in ("mistral", "perplexity"))
    assert "stream" not in json.loads(
        ADAPTER.build_chat(at(kind), HELLO, stream=False).request.content
    )


def heard(target: Target) -> list[httpx.Headers]:
    """Return the headers of a chat and of both probes."""
    requests = [
        ADAPTER.build_chat(target, HELLO, stream=True).request,
        ADAPTER.build_probe(target, LIST),
        ADAPTER.build_probe(target, PROVE),
    ]
    return [request.headers for request in requests]


def test_openrouter_hears_who_calls() -> None:
    """Every request names us, unless the provider's own headers name somebody else."""
    assert {headers["x-openrouter-title"] for headers in heard(at("openrouter"))} == {"Trunkline"}
    given = {"X-OpenRouter-Title": "Acme", "HTTP-Referer": "https://acme.example"}
    target = Target("o", "m", "https://openrouter.ai/api/v1", given, type="openrouter")
    for headers in heard(target):
        assert headers.get_list("x-openrouter-title") == ["Acme"]
        assert headers["http-referer"] == "https://acme.example"
    assert all("x-openrouter-title" not in headers for headers in heard(at("vercel")))


@pytest.mark.parametrize("kind", ["openai", "openrouter", "lm-studio"])
def test_organisation_and_project_are_on_every_call(kind: str) -> None:
    """The probe is no exception, nor what it asks otherwise (K7), nor are own headers (D30)."""
    given = {"X-Team": "blue"}
    target = Target("o", "m", "https://a.example/v1", given, SECRET, type=kind)
    other = ADAPTER.build_probe(target, LIST).otherwise
    for headers in [*heard(target), *([other.headers] if other else [])]:
        assert headers["authorization"] == "Bearer sk-1"
        assert headers["openai-organization"] == "org-1"
        assert headers["openai-project"] == "proj-1"
        assert headers["x-team"] == "blue"


def asked(request: Request | None) -> list[str]:
    """Return the addresses that a probe asks, one after the other."""
    return [] if request is None else [str(request.url), *asked(request.otherwise)]


@pytest.mark.parametrize(
    ("kind", "base", "purpose", "addresses"),
    [
        ("openrouter", "https://openrouter.ai/api/v1", LIST, ["/api/v1/models"]),
        ("openrouter", "https://openrouter.ai/api/v1", PROVE, ["/api/v1/key"]),
        ("vercel", "https://ai-gateway.vercel.sh/v1", LIST, ["/v1/models"]),
        ("vercel", "https://ai-gateway.vercel.sh/v1", PROVE, ["/v1/credits"]),
        (
            "lm-studio",
            "http://localhost:1234/v1",
            LIST,
            ["/api/v1/models", "/api/v0/models", "/v1/models"],
        ),
        ("lm-studio", "http://localhost:1234/v1", PROVE, ["/v1/models"]),
        ("litellm", "http://localhost:4000/v1", LIST, ["/model/info", "/v1/models"]),
        ("litellm", "http://localhost:4000", LIST, ["/model/info", "/models"]),
        ("litellm", "http://localhost:4000/v1", PROVE, ["/v1/models"]),
        ("perplexity", "https://api.perplexity.ai", PROVE, ["/models"]),
        *(
            (kind, "https://a.example/v1", purpose, ["/v1/models"])
            for kind in ("groq", "together", "mistral", "moonshot", "vllm", "llama-cpp", "")
            for purpose in (LIST, PROVE)
        ),
    ],
)
def test_where_models_are_listed_and_keys_are_proven(
    kind: str, base: str, purpose: provider_pb2.ProbePurpose.ValueType, addresses: list[str]
) -> None:
    """A list of a service's own comes first, and `/models` of the format last."""
    target = Target("p", "", base, type=kind)
    origin = base[: base.index("/", len("https://"))] if base.count("/") > 2 else base
    assert asked(ADAPTER.build_probe(target, purpose)) == [origin + path for path in addresses]


MODELS = b'{"data": [{"id": "m"}]}'
KEY = b'{"data": {"label": "sk-or-v1-1...2", "limit": null, "usage": 0.1}}'
CREDITS = b'{"balance": "1.5", "total_used": "2"}'
ERROR = b'{"error": {"message": "No.", "code": 401}}'

VALID = provider_pb2.VERDICT_VALID
NOT_CHECKED = provider_pb2.VERDICT_BILLING_NOT_CHECKED
UNVERIFIABLE = provider_pb2.VERDICT_UNVERIFIABLE
REVOKED = provider_pb2.VERDICT_REVOKED
NOT_FOUND = provider_pb2.VERDICT_NOT_FOUND


@pytest.mark.parametrize(
    ("kind", "purpose", "status", "body", "verdict"),
    [
        ("openrouter", PROVE, 200, KEY, NOT_CHECKED),
        ("openrouter", PROVE, 401, ERROR, REVOKED),
        ("openrouter", PROVE, 200, b"<html>", NOT_FOUND),
        ("openrouter", PROVE, 200, ERROR, NOT_FOUND),
        ("openrouter", PROVE, 200, b"[]", NOT_FOUND),
        ("openrouter", LIST, 200, MODELS, UNVERIFIABLE),
        ("vercel", PROVE, 200, CREDITS, NOT_CHECKED),
        ("vercel", PROVE, 402, b"", provider_pb2.VERDICT_BILLING),
        ("vercel", LIST, 200, MODELS, UNVERIFIABLE),
        ("groq", LIST, 200, MODELS, VALID),
        ("groq", PROVE, 200, KEY, NOT_FOUND),
        ("groq", PROVE, 404, b"", NOT_FOUND),
        ("perplexity", PROVE, 404, b"<html>", UNVERIFIABLE),
        ("perplexity", PROVE, 401, b"<html>", REVOKED),
        ("perplexity", PROVE, 200, MODELS, NOT_CHECKED),
    ],
)
def test_what_a_probe_shows(
    kind: str,
    purpose: provider_pb2.ProbePurpose.ValueType,
    status: int,
    body: bytes,
    verdict: provider_pb2.Verdict.ValueType,
) -> None:
    """A public list shows nothing of a key; a page of the account does; none at all cannot."""
    target = Target("p", "", "https://a.example/v1", secret=SECRET, type=kind)
    found = ADAPTER.verify(target, purpose, Reply(status, httpx.Headers(), body))
    assert found.verdict == verdict
    assert found.message.endswith(".")
