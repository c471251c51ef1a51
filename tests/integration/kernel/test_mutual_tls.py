"""Mutual TLS between real servers and channels: who is known, and who is not let in."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime
from pathlib import Path

import grpc
import pytest

from integration.kernel.listening import (
    DORA,
    LIMIT_S,
    Chats,
    Tokens,
    registration,
)
from integration.kernel.secured import Bed, handshake, secured, shut_out, turned_away, who
from support.certificates import DAY, Files, make_authority, write, write_service
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc
from trunkline.kernel.authority import Authority, certificate_pem, key_pem
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.mutual_tls import server_credentials
from trunkline.kernel.server import Listener
from trunkline.suite import SERVICES


@pytest.fixture
async def bed(tmp_path: Path) -> AsyncIterator[Bed]:
    """A listener of the catalog service."""
    async with secured(tmp_path) as running:
        yield running


def show(bed: Bed, files: Files | None) -> grpc.aio.Channel:
    """Return a channel that shows what it is given, and believes the listener's authority."""
    authority = bed.files.authority.read_bytes()
    if files is None:
        credentials = grpc.ssl_channel_credentials(authority)
    else:
        credentials = grpc.ssl_channel_credentials(
            authority, files.key.read_bytes(), files.chain.read_bytes()
        )
    options = [("grpc.ssl_target_name_override", "catalog.trunkline")]
    return grpc.aio.secure_channel(bed.address, credentials, options=options)


@pytest.mark.parametrize("service", SERVICES)
async def test_a_certificate_says_which_service_calls(bed: Bed, service: str) -> None:
    """By its URI; a token that is sent along is not looked at."""
    async with bed.channel(bed.client(service)) as channel:
        assert await who(channel) == service


async def test_without_a_certificate_nobody_comes_in(bed: Bed) -> None:
    """Neither on TLS nor in the clear."""
    async with show(bed, None) as channel:
        await shut_out(channel)
    async with grpc.aio.insecure_channel(bed.address) as channel:
        await shut_out(channel)
    assert bed.access.shown == []


async def test_a_certificate_of_another_authority_is_refused(bed: Bed, tmp_path: Path) -> None:
    """Though it says the same, and its authority has the same name."""
    async with show(bed, write_service(make_authority(), tmp_path / "own", "health")) as channel:
        await shut_out(channel)
    assert bed.access.shown == []


async def test_a_certificate_that_signs_itself_is_refused(bed: Bed, tmp_path: Path) -> None:
    """Also when the name of who signed it is the authority's."""
    other = make_authority()
    files = write_service(other, tmp_path / "own", "health")
    files.chain.write_bytes(certificate_pem(other.certificate))
    files.key.write_bytes(key_pem(other.key))
    async with show(bed, files) as channel:
        await shut_out(channel)


async def test_a_service_cannot_issue_certificates(bed: Bed, tmp_path: Path) -> None:
    """What it was issued is no authority's: what it signs is refused."""
    from cryptography import x509
    from cryptography.hazmat.primitives import serialization

    mine = write_service(bed.authority, tmp_path / "mine", "health")
    key = serialization.load_pem_private_key(mine.key.read_bytes(), None)
    leaf = x509.load_pem_x509_certificate(mine.chain.read_bytes())
    forged = write_service(
        Authority(leaf, key),  # type: ignore[arg-type] # of the kind that authorities have
        tmp_path / "forged",
        "inference",
    )
    forged.chain.write_bytes(forged.chain.read_bytes() + mine.chain.read_bytes())
    async with show(bed, forged) as channel:
        await shut_out(channel)


async def test_a_certificate_that_has_ended_is_refused(bed: Bed, tmp_path: Path) -> None:
    """By the handshake."""
    then = datetime.now(UTC) - 3 * DAY
    names, uris = ["health.trunkline"], ["spiffe://trunkline/health"]
    files = write(bed.authority, tmp_path / "old", names, uris, now=then, life=2 * DAY)
    async with show(bed, files) as channel:
        await shut_out(channel)


@pytest.mark.parametrize(
    "uris",
    [
        [],
        ["spiffe://elsewhere/health"],
        ["spiffe://trunkline/health", "spiffe://trunkline/inference"],
        ["spiffe://trunkline/health", "spiffe://elsewhere/health"],
        ["spiffe://elsewhere/health", "spiffe://trunkline/health"],
        ["spiffe://trunkline/health", "spiffe://trunkline/health"],
        ["spiffe://trunkline/nobody"],
        ["spiffe://trunkline/health/"],
        ["spiffe://trunkline/health/x"],
        ["spiffe://trunkline/HEALTH"],
        ["spiffe://trunkline"],
        ["spiffe://trunkline.example/health"],
        ["https://trunkline/health"],
        ["spiffe://trunkline/health?x"],
    ],
    ids=" ".join,
)
async def test_a_certificate_that_is_for_no_service_is_refused(
    bed: Bed, tmp_path: Path, uris: list[str]
) -> None:
    """Its authority is right and its DNS name too; the URI alone tells, and there is one."""
    files = write(bed.authority, tmp_path / "other", ["health.trunkline"], uris)
    async with show(bed, files) as channel:
        failure = await turned_away(channel)
    assert failure.code is grpc.StatusCode.UNAUTHENTICATED
    assert failure.reason == "TOKEN_INVALID"
    assert "certificate" in failure.message
    assert bed.access.shown == []


