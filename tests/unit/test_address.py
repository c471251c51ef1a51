"""How a base URL is read: one spelling each, and a refusal for whatever is ambiguous.

The numbers are those of the requirements: decision 10 on addresses that may never be asked, which
holds only while no other spelling of them slips through.
"""

import pickle
from urllib.parse import urlsplit

import httpx
import pytest
import yarl
from hypothesis import given
from hypothesis import strategies as st

from trunkline.kernel.address import (
    AddressRefused,
    AddressRule,
    BaseUrl,
    Scheme,
    check_url,
    parse_base_url,
)

SCHEMES = st.sampled_from(["https://", "http://", "HTTPS://", "https:", "https:/", "ftp://", "//"])
HOSTS = st.one_of(
    st.ip_addresses().map(lambda ip: f"[{ip}]" if ip.version == 6 else str(ip)),
    st.sampled_from(
        ["localhost", "mac.local", "API.Example.COM.", "xn--bcher-kva.example", "a_b.c"]
    ),
    st.sampled_from(
        ["127.1", "0x7f.1", "2130706433", "0177.0.0.1", "[::ffff:a00:1]", "[fe80::1%1]"]
    ),
    st.sampled_from(
        ["bücher.example", "１２７.0.0.1", "ⓔxample.com", "faß.de", ".", "a..b", "a%2e"]
    ),
    st.text(min_size=0, max_size=12),
    st.from_regex(r"[a-z0-9-]{1,8}(\.[a-z0-9-]{1,8}){0,3}\.?", fullmatch=True),
)
PORTS = st.one_of(
    st.just(""),
    st.integers(-1, 70000).map(lambda port: f":{port}"),
    st.text(max_size=3).map(lambda text: f":{text}"),
)
PATHS = st.one_of(
    st.from_regex(r"(/([A-Za-z0-9.~_@:-]|%[0-9A-Fa-f]{2}){0,6}){0,4}", fullmatch=True),
    st.text(max_size=12),
)
ADDRESSES = st.one_of(
    st.text(max_size=40),
    st.builds("{}{}{}{}".format, SCHEMES, HOSTS, PORTS, PATHS),
    st.builds("{}{}@{}{}{}".format, SCHEMES, st.text(max_size=6), HOSTS, PORTS, PATHS),
)


@pytest.mark.parametrize(
    ("text", "scheme", "host", "port", "path"),
    [
        ("https://api.example.com", "https", "api.example.com", 443, ""),
        ("https://api.example.com/", "https", "api.example.com", 443, ""),
        ("https://api.example.com/v1//", "https", "api.example.com", 443, "/v1"),
        ("HTTPS://API.Example.COM:8443/V1/", "https", "api.example.com", 8443, "/V1"),
        ("http://localhost:11434", "http", "localhost", 11434, ""),
        ("https://api.example.com./v1", "https", "api.example.com", 443, "/v1"),
        ("http://127.0.0.1.:80", "http", "127.0.0.1", 80, ""),
        ("https://BÜCHER.example/v1", "https", "xn--bcher-kva.example", 443, "/v1"),
        ("https://bu\u0308cher.example", "https", "xn--bcher-kva.example", 443, ""),
        ("https://xn--bcher-kva.example", "https", "xn--bcher-kva.example", 443, ""),
        ("http://[::1]:1234/v1", "http", "::1", 1234, "/v1"),
        ("https://[2606:4700:0:0:0:0:0:1111]", "https", "2606:4700::1111", 443, ""),
        ("https://[2606:4700::ABCD]", "https", "2606:4700::abcd", 443, ""),
        ("http://[::ffff:10.0.0.1]", "http", "10.0.0.1", 80, ""),
        ("https://gpu_box.example.com", "https", "gpu_box.example.com", 443, ""),
        ("https://h.example/a%2fb/%7euser/%41", "https", "h.example", 443, "/a%2Fb/~user/A"),
        ("https://h.example/@cf/v1:beta", "https", "h.example", 443, "/@cf/v1:beta"),
    ],
)
def test_base_url_is_read_into_its_normal_form(
    text: str, scheme: str, host: str, port: int, path: str
) -> None:
    """Every spelling of an address that is accepted has one normal form."""
    assert parse_base_url(text) == BaseUrl(Scheme(scheme), host, port, path)


