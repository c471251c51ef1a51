"""Which hosts a base URL may name: the rules on schemes, networks and metadata services.

The numbers are those of the requirements: D6 and D7 on plain http, decision 10 on private networks,
link-local and metadata addresses.
"""

from ipaddress import IPv6Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.address import AddressRefused, AddressRule, check_url, parse_base_url
from trunkline.kernel.reach import Reach, classify_host

PUBLIC = "93.184.215.14"


def refusal_of(text: str, *, private_allowed: bool = True) -> AddressRule | None:
    """Return the rule by which an address is refused when it is given, None when it may be used."""
    try:
        check_url(parse_base_url(text), private_allowed=private_allowed)
    except AddressRefused as refused:
        return refused.rule
    return None


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        # D6: remote endpoints must be https.
        ("https://api.example.com/v1", None),
        (f"https://{PUBLIC}", None),
        ("https://[2606:4700::1]", None),
        ("http://api.example.com/v1", "plain_http"),
        (f"http://{PUBLIC}", "plain_http"),
        ("http://[2606:4700::1]", "plain_http"),
        # D7: plain http, and where it ends.
        ("http://localhost", None),
        ("http://LOCALHOST.:1234", None),
        ("http://localhost.example", "plain_http"),
        ("http://notlocalhost", "plain_http"),
        ("http://app.localhost", "plain_http"),
        ("http://127.0.0.1:11434", None),
        ("http://127.255.255.254", None),
        ("http://126.255.255.255", "plain_http"),
        ("http://128.0.0.1", "plain_http"),
        ("http://[::1]:1234", None),
        ("http://[::2]", "malformed"),
        ("http://mac.local", None),
        ("http://gpu.lab.local:8000", None),
        ("http://local", "plain_http"),
        ("http://maclocal", "plain_http"),
        ("http://mac.local.example", "plain_http"),
        ("http://10.0.0.0", None),
        ("http://10.255.255.255", None),
        ("http://9.255.255.255", "plain_http"),
        ("http://11.0.0.0", "plain_http"),
        ("http://172.16.0.1", None),
        ("http://172.31.255.255", None),
        ("http://172.15.255.255", "plain_http"),
        ("http://172.32.0.0", "plain_http"),
        ("http://192.168.0.1", None),
        ("http://192.168.255.255", None),
        ("http://192.167.255.255", "plain_http"),
        ("http://192.169.0.0", "plain_http"),
        ("http://10.0.0.1.example", "plain_http"),
        ("http://ollama:11434", "plain_http"),
        # D7 lists neither ULA nor carriers' NAT: https only.
        ("http://[fd12::1]", "plain_http"),
        ("https://[fd12::1]", None),
        ("http://100.64.0.1", "plain_http"),
        ("https://100.127.255.255", None),
        ("http://198.18.0.1", "plain_http"),
        ("https://198.18.0.1", None),
        # Decision 10: link-local.
        ("http://169.254.0.1", "link_local"),
        ("https://169.254.255.255", "link_local"),
        ("https://[fe80::1]", "link_local"),
        ("http://[febf::1]", "link_local"),
        # Decision 10: the metadata services of clouds.
        ("http://169.254.169.254", "metadata"),
        ("https://169.254.169.254/latest", "metadata"),
        ("https://169.254.170.2", "metadata"),
        ("https://[fd00:ec2::254]", "metadata"),
        ("https://100.100.100.200", "metadata"),
        ("https://168.63.129.16", "metadata"),
        ("https://[fe80::a9fe:a9fe]", "metadata"),
        ("http://metadata.google.internal", "metadata"),
        ("https://METADATA.google.internal.", "metadata"),
        ("https://a.metadata.google.internal", "metadata"),
        ("https://metadata.goog", "metadata"),
        ("https://metadata.azure.com", "metadata"),
        ("https://metadata", "metadata"),
        ("https://instance-data.ec2.internal", "metadata"),
        ("https://notmetadata.goog", None),
        # Decision 10: an IPv4 address inside an IPv6 one.
        ("http://[::ffff:127.0.0.1]", None),
        ("http://[::ffff:a00:1]", None),
        ("http://[::ffff:169.254.169.254]", "metadata"),
        (f"http://[::ffff:{PUBLIC}]", "plain_http"),
        ("http://[::127.0.0.1]", "plain_http"),
        ("https://[::127.0.0.1]", None),
        ("https://[::169.254.169.254]", "metadata"),
        ("https://[::ffff:0:169.254.169.254]", "metadata"),
        ("https://[64:ff9b::169.254.169.254]", "metadata"),
        ("https://[64:ff9b::169.254.1.1]", "link_local"),
        ("http://[64:ff9b::10.0.0.1]", "plain_http"),
        ("https://[64:ff9b::0.0.0.0]", "malformed"),
        (f"https://[64:ff9b::{PUBLIC}]", None),
        ("https://[2002:a9fe:a9fe::1]", "metadata"),
        ("https://[2002:a9fe:1::]", "link_local"),
        ("https://[2002:5db8:d70e::1]", None),
        ("https://[2002:e000:1::]", "malformed"),
        # Nobody's address.
        ("http://0.0.0.0", "malformed"),
        ("https://0.1.2.3", "malformed"),
        ("http://[::]", "malformed"),
        ("https://[::ffff:0.0.0.0]", "malformed"),
        ("https://224.0.0.1", "malformed"),
        ("https://239.255.255.255", "malformed"),
        ("https://240.0.0.1", "malformed"),
        ("https://255.255.255.255", "malformed"),
        ("https://192.0.0.8", "malformed"),
        ("https://192.0.2.1", "malformed"),
        ("https://198.51.100.1", "malformed"),
        ("https://203.0.113.1", "malformed"),
        ("https://[ff02::1]", "malformed"),
        ("https://[fec0::1]", "malformed"),
        ("https://[100::1]", "malformed"),
        ("https://[64:ff9b:1::1]", "malformed"),
        ("https://[2001:0:4136:e378:8000:63bf:3fff:fdd2]", "malformed"),
        ("https://[2001:db8::1]", "malformed"),
        ("https://[4000::1]", "malformed"),
    ],
)
def test_rule_for_an_administrators_base_url(text: str, rule: str | None) -> None:
    """D6, D7 and decision 10, row by row and at the edges of each network."""
    assert refusal_of(text) == rule


