"""`trunkline pki`: certificates for a deployment that has no authority of its own."""

from __future__ import annotations

import contextlib
import re
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Final

import typer

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.cli.options import AsJson, parse_duration
from trunkline.cli.output import note, print_json, print_table, say

if TYPE_CHECKING:
    from trunkline.kernel.authority import Authority

app = typer.Typer(help="Make the certificates that services show to each other.")

_SERVICES: Final = ("credential", "catalog", "health", "inference")
_LOCAL_NAMES: Final = ("localhost", "127.0.0.1", "::1")
_TRUST_DOMAIN: Final = re.compile(r"[a-z0-9][a-z0-9.-]{0,254}")
_LABEL: Final = r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?"
# The last label of an address in digits is none of a name (RFC 1123, section 2.1).
_DNS_NAME: Final = re.compile(rf"(?:\*\.)?(?:{_LABEL}\.)*(?![0-9]+\Z){_LABEL}")
_MAX_DNS_NAME: Final = 253
_MIN_LIFE: Final = timedelta(hours=1)
# A certificate is made anew when less than this share of its life is left.
_LEFT: Final = 1 / 3


@app.callback()
def start() -> None:
    """Make the certificates that services show to each other."""


@app.command()
def init(
    directory: Annotated[
        Path, typer.Option("--directory", help="Where the files go, a folder for each service.")
    ] = Path("pki"),
    name: Annotated[
        list[str] | None,
        typer.Option(
            help="A DNS name or address by which callers reach the public listeners; may be"
            " repeated.  [localhost, 127.0.0.1, ::1]"
        ),
    ] = None,
    trust_domain: Annotated[str, typer.Option(help="As the setting trust_domain.")] = "trunkline",
    lifetime: Annotated[
        timedelta,
        typer.Option(parser=parse_duration, metavar="90d", help="How long certificates hold."),
    ] = "90d",  # type: ignore[assignment] # the parser's input
    renew: Annotated[
        bool, typer.Option("--renew", help="Make all certificates anew, under the same authority.")
    ] = False,
    as_json: AsJson = False,
) -> None:
    """Make an authority, and for each service a certificate for the other services and one
    for callers.

    Run it again to renew: what is there is kept until a third of its life is left. Running
    services take new files by themselves.
    """
    _check(trust_domain, lifetime)
    names = list(dict.fromkeys(_read_name(each, trust_domain) for each in name or _LOCAL_NAMES))
    try:
        made = _make(directory, names, trust_domain, lifetime, renew=renew)
    except OSError as error:
        path = error.filename2 or error.filename or directory
        raise Failure(
            f"The file {path} cannot be used: {error.strerror or error}.",
            "Choose another folder with --directory, or mend its rights.",
        ) from None
    if as_json:
        print_json({"directory": str(directory), "certificates": made})
        return
    print_table(
        ("SERVICE", "FOR", "UNTIL", "FILE", ""),
        (
            (each["service"], each["purpose"], each["until"][:10], each["file"], each["action"])
            for each in made
        ),
    )
    say(f"Callers check the public ones by {directory / 'ca.pem'}.")
    note(
        f"Keep {directory / 'authority'} where no service can read it; it is needed to renew.\n"
        "Give each service its own folder and nothing else, and set:\n"
        f"  TRUNKLINE_INTERNAL_CERTIFICATE_FILE={directory}/SERVICE/internal.pem\n"
        f"  TRUNKLINE_INTERNAL_KEY_FILE={directory}/SERVICE/internal-key.pem\n"
        f"  TRUNKLINE_INTERNAL_CA_FILE={directory}/SERVICE/ca.pem\n"
        f"  TRUNKLINE_PUBLIC_CERTIFICATE_FILE={directory}/SERVICE/public.pem\n"
        f"  TRUNKLINE_PUBLIC_KEY_FILE={directory}/SERVICE/public-key.pem"
    )


def _check(trust_domain: str, lifetime: timedelta) -> None:
    """Refuse what no certificate can be made of.

    Raises:
        Failure: one of them cannot be.
    """
    if not _TRUST_DOMAIN.fullmatch(trust_domain):
        raise wrong_usage(
            f"{trust_domain!r} is no trust domain.", "Write it as a DNS name in lower case."
        )
    if lifetime < _MIN_LIFE:
        raise wrong_usage("A certificate holds for an hour at least.", "Write --lifetime 90d.")


