"""The requests that the Google adapter builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.google_call_rows import CALL_ROWS
from unit.inference.google_message_rows import MESSAGE_ROWS
from unit.inference.google_rows import BASE, NEWEST, SAID, THOUGHTS, UNKNOWN, USER, Row, at
from unit.inference.google_setting_rows import SETTING_ROWS

ADAPTER = GoogleAdapter()

ROWS = MESSAGE_ROWS + CALL_ROWS + SETTING_ROWS


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


def url(model: str, *, stream: bool = True, base: str = BASE) -> str:
    """Return where a chat with a model goes."""
    target = Target("google", model, base)
    return str(ADAPTER.build_chat(target, ask({}), stream=stream).request.url)


def test_every_row_has_a_name_of_its_own() -> None:
    """A failure names the row."""
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
@pytest.mark.parametrize("stream", [True, False])
def test_what_goes_out(row: Row, stream: bool) -> None:
    """Each row's request goes out as that body, key by key, and loses what it says."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=stream)
    thinks = "gemma" not in row.target.model
    usual = {"generationConfig": {"thinkingConfig": THOUGHTS}} if thinks else {}
    expected = {"contents": [SAID], **usual, **row.sent}
    if not expected.get("generationConfig"):
        expected.pop("generationConfig", None)
    assert json.loads(built.request.content) == expected
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    assert all(loss.reason.endswith(".") and not loss.attempt for loss in built.losses)


def test_where_a_chat_goes() -> None:
    """The model stands in the path, and whether it is a stream; never the key."""
    flash = f"{BASE}/models/gemini-3.8-flash"
    assert url("gemini-3.8-flash") == f"{flash}:streamGenerateContent?alt=sse"
    assert url("gemini-3.8-flash", stream=False) == f"{flash}:generateContent"
    assert url("models/gemini-3.8-flash", stream=False) == f"{flash}:generateContent"
    assert url("tunedModels/mine", stream=False) == f"{BASE}/tunedModels/mine:generateContent"


@pytest.mark.parametrize(
    "model", ["../../x", "a?key=b", "a#b", "a/b", "ö", "%2e%2e", "models/../x", "tunedModels/../x"]
)
def test_no_model_leads_elsewhere(model: str) -> None:
    """Whatever the model is called, it stays one segment of the path."""
    built = ADAPTER.build_chat(Target("google", model, BASE), ask({}), stream=False).request.url
    assert built.host == "generativelanguage.googleapis.com"
    assert built.query == b""
    assert built.fragment == ""
    assert built.raw_path.startswith((b"/v1beta/models/", b"/v1beta/tunedModels/"))
    assert built.raw_path.count(b"/") == 3
    assert built.raw_path.endswith(b":generateContent")


def test_a_family_is_known_by_either_name() -> None:
    """With and without `models/` it is the same model."""
    for model in ("gemini-2.5-flash", "models/gemini-2.5-flash"):
        built = ADAPTER.build_chat(at(model), ask({"reasoning": {"effort": "none"}}), stream=True)
        sent = json.loads(built.request.content)["generationConfig"]
        assert sent == {"thinkingConfig": {"thinkingBudget": 0}}


def test_a_schema_and_arguments_in_words_go_out_verbatim() -> None:
    """The order of keys, large numbers and blanks stay as they were written."""
    text = '{ "z": 1, "a": {"maximum": 123456789012345678901234567890},\n "m": 1.0 }'
    called = {"tool_call": {"id": "x", "name": "f", "arguments": text}}
    asked = {
        "messages": [USER, {"role": "ROLE_ASSISTANT", "content": [called]}],
        "tools": [{"name": "f", "parameters_json": text}],
        "response_format": {"json_schema": {"name": "s", "schema_json": text}},
    }
    content = ADAPTER.build_chat(NEWEST, ask(asked), stream=False).request.content
    assert content.count(text.encode()) == 3
    assert json.loads(content)["tools"][0]["functionDeclarations"][0]["name"] == "f"


def test_equal_schemas_are_equal_bytes() -> None:
    """Keys of a schema that is given as an object are sorted all the way down."""

    def built(*keys: str) -> bytes:
        schema = {key: {"enum": [dict.fromkeys(keys, 1)]} for key in keys}
        asked = {
            "tools": [{"name": "f", "parameters": schema}],
            "response_format": {"json_schema": {"name": "s", "schema": schema}},
        }
        return ADAPTER.build_chat(NEWEST, ask(asked), stream=False).request.content

    assert built("a", "b", "c") == built("c", "a", "b")
    assert built("b", "a").count(b'{"a":{"enum":[{"a":1,"b":1}]},"b":{"enum"') == 2


def test_the_headers_of_a_chat() -> None:
    """The key goes into its header, framing headers cannot be replaced, and secret ones win."""
    secret = provider_pb2.ProviderSecret(
        api_key="AIza-1", headers={"X-Key": "k"}, organization="org-1", project="proj-1"
    )
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example", "Content-Length": "1"}
    target = Target("google", "gemini-3.8-flash", "https://acme.example:8443/v1", given, secret)
    for stream, accept in ((True, "text/event-stream"), (False, "application/json")):
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert request.method == "POST"
        assert "AIza" not in str(request.url)
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "acme.example:8443"),
            ("user-agent", "trunkline"),
            ("x-goog-api-key", "AIza-1"),
            ("x-goog-user-project", "proj-1"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_nothing_authenticates_without_a_secret() -> None:
    """Who has no key sends none."""
    headers = ADAPTER.build_chat(UNKNOWN, ask({}), stream=True).request.headers
    assert not [name for name in headers if name.startswith("x-goog")]


@pytest.mark.parametrize(
    "purpose", [provider_pb2.PROBE_PURPOSE_LIST_MODELS, provider_pb2.PROBE_PURPOSE_PROVE_KEY]
)
def test_a_probe_asks_for_the_models(purpose: provider_pb2.ProbePurpose.ValueType) -> None:
    """For both purposes it is the list, as many as one page holds."""
    target = Target("google", "", BASE, secret=provider_pb2.ProviderSecret(api_key="AIza-1"))
    request = ADAPTER.build_probe(target, purpose)
    assert (request.method, str(request.url)) == ("GET", f"{BASE}/models?pageSize=1000")
    assert request.content == b""
    assert sorted(request.headers.multi_items()) == [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("host", "generativelanguage.googleapis.com"),
        ("user-agent", "trunkline"),
        ("x-goog-api-key", "AIza-1"),
    ]


def test_no_secret_shows_in_a_repr() -> None:
    """Neither target nor built request prints the key."""
    secret = provider_pb2.ProviderSecret(api_key="AIza-canary", headers={"x-key": "AIza-canary"})
    target = Target("google", "gemini-3.8-flash", BASE, secret=secret)
    assert "AIza-canary" not in repr(target)
    assert "AIza-canary" not in repr(ADAPTER.build_chat(target, ask({}), stream=True))