@pytest.mark.parametrize(
    ("text", "rule"),
    [
        ("https://api.example.com", None),
        (f"https://{PUBLIC}", None),
        ("https://[2606:4700::1]", None),
        (f"https://[64:ff9b::{PUBLIC}]", None),
        ("https://localhost", "private"),
        ("http://localhost", "private"),
        ("https://app.localhost", "private"),
        ("https://127.0.0.1", "private"),
        ("https://[::1]", "private"),
        ("https://[::ffff:127.0.0.1]", "private"),
        ("https://[::7f00:1]", "private"),
        ("https://mac.local", "private"),
        ("https://10.0.0.1", "private"),
        ("https://172.16.0.1", "private"),
        ("http://192.168.0.1", "private"),
        ("https://100.64.0.1", "private"),
        ("https://[fd12::1]", "private"),
        ("https://[64:ff9b::a00:1]", "private"),
        ("https://[2002:a00:1::1]", "private"),
        ("https://169.254.1.1", "link_local"),
        ("https://169.254.169.254", "metadata"),
        ("https://metadata.google.internal", "metadata"),
        ("https://0.0.0.0", "malformed"),
        ("http://api.example.com", "plain_http"),
    ],
)
def test_rule_for_a_users_own_base_url(text: str, rule: str | None) -> None:
    """Decision 10: a user's own base URL may not be private, in no spelling, not over https."""
    assert refusal_of(text, private_allowed=False) == rule


@given(st.ip_addresses(v=6))
def test_public_ipv6_address_is_one_that_iana_gave_out(address: IPv6Address) -> None:
    """Nothing outside of global unicast space is taken for public, but what carries IPv4."""
    if classify_host(str(address)) is Reach.PUBLIC:
        first = int(address) >> 112
        assert 0x2000 <= first <= 0x3FFF or first in (0, 0x64)
