"""Where durable runs lie: a file in the data directory, or a Redis server by its URL."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import SecretStr

from trunkline.inference.journal.redis_url import read_redis_url
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import RunStore
from trunkline.kernel.clock import Clock

FILE: Final = "journal.db"


def check_journal_url(url: SecretStr | None) -> None:
    """Refuse what is no URL of a server on which a journal may lie.

    Raises:
        ValueError: says why, and never repeats any of it.
    """
    if url is not None:
        read_redis_url(url.get_secret_value())


def choose_store(url: SecretStr | None, data_dir: Path, clock: Clock) -> RunStore:
    """Return the store of durable runs, not open yet.

    Args:
        url: of a Redis server; None: SQLite.
        data_dir: the directory of the file, where no URL is set.
        clock: of the machine.

    Raises:
        ValueError: it is no such URL.
    """
    if url is None:
        return SqliteStore(data_dir / FILE, clock)
    # Its driver is imported only where it is used.
    from trunkline.inference.journal.redis import RedisStore

    return RedisStore(url.get_secret_value())
