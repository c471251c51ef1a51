"""Changes in the order of their commits."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from pathlib import Path

import pytest

from integration.kernel import storing
from integration.kernel.listening import LIMIT_S
from trunkline.catalog.v1 import watch_pb2
from trunkline.kernel.database import Database
from trunkline.kernel.outbox import KEPT_CHANGES, first_revision

pytestmark = pytest.mark.both_stores


@pytest.fixture
async def kept(tmp_path: Path, store_url: str) -> AsyncIterator[Database]:
    """An open database."""
    opened = storing.any_database(tmp_path, store_url)
    await opened.open()
    yield opened
    await opened.close()


async def revision(kept: Database) -> int:
    """Return the revision that holds."""
    async with kept.read() as session:
        return await storing.OUTBOX.revision(session)


async def after(kept: Database, number: int) -> list[str] | None:
    """Return what changed after a revision; None: it is not known any more."""
    async with kept.read() as session:
        changes = await storing.OUTBOX.after(session, number)
    if changes is None:
        return None
    read = [
        (number, watch_pb2.WatchCatalogResponse.FromString(payload)) for number, payload in changes
    ]
    assert all(number == change.revision for number, change in read)
    return [change.deleted_provider for _, change in read]


async def test_revisions_are_in_the_order_of_commits(kept: Database) -> None:
    """Under writers that crowd each other: no gap, none twice, and the rows agree."""
    start = await revision(kept)
    async with asyncio.timeout(LIMIT_S):
        numbers = await asyncio.gather(*(storing.note(kept, f"{n}") for n in range(40)))
    assert sorted(numbers) == list(range(start + 1, start + 41))
    in_order = [f"{n}" for _, n in sorted(zip(numbers, range(40), strict=True))]
    assert await storing.texts(kept) == in_order
    assert await after(kept, start) == in_order
    assert await after(kept, start + 30) == in_order[30:]


async def test_a_reader_who_has_seen_a_revision_has_seen_all_before_it(kept: Database) -> None:
    """At every moment while others write, what is told is a whole beginning."""
    start = await revision(kept)
    writers = [asyncio.create_task(storing.note(kept, f"{n}")) for n in range(30)]
    seen = start
    async with asyncio.timeout(LIMIT_S):
        while seen < start + 30:
            async with kept.read() as session:
                changes = await storing.OUTBOX.after(session, seen)
            assert changes is not None
            assert [number for number, _ in changes] == list(
                range(seen + 1, seen + 1 + len(changes))
            )
            seen += len(changes)
        await asyncio.gather(*writers)


async def test_a_transaction_that_fails_takes_its_revision_back(kept: Database) -> None:
    """Nobody is told of what did not happen, and no number is missing."""
    start = await revision(kept)

    async def fail() -> None:
        async with kept.write() as session:
            await storing.OUTBOX.append(session, storing.change("never"))
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        await fail()
    assert await storing.note(kept, "real") == start + 1
    assert await after(kept, start) == ["real"]


async def test_many_changes_of_one_transaction_keep_their_order(kept: Database) -> None:
    """And none is none."""
    start = await revision(kept)
    changes = [storing.change(f"{n}") for n in range(5)]
    async with kept.write() as session:
        await storing.OUTBOX.append(session)
        await storing.OUTBOX.append(session, *changes)
    assert [change.revision for change in changes] == [start + n for n in range(1, 6)]
    assert await after(kept, start) == ["0", "1", "2", "3", "4"]


async def test_the_last_changes_are_kept(kept: Database) -> None:
    """Ten thousand; who has not seen the first of them begins anew."""
    start = await revision(kept)
    async with kept.write() as session:
        changes = [storing.change("x") for _ in range(KEPT_CHANGES + 5)]
        await storing.OUTBOX.append(session, *changes)
    assert await after(kept, start) is None
    assert await after(kept, start + 4) is None
    assert len(await after(kept, start + 5) or ()) == 1000
    assert len(await after(kept, start + KEPT_CHANGES) or ()) == 5
    assert await after(kept, start + KEPT_CHANGES + 5) == []


async def test_a_revision_of_another_life_is_not_known(kept: Database, tmp_path: Path) -> None:
    """Neither one that is too high here, nor one of a database that was removed."""
    here = await storing.note(kept, "a")
    assert await after(kept, here + 1) is None
    (tmp_path / "other").mkdir()
    other = storing.database(tmp_path / "other")
    await other.open()
    there = [await storing.note(other, text) for text in "abc"]
    await other.close()
    for number in there:
        assert await after(kept, number) is None


def test_lives_begin_far_apart() -> None:
    """Farther than there will be changes, and within 63 bits."""
    begun = sorted(first_revision() for _ in range(50))
    assert begun[0] >= 1
    assert begun[-1] < 2**62
    assert all(number % 2**40 == 1 for number in begun)
    assert len(set(begun)) > 45
