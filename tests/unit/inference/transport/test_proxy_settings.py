"""How the settings of an outbound proxy are read."""

from __future__ import annotations

import base64

import pytest

from support.canary import MARK
from trunkline.inference.transport import parse_exceptions, parse_proxy


@pytest.mark.parametrize(
    ("text", "origin"),
    [
        ("http://proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://PROXY:8080/", "http://proxy:8080"),
        ("http://10.0.0.1:80", "http://10.0.0.1:80"),
        ("http://[fd00::1]:3128", "http://[fd00::1]:3128"),
    ],
)
def test_an_address_is_read(text: str, origin: str) -> None:
    """Host and port in their normal form, and nobody to be."""
    proxy = parse_proxy(text)
    assert proxy.url.origin == origin
    assert proxy.authorization == b""


@pytest.mark.parametrize(
    ("userinfo", "pair"),
    [
        ("ann:secret", b"ann:secret"),
        ("ann:", b"ann:"),
        ("dom%5Cann:p%40ss%3Aword%20%C3%BC", "dom\\ann:p@ss:word ü".encode()),
    ],
)
def test_user_and_password_are_unescaped(userinfo: str, pair: bytes) -> None:
    """They are what they were before they were put into a URL, in UTF-8."""
    proxy = parse_proxy(f"http://{userinfo}@proxy:3128")
    assert proxy.authorization == b"Basic " + base64.b64encode(pair)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "proxy:3128",
        "http://proxy",
        "https://proxy:3128",
        "socks5://proxy:1080",
        "http://proxy:3128/path",
        "http://proxy:3128?x",
        "http://proxy:0",
        "http://proxy:70000",
        "http://:3128",
        "http://a b:3128",
        f"http://{MARK}@proxy:3128",
        f"http://:{MARK}@proxy:3128",
        f"http://ann:{MARK}@{MARK}@proxy:3128",
        f"http://ann:{MARK}:x@proxy:3128",
        f"http://ann:{MARK} x@proxy:3128",
        f"http://ann:{MARK}%0d%0a@proxy:3128",
        f"http://a%3ann:{MARK}@proxy:3128",
        f"http://ann:{MARK}@proxy",
    ],
)
def test_what_is_no_proxy_is_refused(text: str) -> None:
    """The refusal repeats nothing, for there may be a password in it."""
    with pytest.raises(ValueError, match=r"^[a-z]") as caught:
        parse_proxy(text)
    assert MARK not in str(caught.value)


@pytest.mark.parametrize(
    ("host", "held"),
    [
        ("example.com", True),
        ("api.example.com", True),
        ("notexample.com", False),
        ("com", False),
        ("gpu.corp", True),
        ("192.168.7.7", True),
        ("192.169.7.7", False),
        ("10.0.0.7", True),
        ("10.0.0.8", False),
        ("fd00::7", True),
        ("fd00::8", False),
    ],
)
def test_exceptions_hold_names_below_and_networks(host: str, held: bool) -> None:
    """A name holds those below it, at whole labels; a network its addresses."""
    exceptions = parse_exceptions(" Example.com, .corp ,192.168.0.0/16,10.0.0.7,[fd00::7],")
    assert exceptions.hold(host) is held


@pytest.mark.parametrize("entry", ["*", "a b", "https://x", "x:80", "10.0.0.1/8", "x/y", "u@x"])
def test_an_exception_that_means_nothing_is_refused(entry: str) -> None:
    """An entry that would silently do nothing is told by its number."""
    with pytest.raises(ValueError, match="entry 2 of the list"):
        parse_exceptions(f"good.test,{entry}")


@pytest.mark.parametrize(
    ("host", "covered"),
    [
        ("api.example.com", True),
        ("10.0.0.1", True),
        ("gpu.local", True),
        ("localhost", False),
        ("gpu.localhost", False),
        ("127.8.8.8", False),
        ("::1", False),
    ],
)
def test_loopback_is_not_covered(host: str, covered: bool) -> None:
    """This machine has another meaning to the proxy."""
    assert parse_proxy("http://proxy:3128").covers(host) is covered
