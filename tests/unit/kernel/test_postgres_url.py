"""The URL of a database is read as libpq reads it, and never shown."""

from __future__ import annotations

import contextlib
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.database.postgres_url import (
    PostgresTarget,
    TlsMode,
    read_postgres_url,
)

SECRET = "s3cr3t"


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        (
            f"postgresql://ann:{SECRET}@db.example:5433/trunkline?sslmode=require",
            PostgresTarget("db.example", 5433, "ann", "trunkline", SECRET, TlsMode.REQUIRE),
        ),
        (
            "postgres://ann@localhost",
            PostgresTarget("localhost", 5432, "ann", "ann", None, TlsMode.PREFER),
        ),
        (
            "postgresql://a%40b:p%2Fw%3A%25+@[::1]/x",
            PostgresTarget("::1", 5432, "a@b", "x", "p/w:%+", TlsMode.PREFER),
        ),
        (
            "postgresql://ann@/x?host=/var/Run/postgresql&port=6000",
            PostgresTarget("/var/Run/postgresql", 6000, "ann", "x", None, TlsMode.PREFER),
        ),
        (
            "postgresql://ann@%2Fvar%2FRun/x",
            PostgresTarget("/var/Run", 5432, "ann", "x", None, TlsMode.PREFER),
        ),
        (
            f"postgresql:///?host=h&user=ann&password={SECRET}+1&dbname=x&port=1",
            PostgresTarget("h", 1, "ann", "x", f"{SECRET}+1", TlsMode.PREFER),
        ),
        (
            "postgresql://ann@h/x?sslmode=verify-full&sslrootcert=/r&sslcert=/c&sslkey=/k",
            PostgresTarget("h", 5432, "ann", "x", None, TlsMode.VERIFY_FULL, "/r", "/c", "/k"),
        ),
        # libpq: a root certificate that is there is used, and `system` proves only names.
        (
            "postgresql://ann@h/x?sslmode=require&sslrootcert=/r",
            PostgresTarget("h", 5432, "ann", "x", None, TlsMode.VERIFY_CA, "/r"),
        ),
        (
            "postgresql://ann@h/x?sslrootcert=system",
            PostgresTarget("h", 5432, "ann", "x", None, TlsMode.VERIFY_FULL, "system"),
        ),
    ],
)
def test_a_url_is_read(url: str, expected: PostgresTarget) -> None:
    """Each part, wherever libpq allows it to stand."""
    assert read_postgres_url(url) == expected
    assert SECRET not in repr(read_postgres_url(url))


@pytest.mark.parametrize("spelling", [mode.spelling for mode in TlsMode])
def test_every_sslmode_has_its_spelling(spelling: str) -> None:
    """Those of libpq, and no other."""
    url = f"postgresql://ann@h/x?sslmode={spelling}&sslrootcert=/r"
    expected = (
        TlsMode.VERIFY_CA if spelling == "require" else TlsMode[spelling.upper().replace("-", "_")]
    )
    assert read_postgres_url(url).tls is expected


@pytest.mark.parametrize(
    ("url", "said"),
    [
        (SECRET, "does not begin with postgresql://"),
        (f"mysql://ann:{SECRET}@h/x", "does not begin with postgresql://"),
        (f"postgresql+asyncpg://ann:{SECRET}@h/x", "does not begin with postgresql://"),
        (f"postgresql://ann:{SECRET}@[h/x", "not a URL"),
        (f"postgresql://:{SECRET}@h/x", "no user"),
        (f"postgresql://ann:{SECRET}@/x", "no host"),
        (f"postgresql://ann:{SECRET}@h:0/x", "port"),
        (f"postgresql://ann:{SECRET}@h:70000/x", "port"),
        (f"postgresql://ann:x@h/x?port={SECRET}", "port"),
        (f"postgresql://ann:{SECRET}@h,i/x", "several hosts"),
        (f"postgresql://ann:{SECRET}@h/x?sslmode=sure", "sslmode is none of disable, allow"),
        (f"postgresql://ann:{SECRET}@h/x?sslmode=verify-ca", "needs sslrootcert"),
        (
            f"postgresql://ann:{SECRET}@h/x?sslmode=require&sslrootcert=system",
            "needs sslmode=verify-full",
        ),
        (f"postgresql://ann:{SECRET}@h/x?sslkey=/k", "sslkey needs sslcert"),
        (f"postgresql://ann:{SECRET}@h/x?options=-c", "its query holds something else"),
        (f"postgresql://ann:{SECRET}@h/x?{SECRET}", "not written as"),
        # Special characters of a password that were not written with %.
        (f"postgresql://ann:a#{SECRET}@h/x", "`#`"),
        (f"postgresql://ann:a/{SECRET}@h/x", "more than one `/`"),
        (f"postgresql://ann:a?{SECRET}@h/x", "not written as"),
        (f"postgresql://ann:a?{SECRET}=1@h/x", "its query holds something else"),
        (f"postgresql://ann:1/{SECRET}/@h/x", "more than one `/`"),
        (f"postgresql://ann:{SECRET}%00@h/x", "U+0000"),
    ],
)
def test_what_is_no_url_is_refused(url: str, said: str) -> None:
    """In words that repeat none of it."""
    with pytest.raises(ValueError, match=re.escape(said)) as caught:
        read_postgres_url(url)
    assert SECRET not in str(caught.value)
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


@given(st.text(max_size=60))
def test_any_text_is_read_or_refused(text: str) -> None:
    """Whatever it is: never with another error."""
    for url in (text, f"postgresql://{text}", f"postgresql://ann@h/x?{text}"):
        with contextlib.suppress(ValueError):
            target = read_postgres_url(url)
            assert target.host
            assert target.user
            assert 0 < target.port < 65_536


@pytest.mark.parametrize(
    ("host", "is_local"),
    [
        ("localhost", True),
        ("127.0.0.1", True),
        ("127.9.9.9", True),
        ("[::1]", True),
        ("%2Frun", True),
        ("db", False),
        ("localhost.example", False),
        ("10.0.0.1", False),
        ("0.0.0.0", False),
        ("[::]", False),
        ("[::ffff:10.0.0.1]", False),
    ],
)
def test_what_stays_on_this_machine_is_known(host: str, is_local: bool) -> None:
    """A name that could mean another machine is another machine."""
    assert read_postgres_url(f"postgresql://ann@{host}/x").is_local is is_local
