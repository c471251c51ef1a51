"""What a name resolves to and where a server redirects are checked like what was given.

The numbers are those of the requirements: decision 10 on DNS, redirects and private networks.
"""

import socket
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.address import (
    AddressRefused,
    AddressRule,
    Scheme,
    check_redirect,
    check_resolved,
    check_url,
    parse_base_url,
)
from trunkline.kernel.reach import Reach, classify_host

PUBLIC = "93.184.215.14"


def rule_of(check: Callable[[], object]) -> AddressRule | None:
    """Return the rule by which a check refuses, None when it passes."""
    try:
        check()
    except AddressRefused as refused:
        return refused.rule
    return None


@pytest.mark.parametrize(
    ("text", "addresses", "private_allowed", "rule"),
    [
        ("https://api.example.com", [PUBLIC, "2606:4700::1"], True, None),
        ("https://api.example.com", [PUBLIC, "2606:4700::1"], False, None),
        ("https://api.example.com", [f"64:ff9b::{PUBLIC}"], False, None),
        ("https://proxy.example.com", ["10.0.0.7"], True, None),
        ("https://proxy.example.com", ["fd12::7"], True, None),
        ("https://proxy.example.com", ["10.0.0.7"], False, "private"),
        ("https://rebind.example.com", [PUBLIC, "127.0.0.1"], False, "private"),
        ("https://rebind.example.com", [PUBLIC, "::1"], False, "private"),
        ("https://rebind.example.com", [PUBLIC, "::ffff:192.168.0.1"], False, "private"),
        ("https://rebind.example.com", [PUBLIC, "100.64.0.1"], False, "private"),
        ("https://rebind.example.com", [PUBLIC, "fd12::1"], False, "private"),
        ("https://rebind.example.com", ["169.254.169.254", PUBLIC], True, "metadata"),
        ("https://rebind.example.com", [PUBLIC, "fd00:ec2::254%eth0"], True, "metadata"),
        ("https://rebind.example.com", [PUBLIC, "64:ff9b::a9fe:a9fe"], True, "metadata"),
        ("https://rebind.example.com", [PUBLIC, "169.254.1.1"], True, "link_local"),
        ("https://rebind.example.com", ["fe80::1%eth0"], True, "link_local"),
        ("https://rebind.example.com", [PUBLIC, "0.0.0.0"], True, "malformed"),
        ("https://rebind.example.com", [PUBLIC, "::"], True, "malformed"),
        ("https://rebind.example.com", [PUBLIC, "224.0.0.1"], True, "malformed"),
        ("https://api.example.com", [], True, "malformed"),
        ("https://api.example.com", [PUBLIC, "0177.0.0.1"], True, "malformed"),
        ("https://api.example.com", ["api.example.com"], True, "malformed"),
        ("http://localhost", ["127.0.0.1", "::1"], True, None),
        ("http://mac.local", ["192.168.0.4"], True, None),
        ("http://mac.local", ["::ffff:192.168.0.4"], True, None),
        ("http://evil.local", [PUBLIC], True, "plain_http"),
        ("http://evil.local", ["192.168.0.4", PUBLIC], True, "plain_http"),
        ("http://evil.local", ["192.168.0.4", "2606:4700::1"], True, "plain_http"),
        ("http://mac.local", ["fd12::4"], True, "plain_http"),
        ("http://mac.local", ["fe80::4%en0"], True, "link_local"),
        ("http://api.example.com", [PUBLIC], True, "plain_http"),
        ("http://mac.local", ["192.168.0.4"], False, "private"),
        ("http://10.0.0.1", ["10.0.0.1"], True, None),
    ],
)
def test_rule_for_what_a_name_resolves_to(
    text: str, addresses: list[str], private_allowed: bool, rule: str | None
) -> None:
    """Decision 10: the rules hold for each address that DNS gives; one bad one refuses all."""
    url = parse_base_url(text)

    assert (
        rule_of(lambda: check_resolved(url, iter(addresses), private_allowed=private_allowed))
        == rule
    )


