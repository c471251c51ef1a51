"""Judge where a request may go: base URLs, what their names resolve to, and redirects.

The reach of a host (see `reach`) and the scheme together decide (D6, D7, decision 10). They are
asked at three moments: when an address is given (`check_url`), when its name was resolved
(`check_resolved`) and when a server points elsewhere (`check_redirect`). Who connects must take one
of the addresses that `check_resolved` returned and may not resolve again: a second answer of DNS is
one that nobody checked.

The parser takes one spelling of an address and refuses the others, since a text that two parsers
read differently is how the address that was checked and the one that is connected come apart.

A refusal never repeats the text, which may hold a password, nor the number that DNS gave, which
would let a user of the service read the names of a private network.
"""

import re
import unicodedata
from collections.abc import Iterable
from dataclasses import dataclass
from encodings import idna
from enum import StrEnum
from ipaddress import IPv6Address
from typing import Final, assert_never

from trunkline.kernel.reach import Reach, classify_address, classify_host, parse_ip


class AddressRule(StrEnum):
    """The rule that an address broke; the values are those of the contract's `rule`."""

    PLAIN_HTTP = "plain_http"
    PRIVATE = "private"
    LINK_LOCAL = "link_local"
    METADATA = "metadata"
    RESPONSES_PATH = "responses_path"
    USERINFO = "userinfo"
    MALFORMED = "malformed"


class AddressRefused(Exception):
    """An address that may not be used.

    Args:
        rule: the rule it broke.
        message: one sentence that says what is wrong, without a word of the address.
        advice: one sentence that says what to do.
    """

    def __init__(self, rule: AddressRule, message: str, advice: str) -> None:
        super().__init__(rule, message, advice)
        self.rule = rule
        self.message = message
        self.advice = advice

    def __str__(self) -> str:
        return f"{self.message} {self.advice}"


class Scheme(StrEnum):
    """How a base URL is spoken to."""

    HTTP = "http"
    HTTPS = "https"

    @property
    def default_port(self) -> int:
        """Return the port that a URL of this scheme means when it names none."""
        return 443 if self is Scheme.HTTPS else 80


@dataclass(frozen=True, slots=True)
class BaseUrl:
    """A base URL in its one normal form, as `parse_base_url` makes it.

    Attributes:
        scheme: `http` or `https`.
        host: a name in lower case, in ASCII and without a dot at its end, or an IP address, IPv6
            compressed and without brackets.
        port: 1 to 65535, always set.
        path: empty, or `/` and at least one segment, never with a slash at its end.
    """

    scheme: Scheme
    host: str
    port: int
    path: str

    @property
    def origin(self) -> str:
        """Return `scheme://host:port`, the port always there and IPv6 in brackets."""
        return f"{self.scheme}://{self._bracketed}:{self.port}"

    @property
    def url(self) -> str:
        """Return the whole as text, the port only where it is not the scheme's own."""
        port = "" if self.port == self.scheme.default_port else f":{self.port}"
        return f"{self.scheme}://{self._bracketed}{port}{self.path}"

    @property
    def _bracketed(self) -> str:
        return f"[{self.host}]" if ":" in self.host else self.host


_MAX_URL_LENGTH: Final = 2048  # the contract's bound of base_url
_MAX_HOST_LENGTH: Final = 253  # RFC 1035 §2.3.4, as text

# re.ASCII, since without it IGNORECASE takes U+017F for an s.
_SHAPE: Final = re.compile(r"(https?)://([^/]*)(.*)", re.IGNORECASE | re.ASCII)
_AUTHORITY: Final = re.compile(r"(\[[^\[\]]*\]|[^:\[\]]*)(?::([1-9][0-9]{0,4}))?")
# RFC 1123 §2.1, and the underscore, which names in private networks do hold.
_LABEL: Final = re.compile(r"[a-z0-9_](?:[a-z0-9_-]{0,61}[a-z0-9_])?")
# A host whose last label is such is an IPv4 address or nothing (WHATWG URL §3.5).
_NUMBER: Final = re.compile(r"[0-9]+|0x[0-9a-f]*")
# RFC 3986 §3.3.
_PATH: Final = re.compile(r"(?:/(?:[A-Za-z0-9\-._~!$&'()*+,;=:@/]|%[0-9A-Fa-f]{2})*)?")
_ESCAPE: Final = re.compile(r"%[0-9A-Fa-f]{2}")
_UNRESERVED: Final = re.compile(r"[A-Za-z0-9\-._~]")

_EXAMPLE: Final = "Write it like https://api.example.com/v1."