@pytest.mark.parametrize(
    ("text", "origin", "url"),
    [
        ("https://h.example:443/v1/", "https://h.example:443", "https://h.example/v1"),
        ("https://h.example:80", "https://h.example:80", "https://h.example:80"),
        ("http://localhost:80", "http://localhost:80", "http://localhost"),
        ("http://[::1]:1234/v1", "http://[::1]:1234", "http://[::1]:1234/v1"),
        ("https://[2606:4700::1]", "https://[2606:4700::1]:443", "https://[2606:4700::1]"),
    ],
)
def test_origin_names_the_port_always_and_url_only_when_needed(
    text: str, origin: str, url: str
) -> None:
    """The origin always has its port and brackets; the text leaves the scheme's own port out."""
    parsed = parse_base_url(text)

    assert (parsed.origin, parsed.url) == (origin, url)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "api.example.com",
        "//api.example.com",
        "https:api.example.com",
        "https:/api.example.com",
        "ftp://api.example.com",
        "file:///etc/passwd",
        "javascript:alert(1)",
        "unix:///run/docker.sock",
        "http\u017f://api.example.com",
        " https://api.example.com",
        "https://api.example.com ",
        "https://api.example.com/\n",
        "https://api.exam\tple.com",
        "https://api.example.com\r\nHost: other",
        "https://api.example.com\x00.evil.example",
        "https://api.exam\u200bple.com",
        "https://api.exam\u00adple.com",
        "https://\u202emoc.elpmaxe",
        "https://api.example.com\\v1",
        "https:\\\\api.example.com",
        "https://good.example\\@evil.example",
        "https://api.example.com/v1?key=1",
        "https://api.example.com/v1?",
        "https://api.example.com/v1#top",
        "https://api.example.com#",
        "https://",
        "https:///v1",
        "https://.",
        "https://:443",
        "https://.example.com",
        "https://api..example.com",
        "https://api.example.com..",
        "https://-api.example.com",
        "https://api-.example.com",
        "https://api,example.com",
        "https://api.example.com:",
        "https://api.example.com:0",
        "https://api.example.com:080",
        "https://api.example.com:65536",
        "https://api.example.com:99999999",
        "https://api.example.com:-1",
        "https://api.example.com:+443",
        "https://api.example.com:４４３",
        "https://api.example.com:44x",
        "https://api.example.com:443:443",
        "https://api%2eexample.com",
        "https://%31%32%37.0.0.1",
        "https://2606:4700::1",
        "https://[2606:4700::1",
        "https://2606:4700::1]",
        "https://[2606:4700::1]x",
        "https://[]",
        "https://[1.2.3.4]",
        "https://[v1.fe80]",
        "https://[fe80::1%25eth0]",
        "https://[::1%lo]",
        "https://[[::1]]",
        "https://" + "a" * 64 + ".example",
        "https://" + ".".join(["a" * 60] * 5),
        "https://" + "ü" * 64 + ".example",
        "https://api.example.com/" + "a" * 2048,
        "https://" + "ü.example/" + "a" * 2029,
        "https://api.example.com/v1/../admin",
        "https://api.example.com/v1/%2e%2E/admin",
        "https://api.example.com/./v1",
        "https://api.example.com/v%1",
        "https://api.example.com/v%zz",
        "https://api.example.com/a%0d%0ab",
        "https://api.example.com/a%00",
        "https://api.example.com/a%7F",
        "https://api.example.com/é",
        'https://api.example.com/"',
        "https://api.example.com/{model}",
        "https://api.example.com/[::1]",
        "https://\ud800.example",
    ],
)
def test_text_that_is_no_plain_base_url_is_malformed(text: str) -> None:
    """A base URL has one plain spelling; whatever two parsers could read differently is refused."""
    with pytest.raises(AddressRefused) as caught:
        parse_base_url(text)

    assert caught.value.rule is AddressRule.MALFORMED


@pytest.mark.parametrize(
    "host",
    [
        "127.1",
        "127.0.1",
        "2130706433",
        "0x7f000001",
        "0x7f.0.0.1",
        "0X7F.0.0.1",
        "127.0.0.0x1",
        "0177.0.0.1",
        "127.0.0.01",
        "017700000001",
        "169.254.43518",
        "0",
        "0x",
        "256.0.0.1",
        "1.2.3.4.5",
        "4294967296",
        "evil.example.1",
        "127.0.0.1..",
        "１２７.0.0.1",
        "①②⑦.⓪.⓪.①",
        "127。0。0。1",
        "127.0.0.¹",
    ],
)
def test_odd_spelling_of_an_ipv4_address_is_malformed(host: str) -> None:
    """Decision 10: an IPv4 address is four decimal numbers, not short, octal, hex or integer."""
    with pytest.raises(AddressRefused) as caught:
        parse_base_url(f"http://{host}/v1")

    assert caught.value.rule is AddressRule.MALFORMED


