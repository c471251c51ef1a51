"""Certificate files: what is refused and in which words, and how renewed ones are taken."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
import structlog
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import ExtensionOID, NameOID

from support.certificates import DAY, Files, make_authority, write, write_service
from trunkline.kernel.certificates import Bundle, CertificateError, Certificates
from trunkline.kernel.clock import to_datetime
from unit.kernel.hands import HandClock

NOW = to_datetime(HandClock().time_ns())


@pytest.fixture
def clock() -> HandClock:
    """The time."""
    return HandClock()


@pytest.fixture
def files(tmp_path: Path) -> Files:
    """A certificate of a service that holds."""
    return write(
        make_authority(NOW), tmp_path, ["health.trunkline"], ["spiffe://trunkline/health"], now=NOW
    )


def refusal(files: Files) -> CertificateError:
    """Return why files are not taken at all."""
    with pytest.raises(CertificateError) as caught:
        files.read(clock=HandClock())
    assert caught.value.what.endswith(".")
    assert caught.value.advice.endswith(".")
    return caught.value


def test_a_certificate_tells_what_it_is_for(tmp_path: Path, clock: HandClock) -> None:
    """URIs, DNS names, addresses, and from when until when."""
    authority = make_authority(NOW)
    names = ["a.example", "127.0.0.1", "::1"]
    files = write(authority, tmp_path, names, ["spiffe://t/x"], now=NOW, life=2 * DAY)
    bundle = files.read(clock=clock).bundle
    assert bundle.uris == ("spiffe://t/x",)
    assert bundle.names == ("a.example", "127.0.0.1", "::1")
    assert bundle.start < NOW
    assert bundle.end == NOW + 2 * DAY
    assert bundle.authority == files.authority.read_bytes()
    assert files.read(clock=clock, mutual=False).bundle.authority is None


def test_a_certificate_for_nobody_can_be_shown(tmp_path: Path, clock: HandClock) -> None:
    """Whoever calls decides whether that is enough."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_plain(tmp_path, key)
    bundle = Files(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "cert.pem").read(
        clock=clock
    )
    assert (bundle.bundle.uris, bundle.bundle.names) == ((), ())


@pytest.mark.parametrize("name", ["chain", "key", "authority"])
def test_a_missing_file_is_named(files: Files, name: str) -> None:
    """Whichever of the three it is, with how to get one."""
    path: Path = getattr(files, name)
    path.unlink()
    error = refusal(files)
    assert error.what == f"The file {path} cannot be read: No such file or directory."
    assert "trunkline pki init" in error.advice


def test_a_directory_is_no_file(files: Files) -> None:
    """A setting that names a folder is told as such."""
    files.chain.unlink()
    files.chain.mkdir()
    assert refusal(files).what == f"The file {files.chain} cannot be read: Is a directory."


@pytest.mark.parametrize("name", ["chain", "authority"])
@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"hello",
        b"\xff\x00" * 100,
        b"-----BEGIN CERTIFICATE-----\nbm90IGRlcg==\n-----END CERTIFICATE-----\n",
    ],
    ids=["empty", "text", "bytes", "no DER"],
)
def test_a_file_without_a_certificate_is_named(files: Files, name: str, content: bytes) -> None:
    """Of a chain as of an authority."""
    path: Path = getattr(files, name)
    path.write_bytes(content)
    assert refusal(files).what == f"The file {path} holds no certificate in PEM."


def test_a_key_file_without_a_key_is_named(files: Files) -> None:
    """The certificate twice is a common slip."""
    files.key.write_bytes(files.chain.read_bytes())
    error = refusal(files)
    assert error.what == (
        f"The file {files.key} holds no private key in PEM, or one under a password."
    )
    assert "without a password" in error.advice


def test_a_key_under_a_password_is_refused(files: Files) -> None:
    """Nobody is there to ask for it."""
    key: Any = serialization.load_pem_private_key(files.key.read_bytes(), None)
    files.key.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(b"secret"),
        )
    )
    assert "under a password" in refusal(files).what


def test_a_key_of_another_certificate_is_refused(files: Files, tmp_path: Path) -> None:
    """Both files are named."""
    other = write(make_authority(NOW), tmp_path / "other", now=NOW)
    files.key.write_bytes(other.key.read_bytes())
    assert refusal(files).what == (
        f"The private key {files.key} is not that of the certificate {files.chain}."
    )


def test_a_certificate_that_has_ended_is_refused(tmp_path: Path) -> None:
    """With the moment, in UTC."""
    authority = make_authority(NOW - 9 * DAY)
    files = write(authority, tmp_path, now=NOW - 9 * DAY, life=9 * DAY)
    error = refusal(files)
    assert error.what == f"The certificate {files.chain} ended on {NOW:%Y-%m-%d %H:%M} UTC."
    assert "Renew" in error.advice


def test_a_certificate_that_does_not_hold_yet_is_refused(tmp_path: Path, clock: HandClock) -> None:
    """A clock is wrong here or there."""
    start = NOW + timedelta(hours=3)
    files = write(make_authority(start), tmp_path, now=start)
    error = refusal(files)
    assert "holds from" in error.what
    assert "later than now" in error.what
    assert "clock" in error.advice
    clock.pass_s(3 * 3600)
    assert files.read(clock=clock).bundle.names == ("localhost", "127.0.0.1")


