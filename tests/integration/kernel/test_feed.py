"""A view that is served: whole once, then every change."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import pytest

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from trunkline.catalog.v1 import watch_pb2
from trunkline.kernel.database import Database
from trunkline.kernel.outbox import KEPT_CHANGES
from trunkline.kernel.watch import HEARTBEAT_S, HEARTBEATS_PER_LOOK, MAX_PAGE_BYTES, Feed


@pytest.fixture
async def kept(tmp_path: Path) -> AsyncIterator[Database]:
    """An open database."""
    opened = storing.database(tmp_path)
    await opened.open()
    yield opened
    await opened.close()


class Reader:
    """Reads a feed as a client does: message by message.

    Args:
        feed: what is read.
        after: the revision that the reader has.
    """

    def __init__(self, feed: Feed, after: int = 0) -> None:
        self._messages = feed.follow(after)

    async def read(self) -> watch_pb2.WatchCatalogResponse:
        """Return the next message."""
        async with asyncio.timeout(LIMIT_S):
            message: Any = await anext(self._messages)
        if isinstance(message, bytes):
            return watch_pb2.WatchCatalogResponse.FromString(message)
        return message  # type: ignore[no-any-return] # the feed's type

    async def until(self, *kinds: str) -> list[watch_pb2.WatchCatalogResponse]:
        """Return the messages up to the first one of some kinds."""
        messages = [await self.read()]
        while messages[-1].WhichOneof("kind") not in kinds:
            messages.append(await self.read())
        return messages

    async def close(self) -> None:
        """Leave."""
        await self._messages.aclose()  # type: ignore[attr-defined] # a generator


@contextlib.asynccontextmanager
async def reading(feed: Feed, after: int = 0) -> AsyncIterator[Reader]:
    """Read a feed, and leave at the end."""
    reader = Reader(feed, after)
    try:
        yield reader
    finally:
        await reader.close()


def names(messages: list[watch_pb2.WatchCatalogResponse]) -> list[str]:
    """Return the names in a snapshot's pages."""
    return [provider.name for message in messages for provider in message.snapshot_page.providers]


def kinds(messages: list[watch_pb2.WatchCatalogResponse]) -> list[str | None]:
    """Return what the messages are."""
    return [message.WhichOneof("kind") for message in messages]


async def test_the_view_comes_whole_and_then_every_change(kept: Database) -> None:
    """All under their revisions; then it is said that nothing changes."""
    before = [await storing.note(kept, text) for text in ("a", "b")]
    feed = storing.feed(kept)
    async with reading(feed) as reader:
        whole = await reader.until("snapshot_complete")
        assert kinds(whole) == ["snapshot_page", "snapshot_complete"]
        assert names(whole) == ["a", "b"]
        assert {message.revision for message in whole} == {before[-1]}
        beat = await reader.read()
        assert (beat.WhichOneof("kind"), beat.revision) == ("heartbeat", before[-1])
        number = await storing.note(kept, "c")
        feed.wake()
        *beats, change = await reader.until("deleted_provider")
        assert (change.deleted_provider, change.revision) == ("c", number)
        assert set(kinds(beats)) <= {"heartbeat"}
        assert (await reader.read()).revision == number


async def test_a_change_is_told_at_once(kept: Database) -> None:
    """A reader that is woken does not wait for the heartbeat."""
    feed = storing.feed(kept, heartbeat_s=3600)
    async with reading(feed) as reader:
        await reader.until("heartbeat")
        waiting = asyncio.create_task(reader.read())
        await storing.note(kept, "c")
        feed.wake()
        assert (await waiting).deleted_provider == "c"


async def test_a_change_that_nobody_told_is_found_by_looking(kept: Database) -> None:
    """Its teller was cancelled between commit and word."""
    async with reading(storing.feed(kept, heartbeat_s=0.01)) as reader:
        await reader.until("heartbeat")
        await storing.note(kept, "c")
        messages = await reader.until("deleted_provider")
        assert messages[-1].deleted_provider == "c"
        assert len(messages) <= HEARTBEATS_PER_LOOK + 1


async def test_heartbeats_come_while_nothing_happens(kept: Database) -> None:
    """Each after the other's time, with the revision that holds; a second by default."""
    assert HEARTBEAT_S == 1.0
    number = await storing.note(kept, "a")
    loop = asyncio.get_running_loop()
    async with reading(storing.feed(kept, heartbeat_s=0.05)) as reader:
        await reader.until("heartbeat")
        begun = loop.time()
        beats = [await reader.read() for _ in range(2 * HEARTBEATS_PER_LOOK)]
        assert set(kinds(beats)) == {"heartbeat"}
        assert {beat.revision for beat in beats} == {number}
        assert loop.time() - begun > 0.05 * (len(beats) - 3)


