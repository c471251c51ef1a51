"""Every model does the same through every face, and each face is at its own address."""

from __future__ import annotations

import asyncio
import json
from typing import Any

import pytest

from sandbox.faces import FACES, LISTS, TOOLS, ask_face, chat_of, documents, headers_of, text_of
from sandbox.rawhttp import Reply, connect, request
from trunkline.sandbox.behaviours import Kind
from trunkline.sandbox.faces.all import FACES as SPOKEN
from trunkline.sandbox.faces.anthropic import errors as anthropic_errors
from trunkline.sandbox.faces.google import errors as google_errors
from trunkline.sandbox.faces.ollama import errors as ollama_errors
from trunkline.sandbox.faults import Trouble
from trunkline.sandbox.models import ROWS, list_names
from trunkline.sandbox.server import Sandbox

SILENCE = 0.6
"""How long nothing must come before a sandbox is taken for silent, in seconds."""

SILENT = ("stall-after-20", "stall-30s-after-20", "stall-at-3", "no-first-token", "silent")
"""Models that fall silent; all others are waited for."""

OTHERS = FACES[1:]

# What paces and counters do does not depend on the face.
MODELS = [row.example for row in ROWS if row.kind in (Kind.ANSWER, Kind.FAULT)]

UNREADABLE = ("html-200", "empty-200", "silent", "cut", "reset")
"""Models whose answer is no text in any format."""


def offered(face: str, model: str) -> list[Any]:
    """Offer a tool to a model that calls one."""
    return TOOLS[face] if "tool" in model else []


async def look_up(sandbox: Sandbox, path: str, headers: dict[str, str], body: Any = None) -> Reply:
    """Ask for a path with the headers given and no others."""
    async with connect(sandbox) as line:
        sent = b"" if body is None else json.dumps(body).encode()
        method = "GET" if body is None else "POST"
        await line.send(request(method, path, key=None, headers=headers, body=sent))
        return await line.reply()


def test_each_face_has_an_address() -> None:
    """The addresses are what a client of each format is given."""
    assert tuple(face.name for face in SPOKEN) == FACES


async def test_the_addresses_share_one_port(sandbox: Sandbox) -> None:
    """They are told apart by their paths, and are empty before the start."""
    origin = sandbox.base_url.removesuffix("/v1")
    assert dict(sandbox.addresses) == {
        "openai": f"{origin}/v1",
        "anthropic": f"{origin}/anthropic/v1",
        "google": f"{origin}/google/v1beta",
        "ollama": f"{origin}/ollama",
    }
    assert not Sandbox().addresses


@pytest.mark.parametrize("errors", [anthropic_errors, google_errors, ollama_errors])
def test_every_trouble_has_a_form(errors: Any) -> None:
    """A trouble that is added without a form in each vendor's table fails here."""
    assert set(errors.FORMS) == set(Trouble)


@pytest.mark.parametrize("stream", [True, False])
@pytest.mark.parametrize("model", MODELS)
async def test_a_model_does_the_same_through_every_face(
    sandbox: Sandbox, model: str, stream: bool
) -> None:
    """An answer says and ends as that of the first face does, and a refusal is one."""
    first, *others = await asyncio.gather(
        *(
            ask_face(
                sandbox, face, model, stream=stream, silence=SILENCE, tools=offered(face, model)
            )
            for face in FACES
        )
    )
    readable = first.status == 200 and model not in UNREADABLE
    whole = stream or first.body.endswith(b"}")
    for face, reply in zip(OTHERS, others, strict=True):
        assert reply.end is first.end
        assert (reply.status >= 400) is (
            first.status >= 400 and (face, model) != ("google", "400-content")
        )
        # The same number of frames holds another amount of text in each format.
        framed = stream and "-at-" in model
        if readable and whole and not framed:
            said = text_of(reply, face, stream=stream)
            assert said == text_of(first, "openai", stream=stream)


