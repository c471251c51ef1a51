"""Keys that the machine has from AWS, for a deployment that asks for them; see docs/decisions/0012.

A provider without a key of its own is signed for with what botocore finds: the shared files of
AWS, or the role of the container or of the machine. Keys in environment variables are left alone:
inference reads none from there.
"""

from __future__ import annotations

import asyncio
from typing import Any, Final

from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.errors import FailedPrecondition, Unavailable

FORMAT: Final = "bedrock"
"""The wire format whose requests are signed."""

LIMIT_S: Final = 5.0
"""How long finding the keys may take; the metadata service of a machine is asked for a role's."""

_ENVIRONMENT: Final = "env"


class AwsChain:
    """Finds keys; those of a role are renewed by botocore before they end.

    Args:
        limit_s: how long that may take.
    """

    def __init__(self, limit_s: float = LIMIT_S) -> None:
        self._limit_s = limit_s
        self._found: Any = None
        # One thread at a time: whoever comes meanwhile waits, and finds them found.
        self._finding: asyncio.Task[provider_pb2.AwsKeys | None] | None = None

    async def complete(
        self, provider: str, wire_format: str, base_url: str, secret: provider_pb2.ProviderSecret
    ) -> provider_pb2.ProviderSecret:
        """Return a provider's secret, or the machine's keys where it has none.

        They go to addresses of AWS only: the session token of a role is sent in the clear.

        Args:
            provider: its name in the catalog; empty: it has none yet.
            wire_format: its format.
            base_url: where the request goes.
            secret: as it was saved.

        Raises:
            FailedPrecondition: NO_CREDENTIAL: the machine has no keys.
            Unavailable: PEER_UNAVAILABLE: they did not come in time.
        """
        if wire_format != FORMAT or secret.WhichOneof("kind") or secret.headers:
            return secret
        # Slow to import, and needed by who asks at AWS only.
        from trunkline.inference.adapters.bedrock.address import is_of_aws

        if not is_of_aws(base_url):
            return secret
        if self._finding is None:
            self._finding = asyncio.create_task(asyncio.to_thread(self._find))
            self._finding.add_done_callback(self._forget)
        try:
            async with asyncio.timeout(self._limit_s):
                keys = await asyncio.shield(self._finding)
        except TimeoutError:
            raise Unavailable(
                "PEER_UNAVAILABLE",
                f"AWS gave no keys for this machine within {self._limit_s:g} s.",
                metadata={"peer": "aws"},
            ) from None
        if keys is None:
            raise FailedPrecondition(
                "NO_CREDENTIAL",
                "This machine has no keys of AWS: neither in shared files nor by a role.",
                metadata={"provider": provider, "policy": "no_key"},
            )
        return provider_pb2.ProviderSecret(aws_keys=keys)

    def _forget(self, finding: asyncio.Task[provider_pb2.AwsKeys | None]) -> None:
        """Let the next one look again; botocore remembers what holds."""
        self._finding = None
        if not finding.cancelled():
            finding.exception()

    def _find(self) -> provider_pb2.AwsKeys | None:
        """Return the keys that hold now; None: there are none. Blocking."""
        from botocore.exceptions import BotoCoreError
        from botocore.session import Session

        try:
            if self._found is None:
                session = Session()
                session.get_component("credential_provider").remove(_ENVIRONMENT)
                self._found = session.get_credentials()
            frozen = self._found.get_frozen_credentials() if self._found is not None else None
        except BotoCoreError:
            # Its words may hold what stands in the files.
            return None
        if frozen is None or not frozen.access_key or not frozen.secret_key:
            return None
        return provider_pb2.AwsKeys(
            access_key_id=frozen.access_key,
            secret_access_key=frozen.secret_key,
            session_token=frozen.token or "",
        )
