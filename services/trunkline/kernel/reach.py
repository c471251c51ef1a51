"""Tell how far away a host is, by its name or its number.

The rows are IANA's registries of special-purpose addresses (RFC 6890) and the cloud vendors'
documentation. They are our own and not `ipaddress.is_private`, whose answers change between
Python's releases. What may be done with a reach is `address`'s to say.
"""

from enum import Enum
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from typing import Final


class Reach(Enum):
    """How far from this machine a host is."""

    LOOPBACK = "this machine"
    LAN = "a private network that D7 lists: RFC 1918, and names in .local"
    INTERNAL = "a private network of another kind"
    PUBLIC = "anywhere; for a name, not known before it is resolved"
    LINK_LOCAL = "the local link"
    METADATA = "a cloud's metadata service, which gives credentials to whoever asks"
    UNUSABLE = "no server: unspecified, multicast, reserved, for documentation"


# Those on the local link are listed too, so that a refusal says what they are.
_METADATA_ADDRESSES: Final = frozenset(
    ip_address(text)
    for text in (
        "169.254.169.254",  # AWS, Azure, Google, Oracle and most others
        "169.254.170.2",  # AWS ECS, credentials of a task
        "169.254.170.23",  # AWS EKS, credentials of a pod
        "100.100.100.200",  # Alibaba
        "168.63.129.16",  # Azure's wire server, although its number is a public one
        "192.0.0.192",  # Oracle, classic
        "fd00:ec2::254",  # AWS
        "fd00:ec2::23",  # AWS EKS
        "fd20:ce::254",  # Google
        "fd00:42::42",  # Scaleway
        "fe80::a9fe:a9fe",  # OpenStack
    )
)
_METADATA_NAMES: Final = (
    "metadata",
    "instance-data",
    "instance-data.ec2.internal",
    "metadata.google.internal",
    "metadata.goog",
    "metadata.azure.com",
    "metadata.azure.internal",
    "metadata.oraclecloud.com",
    "metadata.tencentyun.com",
    "metadata.packet.net",
    "metadata.platformequinix.com",
)

# What no row holds is public.
_IPV4: Final = tuple(
    (IPv4Network(text), reach)
    for text, reach in (
        ("0.0.0.0/8", Reach.UNUSABLE),
        ("10.0.0.0/8", Reach.LAN),
        ("100.64.0.0/10", Reach.INTERNAL),  # carriers' NAT and overlay networks, RFC 6598
        ("127.0.0.0/8", Reach.LOOPBACK),
        ("169.254.0.0/16", Reach.LINK_LOCAL),
        ("172.16.0.0/12", Reach.LAN),
        ("192.0.0.0/24", Reach.UNUSABLE),
        ("192.0.2.0/24", Reach.UNUSABLE),
        ("192.88.99.0/24", Reach.UNUSABLE),
        ("192.168.0.0/16", Reach.LAN),
        # For benchmarks by RFC 2544; local proxies answer DNS with it for every name, so that
        # calling it unusable would cut off everybody behind one.
        ("198.18.0.0/15", Reach.INTERNAL),
        ("198.51.100.0/24", Reach.UNUSABLE),
        ("203.0.113.0/24", Reach.UNUSABLE),
        ("224.0.0.0/4", Reach.UNUSABLE),
        ("240.0.0.0/4", Reach.UNUSABLE),
    )
)
# IPv6 addresses that carry an IPv4 one, with the number of bits to its right.
_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_CARRIERS: Final = tuple(
    (IPv6Network(text), shift)
    for text, shift in (
        ("::/96", 0),  # IPv4-compatible, RFC 4291 §2.5.5.1
        ("::ffff:0:0:0/96", 0),  # IPv4-translated, RFC 7915
        ("64:ff9b::/96", 0),  # NAT64, RFC 6052
        ("2002::/16", 80),  # 6to4, RFC 3056
    )
)
# The first row that holds the address decides; what no row holds IANA has not given to anybody.
_IPV6: Final = tuple(
    (IPv6Network(text), reach)
    for text, reach in (
        ("::/128", Reach.UNUSABLE),
        ("::1/128", Reach.LOOPBACK),
        ("fc00::/7", Reach.INTERNAL),  # ULA: as private as RFC 1918, but not in D7's list
        ("fe80::/10", Reach.LINK_LOCAL),
        # Protocol assignments. Teredo is among them, which hides an IPv4 address in itself.
        ("2001::/23", Reach.UNUSABLE),
        ("2001:db8::/32", Reach.UNUSABLE),
        ("3fff::/20", Reach.UNUSABLE),
        ("2000::/3", Reach.PUBLIC),
    )
)


def classify_host(host: str) -> Reach:
    """Tell how far away a host is.

    Args:
        host: a name in lower case, ASCII and without a dot at its end, or an IP address.

    Returns:
        The reach. A name is judged by itself and not resolved: most are `PUBLIC` until then.
    """
    address = parse_ip(host)
    if address is not None:
        return classify_address(address)
    if any(_is_within(host, name) for name in _METADATA_NAMES):
        return Reach.METADATA
    if host == "localhost":
        return Reach.LOOPBACK
    if host.endswith(".local"):
        return Reach.LAN
    # RFC 6761 keeps these names for this machine, but D7 does not list them.
    return Reach.INTERNAL if host.endswith(".localhost") else Reach.PUBLIC


def classify_address(address: IPv4Address | IPv6Address) -> Reach:
    """Tell how far away an IP address is.

    Args:
        address: any address; a zone, as in `fe80::1%eth0`, plays no part.

    Returns:
        The reach. An IPv4-mapped address is the IPv4 address. Other addresses that carry an IPv4
        one have its reach too, except that plain http is never theirs (so `INTERNAL` for what would
        be `LOOPBACK` or `LAN`): a translator or relay stands between, and may be far.
    """
    number = int(address)
    if isinstance(address, IPv6Address):
        address = IPv6Address(number)  # without its zone, which takes part in comparisons
    if address in _METADATA_ADDRESSES:
        return Reach.METADATA
    if isinstance(address, IPv4Address):
        return next((reach for network, reach in _IPV4 if address in network), Reach.PUBLIC)
    if address in _MAPPED:
        return classify_address(_low_ipv4(number))
    # Loopback and unspecified lie within the IPv4-compatible range, and are not meant by it.
    if number > 1:
        for network, shift in _CARRIERS:
            if address in network:
                inner = classify_address(_low_ipv4(number >> shift))
                return Reach.INTERNAL if inner in (Reach.LOOPBACK, Reach.LAN) else inner
    return next((reach for network, reach in _IPV6 if address in network), Reach.UNUSABLE)


def parse_ip(text: str) -> IPv4Address | IPv6Address | None:
    """Read an IP address in its usual spelling.

    Args:
        text: four decimal numbers without leading zeros, or IPv6 without brackets.

    Returns:
        The address, or None when the text is anything else.
    """
    try:
        return ip_address(text)
    except ValueError:
        return None


def _is_within(host: str, domain: str) -> bool:
    return host == domain or host.endswith(f".{domain}")


def _low_ipv4(number: int) -> IPv4Address:
    return IPv4Address(number & 0xFFFF_FFFF)