@pytest.mark.parametrize("name", ["chain", "key", "authority"])
def test_a_file_over_256_kib_is_not_read(files: Files, name: str) -> None:
    """One byte more than that is too much, whatever it holds."""
    path: Path = getattr(files, name)
    content = path.read_bytes()
    path.write_bytes(content + b"\n" * (256 * 1024 - len(content)))
    files.read(clock=HandClock())
    path.write_bytes(path.read_bytes() + b"\n")
    assert refusal(files).what == f"The file {path} is over 256 KiB, and so no certificate."


def test_a_certificate_that_cannot_be_read_is_refused(tmp_path: Path) -> None:
    """It is PEM and a certificate, and what it says of its names is nonsense."""
    key = ec.generate_private_key(ec.SECP256R1())
    write_plain(tmp_path, key, names=b"\xff\xff\xff")
    files = Files(tmp_path / "cert.pem", tmp_path / "key.pem", tmp_path / "cert.pem")
    assert refusal(files).what == f"The certificate {files.chain} holds what cannot be read."


def test_a_certificate_can_be_held_to_more(files: Files, clock: HandClock) -> None:
    """At the start and at each renewal; the old one holds when the new one is another's."""

    def check(bundle: Bundle) -> None:
        if "health.trunkline" not in bundle.names:
            raise CertificateError("It is for somebody else.", "Mend it.")

    certificates = Certificates(
        "internal", files.chain, files.key, files.authority, clock, check=check
    )
    before = certificates.bundle
    write(make_authority(NOW), files.chain.parent, ["catalog.trunkline"], now=NOW)
    assert certificates.refresh() is False
    assert certificates.trouble == "It is for somebody else."
    assert certificates.bundle is before
    with pytest.raises(CertificateError):
        Certificates("internal", files.chain, files.key, files.authority, clock, check=check)


def test_what_has_not_changed_is_not_read(files: Files, clock: HandClock) -> None:
    """Only what the file system says of a file is asked for: other bytes go unseen."""
    certificates = files.read(clock=clock)
    about = files.chain.stat()
    with files.chain.open("r+b") as file:
        file.write(b"x" * about.st_size)
    os.utime(files.chain, ns=(about.st_atime_ns, about.st_mtime_ns))
    assert certificates.refresh() is False
    assert (certificates.trouble, certificates.version) == ("", 1)
    os.utime(files.chain)
    assert certificates.refresh() is False
    assert certificates.trouble == f"The file {files.chain} holds no certificate in PEM."


def renew(files: Files) -> None:
    """Write another certificate into the same files."""
    write(make_authority(NOW), files.chain.parent, ["health.trunkline"], now=NOW)


def replace(files: Files) -> None:
    """Move another certificate's files there, as `trunkline pki init` does."""
    other = write(make_authority(NOW), files.chain.parent / "new", ["h.trunkline"], now=NOW)
    for name in ("chain", "key", "authority"):
        getattr(other, name).replace(getattr(files, name))


def relink(files: Files) -> None:
    """Swing a folder's link to another certificate's files, as Kubernetes does."""
    folder = files.chain.parent
    other = write(make_authority(NOW), folder.parent / "linked", ["h.trunkline"], now=NOW)
    folder.rename(folder.parent / "was")
    folder.symlink_to(other.chain.parent)


@pytest.mark.parametrize("way", [renew, replace, relink])
def test_new_files_are_taken(files: Files, clock: HandClock, way: Callable[[Files], None]) -> None:
    """However they come there; the version grows by one and tells that."""
    folder = files.chain.parent / "mounted"
    folder.mkdir()
    for name in ("chain", "key", "authority"):
        path: Path = getattr(files, name)
        path.rename(folder / path.name)
    files = Files(folder / "cert.pem", folder / "key.pem", folder / "ca.pem")
    certificates = files.read(clock=clock)
    before = certificates.bundle
    way(files)
    assert certificates.refresh() is True
    assert certificates.version == 2
    assert certificates.bundle.chain == files.chain.read_bytes() != before.chain
    assert certificates.bundle.key == files.key.read_bytes()
    assert certificates.bundle.authority == files.authority.read_bytes()
    assert certificates.refresh() is False
    assert certificates.version == 2


def test_a_new_authority_alone_is_taken(files: Files, clock: HandClock) -> None:
    """During a change of authorities the file holds both."""
    certificates = files.read(clock=clock)
    other = write_service(make_authority(NOW), files.chain.parent / "other", "health")
    both = files.authority.read_bytes() + other.authority.read_bytes()
    files.authority.write_bytes(both)
    assert certificates.refresh() is True
    assert certificates.bundle.authority == both


def test_files_that_were_only_touched_are_no_new_ones(files: Files, clock: HandClock) -> None:
    """Connections are not opened anew for that."""
    certificates = files.read(clock=clock)
    for path in (files.chain, files.key, files.authority):
        os.utime(path)
    assert certificates.refresh() is False
    assert certificates.version == 1


