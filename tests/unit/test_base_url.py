"""What people paste as a base URL, and whose it is.

The numbers are those of the requirements: D6 to D9 on addresses, D25 to D28 on recognition and
decision 10 on private networks.
"""

from dataclasses import fields

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.catalog.recognition import RECOGNISED, UNRECOGNISED, Recognition, recognise
from trunkline.kernel.address import AddressRefused, AddressRule, parse_base_url
from trunkline.kernel.base_url import Format, clean_base_url

PASTED = st.builds(
    "{}{}{}{}".format,
    st.sampled_from(["", "https://", "http://", " https://", "//", "https:"]),
    st.sampled_from(
        [
            "api.example.com",
            "localhost",
            "localhost:1234",
            "10.0.0.1",
            "[::1]:4000",
            "word",
            "bü.ex",
        ]
    ),
    st.lists(
        st.sampled_from(
            [
                "/v1",
                "/",
                "/chat/completions",
                "/messages",
                "/models/a:generateContent",
                "/api/chat",
                "/responses",
                "/CHAT/completions",
                "/%6d",
            ]
        ),
        max_size=5,
    ).map("".join),
    st.sampled_from(["", "/", "\n", "?", "#a"]),
)


@pytest.mark.parametrize(
    ("text", "url", "hint"),
    [
        ("https://api.example.com/v1", "https://api.example.com/v1", None),
        ("https://api.example.com/v1/", "https://api.example.com/v1", None),
        (
            "https://api.example.com/v1/chat/completions",
            "https://api.example.com/v1",
            Format.OPENAI,
        ),
        (
            "https://api.example.com/v1/chat/completions/",
            "https://api.example.com/v1",
            Format.OPENAI,
        ),
        (
            "https://api.example.com/v1//chat/completions//",
            "https://api.example.com/v1",
            Format.OPENAI,
        ),
        ("https://api.example.com/chat/completions", "https://api.example.com", Format.OPENAI),
        (
            "https://api.example.com/V1/Chat/Completions",
            "https://api.example.com/V1",
            Format.OPENAI,
        ),
        (
            "http://localhost:1234/v1/chat/completions",
            "http://localhost:1234/v1",
            Format.OPENAI,
        ),
        (
            "https://proxy.example.com/api/v2/aibridge/openai/v1/chat/completions",
            "https://proxy.example.com/api/v2/aibridge/openai/v1",
            Format.OPENAI,
        ),
        ("https://api.example.com/v1/messages", "https://api.example.com/v1", Format.ANTHROPIC),
        ("https://api.example.com/v1/messages/", "https://api.example.com/v1", Format.ANTHROPIC),
        (
            "https://api.example.com/v1/%6dessages",
            "https://api.example.com/v1",
            Format.ANTHROPIC,
        ),
        ("https://api.example.com/messages", "https://api.example.com", Format.ANTHROPIC),
        (
            "https://api.example.com/v1beta/models/gemini-2.5-pro:streamGenerateContent",
            "https://api.example.com/v1beta",
            Format.GOOGLE,
        ),
        (
            "https://api.example.com/v1/models/a%2Fb:generatecontent/",
            "https://api.example.com/v1",
            Format.GOOGLE,
        ),
        ("https://api.example.com/v1/models/a:countTokens",) * 2 + (None,),
        ("https://api.example.com/v1/models", "https://api.example.com/v1/models", None),
        ("http://localhost:11434/api/chat", "http://localhost:11434", Format.OLLAMA),
        ("http://localhost:11434/api/tags/", "http://localhost:11434", Format.OLLAMA),
        ("https://api.example.com/o/api/generate", "https://api.example.com/o", Format.OLLAMA),
        ("https://aws.example.com/model/a%3A0/converse", "https://aws.example.com", Format.BEDROCK),
        (
            "https://aws.example.com/model/a/converse-stream",
            "https://aws.example.com",
            Format.BEDROCK,
        ),
        ("https://api.example.com/api", "https://api.example.com/api", None),
        (
            "https://api.example.com/api/chat/completions",
            "https://api.example.com/api",
            Format.OPENAI,
        ),
        (
            "https://api.example.com/messages/chat/completions",
            "https://api.example.com",
            Format.OPENAI,
        ),
        ("https://api.example.com/v1/completions", "https://api.example.com/v1/completions", None),
        (
            "https://api.example.com/chat/completions/v1",
            "https://api.example.com/chat/completions/v1",
            None,
        ),
        ("https://api.example.com/mymessages", "https://api.example.com/mymessages", None),
        ("https://api.example.com/messages/v1", "https://api.example.com/messages/v1", None),
        ("  https://api.example.com/v1 \r\n", "https://api.example.com/v1", None),
    ],
)
def test_path_of_a_request_is_cut_and_tells_the_format(
    text: str, url: str, hint: Format | None
) -> None:
    """D9: what each format asks at is cut from the end, and the base path is the rest."""
    cleaned = clean_base_url(text)

    assert (cleaned.base_url.url, cleaned.format_hint) == (url, hint)
    assert any(str(hint) in note for note in cleaned.notes) is (hint is not None)


