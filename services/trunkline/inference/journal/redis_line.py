"""Ask a Redis server, within a time, and come back after it was away."""

from __future__ import annotations

import asyncio
import hashlib
import os
import ssl
from dataclasses import dataclass
from importlib import resources
from typing import Any, Final

from redis.asyncio import BlockingConnectionPool, Redis, SSLConnection, UnixDomainSocketConnection
from redis.asyncio.client import PubSub
from redis.asyncio.connection import Connection
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff
from redis.exceptions import AuthenticationError, NoPermissionError, NoScriptError, RedisError

from trunkline.inference.journal.outage import Outage
from trunkline.inference.journal.redis_url import RedisTarget
from trunkline.inference.journal.store import JournalUnavailable
from trunkline.kernel.database import DatabaseError
from trunkline.kernel.log import get_logger

WAIT_S: Final = 1.0
_CONNECTIONS: Final = 16
_SCRIPTS: Final = resources.files("trunkline.inference.journal") / "redis_scripts"
_COMMON: Final = (_SCRIPTS / "common.lua").read_text()
_LEAST_VERSION: Final = (6, 2)


@dataclass(frozen=True, slots=True)
class Script:
    """What the server does in one piece.

    Attributes:
        text: of the program.
        digest: by which the server knows it.
    """

    text: str
    digest: str


def load_script(name: str) -> Script:
    """Return a script by its name."""
    text = f"{_COMMON}\n{(_SCRIPTS / f'{name}.lua').read_text()}"
    digest = hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
    return Script(text, digest)


class RedisLine:
    """Connections to one server.

    Args:
        target: the server.
        outage: is told whether it answers.
        wait_s: how long, in seconds, an answer may take.
    """

    def __init__(self, target: RedisTarget, outage: Outage, *, wait_s: float = WAIT_S) -> None:
        self._target = target
        self._outage = outage
        self._wait_s = wait_s
        self._client: Redis | None = None

    async def open(self) -> None:
        """Connect, and see whether the server is one that can be used.

        Raises:
            JournalUnavailable: it does not answer.
            DatabaseError: it does not let us in, or is of a kind that cannot be used.
        """
        for path in filter(None, (self._target.roots, self._target.certificate, self._target.key)):
            if not os.access(path, os.R_OK):
                raise DatabaseError(
                    f"The file {path}, which TRUNKLINE_JOURNAL_URL names, cannot be read.",
                    "Mend the path or the file's rights.",
                )
        self._client = Redis(connection_pool=_make_pool(self._target, self._wait_s))
        try:
            async with asyncio.timeout(self._wait_s):
                about = await self._client.info()
                about |= await self._client.info("cluster")
        except (AuthenticationError, NoPermissionError) as error:
            await self.close()
            raise DatabaseError(
                f"Redis at {self._target.place} does not let us in: {error}.",
                "Mend TRUNKLINE_JOURNAL_URL or the user's rights.",
            ) from None
        except (RedisError, OSError, TimeoutError) as error:
            await self.close()
            if _is_of_tls(error):
                raise DatabaseError(
                    f"The connection to Redis at {self._target.place} cannot be protected.",
                    "Give Redis a certificate that ssl_ca_certs vouches for, for that host.",
                ) from error
            self._outage.begin(type(error).__name__)
            raise JournalUnavailable from None
        try:
            self._check(about)
        except DatabaseError:
            await self.close()
            raise

    async def close(self) -> None:
        """Disconnect; again is no error."""
        client, self._client = self._client, None
        if client is not None:
            await client.aclose()
            await client.connection_pool.disconnect()

    async def run(self, script: Script, *arguments: str | bytes | int) -> Any:
        """Have a script run, and return what it gives.

        Raises:
            JournalUnavailable: no answer came in time; it may have run.
        """
        try:
            return await self.ask("EVALSHA", script.digest, 0, *arguments)
        except NoScriptError:
            # A server that was started anew knows no script.
            return await self.ask("EVAL", script.text, 0, *arguments)

    async def ask(self, *words: str | bytes | int) -> Any:
        """Give a command, and return its answer.

        Raises:
            JournalUnavailable: no answer came in time; it may have been obeyed.
            NoScriptError: it names a script that the server does not know.
        """
        client = self._client
        if client is None:
            raise JournalUnavailable
        try:
            async with asyncio.timeout(self._wait_s):
                answer = await client.execute_command(*words)  # type: ignore[no-untyped-call]
        except NoScriptError:
            raise
        except (RedisError, OSError, TimeoutError) as error:
            self._outage.begin(type(error).__name__)
            # The driver's sentences may hold arguments.
            raise JournalUnavailable from None
        self._outage.end()
        return answer

    def make_pubsub(self) -> PubSub:
        """Return what hears messages, by a connection of its own, not connected yet.

        Raises:
            JournalUnavailable: the line is closed.
        """
        if self._client is None:
            raise JournalUnavailable
        return self._client.pubsub()

    def _check(self, about: dict[str, Any]) -> None:
        """Refuse a server that cannot be used.

        Raises:
            DatabaseError: says why and what to do.
        """
        place = self._target.place
        if int(about.get("cluster_enabled", 0)):
            raise DatabaseError(
                f"Redis at {place} is a Redis Cluster, which the journal cannot be spread over.",
                "Use one Redis server with replicas, such as one under Sentinel or a proxy.",
            )
        version = str(about["redis_version"])
        if tuple(int(number) for number in version.split(".")[:2]) < _LEAST_VERSION:
            raise DatabaseError(
                f"Redis at {place} is of version {version}, and at least 6.2 is needed.",
                "Use a newer Redis, or Valkey.",
            )
        policy = str(about.get("maxmemory_policy", ""))
        if policy.startswith("allkeys"):
            get_logger("trunkline.journal").warning("journal_may_be_evicted", policy=policy)


def _is_of_tls(error: BaseException | None) -> bool:
    """Tell whether an error, or what it came from, is one of TLS."""
    while error is not None:
        if isinstance(error, ssl.SSLError):
            return True
        error = error.__cause__ or error.__context__
    return False


def _make_pool(target: RedisTarget, wait_s: float) -> BlockingConnectionPool:
    """Return a pool of connections to a server."""
    options: dict[str, Any] = {
        "db": target.database,
        "username": target.user or None,
        "password": target.password,
        # With one the driver sends by `asyncio.wait_for`, which loses a cancellation in Python
        # 3.11; every wait here has its own limit.
        "socket_timeout": None,
        "socket_connect_timeout": wait_s,
        "protocol": 2,
        # What is asked again may be done twice: who asks decides.
        "retry": Retry(NoBackoff(), 0),
    }
    if target.path:
        options |= {"connection_class": UnixDomainSocketConnection, "path": target.path}
    else:
        kind = SSLConnection if target.is_protected else Connection
        options |= {"connection_class": kind, "host": target.host, "port": target.port}
    if target.is_protected:
        options |= {
            "ssl_cert_reqs": "required",
            "ssl_check_hostname": True,
            "ssl_ca_certs": target.roots or None,
            "ssl_certfile": target.certificate or None,
            "ssl_keyfile": target.key or target.certificate or None,
        }
    return BlockingConnectionPool(max_connections=_CONNECTIONS, timeout=wait_s, **options)
