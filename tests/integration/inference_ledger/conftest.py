"""The ledger on both kinds of database, and UsageService in front of it on a real socket."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import AsyncIterator, Iterable
from pathlib import Path
from typing import Any

import pytest

from support.attempts import NOW_NS, make_database
from support.hands import Hands
from support.service_calls import Metadata
from support.stores import Store
from trunkline.inference.ledger import Ledger
from trunkline.inference.usage_servicer import UsageServicer
from trunkline.inference.usage_sums import UsageSums
from trunkline.inference.v1 import usage_pb2, usage_pb2_grpc
from trunkline.kernel.call import Caller
from trunkline.kernel.channel import connect
from trunkline.kernel.database import Database
from trunkline.kernel.errors import Unauthenticated
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.server import Listener, prepare_socket, stop_all
from trunkline.options.v1 import options_pb2

_ADMIN, _DEVELOPER = options_pb2.CALLER_ROLE_ADMIN, options_pb2.CALLER_ROLE_DEVELOPER
_CALLERS = {
    "ann": Caller(_ADMIN, "ann"),
    "ann-for-users": Caller(_ADMIN, "ann", impersonate=True),
    "dora": Caller(_DEVELOPER, "dora"),
    "dora-for-users": Caller(_DEVELOPER, "dora", impersonate=True),
}


class Tokens:
    """Knows an administrator and a developer, each with a token that names users and one not."""

    async def authenticate(self, token: str) -> Caller:
        """Return whose a token is."""
        if token not in _CALLERS:
            raise Unauthenticated("TOKEN_INVALID", "The access token is unknown.")
        return _CALLERS[token]


class LedgerHarness:
    """The ledger of one process, and who asks it.

    Args:
        root: an empty directory.
        url: of a PostgreSQL database; empty: SQLite in the directory.

    Attributes:
        data_dir: holds the database, for SQLite.
        store: the database, behind the ledger's back.
        ledger: writes and lists.
        clock: tells the time of sums, at first when the first attempts begin.
    """

    def __init__(self, root: Path, url: str) -> None:
        self.data_dir = root / "data"
        self.store = Store("inference", self.data_dir, url)
        self._database: Database = make_database(self.data_dir, url)
        self.ledger = Ledger(self._database)
        self.clock = Hands(NOW_NS)
        self._sockets = Path(tempfile.mkdtemp(prefix="tl-"))

    async def start(self) -> None:
        """Open the database and serve."""
        await self._database.open()
        self._listener = Listener(
            Interceptor(authenticator=Tokens()), internal=False, max_message_bytes=2**20
        )
        self._listener.add(
            [
                (
                    UsageServicer(self.ledger, UsageSums(self._database, self.clock)),
                    usage_pb2_grpc.add_UsageServiceServicer_to_server,
                )
            ]
        )
        await self._listener.start(prepare_socket(self._sockets / "public"))
        self._channel = connect(self._sockets / "public")
        self._stub = usage_pb2_grpc.UsageServiceStub(self._channel)

    async def close(self) -> None:
        """Stop serving and close the database."""
        await self._channel.close()
        await stop_all([self._listener], 0)
        await self._database.close()
        shutil.rmtree(self._sockets)

    async def put(self, entries: Iterable[usage_pb2.LedgerEntry]) -> None:
        """Write entries."""
        self.ledger.add(entries)
        await self.ledger.flush()

    async def page(self, token: str = "ann", **fields: Any) -> usage_pb2.ListAttemptsResponse:
        """List attempts with somebody's token."""
        metadata: Metadata = (("authorization", f"Bearer {token}"),)
        request = usage_pb2.ListAttemptsRequest(**fields)
        return await self._stub.ListAttempts(request, metadata=metadata)

    async def sums(self, token: str = "ann", **fields: Any) -> list[usage_pb2.UsageSum]:
        """Sum attempts with somebody's token."""
        metadata: Metadata = (("authorization", f"Bearer {token}"),)
        request = usage_pb2.QueryUsageRequest(**fields)
        answer: usage_pb2.QueryUsageResponse = await self._stub.QueryUsage(
            request, metadata=metadata
        )
        return list(answer.sums)

    async def runs(self, token: str = "ann", on_behalf_of: str = "", **wanted: Any) -> list[str]:
        """List the runs of attempts that are wanted."""
        page = await self.page(
            token, filter=usage_pb2.UsageFilter(**wanted), on_behalf_of=on_behalf_of
        )
        return [entry.run_id for entry in page.entries]


@pytest.fixture
async def house(tmp_path: Path, store_url: str) -> AsyncIterator[LedgerHarness]:
    """Give an empty ledger that is served."""
    made = LedgerHarness(tmp_path, store_url)
    await made.start()
    yield made
    await made.close()