@pytest.mark.parametrize("face", OTHERS)
@pytest.mark.parametrize("model", ["ok", "reason", "parallel-tools", "429-retry-after-2"])
@pytest.mark.parametrize("stream", [True, False])
async def test_the_same_request_gets_the_same_bytes(face: str, model: str, stream: bool) -> None:
    """Two servers give the same response, headers included."""
    replies = []
    for _ in range(2):
        async with Sandbox(time_scale=0) as fresh:
            tools = offered(face, model)
            replies.append(await ask_face(fresh, face, model, stream=stream, tools=tools))
    assert replies[0].raw == replies[1].raw


@pytest.mark.parametrize(
    ("face", "key", "models", "chat"),
    [
        ("anthropic", "sandbox-key", (200, ""), (200, "")),
        ("anthropic", Sandbox.REVOKED_KEY, (401, "disabled"), (401, "disabled")),
        ("anthropic", Sandbox.UNSCOPED_KEY, (403, "permission_error"), (200, "")),
        ("anthropic", Sandbox.NO_CREDIT_KEY, (200, ""), (400, "credit balance is too low")),
        ("anthropic", "sk-ant-unknown", (401, "invalid x-api-key"), (401, "invalid x-api-key")),
        ("anthropic", "", (401, "authentication_error"), (401, "authentication_error")),
        ("google", "sandbox-key", (200, ""), (200, "")),
        ("google", Sandbox.REVOKED_KEY, (400, "API key expired"), (400, "API_KEY_INVALID")),
        ("google", Sandbox.UNSCOPED_KEY, (403, "API_KEY_SERVICE_BLOCKED"), (200, "")),
        ("google", Sandbox.NO_CREDIT_KEY, (200, ""), (429, "limit: 0")),
        ("google", "AIza-unknown", (400, "API key not valid"), (400, "API_KEY_INVALID")),
        ("google", "", (403, "unregistered callers"), (403, "PERMISSION_DENIED")),
        ("ollama", "sandbox-key", (200, ""), (200, "")),
        ("ollama", Sandbox.REVOKED_KEY, (401, "unauthorized"), (401, "unauthorized")),
        ("ollama", Sandbox.UNSCOPED_KEY, (403, "may not list"), (200, "")),
        ("ollama", Sandbox.NO_CREDIT_KEY, (200, ""), (429, "usage limit")),
        # The server on one's own machine looks at no key.
        ("ollama", "unknown", (200, ""), (200, "")),
        ("ollama", "", (200, ""), (200, "")),
    ],
)
async def test_a_key_meets_its_fate(
    sandbox: Sandbox, face: str, key: str, models: tuple[int, str], chat: tuple[int, str]
) -> None:
    """Listing and chatting answer in the vendor's own form; no answer holds the key."""
    listed = await look_up(sandbox, LISTS[face], headers_of(face, key))
    asked = await ask_face(sandbox, face, "ok", key=key, stream=False)
    for reply, (status, said) in ((listed, models), (asked, chat)):
        assert reply.status == status
        assert said in reply.body.decode()
        assert not key or key.encode() not in reply.raw


async def test_a_key_comes_in_several_ways(sandbox: Sandbox) -> None:
    """Anthropic's header goes before a bearer token; Google's key may stand in the query."""
    version = {"anthropic-version": "2026-10-21"}
    path = LISTS["anthropic"]
    bearer = {"authorization": "Bearer sandbox-key"}
    assert (await look_up(sandbox, path, {**version, **bearer})).status == 200
    both = {**version, **bearer, "x-api-key": "wrong"}
    assert (await look_up(sandbox, path, both)).status == 401
    path = LISTS["google"]
    assert (await look_up(sandbox, f"{path}?key=sandbox-key", {})).status == 200
    assert (await look_up(sandbox, f"{path}?key=wrong", {})).status == 400
    assert (await look_up(sandbox, path, bearer)).status == 403
    assert "sandbox-key" not in repr([*sandbox.seen])


