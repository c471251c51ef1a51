"""Databases as the release before left them."""

from __future__ import annotations

import json
import shutil
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
from pydantic import SecretStr

import trunkline
from support.postgres import Template
from support.stores import Store
from trunkline.kernel.database import DatabaseSettings, choose_database

_KEPT = Path(__file__).with_name("schema_0001.json")


@pytest.fixture
def template() -> Template | None:
    """What a PostgreSQL database holds at first: nothing."""
    return None


class Release:
    """What the release before kept, to be put into a database of its schema.

    Args:
        root: an empty directory.
        url: of a PostgreSQL database; empty: SQLite.

    Attributes:
        tokens: access tokens by principal.
    """

    def __init__(self, root: Path, url: str) -> None:
        self._root = root
        self._url = url
        self._kept: dict[str, Any] = json.loads(_KEPT.read_text())
        self.tokens: dict[str, str] = self._kept["tokens"]

    def tables(self, service: str) -> list[str]:
        """Return the names of a service's tables."""
        return list(self._kept[service])

    async def restore(self, service: str) -> Store:
        """Make a service's database as that release left it."""
        migrations = Path(trunkline.__path__[0]) / service / "migrations"
        old = self._root / f"{service}-0001"
        old.mkdir()
        (first,) = migrations.glob("0001_*.py")
        shutil.copy(first, old)
        data_dir = self._root / "data"
        settings = DatabaseSettings(database_url=SecretStr(self._url) if self._url else None)
        database = choose_database(service, data_dir, settings, old)
        await database.open()
        await database.close()
        store = Store(service, data_dir, self._url)
        booleans = await store.booleans()
        statements: list[tuple[str, Sequence[object]]] = []
        for table, rows in self._kept[service].items():
            statements.append((f"DELETE FROM {table}", ()))
            for row in rows:
                places = ", ".join("?" * len(row))
                statements.append(
                    (
                        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({places})",
                        [_value(kept, (table, name) in booleans) for name, kept in row.items()],
                    )
                )
        await store.run_all(statements)
        return store


def _value(kept: Any, is_boolean: bool) -> Any:
    """Return a value as a column takes it; bytes are kept as hexadecimal digits."""
    if isinstance(kept, dict):
        return bytes.fromhex(kept["hex"])
    return bool(kept) if is_boolean and kept is not None else kept


@pytest.fixture
def release(tmp_path: Path, store_url: str) -> Release:
    """What the release before kept."""
    return Release(tmp_path, store_url)
