"""The first access token: made once, so that somebody can make the others."""

from __future__ import annotations

import asyncio
import os
import secrets
from pathlib import Path

from trunkline.credential import access_store
from trunkline.credential.access_token import hash_token, mint_token
from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring.private_file import create_private
from trunkline.credential.v1 import access_pb2
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.database import Database
from trunkline.kernel.identifiers import new_id
from trunkline.kernel.log import get_logger
from trunkline.kernel.service import StartupError
from trunkline.options.v1 import options_pb2

log = get_logger("trunkline.credential")

FILE_NAME = "admin-token"
PRINCIPAL = "admin"

_ADVICE = (
    "Choose a config directory that is yours and can be written, with TRUNKLINE_CONFIG_DIR,"
    " and start again."
)


async def make_first_token(database: Database, path: Path, clock: Clock) -> bool:
    """Make a token of the role ADMIN and write it to a file, unless there ever was a token.

    The file has mode 0600 and holds the token and a newline. One that lies there from an
    older data directory is replaced: a database without tokens knows none.

    Args:
        database: of the credential service, open.
        path: the file.
        clock: tells the time.

    Returns:
        Whether it was made.

    Raises:
        StartupError: the file cannot be written. Nothing was stored.
    """
    token = mint_token()
    entry = access_pb2.AccessToken(
        id=new_id("tok"),
        principal=PRINCIPAL,
        role=options_pb2.CALLER_ROLE_ADMIN,
        description="Made at the first start.",
        create_time=timestamp(clock.time_ns()),
    )
    # The file comes before the commit: a token that nobody was told would leave a database
    # that nobody can administer, while a file without its row is replaced by the next start.
    async with database.write() as session:
        if not await access_store.is_empty(session):
            return False
        await access_store.add(session, entry, hash_token(token))
        replaced = await asyncio.to_thread(_place, path, f"{token}\n".encode())
    if replaced:
        log.warning("admin_token_replaced", path=str(path), reason="not known to this database")
    log.info("admin_token_made", path=str(path), token_id=entry.id)
    return True


def _place(path: Path, content: bytes) -> bool:
    """Write the file, whole or not at all; tell whether another was there. Blocking."""
    try:
        if create_private(path, content):
            return False
        temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
        create_private(temporary, content)
        try:
            os.replace(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except KeySourceRefused as fault:
        raise StartupError(
            f"The first admin token cannot be kept. {fault.message}", _ADVICE
        ) from None
    except OSError as error:
        raise StartupError(
            f"The first admin token cannot be written to {path}: {error.strerror}.", _ADVICE
        ) from None
    return True


def _sync_directory(directory: Path) -> None:
    """Wait until the disk has the directory's names."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
