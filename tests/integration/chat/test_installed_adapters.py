"""Chats through an adapter that somebody else installed."""

from __future__ import annotations

from collections.abc import AsyncIterator
from pathlib import Path

import grpc
import pytest

from support.acme import acme_installed
from support.chats import ask, read, stream
from support.deployment import Deployment
from support.service_calls import refused
from trunkline.catalog.v1 import provider_pb2
from trunkline.inference.v1 import result_pb2
from unit.inference.transport.provider import Peer, Provider, serve, whole

KEY = "acme-key-of-a-test"


async def _speak_acme(peer: Peer) -> None:
    """Answer as Acme does: a list of models, and answers in lines."""
    while True:
        request = await peer.receive()
        if f"x-acme-key: {KEY}".encode() not in request:
            await peer.write_apart(whole(b'{"oops":["key","Who?"]}', status=b"401 Unauthorized"))
        elif request.startswith(b"GET /v1/models "):
            await peer.write_apart(whole(b'{"models":["acme-1"]}'))
        elif b'"busy"' in request:
            await peer.write_apart(whole(b'{"oops":["busy","Later."]}', status=b"400 Bad Request"))
        else:
            lines = b'{"text":"Good "}\n{"text":"day."}\n{"end":"stop","tokens":[3,2]}\n'
            await peer.write_apart(whole(lines))


@pytest.fixture
async def acme() -> AsyncIterator[Provider]:
    """Give a provider that speaks Acme's format."""
    async with serve(_speak_acme) as provider:
        yield provider


async def test_a_chat_goes_through_an_installed_adapter(acme: Provider) -> None:
    """Its format can be named, its list is read, its key proven, its answer streamed (O42)."""
    with acme_installed():
        async with Deployment(connected=False) as deployment:
            await deployment.connect(
                acme.url("/v1"), KEY, ["acme-1"], name="acme", wire_format="acme"
            )
            reading = await read(
                stream(deployment.channel, "StreamChat", ask("acme/acme-1"), deployment.admin)
            )
    completed = reading.completed
    assert completed.message.content[0].text == "Good day."
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert (completed.usage.input_tokens, completed.usage.output_tokens) == (3, 2)
    # Its list may be read before or after.
    assert any(b'"lines":[["user","Hello"]]' in request for request in acme.requests)


async def test_a_format_that_is_not_installed_is_refused_by_name(acme: Provider) -> None:
    """What there is, is told."""
    async with Deployment(connected=False) as deployment:
        endpoint = provider_pb2.ProviderEndpoint(base_url=acme.url("/v1"), format="acme")
        request = provider_pb2.CreateProviderRequest(
            provider=provider_pb2.Provider(name="acme", endpoint=endpoint)
        )
        failure = await refused(
            deployment.catalog.CreateProvider(request, metadata=deployment.admin)
        )
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == ["provider.endpoint.format"]


@pytest.mark.parametrize(
    ("entry", "code"),
    [
        ("openai = trunkline_acme:AcmeAdapter", ""),
        ("other = trunkline_acme:AcmeAdapter", ""),
        ("broken = trunkline_nothing:Adapter", ""),
        ("empty = empty_adapter:Adapter", "class Adapter:\n    format = 'empty'\n"),
    ],
)
async def test_what_cannot_be_used_stops_nothing(tmp_path: Path, entry: str, code: str) -> None:
    """The service goes on without it, and OpenAI's format stays ours."""
    information = tmp_path / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(f"[trunkline.adapters]\n{entry}\n")
    (tmp_path / "empty_adapter.py").write_text(code)
    with acme_installed(), acme_installed(tmp_path):
        async with Deployment() as deployment:
            reading = await read(stream(deployment.channel, "StreamChat", ask(), deployment.admin))
    assert reading.completed.message.content[0].text
