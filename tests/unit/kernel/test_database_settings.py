"""Settings of the database: what is wrong is told by its name, and no password is."""

from __future__ import annotations

from pathlib import Path

import pytest

from trunkline.kernel.database import (
    DatabaseSettings,
    SqliteDatabase,
    choose_database,
)
from trunkline.kernel.database.postgres import PostgresDatabase
from trunkline.kernel.settings import SettingsError, Source, describe

SECRET = "s3cr3t"
URL = f"postgresql://ann:{SECRET}@localhost/x"


def source(**variables: str) -> Source:
    """Return settings from the environment."""
    return Source(
        {f"TRUNKLINE_{name.upper()}": value for name, value in variables.items()}, {}, None, {}
    )


@pytest.mark.parametrize("url", ["", "  "])
def test_without_a_url_it_is_sqlite(url: str, tmp_path: Path) -> None:
    """An empty one is none."""
    settings = source(database_url=url).load(DatabaseSettings)
    database = choose_database("notes", tmp_path, settings, tmp_path)
    assert isinstance(database, SqliteDatabase)
    assert (database.kind, database.location) == ("sqlite", str(tmp_path / "notes.db"))


def test_with_a_url_it_is_postgresql(tmp_path: Path) -> None:
    """Nothing is made in the data directory."""
    settings = source(database_url=URL).load(DatabaseSettings)
    database = choose_database("notes", tmp_path / "data", settings, tmp_path)
    assert isinstance(database, PostgresDatabase)
    assert (database.kind, database.location) == ("postgresql", "localhost:5432/x")
    assert not (tmp_path / "data").exists()


def test_a_url_is_not_shown() -> None:
    """Effective settings say that it is set, and from where."""
    shown = {each.name: each for each in describe(source(database_url=URL), [DatabaseSettings])}
    assert shown["database_url"].value == "(set)"
    assert shown["database_url"].source == "environment TRUNKLINE_DATABASE_URL"
    assert SECRET not in repr(shown)
    unset = {each.name: each for each in describe(source(), [DatabaseSettings])}
    assert unset["database_url"].value == ""


@pytest.mark.parametrize(
    ("variables", "name", "said"),
    [
        ({"database_url": f"mysql://ann:{SECRET}@h/x"}, "database_url", "postgresql://"),
        ({"database_password_file": "/f"}, "database_password_file", "no database_url"),
        (
            {"database_url": URL, "database_password_file": "/f"},
            "database_password_file",
            "holds a password already",
        ),
        ({"database_url": URL, "database_pool_size": "1"}, "database_pool_size", "2"),
        ({"database_wait_s": "-1"}, "database_wait_s", "0"),
        ({"database_statement_timeout_s": "inf"}, "database_statement_timeout_s", "finite"),
    ],
)
def test_a_setting_that_is_wrong_is_told_by_name(
    variables: dict[str, str], name: str, said: str
) -> None:
    """With what it means, and without a password."""
    with pytest.raises(SettingsError) as caught:
        source(**variables).load(DatabaseSettings)
    assert (
        f"The setting {name} (environment TRUNKLINE_{name.upper()}) is wrong" in caught.value.what
    )
    assert said in caught.value.what
    assert SECRET not in caught.value.what + caught.value.advice
