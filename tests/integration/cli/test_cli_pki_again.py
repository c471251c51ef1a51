"""`trunkline pki init`, run again: what it keeps, renews, and does not overwrite."""

from __future__ import annotations

from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from integration.cli.child import Result
from integration.cli.made_certificates import SERVICES, actions, content, names, read
from support.certificates import DAY, make_authority, write
from trunkline.kernel.authority import Authority, key_pem

Run = Callable[..., Result]


def test_run_again_it_keeps_what_holds(init: Run, folder: Path) -> None:
    """Not a byte is another one."""
    init()
    before = content(folder)
    result = init("--json")
    assert set(actions(result).values()) == {"kept"}
    assert content(folder) == before
    for each in result.document["certificates"]:
        end = read(Path(each["file"])).not_valid_after_utc
        assert each["until"] == end.isoformat(timespec="seconds")


def reissue(folder: Path, service: str, purpose: str, *, began: timedelta, life: timedelta) -> None:
    """Put a certificate of a certain age in the place of another, under the same authority."""
    authority = Authority.read(folder / "authority" / "ca.pem", folder / "authority" / "ca-key.pem")
    path = folder / service / f"{purpose}.pem"
    dns, addresses, uris = names(path)
    now = datetime.now(UTC) - began
    certificate, key = authority.issue("test", [*dns, *addresses], uris, now, life)
    path.write_bytes(certificate)
    path.with_name(f"{purpose}-key.pem").write_bytes(key)


@pytest.mark.parametrize(
    ("began", "action"),
    [(59 * DAY, "kept"), (61 * DAY, "made"), (89 * DAY, "made"), (91 * DAY, "made")],
    ids=["over a third left", "under a third left", "a day left", "ended"],
)
def test_it_renews_what_has_a_third_of_its_life_left(
    init: Run, folder: Path, began: timedelta, action: str
) -> None:
    """And nothing else; the authority stays."""
    init()
    authority = (folder / "ca.pem").read_bytes()
    reissue(folder, "health", "internal", began=began, life=90 * DAY)
    before = content(folder)
    done = actions(init("--json"))
    assert done.pop("health internal") == action
    assert set(done.values()) == {"kept"}
    after = content(folder)
    changed = {name for name, bytes_ in after.items() if bytes_ != before[name]}
    expected = {"health/internal.pem", "health/internal-key.pem"} if action == "made" else set()
    assert changed == expected
    assert (folder / "ca.pem").read_bytes() == authority
    assert set(actions(init("--json")).values()) == {"kept"}


def test_short_lives_are_kept_too(init: Run) -> None:
    """An hour is the shortest; run again at once, it holds."""
    init("--lifetime", "1h")
    assert set(actions(init("--lifetime", "1h", "--json")).values()) == {"kept"}


def test_everything_is_renewed_on_demand(init: Run, folder: Path) -> None:
    """Under the same authority, so that old and new ones believe each other."""
    init()
    before = content(folder)
    assert set(actions(init("--renew", "--json")).values()) == {"made"}
    after = content(folder)
    same = {name for name, bytes_ in after.items() if bytes_ == before[name]}
    assert same == {"ca.pem", "authority/ca.pem", "authority/ca-key.pem"} | {
        f"{service}/ca.pem" for service in SERVICES
    }


@pytest.mark.parametrize("damage", ["gone", "garbage", "key of another", "of another authority"])
def test_what_does_not_hold_is_made_anew(
    init: Run, folder: Path, tmp_path: Path, damage: str
) -> None:
    """Whatever became of it; its neighbours are kept."""
    init()
    path = folder / "catalog" / "public.pem"
    if damage == "gone":
        path.unlink()
    elif damage == "garbage":
        path.write_bytes(b"garbage")
    elif damage == "key of another":
        other = folder / "health" / "public-key.pem"
        (folder / "catalog" / "public-key.pem").write_bytes(other.read_bytes())
    else:
        files = write(make_authority(), tmp_path / "x", ["localhost", "127.0.0.1", "::1"])
        path.write_bytes(files.chain.read_bytes())
        (folder / "catalog" / "public-key.pem").write_bytes(files.key.read_bytes())
    done = actions(init("--json"))
    assert done.pop("catalog public") == "made"
    assert set(done.values()) == {"kept"}


def test_other_names_make_the_public_ones_anew(init: Run, folder: Path) -> None:
    """The internal ones stay; another trust domain makes those anew."""
    init("--name", "a.example.com")
    done = actions(init("--name", "a.example.com", "--name", "b.example.com", "--json"))
    assert {name for name, action in done.items() if action == "made"} == {
        f"{service} public" for service in SERVICES
    }
    assert names(folder / "health" / "public.pem")[0] == ["a.example.com", "b.example.com"]
    same = ("--name", "b.example.com", "--name", "a.example.com", "--json")
    assert set(actions(init(*same)).values()) == {"kept"}
    done = actions(init(*same, "--trust-domain", "other"))
    assert {name for name, action in done.items() if action == "made"} == {
        f"{service} internal" for service in SERVICES
    }