def _read_name(text: str, trust_domain: str) -> str:
    """Return a DNS name or an address, written as it stands in a certificate.

    Raises:
        Failure: it is neither, or a name that is for services alone.
    """
    import ipaddress

    name = text.lower()
    # A zone says something on one machine alone.
    if "%" not in name:
        with contextlib.suppress(ValueError):
            return str(ipaddress.ip_address(name))
    if len(name) > _MAX_DNS_NAME or not _DNS_NAME.fullmatch(name):
        raise wrong_usage(
            f"{text!r} is neither a DNS name nor an address.",
            "Write --name trunkline.example.com, without scheme and port.",
        )
    # Whoever holds a certificate for such a name could pass for a service.
    if name == trust_domain or name.endswith(f".{trust_domain}"):
        raise wrong_usage(
            f"The name {name} lies in the trust domain, whose names are for services alone.",
            "Choose another --trust-domain, or another name.",
        )
    return name


def _make(
    directory: Path, names: list[str], trust_domain: str, lifetime: timedelta, *, renew: bool
) -> list[dict[str, str]]:
    """Make what is missing or about to end; return what there is now.

    Raises:
        OSError: a file cannot be read or written.
        Failure: the authority's files are none.
    """
    from trunkline.kernel.authority import certificate_pem, write_private, write_public
    from trunkline.kernel.mutual_tls import service_name, service_uri

    now = datetime.now(UTC)
    authority = _open_authority(directory / "authority", now)
    shown = certificate_pem(authority.certificate)
    write_public(directory / "ca.pem", shown)
    made = []
    for service in _SERVICES:
        folder = directory / service
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        write_public(folder / "ca.pem", shown)
        internal = ([service_name(trust_domain, service)], [service_uri(trust_domain, service)])
        for purpose, (dns, uris) in {"internal": internal, "public": (names, [])}.items():
            file, key_file = folder / f"{purpose}.pem", folder / f"{purpose}-key.pem"
            until = None if renew else _kept_until(file, key_file, dns, uris, now, authority)
            action = "kept"
            if until is None:
                action = "made"
                certificate, key = authority.issue(
                    f"Trunkline {service} ({purpose})", dns, uris, now, lifetime
                )
                # A service that looks in between finds two that do not fit, and waits.
                write_private(key_file, key)
                write_public(file, certificate)
                until = min(now + lifetime, authority.certificate.not_valid_after_utc)
            made.append(
                {
                    "service": service,
                    "purpose": purpose,
                    "until": until.isoformat(timespec="seconds"),
                    "file": str(file),
                    "action": action,
                }
            )
    return made


def _open_authority(folder: Path, now: datetime) -> Authority:
    """Return the authority of a folder, made now when there is none.

    Raises:
        OSError: its files cannot be read or written.
        Failure: they hold none, or one that has ended.
    """
    from trunkline.kernel.authority import Authority

    certificate, key = folder / "ca.pem", folder / "ca-key.pem"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    if not certificate.exists() and not key.exists():
        authority = Authority.make(now)
        authority.write(certificate, key)
        return authority
    try:
        authority = Authority.read(certificate, key)
    except ValueError as error:
        raise Failure(
            f"The files in {folder} are no authority of `trunkline pki init`: {error}.",
            "Restore them, or remove the folder to begin with a new authority.",
        ) from None
    if authority.certificate.not_valid_after_utc - now < _MIN_LIFE:
        raise Failure(
            f"The authority in {folder} has ended.",
            "Remove the folder to begin with a new one; then restart all services together.",
        )
    return authority


def _kept_until(
    file: Path, key_file: Path, names: list[str], uris: list[str], now: datetime, by: Authority
) -> datetime | None:
    """Return until when a certificate that is there holds; None: it is to be made anew."""
    from trunkline.kernel.certificates import CertificateError, Certificates
    from trunkline.kernel.clock import SystemClock

    try:
        bundle = Certificates("kept", file, key_file, None, SystemClock()).bundle
    except CertificateError:
        return None
    if sorted(bundle.names) != sorted(names) or sorted(bundle.uris) != sorted(uris):
        return None
    if not by.has_issued(bundle.chain) or bundle.end - now < (bundle.end - bundle.start) * _LEFT:
        return None
    return bundle.end
