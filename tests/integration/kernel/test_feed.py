"""A view that is served: whole once, then every change."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from integration.kernel.reading import kinds, names, reading
from trunkline.kernel.database import Database
from trunkline.kernel.outbox import KEPT_CHANGES
from trunkline.kernel.page_token import MAX_PAGE_BYTES
from trunkline.kernel.watch import HEARTBEAT_S, HEARTBEATS_PER_LOOK

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def kept(tmp_path: Path, store_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = storing.any_database(tmp_path, store_url)
    await opened.open()
    yield opened
    await opened.close()


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
    """In the middle of a snapshot, of changes, between heartbeats."""
    async with kept.write() as session:
        await storing.add(session, *("x" * 900_000 for _ in range(3)))
    feed = storing.feed(kept)
    async with reading(feed) as reader:
        for kind in ("snapshot_page", "snapshot_complete", "heartbeat"):
            await reader.until(kind)
            await storing.note(kept, "more")
            assert await storing.holds_no_transaction(kept)
        feed.wake()
        await reader.until("deleted_provider")
        assert await storing.holds_no_transaction(kept)


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
