"""Services that speak the format of another, and endpoints of one's own, over real sockets."""

from __future__ import annotations

import pytest

from support.chats import ask, read, stream
from support.deployment import Deployment, eventually
from support.folding import fold
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import chat_pb2, failure_pb2, result_pb2
from trunkline.sandbox.scripts import OK_TEXT
from trunkline.sandbox.sightings import Sighting, Sightings

pytestmark = pytest.mark.asyncio(loop_scope="module")


class All(Sightings):
    """Every request from the first on, those that connect the provider included.

    Attributes:
        heard: in order.
    """

    def __init__(self) -> None:
        super().__init__()
        self.heard: list[Sighting] = []

    def record(self, sighting: Sighting) -> None:
        """Keep a request."""
        super().record(sighting)
        self.heard.append(sighting)


DYING = "once-error-after-10-of-comments"


def _text(completed: result_pb2.Completed) -> str:
    return "".join(part.text for part in completed.message.content)


def _headers(sighting: Sighting) -> dict[str, str]:
    return dict(sighting.headers)


async def test_openrouter_dies_in_mid_stream_and_the_answer_comes_whole() -> None:
    """Comments are life and no content, the error is one though the status was 200.

    The key was proven where it counts, since the list of models is public.
    """
    async with Deployment(connected=False) as deployment:
        sandbox = deployment.sandbox
        sandbox.seen = seen = All()
        await deployment.connect(
            sandbox.base_url, sandbox.api_key, ["comments", DYING], name="router", kind="openrouter"
        )
        sandbox.reset_attempts()
        assert seen.heard[0].path == "/v1/key"
        reading = await read(
            stream(deployment.channel, "StreamChat", ask(f"router/{DYING}"), deployment.admin)
        )
        assert _text(reading.completed) == OK_TEXT
        assert fold(reading.events) == reading.completed.message
        failed = [e.attempt_failed for e in reading.events if e.HasField("attempt_failed")]
        assert [each.failure.kind for each in failed] == [failure_pb2.ERROR_KIND_SERVER_ERROR]
        assert failed[0].failure.mid_stream

        # Asked in its own words, which this face of the sandbox does not know.
        thoughtful = ask("router/comments", reasoning=chat_pb2.ReasoningOptions(effort="low"))
        await read(stream(deployment.channel, "StreamChat", thoughtful, deployment.admin))
        asked = seen.of_model("comments")[-1]
        assert asked.body["reasoning"] == {"effort": "low"}
        assert {_headers(each)["x-openrouter-title"] for each in seen.heard} == {"Trunkline"}


@pytest.mark.parametrize("streamed", [True, False], ids=["stream", "unary"])
@pytest.mark.parametrize("wire_format", ["openai", "anthropic"])
async def test_an_endpoint_of_ones_own_without_streams(wire_format: str, streamed: bool) -> None:
    """It is asked for whole answers, and whoever wants a stream gets one all the same (D1, D2).

    Its own headers are on every request, that for its models included (D30).
    """
    async with Deployment(connected=False) as deployment:
        sandbox = deployment.sandbox
        sandbox.seen = seen = All()
        await deployment.connect(
            sandbox.addresses[wire_format],
            sandbox.api_key,
            ["ok", "tool"],
            name="own",
            kind=f"{wire_format}-compatible",
            streaming=False,
            headers={"X-Team": "blue", "X-Trace": "on"},
        )
        if streamed:
            reading = await read(
                stream(deployment.channel, "StreamChat", ask("own/ok"), deployment.admin)
            )
            completed = reading.completed
            assert fold(reading.events) == completed.message
            assert reading.sequences == list(range(1, len(reading.events) + 1))
            assert "text_delta" in reading.kinds
        else:
            response = await deployment.inference.Chat(ask("own/ok"), metadata=deployment.admin)
            completed = response.completed
        assert _text(completed) == OK_TEXT
        assert completed.usage.output_tokens
        chats = [each for each in seen.heard if each.method == "POST"]
        assert chats
        assert not any(each.body.get("stream") for each in chats)
        assert {"GET", "POST"} == {each.method for each in seen.heard}
        for each in seen.heard:
            assert _headers(each)["x-team"] == "blue"
            assert _headers(each)["x-trace"] == "on"


async def test_organisation_and_project_go_with_every_call() -> None:
    """The key's proof and the list of models are calls like any other (K7)."""
    async with Deployment(connected=False) as deployment:
        sandbox = deployment.sandbox
        sandbox.seen = seen = All()
        await deployment.connect(
            sandbox.base_url,
            sandbox.api_key,
            ["ok"],
            name="mine",
            kind="openai",
            organization="org-1",
            project="proj-1",
        )
        await read(stream(deployment.channel, "StreamChat", ask("mine/ok"), deployment.admin))
        assert {"GET", "POST"} == {each.method for each in seen.heard}
        for each in seen.heard:
            assert _headers(each)["openai-organization"] == "org-1"
            assert _headers(each)["openai-project"] == "proj-1"


async def test_a_server_without_the_lists_of_its_type_is_asked_for_the_usual_one() -> None:
    """LM Studio is known by a port, behind which there may be an older one, or another server."""
    async with Deployment(connected=False) as deployment:
        sandbox = deployment.sandbox
        sandbox.seen = seen = All()
        await deployment.connect(
            sandbox.base_url, sandbox.api_key, ["ok"], name="studio", kind="lm-studio"
        )

        async def is_listed() -> bool:
            models = await deployment.catalog.ListModels(
                model_pb2.ListModelsRequest(provider="studio"), metadata=deployment.admin
            )
            return len(models.models) > 1

        await eventually(is_listed)
        paths = [each.path for each in seen.heard if each.method == "GET"]
        native = paths.index("/api/v1/models")
        assert paths[native : native + 3] == ["/api/v1/models", "/api/v0/models", "/v1/models"]
