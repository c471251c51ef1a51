"""Where a journal may lie, by its URL, and what is refused without being repeated."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import SecretStr

from trunkline.inference.journal.locations import check_journal_url, choose_store
from trunkline.inference.journal.redis_url import RedisTarget, read_redis_url
from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.kernel.clock import SystemClock

_SECRET = "hunter2"


def _target(**given: object) -> RedisTarget:
    values: dict[str, object] = {
        "host": "",
        "port": 0,
        "path": "",
        "database": 0,
        "user": "",
        "password": None,
        "is_protected": False,
        **given,
    }
    return RedisTarget(**values)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("redis://localhost", _target(host="localhost", port=6379)),
        ("redis://127.0.0.1:6380/3", _target(host="127.0.0.1", port=6380, database=3)),
        ("redis://[::1]/?db=2", _target(host="::1", port=6379, database=2)),
        (" redis://:p%40%23@localhost ", _target(host="localhost", port=6379, password="p@#")),
        (
            "rediss://me:secret@redis.example:6390/1?ssl_ca_certs=/ca.pem",
            _target(
                host="redis.example",
                port=6390,
                database=1,
                user="me",
                password="secret",
                is_protected=True,
                roots="/ca.pem",
            ),
        ),
        (
            "rediss://r.example?ssl_certfile=/c.pem&ssl_keyfile=/k.pem",
            _target(
                host="r.example", port=6379, is_protected=True, certificate="/c.pem", key="/k.pem"
            ),
        ),
        ("unix:///run/redis.sock?db=4", _target(path="/run/redis.sock", database=4)),
        ("unix://me:pw@/run/r.sock", _target(path="/run/r.sock", user="me", password="pw")),
    ],
)
def test_a_url_is_read(url: str, expected: RedisTarget) -> None:
    """Each part of a URL comes to its place."""
    assert read_redis_url(url) == expected


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        (f"redis://:{_SECRET}@redis.example", "in the clear"),
        (f"redis://:{_SECRET}@10.0.0.1:6379/0", "in the clear"),
        (f"postgresql://me:{_SECRET}@localhost", "does not begin with"),
        (f"{_SECRET}", "does not begin with"),
        (f"redis://:{_SECRET}#x@localhost", "`#`"),
        (f"redis://:{_SECRET}/x@localhost", "not a URL"),
        (f"rediss://:{_SECRET}@r.example:99999", "not a URL"),
        (f"rediss://:{_SECRET}@r.example/one", "not a number"),
        (f"rediss://:{_SECRET}@r.example?ssl_cert_reqs=none", "something else"),
        (f"redis://:{_SECRET}@localhost?ssl_ca_certs=/ca.pem", "need rediss"),
        (f"unix://:{_SECRET}@localhost/run/redis.sock", "socket"),
        (f"redis://:{_SECRET}@", "host"),
        (f"redis://:{_SECRET}@localhost?{_SECRET}", "not a URL"),
    ],
)
def test_what_is_refused_is_not_repeated(url: str, reason: str) -> None:
    """The sentence names what is wrong, and holds no piece of a password."""
    with pytest.raises(ValueError, match=reason) as caught:
        check_journal_url(SecretStr(url))
    assert _SECRET not in str(caught.value)
    assert caught.value.__cause__ is None


def test_a_target_keeps_its_password_to_itself() -> None:
    """Neither its text nor its place shows it."""
    target = read_redis_url(f"rediss://me:{_SECRET}@r.example")
    assert _SECRET not in repr(target)
    assert target.place == "r.example:6379"
    assert read_redis_url("redis://[::1]").place == "[::1]:6379"
    assert read_redis_url("unix:///r.sock").place == "/r.sock"


def test_without_a_url_it_is_a_file(tmp_path: Path) -> None:
    """The data directory holds the journal unless a server is named."""
    check_journal_url(None)
    store = choose_store(None, tmp_path, SystemClock())
    assert isinstance(store, SqliteStore)
    assert store.path == tmp_path / "journal.db"
    url = f"redis://:{_SECRET}@localhost"
    named = choose_store(SecretStr(url), tmp_path, SystemClock())
    assert named.kind == "redis"
    assert _SECRET not in repr(named)