@pytest.mark.parametrize(
    ("version", "said"),
    [("", "anthropic-version: header is required"), ("2020-01-01", "is not a valid version")],
)
async def test_anthropic_demands_a_version(sandbox: Sandbox, version: str, said: str) -> None:
    """Without one, or with an unknown one, every path answers 400."""
    headers = {"x-api-key": "sandbox-key"}
    if version:
        headers["anthropic-version"] = version
    for path, body in ((LISTS["anthropic"], None), ("/anthropic/v1/messages", {})):
        reply = await look_up(sandbox, path, headers, body)
        assert reply.status == 400
        assert said in reply.json["error"]["message"]


@pytest.mark.parametrize(
    ("face", "path"),
    [
        ("anthropic", "/anthropic/v1/complete"),
        ("anthropic", "/anthropic/v1/models/ok/more"),
        ("anthropic", "/anthropic"),
        ("google", "/google/v2/models"),
        ("google", "/google/v1beta/models/ok:countTokens"),
        ("ollama", "/ollama/api/generate"),
        ("openai", "/anthropics/v1/messages"),
        ("openai", "/api/tags"),
    ],
)
async def test_another_path_is_not_found(sandbox: Sandbox, face: str, path: str) -> None:
    """A path below a face's prefix is refused in its form; any other in that of the first."""
    reply = await look_up(sandbox, path, headers_of(face, "sandbox-key"))
    assert reply.status == 404
    shape = {
        "openai": b'"unknown_url"',
        "anthropic": b'"not_found_error"',
        "google": b'"NOT_FOUND"',
        "ollama": b"404 page not found",
    }
    assert shape[face] in reply.body


@pytest.mark.parametrize(
    ("face", "header"),
    [("openai", "x-request-id"), ("anthropic", "request-id"), ("google", ""), ("ollama", "")],
)
async def test_a_reply_has_the_vendors_request_id(sandbox: Sandbox, face: str, header: str) -> None:
    """It stands in the vendor's header, and nowhere else."""
    reply = await ask_face(sandbox, face, "ok")
    found = {name for name in reply.headers if name.endswith("request-id")}
    assert found == ({header} if header else set())


async def test_anthropic_frames_are_named_events(sandbox: Sandbox) -> None:
    """Each frame has the name of its type; a ping comes early."""
    reply = await ask_face(sandbox, "anthropic", "chars-2")
    frames = reply.body.decode().split("\n\n")[:-1]
    named = [frame.partition("\n")[0].removeprefix("event: ") for frame in frames]
    assert named == [document["type"] for document in documents(reply, "anthropic")]
    assert named[:3] == ["message_start", "ping", "content_block_start"]
    assert named[-3:] == ["content_block_stop", "message_delta", "message_stop"]


async def test_the_usage_of_anthropic_comes_without_a_reason_too(sandbox: Sandbox) -> None:
    """`done-without-finish` ends its blocks and says the usage, with no stop reason."""
    found = documents(await ask_face(sandbox, "anthropic", "done-without-finish"), "anthropic")
    kinds = [document["type"] for document in found]
    assert kinds[-3:] == ["content_block_stop", "message_delta", "message_stop"]
    assert found[-2]["delta"]["stop_reason"] is None
    assert found[-2]["usage"]["output_tokens"] == 60


async def test_google_speaks_events_or_a_list(sandbox: Sandbox) -> None:
    """Events end with CR LF twice; without `alt=sse` the same responses come as one list."""
    events = await ask_face(sandbox, "google", "chars-3")
    assert events.headers["content-type"] == "text/event-stream"
    assert events.body.endswith(b"}\r\n\r\n")
    body = {"contents": [{"parts": [{"text": "Hello there"}]}]}
    path = "/google/v1/models/chars-3:streamGenerateContent"
    listed = await look_up(sandbox, path, headers_of("google", "sandbox-key"), body)
    assert listed.headers["content-type"].startswith("application/json")
    assert listed.json == documents(events, "google")
    blocked = "/google/v1/models/400-content:streamGenerateContent"
    refused = await look_up(sandbox, blocked, headers_of("google", "sandbox-key"), body)
    assert [each["promptFeedback"]["blockReason"] for each in refused.json] == [
        "PROHIBITED_CONTENT"
    ]