@pytest.mark.parametrize(
    "host",
    [
        "ｏｐｅｎａｉ.com",
        "openai。com",
        "faß.de",
        "βόλος.example",
        "ﬁ.example",
        "a\u200db.ex",
        "ⓔ.ex",
        "i❤.ws",
    ],
)
def test_name_that_idna_would_change_is_malformed(host: str) -> None:
    """A letter that IDNA folds into another is refused, so a name never means another one here."""
    with pytest.raises(AddressRefused) as caught:
        parse_base_url(f"https://{host}")

    assert caught.value.rule is AddressRule.MALFORMED


@pytest.mark.parametrize(
    "text",
    [
        "https://user@api.example.com",
        "https://user:hunter2@api.example.com/v1",
        "https://:hunter2@api.example.com",
        "https://@api.example.com",
        "https://api.example.com@evil.example",
        "https://api.example.com:443@evil.example",
        "https://a@b@api.example.com",
        "http://[::1]@evil.example",
    ],
)
def test_userinfo_is_refused_and_not_repeated(text: str) -> None:
    """A password in an address is refused, and no text of the refusal holds it."""
    with pytest.raises(AddressRefused) as caught:
        parse_base_url(text)

    assert caught.value.rule is AddressRule.USERINFO
    assert "hunter2" not in f"{caught.value} {caught.value!r} {caught.value.args}"


@pytest.mark.parametrize(
    ("text", "private_allowed"),
    [
        ("nothing", True),
        ("https://user@h.example", True),
        ("https://h.example/?a", True),
        ("https://127.1", True),
        ("http://h.example", True),
        ("https://10.0.0.1", False),
        ("https://169.254.1.1", True),
        ("https://169.254.169.254", True),
        ("https://0.0.0.0", True),
    ],
)
def test_refusal_says_what_and_what_to_do(text: str, private_allowed: bool) -> None:
    """Every refusal is one sentence of what is wrong and one of what to do, and can be pickled."""
    with pytest.raises(AddressRefused) as caught:
        check_url(parse_base_url(text), private_allowed=private_allowed)

    refused = caught.value
    for sentence in (refused.message, refused.advice):
        assert sentence[0].isupper()
        assert sentence.endswith(".")
    assert str(refused) == f"{refused.message} {refused.advice}"
    assert str(pickle.loads(pickle.dumps(refused))) == str(refused)


def test_rules_are_those_of_the_contract() -> None:
    """The values of the rules are the words that the contract promises for `rule`."""
    assert {rule.value for rule in AddressRule} == {
        "plain_http",
        "private",
        "link_local",
        "metadata",
        "responses_path",
        "userinfo",
        "malformed",
    }


def normal_form_of(text: str) -> BaseUrl | None:
    """Return what a text is read as, None when it is refused; let any other exception through."""
    try:
        return parse_base_url(text)
    except AddressRefused:
        return None


@given(ADDRESSES)
def test_any_text_is_refused_or_has_a_stable_normal_form(text: str) -> None:
    """Any text is refused or has a normal form that reads as itself, with the same origin."""
    if (url := normal_form_of(text)) is None:
        return
    again = parse_base_url(url.url)

    assert again == url
    assert (again.origin, again.url) == (url.origin, url.url)
    assert parse_base_url(url.origin).origin == url.origin
    assert url.url.isascii()
    assert url.host == url.host.lower()
    assert 1 <= url.port <= 65535


@given(ADDRESSES)
def test_http_libraries_read_the_same_host_and_port(text: str) -> None:
    """The libraries that connect see the host and port that were checked."""
    if (url := normal_form_of(text)) is None:
        return
    ours = (url.host, url.port)
    split, raw, fast = urlsplit(url.url), httpx.URL(url.url), yarl.URL(url.url)

    assert (split.hostname, split.port or url.scheme.default_port) == ours
    assert (raw.raw_host.decode(), raw.port or url.scheme.default_port) == ours
    assert (fast.raw_host, fast.port) == ours
