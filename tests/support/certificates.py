"""Certificates of an authority made for a test, in files as a service is given them."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from trunkline.kernel.authority import Authority, certificate_pem
from trunkline.kernel.certificates import Certificates
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.mutual_tls import service_name, service_uri

TRUST_DOMAIN = "trunkline"
DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Files:
    """Where a certificate lies.

    Attributes:
        chain, key, authority: the PEM files.
    """

    chain: Path
    key: Path
    authority: Path

    def read(self, *, clock: Clock | None = None, mutual: bool = True) -> Certificates:
        """Return what the kernel makes of the files.

        Args:
            clock: the time; None: the machine's.
            mutual: others have to show certificates too.
        """
        authority = self.authority if mutual else None
        return Certificates(
            "internal" if mutual else "public",
            self.chain,
            self.key,
            authority,
            clock or SystemClock(),
        )


def make_authority(now: datetime | None = None) -> Authority:
    """Return a new authority."""
    return Authority.make(now or datetime.now(UTC))


def write(
    authority: Authority,
    folder: Path,
    names: Iterable[str] = ("localhost", "127.0.0.1"),
    uris: Iterable[str] = (),
    *,
    now: datetime | None = None,
    life: timedelta = 10 * DAY,
) -> Files:
    """Issue a certificate into a folder, over the one that is there."""
    folder.mkdir(exist_ok=True)
    files = Files(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    issued = authority.issue("test", list(names), uris, now or datetime.now(UTC), life)
    files.chain.write_bytes(issued[0])
    files.key.write_bytes(issued[1])
    files.authority.write_bytes(certificate_pem(authority.certificate))
    return files


def write_service(
    authority: Authority, folder: Path, service: str, *, trust_domain: str = TRUST_DOMAIN
) -> Files:
    """Issue a service's certificate into a folder, over the one that is there."""
    return write(
        authority,
        folder,
        [service_name(trust_domain, service)],
        [service_uri(trust_domain, service)],
    )