async def test_a_public_certificate_opens_nothing_inside(bed: Bed, tmp_path: Path) -> None:
    """It is of the same authority, and every service has one."""
    files = write(bed.authority, tmp_path / "public", ["localhost", "127.0.0.1"])
    async with show(bed, files) as channel:
        assert (await turned_away(channel)).code is grpc.StatusCode.UNAUTHENTICATED


@pytest.mark.parametrize("service", ["credential", "health", "inference"])
async def test_a_server_that_is_another_service_is_not_called(bed: Bed, service: str) -> None:
    """The catalog's certificate is right for the catalog alone, wherever it listens."""
    async with bed.channel(bed.client("health"), to=service) as channel:
        await shut_out(channel)
    assert bed.access.shown == []


async def test_a_server_with_a_public_certificate_is_no_service(bed: Bed, tmp_path: Path) -> None:
    """Though it is for the address that was called."""
    client = bed.client("health")
    write(bed.authority, bed.files.chain.parent, ["localhost", "127.0.0.1"])
    assert bed.certificates.refresh()
    async with bed.channel(client) as channel:
        await shut_out(channel)


async def test_a_server_of_another_authority_is_not_called(bed: Bed) -> None:
    """It may listen where the catalog did."""
    client = bed.client("health")
    write_service(make_authority(), bed.files.chain.parent, "catalog")
    assert bed.certificates.refresh()
    async with bed.channel(client) as channel:
        await shut_out(channel)


async def test_a_renewed_certificate_is_shown_without_a_restart(bed: Bed) -> None:
    """To new connections; calls on the old ones go on."""
    client = bed.client("health")
    mine = Files(*(bed.folder / "health" / name for name in ("cert.pem", "key.pem", "ca.pem")))
    async with bed.channel(client) as channel:
        assert await who(channel) == "health"
        before = bed.certificates.bundle.chain
        assert (await handshake(bed.address, mine)).split() == before.split()
        write_service(bed.authority, bed.files.chain.parent, "catalog")
        assert (await handshake(bed.address, mine)).split() == before.split()
        assert bed.certificates.refresh()
        after = bed.certificates.bundle.chain
        assert after != before
        assert (await handshake(bed.address, mine)).split() == after.split()
        assert await who(channel) == "health"
    async with bed.channel(client) as channel:
        assert await who(channel) == "health"


async def test_an_authority_can_be_exchanged_without_a_restart(bed: Bed, tmp_path: Path) -> None:
    """With both in the file for a while; when the old one is gone, so are its certificates."""
    old = bed.client("health")
    new_authority = make_authority()
    new = write_service(new_authority, tmp_path / "new", "inference")
    old_ca, new_ca = bed.files.authority.read_bytes(), new.authority.read_bytes()
    new.authority.write_bytes(old_ca + new_ca)
    async with bed.channel(new.read()) as channel:
        await shut_out(channel)
    bed.files.authority.write_bytes(old_ca + new_ca)
    assert bed.certificates.refresh()
    for certificates, name in ((old, "health"), (new.read(), "inference")):
        async with bed.channel(certificates) as channel:
            assert await who(channel) == name
    bed.files.authority.write_bytes(new_ca)
    assert bed.certificates.refresh()
    async with bed.channel(old) as channel:
        await shut_out(channel)
    async with bed.channel(new.read()) as channel:
        assert await who(channel) == "inference"


async def test_many_handshakes_at_once_find_the_certificate_of_each_renewal(bed: Bed) -> None:
    """The server asks for one in threads of its own, and is given a new one once.

    None is under way while the first one after a renewal takes it over: gRPC may crash then
    (https://github.com/grpc/grpc/issues/36693), and did when each had one made for it.
    """
    client = bed.client("inference")

    async def call() -> str:
        async with bed.channel(client) as channel:
            return await who(channel)

    for _ in range(3):
        assert await asyncio.gather(*(call() for _ in range(40))) == ["inference"] * 40
        write_service(bed.authority, bed.files.chain.parent, "catalog")
        assert bed.certificates.refresh()
        assert await call() == "inference"


async def test_a_public_listener_asks_for_no_certificate(tmp_path: Path) -> None:
    """But for a token, on TLS alone."""
    files = write(make_authority(), tmp_path / "public")
    listener = Listener(
        Interceptor(authenticator=Tokens()), internal=False, max_message_bytes=1024 * 1024
    )
    listener.add([registration(Chats())])  # type: ignore[abstract] # abstract for the checker only
    await listener.start("127.0.0.1:0", credentials=server_credentials(files.read(mutual=False)))
    request = chat_pb2.ChatRequest(model="sandbox/ok")
    credentials = grpc.ssl_channel_credentials(files.authority.read_bytes())
    try:
        async with grpc.aio.secure_channel(listener.address, credentials) as channel:
            stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
            answer = await stub.Chat(request, metadata=DORA, timeout=LIMIT_S)
            assert answer.run_id == "run_1"
        async with grpc.aio.insecure_channel(listener.address) as channel:
            stub = inference_service_pb2_grpc.InferenceServiceStub(channel)
            with pytest.raises(grpc.aio.AioRpcError) as caught:
                await stub.Chat(request, metadata=DORA, timeout=LIMIT_S)
            assert caught.value.code() is grpc.StatusCode.UNAVAILABLE
    finally:
        await listener.stop(0)