@pytest.mark.parametrize(
    "path",
    [
        "/v1/responses",
        "/v1/responses/",
        "/responses",
        "/v1/RESPONSES",
        "/v1/%72esponses",
        "/v1/responses/chat/completions",
    ],
)
def test_responses_endpoint_is_refused_with_advice(path: str) -> None:
    """D8: the Responses API is not supported; the advice names the base URL and the right path."""
    with pytest.raises(AddressRefused) as caught:
        clean_base_url(f"https://api.example.com{path}")

    assert caught.value.rule is AddressRule.RESPONSES_PATH
    assert "base URL" in caught.value.advice
    assert "/chat/completions" in caught.value.advice


@pytest.mark.parametrize("path", ["/myresponses", "/responses/v1", "/v1/responses-proxy"])
def test_path_that_only_resembles_responses_is_accepted(path: str) -> None:
    """D8 is about the last segment and no other."""
    assert clean_base_url(f"https://api.example.com{path}").base_url.path == path


@pytest.mark.parametrize(
    ("text", "url"),
    [
        ("api.example.com", "https://api.example.com"),
        ("api.example.com/v1", "https://api.example.com/v1"),
        ("api.example.com:8443/v1", "https://api.example.com:8443/v1"),
        ("openrouter.ai/api/v1", "https://openrouter.ai/api/v1"),
        ("8.8.8.8", "https://8.8.8.8"),
        ("[2606:4700::1]:8443", "https://[2606:4700::1]:8443"),
        ("localhost", "http://localhost"),
        ("localhost:1234", "http://localhost:1234"),
        ("LOCALHOST:1234/v1/", "http://localhost:1234/v1"),
        ("127.0.0.1:11434", "http://127.0.0.1:11434"),
        ("[::1]:1234/v1", "http://[::1]:1234/v1"),
        ("mac.local:8000", "http://mac.local:8000"),
        ("192.168.1.20:8000/v1", "http://192.168.1.20:8000/v1"),
        ("100.64.0.1", "https://100.64.0.1"),
        ("app.localhost", "https://app.localhost"),
    ],
)
def test_missing_scheme_is_assumed_and_noted(text: str, url: str) -> None:
    """D6 and D7: http for the hosts that may have it, https for all others, and a note says so."""
    cleaned = clean_base_url(text)

    assert cleaned.base_url.url == url
    assert cleaned.notes == (f"{cleaned.base_url.scheme}:// was assumed.",)


def test_nothing_is_noted_when_nothing_was_changed() -> None:
    """An address that is right as it stands has no note."""
    assert clean_base_url("https://api.example.com/v1").notes == ()


def test_name_in_another_script_is_noted_as_dns_spells_it() -> None:
    """A look-alike of a known name shows itself, for its note has the xn-- form."""
    cleaned = clean_base_url("https://\u043epenai.com/v1")

    assert cleaned.base_url.host == "xn--penai-iye.com"
    assert cleaned.notes == ("The host is xn--penai-iye.com in the spelling of DNS.",)
    assert recognise(cleaned.base_url) is UNRECOGNISED


@pytest.mark.parametrize(
    ("text", "private_allowed", "rule"),
    [
        ("http://api.example.com/v1", True, "plain_http"),
        ("https://localhost:1234", False, "private"),
        ("localhost:1234", False, "private"),
        ("10.0.0.1", False, "private"),
        ("169.254.169.254", True, "metadata"),
        ("http://metadata.google.internal/v1/messages", True, "metadata"),
        ("https://169.254.1.1", True, "link_local"),
        ("https://user:hunter2@api.example.com", True, "userinfo"),
        ("user:hunter2@api.example.com", True, "userinfo"),
        ("https://api.example.com/v1?key=hunter2", True, "malformed"),
        ("https://api.example.com/v1/chat/completions?api-version=1", True, "malformed"),
        ("https://api.example.com/v1#hunter2", True, "malformed"),
        ("sk-hunter2", True, "malformed"),
        ("sk_hunter2", True, "malformed"),
        ("", True, "malformed"),
        ("   ", True, "malformed"),
        ("//api.example.com", True, "malformed"),
        ("https:api.example.com", True, "malformed"),
        ("https:/api.example.com", True, "malformed"),
        ("ftp://api.example.com", True, "malformed"),
        ("mailto:a", True, "malformed"),
        ("0x7f.1", True, "malformed"),
        ("api.example.com /v1", True, "malformed"),
    ],
)
def test_address_that_may_not_be_used_is_refused(
    text: str, private_allowed: bool, rule: str
) -> None:
    """D6, D7 and decision 10 hold for what is pasted, and no refusal repeats it."""
    with pytest.raises(AddressRefused) as caught:
        clean_base_url(text, private_allowed=private_allowed)

    assert caught.value.rule == rule
    assert "hunter2" not in f"{caught.value} {caught.value!r}"


