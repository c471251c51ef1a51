"""The requests that the Bedrock adapter builds, asserted in full."""

from __future__ import annotations

import json
from typing import Any

import pytest
from google.protobuf import json_format
from msgspec.structs import replace

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.bedrock.families import family_of
from trunkline.inference.transcript import check
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.bedrock_call_rows import CALL_ROWS
from unit.inference.bedrock_message_rows import MESSAGE_ROWS
from unit.inference.bedrock_rows import BASE, CLAUDE, LLAMA, SAID, USER, Row, at
from unit.inference.bedrock_setting_rows import SETTING_ROWS

ADAPTER = BedrockAdapter()
ROWS = MESSAGE_ROWS + CALL_ROWS + SETTING_ROWS


def ask(asked: dict[str, Any]) -> chat_pb2.ChatRequest:
    """Return a request that has passed its checks; it says Hello unless it says otherwise."""
    request = json_format.ParseDict({"messages": [USER], **asked}, chat_pb2.ChatRequest())
    assert check(request) == []
    return request


def test_every_row_has_a_name_of_its_own() -> None:
    """A failure names the row."""
    assert len({row.name for row in ROWS}) == len(ROWS)


@pytest.mark.parametrize("row", ROWS, ids=[row.name for row in ROWS])
def test_a_request(row: Row) -> None:
    """The body is exactly this, and exactly this is told to be lost."""
    built = ADAPTER.build_chat(row.target, ask(row.asked), stream=True)
    expected = {"messages": [SAID], **row.sent}
    claude = family_of(row.target.model).claude
    if claude is not None:
        expected.setdefault("inferenceConfig", {"maxTokens": claude.max_output})
    assert json.loads(built.request.content) == expected
    assert {loss.path: loss.action for loss in built.losses} == row.lost
    whole = ADAPTER.build_chat(row.target, ask(row.asked), stream=False).request
    assert whole.content == built.request.content


@pytest.mark.parametrize(
    ("model", "segment"),
    [
        ("amazon.nova-pro-v1:0", "amazon.nova-pro-v1%3A0"),
        (
            "us.anthropic.claude-sonnet-4-20250514-v1:0",
            "us.anthropic.claude-sonnet-4-20250514-v1%3A0",
        ),
        (
            "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.x",
            "arn%3Aaws%3Abedrock%3Aus-east-1%3A123456789012%3Ainference-profile%2Feu.x",
        ),
        ("..", "%2E%2E"),
        (".", "%2E"),
        ("../../x?a=b#c", "..%2F..%2Fx%3Fa%3Db%23c"),
        ("ö %2e", "%C3%B6%20%252e"),
    ],
)
def test_a_model_is_one_segment_of_the_path(model: str, segment: str) -> None:
    """Whatever it is called, it leads nowhere else."""
    for stream, end in ((True, "converse-stream"), (False, "converse")):
        request = ADAPTER.build_chat(at(model), ask({}), stream=stream).request
        assert request.place.path == f"/model/{segment}/{end}".encode()
        assert request.url.host == "bedrock-runtime.us-east-1.amazonaws.com"
        assert request.method == "POST"


def test_an_api_key_is_sent_as_a_bearer() -> None:
    """Framing headers cannot be replaced, and secret ones win."""
    secret = provider_pb2.ProviderSecret(api_key="bedrock-1", headers={"X-Key": "k"})
    given = {"X-Title": "t", "x-key": "not this", "Host": "evil.example", "Authorization": "no"}
    target = replace(LLAMA, headers=given, secret=secret)
    accepts = ((True, "application/vnd.amazon.eventstream"), (False, "application/json"))
    for stream, accept in accepts:
        request = ADAPTER.build_chat(target, ask({}), stream=stream).request
        assert sorted(request.headers.multi_items()) == [
            ("accept", accept),
            ("accept-encoding", "identity"),
            ("authorization", "Bearer bedrock-1"),
            ("content-length", str(len(request.content))),
            ("content-type", "application/json"),
            ("host", "bedrock-runtime.us-east-1.amazonaws.com"),
            ("user-agent", "trunkline"),
            ("x-key", "k"),
            ("x-title", "t"),
        ]


def test_nothing_authenticates_without_a_secret() -> None:
    """Who has no key sends none."""
    headers = ADAPTER.build_chat(CLAUDE, ask({}), stream=True).request.headers
    assert not [name for name in headers if name.startswith(("x-amz", "auth"))]


@pytest.mark.parametrize(
    "purpose", [provider_pb2.PROBE_PURPOSE_LIST_MODELS, provider_pb2.PROBE_PURPOSE_PROVE_KEY]
)
def test_a_probe_asks_for_nothing(purpose: provider_pb2.ProbePurpose.ValueType) -> None:
    """It has no message, so that it is never answered and costs nothing."""
    secret = provider_pb2.ProviderSecret(api_key="bedrock-1")
    target = Target("bedrock", "", BASE, secret=secret)
    request = ADAPTER.build_probe(target, purpose)
    assert request.place.path == b"/model/amazon.nova-pro-v1%3A0/converse"
    assert json.loads(request.content) == {"messages": []}
    assert request.headers["authorization"] == "Bearer bedrock-1"
    with pytest.raises(ValueError, match="no list"):
        ADAPTER.read_models(b"[]")


def test_no_secret_shows_in_a_repr() -> None:
    """Neither target nor built request prints a key."""
    keys = provider_pb2.AwsKeys(
        access_key_id="AKIACANARYCANARY", secret_access_key="canary-s", session_token="canary-t"
    )
    target = replace(CLAUDE, secret=provider_pb2.ProviderSecret(aws_keys=keys))
    built = ADAPTER.build_chat(target, ask({}), stream=True)
    shown = repr(target) + repr(built) + repr(built.request)
    assert "canary" not in shown.lower()