async def test_google_appends_an_error_that_is_no_event(sandbox: Sandbox) -> None:
    """The error behind the stream is a bare document over several lines."""
    reply = await ask_face(sandbox, "google", "error-after-2")
    tail = reply.body.split(b"\r\n\r\n")[-1]
    assert not tail.startswith(b"data:")
    assert b"\n" in tail.strip()
    assert json.loads(tail)["error"]["status"] == "INTERNAL"


async def test_ollama_speaks_lines(sandbox: Sandbox) -> None:
    """One document a line; the stream is the default, and the last line alone is done."""
    reply = await look_up(
        sandbox,
        "/ollama/api/chat",
        {},
        {"model": "chars-3", "messages": [{"role": "user", "content": "Hi"}]},
    )
    assert reply.headers["content-type"] == "application/x-ndjson"
    assert reply.body.endswith(b"}\n")
    lines = [json.loads(line) for line in reply.body.split(b"\n")[:-1]]
    assert [line["done"] for line in lines] == [False, False, False, True]
    assert lines[-1]["done_reason"] == "stop"


async def test_ollama_tells_that_it_lives(sandbox: Sandbox) -> None:
    """The root and the version answer to anyone, even with a key that is refused elsewhere."""
    headers = headers_of("ollama", Sandbox.REVOKED_KEY)
    assert (await look_up(sandbox, "/ollama/", headers)).body == b"Ollama is running"
    version = await look_up(sandbox, "/ollama/api/version", headers)
    assert set(version.json) == {"version"}


async def test_a_page_of_models_can_be_asked_for(sandbox: Sandbox) -> None:
    """Each vendor's default page is its own, and a page that cannot be is refused."""
    headers = headers_of("anthropic", "sandbox-key")
    first = (await look_up(sandbox, LISTS["anthropic"], headers)).json
    assert [model["id"] for model in first["data"]] == list_names()[:20]
    assert (first["has_more"], first["last_id"]) == (True, list_names()[19])
    for query in ("limit=0", "limit=1001", "limit=many", "after_id=claude-9"):
        reply = await look_up(sandbox, f"{LISTS['anthropic']}?{query}", headers)
        assert (reply.status, reply.json["error"]["type"]) == (400, "invalid_request_error")
    headers = headers_of("google", "sandbox-key")
    page = (await look_up(sandbox, f"{LISTS['google']}?pageSize=2&pageToken=3", headers)).json
    assert [model["name"] for model in page["models"]] == [
        f"models/{name}" for name in list_names()[3:5]
    ]
    assert page["nextPageToken"] == "5"
    reply = await look_up(sandbox, f"{LISTS['google']}?pageToken=next", headers)
    assert (reply.status, reply.json["error"]["status"]) == (400, "INVALID_ARGUMENT")


async def test_attempts_are_counted_for_each_face(sandbox: Sandbox) -> None:
    """Each face is a provider of its own: a fault that healed for one is fresh for the next."""
    for face in FACES:
        statuses = [(await ask_face(sandbox, face, "once-503")).status for _ in range(2)]
        assert (statuses[0] >= 500, statuses[1]) == (True, 200)


async def test_requests_of_several_faces_share_a_connection(sandbox: Sandbox) -> None:
    """A kept connection serves each request through its own face."""
    async with connect(sandbox) as line:
        for face in FACES:
            await line.send(chat_of(face, "echo"))
            assert text_of(await line.reply(), face) == "Hello there"
    assert [sighting.model for sighting in sandbox.seen] == ["echo"] * 4