def parse_base_url(text: str) -> BaseUrl:
    """Read a base URL.

    The normal form is stable: parsing the `url` of the result gives the result again. A dot at the
    end of the host is dropped, a name in other scripts becomes its `xn--` form, an IPv4-mapped
    address becomes the IPv4 address that it is.

    Args:
        text: a URL with its scheme, at most 2,048 characters, nothing around it.

    Raises:
        AddressRefused: `userinfo` for a user or password before the host; `malformed` for
            everything else that is not a base URL in a plain spelling: a query, a fragment, another
            scheme, spaces, control characters, backslashes, a port out of 1 to 65535, an escape in
            the host, IPv4 in other than four decimal numbers, dot segments in the path.

    The grammar is RFC 3986's, narrowed; which hosts are meant as IPv4 is the WHATWG URL standard's.
    """
    if len(text) > _MAX_URL_LENGTH:
        raise _malformed("The address is longer than 2,048 characters.")
    if " " in text or not text.isprintable():
        raise _malformed("The address holds a space or a character that cannot be seen.")
    if "\\" in text:
        raise _malformed("The address holds a backslash.", "Write slashes as in https://host/path.")
    shape = _SHAPE.fullmatch(text)
    if shape is None:
        raise _malformed("The address does not begin with https:// or http://.")
    scheme, authority, path = Scheme(shape[1].lower()), shape[2], shape[3]
    if "@" in authority:
        raise AddressRefused(
            AddressRule.USERINFO,
            "The address holds a user name or password.",
            "Take it out of the address and give the key as the provider's key.",
        )
    if "?" in text or "#" in text:
        raise _malformed(
            "The address has a query or a fragment.", "Leave out everything from the ? or # on."
        )
    parts = _AUTHORITY.fullmatch(authority)
    port = int(parts[2] or scheme.default_port) if parts else 0
    if parts is None or port > 65535:
        raise _malformed("The address has no host, or a port that is not between 1 and 65535.")
    url = BaseUrl(scheme, _parse_host(parts[1]), port, _parse_path(path))
    if len(url.url) > _MAX_URL_LENGTH:  # a name in other scripts grows
        raise _malformed("The address is longer than 2,048 characters.")
    return url


def check_url(url: BaseUrl, *, private_allowed: bool = True) -> None:
    """Refuse a base URL that may not be used, as far as can be seen without resolving its name.

    Args:
        url: the base URL.
        private_allowed: whether it may lead to this machine or a private network. False for a
            user's own base URL, unless the deployment allows it.

    Raises:
        AddressRefused: `plain_http`, `private`, `link_local`, `metadata`, or `malformed` for an
            address that no server can have.
    """
    _judge(url.scheme, classify_host(url.host), private_allowed, "This is")


def check_resolved(
    url: BaseUrl, addresses: Iterable[str], *, private_allowed: bool = True
) -> tuple[str, ...]:
    """Refuse a base URL for what its host resolved to; one bad address refuses all.

    Args:
        url: the base URL, already through `check_url`.
        addresses: what the resolver gave, as text; an IPv6 address may have a zone.
        private_allowed: as for `check_url`.

    Returns:
        The addresses in their order. Only these may be connected to.

    Raises:
        AddressRefused: as for `check_url`; `malformed` also when there is no address at all, or
            when one cannot be read.
    """
    checked = tuple(addresses)
    if not checked:
        raise _malformed("The name resolves to no address.", "Check how the host is spelled.")
    for text in checked:
        address = parse_ip(text)
        if address is None:
            raise _malformed("The name resolves to something that is no IP address.")
        _judge(url.scheme, classify_address(address), private_allowed, "The name resolves to")
    return checked


def check_redirect(source: BaseUrl, target: BaseUrl, *, private_allowed: bool = True) -> bool:
    """Refuse a redirect that may not be followed, and tell whether credentials may follow it.

    What the target resolves to must pass `check_resolved` as well.

    Args:
        source: where the answer came from.
        target: where it points.
        private_allowed: as for `check_url`.

    Returns:
        True when both have one origin; only then may a credential go along.

    Raises:
        AddressRefused: as for `check_url`; `plain_http` also for every step from https to http,
            which takes back a protection that the caller asked for.
    """
    check_url(target, private_allowed=private_allowed)
    if source.scheme is Scheme.HTTPS and target.scheme is Scheme.HTTP:
        raise AddressRefused(
            AddressRule.PLAIN_HTTP,
            "The server redirects from https to plain http.",
            "Use the address that it redirects to, if you trust it.",
        )
    return source.origin == target.origin