@pytest.mark.parametrize(
    ("url", "slug"),
    [
        ("https://openrouter.ai/api/v1", "openrouter"),
        ("https://api.groq.com/openai/v1", "groq"),
        ("https://groq.com", "groq"),
        ("https://api.together.xyz/v1", "together"),
        ("https://api.together.ai/v1", "together"),
        ("https://api.mistral.ai/v1", "mistral"),
        ("https://codestral.mistral.ai/v1", "mistral"),
        ("https://api.perplexity.ai", "perplexity"),
        ("https://api.fireworks.ai/inference/v1", "fireworks"),
        ("https://api.deepseek.com/v1", "deepseek"),
        ("http://localhost:1234/v1", "lm-studio"),
        ("http://127.0.0.1:1234", "lm-studio"),
        ("http://[::1]:1234", "lm-studio"),
        ("http://localhost:4000", "litellm"),
        ("https://localhost:4000", "litellm"),
        ("https://api.openai.com/v1", "openai"),
        ("https://eu.api.openai.com/v1", "openai"),
        ("https://OpenRouter.AI.:8443", "openrouter"),
        ("https://ai-gateway.vercel.sh/v1", "vercel"),
        ("https://api.minimax.io/v1", "minimax"),
        ("https://api.minimaxi.com/v1", "minimax-cn"),
        ("https://api.moonshot.ai/v1", "moonshot"),
        ("https://api.moonshot.cn/v1", "moonshot-cn"),
        ("https://api.x.ai/v1", "xai"),
    ],
)
def test_known_address_is_recognised(url: str, slug: str) -> None:
    """D25: the named hosts and ports are recognised, all with the format openai."""
    recognised = recognise(parse_base_url(url))

    assert (recognised.type, recognised.format) == (slug, Format.OPENAI)


@pytest.mark.parametrize(
    ("url", "slug", "wire_format"),
    [
        ("https://api.anthropic.com/v1", "anthropic", Format.ANTHROPIC),
        ("https://generativelanguage.googleapis.com/v1beta", "google", Format.GOOGLE),
        ("https://generativelanguage.googleapis.com", "google", Format.GOOGLE),
        ("http://localhost:11434", "ollama", Format.OLLAMA),
        ("http://127.0.0.1:11434", "ollama", Format.OLLAMA),
        ("https://ollama.com", "ollama", Format.OLLAMA),
        ("https://bedrock-runtime.eu-central-1.amazonaws.com", "aws-bedrock", Format.BEDROCK),
        ("https://bedrock-runtime-fips.us-gov-west-1.api.aws", "aws-bedrock", Format.BEDROCK),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "aws-bedrock", Format.BEDROCK),
        ("https://my.openai.azure.com/openai/v1", "azure-openai", Format.AZURE),
        ("https://my.openai.azure.com/openai/deployments/gpt", "azure-openai", Format.AZURE),
        ("https://my.openai.azure.us", "azure-openai", Format.AZURE),
        ("https://my.openai.azure.cn", "azure-openai", Format.AZURE),
        ("https://my.cognitiveservices.azure.com/openai", "azure-openai", Format.AZURE),
        ("https://my.services.ai.azure.com/openai/v1", "azure-openai", Format.AZURE),
        ("https://name.eastus.models.ai.azure.com/v1", "azure-openai", Format.AZURE),
        # Their second faces, which speak the format openai, or anthropic.
        ("https://api.deepseek.com/anthropic", "anthropic-compatible", Format.ANTHROPIC),
        ("https://api.minimax.io/anthropic/v1", "anthropic-compatible", Format.ANTHROPIC),
        ("https://api.minimaxi.com/anthropic", "anthropic-compatible", Format.ANTHROPIC),
        ("https://api.moonshot.ai/Anthropic", "anthropic-compatible", Format.ANTHROPIC),
        ("https://api.moonshot.cn/anthropic", "anthropic-compatible", Format.ANTHROPIC),
        (
            "https://my.services.ai.azure.com/anthropic/v1",
            "anthropic-compatible",
            Format.ANTHROPIC,
        ),
        ("http://localhost:11434/v1", "openai-compatible", Format.OPENAI),
        ("https://ollama.com/v1", "openai-compatible", Format.OPENAI),
        (
            "https://generativelanguage.googleapis.com/v1beta/openai",
            "openai-compatible",
            Format.OPENAI,
        ),
    ],
)
def test_a_vendor_with_a_format_of_its_own_is_recognised(
    url: str, slug: str, wire_format: Format
) -> None:
    """The host tells the vendor; a path that speaks another format is no vendor's own."""
    recognised = recognise(parse_base_url(url))

    assert (recognised.type, recognised.format) == (slug, wire_format)


