"""One embedding and its readers: what is held, for whom, and until when."""

from __future__ import annotations

import asyncio

import pytest

from trunkline.inference.embedding.run import MAX_KEPT_BYTES, EmbeddingRun, Piece, Reader
from trunkline.inference.embedding.terms import EmbeddingTerms
from trunkline.inference.terms import Owner
from trunkline.inference.v1 import embedding_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import Ended, Unavailable
from trunkline.options.v1 import options_pb2

_CALLER = Caller(options_pb2.CALLER_ROLE_DEVELOPER, "dora")


def make_run(key: bytes = b"", ahead: int = 2) -> EmbeddingRun:
    """Return an embedding that goes on."""
    request = embedding_pb2.EmbedRequest(model="acme/model", inputs=["secret text"])
    terms = EmbeddingTerms(Owner("dora"), _CALLER, "req_1", request, 60.0, key, key)
    return EmbeddingRun("run_1", terms, ahead=ahead)


def piece(index: int, size: int = 4) -> Piece:
    """Return a vector."""
    return Piece(index, [bytes(size)])


async def take(reader: Reader, count: int) -> list[int]:
    """Return the first texts of the next pieces."""
    found = []
    async for each in reader.pieces():
        found.append(each.first_index)
        if len(found) == count:
            break
    return found


async def test_the_slowest_reader_makes_room() -> None:
    """Who asks for more waits until it has taken enough."""
    run = make_run(b"key")
    with run.reading() as quick, run.reading() as slow:
        for index in range(2):
            run.add(piece(index))
        room = asyncio.ensure_future(run.wait_room())
        assert await take(quick, 2) == [0, 1]
        await asyncio.sleep(0)
        assert not room.done()
        assert await take(slow, 1) == [0]
        await room


async def test_what_everybody_has_is_let_go_unless_it_is_kept() -> None:
    """Kept is what has a key, and is not too long."""
    for key, size, is_whole in ((b"", 4, False), (b"key", 4, True), (b"key", 2**20 + 4, False)):
        run = make_run(key)
        with run.reading() as reader:
            run.add(piece(0, size))
            assert await take(reader, 1) == [0]
            assert run.is_whole is is_whole
            assert run.kept_bytes == (size if is_whole else 0)
    assert MAX_KEPT_BYTES == 2**20


async def test_a_late_reader_has_all_of_what_is_kept() -> None:
    """Also of an embedding that has ended, and of one that is forgotten meanwhile."""
    run = make_run(b"key")
    with run.reading() as first:
        run.add(piece(0))
        run.add(piece(1))
        run.finish(embedding_pb2.EmbeddingSummary(model="acme/model"))
        assert await take(first, 3) == [0, 1]
    with run.reading() as late:
        assert await take(late, 1) == [0]
        run.forget()
        assert await take(late, 1) == [1]
    assert run.kept_bytes == 0
    assert "secret text" not in repr(run.terms)
    assert not run.terms.request.inputs


async def test_the_last_reader_that_leaves_ends_it() -> None:
    """Its task is stopped at once, and who has the same key begins anew."""
    run = make_run(b"key")
    run.task = task = asyncio.ensure_future(asyncio.Event().wait())  # type: ignore[assignment] # waits
    with run.reading():
        with run.reading():
            pass
        assert run.is_live
    assert run.frees_key
    with pytest.raises(asyncio.CancelledError):
        await task


async def test_every_reader_gets_the_same_error() -> None:
    """With the run's id."""
    run = make_run(b"key")
    with run.reading() as one, run.reading() as other:
        run.fail(Unavailable("NOT_SERVING", "The service stopped."))
        for reader in (one, other):
            with pytest.raises(Ended) as caught:
                await take(reader, 1)
            assert caught.value.status == run.status