def test_checked_addresses_are_given_back_in_order() -> None:
    """The caller gets exactly the addresses that were checked, also from an iterator."""
    url = parse_base_url("https://api.example.com")

    assert check_resolved(url, iter(["2606:4700::1", PUBLIC])) == ("2606:4700::1", PUBLIC)


def test_refusal_of_a_resolved_name_does_not_tell_its_address() -> None:
    """A refusal cannot be used to read the names of a private network."""
    url = parse_base_url("https://wiki.corp.example")

    with pytest.raises(AddressRefused) as caught:
        check_resolved(url, ["10.20.30.40"], private_allowed=False)

    assert "10.20.30.40" not in f"{caught.value} {caught.value!r}"


def test_addresses_of_this_machine_are_loopback() -> None:
    """What the resolver of this machine says of localhost passes the check for plain http."""
    url = parse_base_url("http://localhost:50051")
    found = [str(row[4][0]) for row in socket.getaddrinfo(url.host, url.port)]

    assert check_resolved(url, found) == tuple(found)
    assert all(classify_host(address) is Reach.LOOPBACK for address in found)


@given(st.ip_addresses(), st.sampled_from(Scheme), st.booleans())
def test_address_is_judged_alike_when_given_and_when_resolved(
    address: IPv4Address | IPv6Address, scheme: Scheme, private_allowed: bool
) -> None:
    """An address that is refused in a URL is refused by the same rule as an answer of DNS."""
    host = f"[{address}]" if address.version == 6 else str(address)
    given_url = parse_base_url(f"{scheme}://{host}")
    named_url = parse_base_url(f"{scheme}://name.example")

    assert rule_of(lambda: check_url(given_url, private_allowed=private_allowed)) == rule_of(
        lambda: check_resolved(named_url, [str(address)], private_allowed=private_allowed)
    )


@pytest.mark.parametrize(
    ("source", "target", "follows"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v2", True),
        ("https://api.example.com", "https://API.example.com.:443/v1", True),
        ("http://localhost:1234", "http://localhost:1234/v1", True),
        ("http://10.0.0.1", "http://[::ffff:10.0.0.1]/v1", True),
        ("https://api.example.com", "https://api.example.com:8443", False),
        ("https://api.example.com", "https://www.api.example.com", False),
        ("https://api.example.com", "https://evil.example", False),
        ("http://localhost", "https://localhost", False),
        ("http://localhost:80", "http://127.0.0.1:80", False),
    ],
)
def test_credential_follows_a_redirect_within_its_origin_only(
    source: str, target: str, follows: bool
) -> None:
    """No credential follows a redirect to another scheme, host or port (decision 10)."""
    assert check_redirect(parse_base_url(source), parse_base_url(target)) is follows


@pytest.mark.parametrize(
    ("target", "private_allowed", "rule"),
    [
        ("http://evil.example", True, "plain_http"),
        ("http://api.example.com", True, "plain_http"),
        ("http://127.0.0.1:8080", True, "plain_http"),
        ("https://169.254.169.254/latest/meta-data", True, "metadata"),
        ("http://metadata.google.internal", True, "metadata"),
        ("https://[fe80::1]", True, "link_local"),
        ("https://0.0.0.0", True, "malformed"),
        ("https://127.0.0.1", False, "private"),
        ("https://mac.local", False, "private"),
    ],
)
def test_redirect_to_a_refused_address_is_refused(
    target: str, private_allowed: bool, rule: str
) -> None:
    """Decision 10: a redirect is checked like an address, and none leads from https to http."""
    with pytest.raises(AddressRefused) as caught:
        check_redirect(
            parse_base_url("https://api.example.com"),
            parse_base_url(target),
            private_allowed=private_allowed,
        )

    assert caught.value.rule == rule