@pytest.mark.parametrize(
    "url",
    [
        "https://api.example.com/v1",
        "https://evilopenrouter.ai",
        "https://openrouter.ai.evil.com",
        "https://openrouter.ai.evil.com/openrouter.ai",
        "https://openrouter-ai.com",
        "https://notgroq.com",
        "https://evil.com/api.groq.com",
        "https://openai.azure.com.evil.com",
        "https://notopenai.azure.com",
        "https://management.azure.com",
        "https://ai",
        "https://com",
        "https://googleapis.com",
        "https://storage.googleapis.com",
        "http://192.168.0.2:11434",
        "http://localhost",
        "http://localhost:12340",
        "http://192.168.0.2:1234",
        "http://mac.local:4000",
        "https://localhost.evil.com:1234",
        "https://app.localhost:1234",
        "https://bedrock.us-east-1.amazonaws.com",
        "https://bedrock-runtime.us-east-1.amazonaws.com.evil.com",
        "https://evil.bedrock-runtime.us-east-1.amazonaws.com",
        "https://bedrock-runtime.a.b.amazonaws.com",
        "https://s3.us-east-1.amazonaws.com",
        "https://api.example.com:1234",
    ],
)
def test_other_address_is_openai_compatible(url: str) -> None:
    """D26: what is not recognised has the format openai; a host matches whole labels only."""
    recognised = recognise(parse_base_url(url))

    assert (recognised.type, recognised.format) == ("openai-compatible", Format.OPENAI)


def test_every_row_is_named() -> None:
    """D25: all recognised services are there, each under its name."""
    assert all(row.display_name for row in RECOGNISED.values())
    assert {row.type for row in RECOGNISED.values()} == {
        "anthropic",
        "aws-bedrock",
        "azure-openai",
        "google",
        "ollama",
        "openai",
        "openrouter",
        "groq",
        "together",
        "mistral",
        "perplexity",
        "fireworks",
        "deepseek",
        "lm-studio",
        "litellm",
        "minimax",
        "minimax-cn",
        "moonshot",
        "moonshot-cn",
        "vercel",
        "xai",
    }


def test_recognition_has_nothing_that_could_limit() -> None:
    """D28: a recognition is a name and a default, and holds nothing that a provider may not do."""
    assert {field.name for field in fields(Recognition)} == {"type", "display_name", "format"}


@pytest.mark.parametrize("host", ["openrouter.ai", "api.example.com"])
def test_recognised_host_is_cleaned_like_any_other(host: str) -> None:
    """D27 and D28: the path decides for a known host too, so that any format can be had."""
    cleaned = clean_base_url(f"https://{host}/v1/messages")

    assert cleaned.base_url.url == f"https://{host}/v1"
    assert cleaned.format_hint is Format.ANTHROPIC


@given(st.one_of(PASTED, st.text(max_size=40)), st.booleans())
def test_cleaning_only_ever_refuses_and_is_done_once(text: str, private_allowed: bool) -> None:
    """Any text is refused or cleaned, and cleaning the result again changes nothing."""
    try:
        cleaned = clean_base_url(text, private_allowed=private_allowed)
    except AddressRefused:
        return
    again = clean_base_url(cleaned.base_url.url, private_allowed=private_allowed)

    assert (again.base_url, again.format_hint, again.notes) == (cleaned.base_url, None, ())
    assert not cleaned.base_url.path.lower().endswith(
        ("/chat/completions", "/messages", ":generatecontent", "/api/chat", "/responses", "/")
    )
    assert recognise(cleaned.base_url).format is Format.OPENAI