async def test_a_reader_goes_on_from_where_it_was(kept: Database) -> None:
    """Only what it lacks comes, in order; nothing, when it lacks nothing."""
    numbers = [await storing.note(kept, text) for text in "abcd"]
    feed = storing.feed(kept)
    async with reading(feed, numbers[1]) as reader:
        messages = await reader.until("heartbeat")
        assert [message.deleted_provider for message in messages[:-1]] == ["c", "d"]
        assert [message.revision for message in messages[:-1]] == numbers[2:]
    async with reading(feed, numbers[3]) as reader:
        assert kinds(await reader.until("heartbeat")) == ["heartbeat"]


@pytest.mark.parametrize("unknown", ["trimmed", "of another life", "too high"])
async def test_a_revision_that_is_not_known_brings_the_view_whole(
    kept: Database, unknown: str
) -> None:
    """And the changes after it."""
    first = await storing.note(kept, "a")
    if unknown == "trimmed":
        async with kept.write() as session:
            changes = [storing.change("x") for _ in range(KEPT_CHANGES + 2)]
            await storing.OUTBOX.append(session, *changes)
    after = {"trimmed": first, "of another life": 7, "too high": first + 1}[unknown]
    feed = storing.feed(kept)
    async with reading(feed, after) as reader:
        whole = await reader.until("snapshot_complete")
        assert names(whole) == ["a"]
        assert (await reader.read()).WhichOneof("kind") == "heartbeat"
        await storing.note(kept, "b")
        feed.wake()
        assert (await reader.until("deleted_provider"))[-1].deleted_provider == "b"


async def test_a_reader_that_fell_behind_begins_anew(kept: Database) -> None:
    """While it was slow, more changed than is kept."""
    await storing.note(kept, "a")
    feed = storing.feed(kept)
    async with reading(feed) as reader:
        await reader.until("heartbeat")
        async with kept.write() as session:
            await storing.add(session, "b")
            changes = [storing.change("x") for _ in range(KEPT_CHANGES + 1)]
            await storing.OUTBOX.append(session, *changes)
        feed.wake()
        whole = await reader.until("snapshot_complete")
        assert names(whole) == ["a", "b"]


async def test_a_large_view_comes_in_pages_of_a_mebibyte(kept: Database) -> None:
    """All of one revision."""
    texts = [f"{number}" + "x" * 100_000 for number in range(25)]
    async with kept.write() as session:
        await storing.add(session, *texts)
    async with reading(storing.feed(kept)) as reader:
        whole = await reader.until("snapshot_complete")
    assert kinds(whole) == ["snapshot_page"] * 3 + ["snapshot_complete"]
    assert all(message.snapshot_page.ByteSize() <= MAX_PAGE_BYTES for message in whole)
    assert len({message.revision for message in whole}) == 1
    assert names(whole) == texts


async def test_an_empty_view_is_complete_too(kept: Database) -> None:
    """Nobody waits for what there is not."""
    async with reading(storing.feed(kept)) as reader:
        whole = await reader.until("snapshot_complete")
        assert names(whole) == []


async def test_a_slow_reader_holds_no_transaction(kept: Database) -> None:
    """In the middle of a snapshot, of changes, between heartbeats: the log can be emptied."""
    async with kept.write() as session:
        await storing.add(session, *("x" * 900_000 for _ in range(3)))
    feed = storing.feed(kept)
    async with reading(feed) as reader:
        for kind in ("snapshot_page", "snapshot_complete", "heartbeat"):
            await reader.until(kind)
            await storing.note(kept, "more")
            assert await kept.checkpoint()
        feed.wake()
        await reader.until("deleted_provider")
        assert await kept.checkpoint()


async def test_readers_who_leave_and_stay_do_not_hold_each_other_up(kept: Database) -> None:
    """Twenty readers, each at its own pace, all see all."""
    feed = storing.feed(kept)

    async def read(count: int) -> list[str]:
        async with reading(feed) as reader:
            seen: list[str] = []
            while len(seen) < count:
                message = await reader.read()
                seen += names([message])
                if message.deleted_provider:
                    seen.append(message.deleted_provider)
            return seen

    readers = [asyncio.create_task(read(count)) for count in (1, 3, 5) * 7]
    for text in "abcde":
        await storing.note(kept, text)
        feed.wake()
    async with asyncio.timeout(LIMIT_S):
        for seen in await asyncio.gather(*readers):
            assert seen == list("abcde"[: len(seen)])