@pytest.mark.parametrize("first", ["chain", "key"])
def test_half_written_files_wait_for_the_other_half(
    files: Files, tmp_path: Path, clock: HandClock, first: str
) -> None:
    """The old ones hold until then, and what is wrong is told once in the log."""
    with structlog.testing.capture_logs() as logged:
        certificates = files.read(clock=clock)
        before = certificates.bundle
        other = write(make_authority(NOW), tmp_path / "other", ["health.trunkline"], now=NOW)
        names = [first, "key" if first == "chain" else "chain"]
        getattr(files, names[0]).write_bytes(getattr(other, names[0]).read_bytes())
        for _ in range(3):
            assert certificates.refresh() is False
        assert "is not that of the certificate" in certificates.trouble
        assert (certificates.bundle, certificates.version) == (before, 1)
        getattr(files, names[1]).write_bytes(getattr(other, names[1]).read_bytes())
        assert certificates.refresh() is True
        assert certificates.trouble == ""
        assert certificates.version == 2
        assert certificates.bundle.chain == other.chain.read_bytes()
    assert [line["event"] for line in logged] == ["certificates_not_taken", "certificates_taken"]
    assert "PRIVATE KEY" not in repr(logged)


def test_a_cut_file_is_not_taken(files: Files, clock: HandClock) -> None:
    """Nor one that is gone for a moment; both are told."""
    certificates = files.read(clock=clock)
    whole = files.chain.read_bytes()
    files.chain.write_bytes(whole[: len(whole) // 2])
    assert certificates.refresh() is False
    assert "no certificate in PEM" in certificates.trouble
    files.chain.unlink()
    assert certificates.refresh() is False
    assert "cannot be read" in certificates.trouble
    files.chain.write_bytes(whole)
    assert certificates.refresh() is False
    assert (certificates.trouble, certificates.version) == ("", 1)


def test_what_holds_later_is_taken_then(files: Files, clock: HandClock) -> None:
    """The files do not change again: the clock does."""
    certificates = files.read(clock=clock)
    start = NOW + timedelta(hours=1)
    write(make_authority(start), files.chain.parent, ["later.trunkline"], now=start)
    assert certificates.refresh() is False
    assert "later than now" in certificates.trouble
    clock.pass_s(3600)
    assert certificates.refresh() is True
    assert certificates.trouble == ""
    assert certificates.bundle.names == ("later.trunkline",)


def test_what_ends_while_it_is_in_use_is_told(files: Files, clock: HandClock) -> None:
    """It is shown on, since there is no better one, until the files are renewed."""
    with structlog.testing.capture_logs() as logged:
        certificates = files.read(clock=clock)
        clock.pass_s((11 * DAY).total_seconds())
        for _ in range(3):
            assert certificates.refresh() is False
        assert "ended on" in certificates.trouble
        assert certificates.version == 1
        later = NOW + 11 * DAY
        write(make_authority(later), files.chain.parent, now=later)
        assert certificates.refresh() is True
        assert certificates.trouble == ""
    assert [line["event"] for line in logged] == ["certificates_not_taken", "certificates_taken"]


def test_nonsense_in_a_new_certificate_does_not_stop_the_looking(
    files: Files, clock: HandClock
) -> None:
    """The old one holds, and what is wrong is told."""
    certificates = files.read(clock=clock)
    key = ec.generate_private_key(ec.SECP256R1())
    write_plain(files.chain.parent, key, names=b"\x30\x03\x82\x01\xff")
    assert certificates.refresh() is False
    assert certificates.trouble == f"The certificate {files.chain} holds what cannot be read."


def test_no_key_is_shown(files: Files, clock: HandClock) -> None:
    """By nothing that could be logged."""
    certificates = files.read(clock=clock)
    body = files.key.read_text().splitlines()[1]
    shown = f"{certificates!r} {certificates.bundle!r} {certificates.bundle}"
    assert "PRIVATE KEY" not in shown
    assert body not in shown
    authority = make_authority()
    assert "EllipticCurvePrivateKey" not in repr(authority)


def pem(key: ec.EllipticCurvePrivateKey) -> bytes:
    """Return a private key as PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM,
        serialization.PrivateFormat.PKCS8,
        serialization.NoEncryption(),
    )


def write_plain(
    folder: Path, key: ec.EllipticCurvePrivateKey, *, names: bytes | None = None
) -> None:
    """Write a certificate that signs itself.

    Args:
        folder: where to.
        key: of it.
        names: the bytes of its alternative names; None: it has none.
    """
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "plain")])
    builder = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(datetime(2020, 1, 1, tzinfo=UTC))
        .not_valid_after(NOW + DAY)
    )
    if names is not None:
        extension = x509.UnrecognizedExtension(ExtensionOID.SUBJECT_ALTERNATIVE_NAME, names)
        builder = builder.add_extension(extension, critical=False)
    certificate = builder.sign(key, hashes.SHA256())
    (folder / "cert.pem").write_bytes(certificate.public_bytes(serialization.Encoding.PEM))
    (folder / "key.pem").write_bytes(pem(key))