@pytest.mark.parametrize(
    ("given", "written"),
    [
        ("0:0:0:0:0:0:0:1", "::1"),
        ("2001:DB8::0001", "2001:db8::1"),
        ("::ffff:10.0.0.1", "::ffff:10.0.0.1"),
        ("10.0.0.1", "10.0.0.1"),
        ("Trunkline.Example.COM", "trunkline.example.com"),
        ("*.Example.com", "*.example.com"),
        ("_grpc.example.com", "_grpc.example.com"),
        ("xn--bcher-kva.example", "xn--bcher-kva.example"),
        ("1.2.3.4.example", "1.2.3.4.example"),
    ],
)
def test_a_name_in_an_odd_spelling_is_not_made_anew(
    init: Run, folder: Path, given: str, written: str
) -> None:
    """It stands in the certificate as it is compared; named twice, it stands there once."""
    init("--name", given, "--name", written)
    dns, addresses, _ = names(folder / "health" / "public.pem")
    assert len([*dns, *addresses]) == 1
    before = content(folder)
    for spelling in (given, written):
        assert set(actions(init("--name", spelling, "--json")).values()) == {"kept"}
    assert content(folder) == before


def test_what_others_could_read_is_mended(init: Run, folder: Path) -> None:
    """A key that is made anew is not written into a file that is open to all."""
    init()
    key = folder / "health" / "internal-key.pem"
    key.chmod(0o666)
    init("--renew")
    assert key.stat().st_mode & 0o777 == 0o600


def write_authority(folder: Path, authority: Authority) -> None:
    """Write an authority's files where `trunkline pki init` looks for them."""
    (folder / "authority").mkdir(parents=True)
    authority.write(folder / "authority" / "ca.pem", folder / "authority" / "ca-key.pem")


def test_an_authority_that_has_ended_is_told(refuse: Run, folder: Path) -> None:
    """No certificate of it would hold."""
    write_authority(folder, make_authority(datetime.now(UTC) - 3650 * DAY))
    result = refuse()
    assert result.code == 1
    assert f"The authority in {folder / 'authority'} has ended." in result.err
    assert "restart all services together" in result.err


def _swap_key(ca: Path, key: Path) -> None:
    key.write_bytes(key_pem(make_authority().key))


def _lock_key(ca: Path, key: Path) -> None:
    private: Any = serialization.load_pem_private_key(key.read_bytes(), None)
    encryption = serialization.BestAvailableEncryption(b"x")
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, encryption
        )
    )


def _make_rsa(ca: Path, key: Path) -> None:
    private = rsa.generate_private_key(65537, 2048)
    key.write_bytes(
        private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.NoEncryption(),
        )
    )


def _make_leaf(ca: Path, key: Path) -> None:
    certificate, private = make_authority().issue("leaf", ["a"], [], datetime.now(UTC), DAY)
    ca.write_bytes(certificate)
    key.write_bytes(private)


@pytest.mark.parametrize(
    ("damage", "why"),
    [
        (lambda ca, key: ca.write_bytes(b"garbage"), "ca.pem holds no authority's certificate"),
        (lambda ca, key: key.write_bytes(b"garbage"), "ca-key.pem holds no key, or one under"),
        (lambda ca, key: key.write_bytes(b""), "ca-key.pem holds no key, or one under"),
        (_lock_key, "one under a password"),
        (_make_rsa, "the key in ca-key.pem is of another kind"),
        (_make_leaf, "ca.pem holds no authority's certificate"),
        (_swap_key, "the key is not that of the certificate"),
    ],
)
def test_files_that_are_no_authority_are_told(
    init: Run, refuse: Run, folder: Path, damage: Callable[[Path, Path], object], why: str
) -> None:
    """With what is wrong; nothing is overwritten."""
    init()
    damage(folder / "authority" / "ca.pem", folder / "authority" / "ca-key.pem")
    before = content(folder)
    result = refuse()
    assert result.code == 1
    assert f"The files in {folder / 'authority'} are no authority" in result.err
    assert why in result.err
    assert "Restore them, or remove the folder" in result.err
    assert content(folder) == before


@pytest.mark.parametrize("name", ["ca.pem", "ca-key.pem"])
def test_half_an_authority_is_not_replaced(init: Run, refuse: Run, folder: Path, name: str) -> None:
    """Who lost the key may have it elsewhere."""
    init()
    path = folder / "authority" / name
    path.unlink()
    before = content(folder)
    result = refuse()
    assert f"The file {path} cannot be used: No such file or directory." in result.err
    assert content(folder) == before


def test_what_a_run_before_left_half_written_is_no_hindrance(init: Run, folder: Path) -> None:
    """A file beside another is one that was not finished."""
    init()
    (folder / "health" / ".internal.pem.new").write_bytes(b"half")
    assert actions(init("--renew", "--json"))["health internal"] == "made"
    assert not list(folder.rglob(".*"))
