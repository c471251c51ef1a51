"""Each key has its fate, and no key shows where it should not."""

from __future__ import annotations

import pytest

from sandbox.rawhttp import Reply, ask, connect, request
from trunkline.sandbox import keys
from trunkline.sandbox.server import Sandbox


async def look_up(sandbox: Sandbox, path: str, **headers: str) -> Reply:
    """Get a path with the headers given and no others."""
    async with connect(sandbox) as line:
        fields = "".join(f"{name}: {value}\r\n" for name, value in headers.items())
        await line.send(f"GET {path} HTTP/1.1\r\nhost: sandbox\r\n{fields}\r\n".encode())
        return await line.reply()


@pytest.mark.parametrize(
    ("key", "models", "chat"),
    [
        ("sandbox-key", (200, None), (200, None)),
        (Sandbox.REVOKED_KEY, (401, "invalid_api_key"), (401, "invalid_api_key")),
        (Sandbox.UNSCOPED_KEY, (403, "missing_scope"), (200, None)),
        (Sandbox.NO_CREDIT_KEY, (200, None), (429, "insufficient_quota")),
        ("sk-unknown", (401, "invalid_api_key"), (401, "invalid_api_key")),
        ("", (401, "invalid_api_key"), (401, "invalid_api_key")),
        ("Sandbox-Key", (401, "invalid_api_key"), (401, "invalid_api_key")),
    ],
)
async def test_a_key_meets_its_fate(
    sandbox: Sandbox, key: str, models: tuple[int, str | None], chat: tuple[int, str | None]
) -> None:
    """Listing and chatting answer as the table of keys says; no answer holds the key."""
    for path in ("/v1/models", "/v1/models/ok"):
        listed = await look_up(sandbox, path, authorization=f"Bearer {key}")
        assert (listed.status, listed.json.get("error", {}).get("code")) == models
    asked = await ask(sandbox, "ok", key=key, stream=False)
    assert (asked.status, asked.json.get("error", {}).get("code")) == chat
    for reply in (listed, asked):
        assert not key or key.encode() not in reply.raw


@pytest.mark.parametrize(
    ("key", "status"),
    [("sandbox-key", 200), (Sandbox.UNSCOPED_KEY, 200), (Sandbox.REVOKED_KEY, 401), ("", 401)],
)
async def test_a_key_can_be_asked_about_itself(sandbox: Sandbox, key: str, status: int) -> None:
    """As OpenRouter's can, whose list of models needs none."""
    reply = await look_up(sandbox, "/v1/key", authorization=f"Bearer {key}")
    assert reply.status == status
    assert ("data" in reply.json) == (status == 200)


async def test_the_missing_scope_is_named(sandbox: Sandbox) -> None:
    """The refusal of a restricted key lists the scope that it lacks."""
    reply = await look_up(sandbox, "/v1/models", authorization=f"Bearer {sandbox.UNSCOPED_KEY}")
    assert keys.MODELS_SCOPE in reply.json["error"]["message"]


@pytest.mark.parametrize("value", ["sandbox-key", "Basic sandbox-key", "Bearer", "Bearer  "])
async def test_a_key_comes_as_a_bearer_token(sandbox: Sandbox, value: str) -> None:
    """Another scheme is no key; the scheme's case does not matter."""
    assert (await look_up(sandbox, "/v1/models", authorization=value)).status == 401
    assert (await look_up(sandbox, "/v1/models", authorization="bearer sandbox-key")).status == 200
    assert (await look_up(sandbox, "/v1/models")).status == 401


async def test_a_wrong_key_is_refused_before_the_request_is_read(sandbox: Sandbox) -> None:
    """The key counts first: a request that is wrong as well gets 401."""
    async with connect(sandbox) as line:
        await line.send(request("POST", "/v1/chat/completions", key="sk-wrong", body=b"{"))
        assert (await line.reply()).status == 401


async def test_the_accepted_key_may_be_any() -> None:
    """A key given to the sandbox works, the default one then does not."""
    async with Sandbox(api_key="sk-my-own") as sandbox:
        assert (await ask(sandbox, "ok", key="sk-my-own")).status == 200
        assert (await ask(sandbox, "ok", key="sandbox-key")).status == 401


async def test_no_key_shows_in_a_repr(sandbox: Sandbox) -> None:
    """Sightings and their headers print without the key, and still compare with it."""
    await look_up(sandbox, "/v1/models", authorization="Bearer sandbox-key")
    await look_up(sandbox, "/v1/models", **{"x-api-key": "sandbox-key", "Cookie": "sandbox-key"})
    first, second = sandbox.seen
    assert ("authorization", "Bearer sandbox-key") in first.headers
    assert ("cookie", "sandbox-key") in second.headers
    shown = repr([first, first.headers, second, second.headers, sandbox])
    assert "sandbox-key" not in shown
    assert "GET /v1/models" in shown