def _judge(scheme: Scheme, reach: Reach, private_allowed: bool, subject: str) -> None:
    """Raise for a reach that the scheme or the caller may not have."""
    match reach:
        case Reach.METADATA:
            raise AddressRefused(
                AddressRule.METADATA,
                f"{subject} the metadata service of a cloud, which is never asked.",
                "Use the address of the model provider.",
            )
        case Reach.LINK_LOCAL:
            raise AddressRefused(
                AddressRule.LINK_LOCAL,
                f"{subject} a link-local address, which is never asked.",
                "Use an address that is known beyond its link, such as one in 192.168.0.0/16.",
            )
        case Reach.UNUSABLE:
            raise _malformed(
                f"{subject} an unspecified, multicast or reserved address, which no server has.",
                "Use the address of the model provider.",
            )
        case Reach.LOOPBACK | Reach.LAN | Reach.INTERNAL if not private_allowed:
            raise AddressRefused(
                AddressRule.PRIVATE,
                f"{subject} an address of this machine or of a private network.",
                "Use a public https address, or ask an administrator to add this provider.",
            )
        case Reach.PUBLIC | Reach.INTERNAL if scheme is Scheme.HTTP:
            raise AddressRefused(
                AddressRule.PLAIN_HTTP,
                f"{subject} an address that plain http may not be used for.",
                "Use https; http is for localhost, names in .local, 10.0.0.0/8, 172.16.0.0/12 and "
                "192.168.0.0/16.",
            )
        case Reach.LOOPBACK | Reach.LAN | Reach.INTERNAL | Reach.PUBLIC:
            return
        case _:
            assert_never(reach)


def _malformed(message: str, advice: str = _EXAMPLE) -> AddressRefused:
    return AddressRefused(AddressRule.MALFORMED, message, advice)


def _parse_host(text: str) -> str:
    """Return the normal form of a host, IPv6 still in its brackets."""
    if not text:
        raise _malformed("The address has no host.")
    if "%" in text:
        raise _malformed("The host holds a % sign.", "Write the host without escapes and zones.")
    if text.startswith("["):
        address = parse_ip(text[1:-1])
        if not isinstance(address, IPv6Address):
            raise _malformed("There is no IPv6 address between the brackets.")
        # Python's releases write a mapped address in two ways, and an origin must stay as it is.
        return str(address.ipv4_mapped or address)
    labels = [_parse_label(label) for label in text.removesuffix(".").split(".")]
    host = ".".join(labels)
    if len(host) > _MAX_HOST_LENGTH:
        raise _malformed("The host is longer than 253 characters.")
    if _NUMBER.fullmatch(labels[-1]) and parse_ip(host) is None:
        raise _malformed(
            "The host is a number that is no plain IPv4 address.",
            "Write four decimal numbers without leading zeros, such as 192.168.0.10.",
        )
    return host


def _parse_label(text: str) -> str:
    """Return one label of a name in lower case and ASCII.

    The standard library has IDNA 2003 (RFC 3490), which folds some letters away: full-width digits
    become digits, a sharp s becomes ss. What it would change is refused, so that a name never means
    another one here than it does elsewhere.
    """
    label = text.lower()
    if not label.isascii():
        label = unicodedata.normalize("NFC", label)
        try:
            if not _is_written(label) or idna.nameprep(label) != label:
                raise _malformed(
                    "The host has letters that programs read in different ways.",
                    "Write the host in its xn-- form.",
                )
            label = idna.ToASCII(label).decode("ascii")
        except UnicodeError:
            raise _malformed("The host is no host name.") from None
    if _LABEL.fullmatch(label) is None:
        raise _malformed("The host is no host name.")
    return label


def _is_written(label: str) -> bool:
    """Tell whether all is letters, marks, digits and hyphens, as IDNA 2008 has it (RFC 5892).

    Among the symbols that IDNA 2003 lets through is U+3002, which is a dot to many programs.
    """
    return all(mark == "-" or unicodedata.category(mark)[0] in "LMN" for mark in label)


def _parse_path(text: str) -> str:
    """Return a path with RFC 3986's normal escapes (§6.2.2) and without slashes at its end."""
    if _PATH.fullmatch(text) is None:
        raise _malformed(
            "The path holds a character that must be escaped.",
            "Escape it with a % sign and two hexadecimal digits.",
        )
    path = _ESCAPE.sub(_normalise_escape, text).rstrip("/")
    if not {".", ".."}.isdisjoint(path.split("/")):
        raise _malformed("The path has a . or .. segment.", "Write the path that is meant.")
    return path


def _normalise_escape(escape: re.Match[str]) -> str:
    """Return the character where it needs no escape, else the escape in upper case."""
    character = chr(int(escape[0][1:], 16))
    if not character.isprintable() and character < "\x80":
        raise _malformed("The path holds an escaped control character.", "Leave it out.")
    return character if _UNRESERVED.fullmatch(character) else escape[0].upper()
