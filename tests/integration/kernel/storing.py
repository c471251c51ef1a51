"""The database of a tiny service: notes, and a watch of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from google.protobuf.message import Message
from sqlalchemy import Column, Integer, MetaData, String, Table, column, insert
from sqlalchemy import table as sqlalchemy_table
from sqlmodel import select

from trunkline.catalog.v1 import provider_pb2, watch_pb2
from trunkline.kernel.database import Database, Session
from trunkline.kernel.outbox import Outbox
from trunkline.kernel.watch import Feed, paged

METADATA = MetaData()
NOTES = Table(
    "note",
    METADATA,
    Column("id", Integer, primary_key=True),
    Column("text", String, nullable=False),
)
OUTBOX = Outbox(METADATA)

FIRST = """
import sqlalchemy as sa
from alembic import op

from trunkline.kernel.outbox import first_revision

revision = "0001"
down_revision = None


def upgrade() -> None:
    op.create_table(
        "note",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("text", sa.String(), nullable=False),
    )
    counter = op.create_table(
        "revision",
        sa.Column("id", sa.Integer(), primary_key=True),
        sa.Column("value", sa.Integer(), nullable=False),
    )
    op.bulk_insert(counter, [{"id": 1, "value": first_revision()}])
    op.create_table(
        "outbox",
        sa.Column("revision", sa.Integer(), primary_key=True, autoincrement=False),
        sa.Column("payload", sa.LargeBinary(), nullable=False),
    )
"""


def migration(number: int, *body: str) -> str:
    """Return the text of a later revision."""
    lines = "\n".join(f"    {line}" for line in body)
    return (
        "from alembic import op\n"
        f'revision = "{number:04}"\ndown_revision = "{number - 1:04}"\n\n'
        f"def upgrade() -> None:\n{lines}\n"
    )


def write_migrations(directory: Path, *later: str) -> Path:
    """Write the first revision and later ones; return their directory."""
    directory.mkdir(exist_ok=True)
    for number, text in enumerate((FIRST, *later), 1):
        (directory / f"{number:04}_step.py").write_text(text)
    return directory


def database(root: Path, *later: str, busy_timeout_s: float = 5.0) -> Database:
    """Return the database of the notes below a directory; not open yet."""
    return Database(
        "notes",
        root / "data",
        write_migrations(root / "migrations", *later),
        busy_timeout_s=busy_timeout_s,
    )


async def add(session: Session, *texts: str) -> None:
    """Add notes to a transaction."""
    await session.exec(insert(NOTES), params=[{"text": text} for text in texts])


def table_names() -> Any:
    """Return the query for the names of all tables."""
    master = sqlalchemy_table("sqlite_master", column("name"), column("type"))
    return select(master.c.name).where(master.c.type == "table")


def all_texts() -> Any:
    """Return the query for all notes, in their order."""
    return select(NOTES.c.text).order_by(NOTES.c.id)


async def texts(kept: Database) -> list[str]:
    """Return all notes."""
    async with kept.read() as session:
        return list(await session.exec(all_texts()))


def change(text: str) -> watch_pb2.WatchCatalogResponse:
    """Return what the watch tells of a new note, as the name of a provider that is gone."""
    return watch_pb2.WatchCatalogResponse(deleted_provider=text)


async def note(kept: Database, text: str) -> int:
    """Add a note and tell of it; return the revision."""
    told = change(text)
    async with kept.write() as session:
        await add(session, text)
        await OUTBOX.append(session, told)
    return told.revision


def feed(kept: Database, *, heartbeat_s: float = 0.02) -> Feed:
    """Return a feed of the notes, as providers by name."""

    async def pages(session: Session) -> list[Message]:
        found = await session.exec(all_texts())
        providers = [provider_pb2.Provider(name=text) for text in found]
        return paged(watch_pb2.CatalogPage, "providers", list(providers))

    return Feed(kept, OUTBOX, watch_pb2.WatchCatalogResponse, pages, heartbeat_s=heartbeat_s)
