"""Any transcript goes to any vendor, and what does not get there is told by its place."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from msgspec.structs import replace

from support.transcripts import Mark, Transcript, transcripts
from trunkline.inference.adapters.adapter import Adapter, BuiltChat, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.azure import AzureAdapter
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.adapters.provenance import issuer_at
from trunkline.inference.adapters.responses import ResponsesAdapter
from trunkline.inference.transcript import check
from trunkline.inference.v1 import message_pb2
from trunkline.sandbox.faces.anthropic.blocks import read_system
from trunkline.sandbox.faces.anthropic.messages import read_messages as read_anthropic
from trunkline.sandbox.faces.google.contents import read_contents, read_instruction
from trunkline.sandbox.faces.ollama.request import read_prompt as read_ollama
from trunkline.sandbox.faces.openai.items import read_items
from trunkline.sandbox.faces.openai.messages import read_messages as read_openai

Body = dict[str, Any]
Pairs = dict[str, tuple[str, str]]


def read_as_openai(body: Body, target: Target) -> Pairs:
    """Check a request as the sandbox does; return arguments and result by the call's id."""
    del target
    read_openai(body["messages"])
    calls = [call for message in body["messages"] for call in message.get("tool_calls", ())]
    called = {call["id"]: call["function"]["arguments"] for call in calls}
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,40}", call_id) for call_id in called)
    assert all(re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["function"]["name"]) for call in calls)
    answers = {
        message["tool_call_id"]: message["content"]
        for message in body["messages"]
        if message["role"] == "tool"
    }
    return {call_id: (said, answers[call_id]) for call_id, said in called.items()}


def read_as_responses(body: Body, target: Target) -> Pairs:
    """As `read_as_openai`."""
    read_items(body["input"], target.model)
    calls = [item for item in body["input"] if item["type"] == "function_call"]
    for call in calls:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["call_id"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["name"])
    answers = {
        item["call_id"]: shown(item["output"])
        for item in body["input"]
        if item["type"] == "function_call_output"
    }
    return {call["call_id"]: (call["arguments"], answers[call["call_id"]]) for call in calls}


def read_as_anthropic(body: Body, target: Target) -> Pairs:
    """As `read_as_openai`."""
    read_anthropic(body["messages"], model=target.model, new_contract=False)
    read_system(body.get("system"))
    blocks = [
        block
        for message in body["messages"]
        if isinstance(message["content"], list)
        for block in message["content"]
    ]
    answers = {
        block["tool_use_id"]: shown(block.get("content", ""))
        for block in blocks
        if block["type"] == "tool_result"
    }
    calls = [block for block in blocks if block["type"] == "tool_use"]
    for call in calls:
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["id"])
        assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["name"])
    return {call["id"]: (shown(call["input"]), answers[call["id"]]) for call in calls}


def read_as_google(body: Body, target: Target) -> Pairs:
    """As `read_as_openai`; here results follow in the order of the calls."""
    read_contents(body, target.model)
    read_instruction(body.get("systemInstruction"))
    pairs: Pairs = {}
    for turn, following in itertools.pairwise([*body["contents"], {"parts": []}]):
        calls = [part["functionCall"] for part in turn["parts"] if "functionCall" in part]
        answers = [
            part["functionResponse"] for part in following["parts"] if "functionResponse" in part
        ]
        for call, answer in zip(calls, answers[: len(calls)], strict=True):
            assert (call["id"], call["name"]) == (answer["id"], answer["name"])
            assert re.fullmatch(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}", call["name"])
            pairs[call["id"]] = (shown(call["args"]), shown(answer["response"]))
    return pairs


def read_as_ollama(body: Body, target: Target) -> Pairs:
    """As `read_as_openai`; results follow in the order of the calls, since names may be equal."""
    del target
    read_ollama(body)
    pairs: Pairs = {}
    messages = iter(body["messages"])
    for message in messages:
        for call in message.get("tool_calls", ()):
            answer = next(messages)
            assert answer["role"] == "tool"
            assert answer["tool_call_id"] == call["id"]
            assert answer["tool_name"] == call["function"]["name"]
            pairs[call["id"]] = (shown(call["function"]["arguments"]), answer["content"])
    return pairs


def read_as_bedrock(body: Body, target: Target) -> Pairs:
    """As `read_as_openai`, by what Converse is documented to refuse."""
    is_mistral = "mistral" in target.model
    pairs: Pairs = {}
    roles = [message["role"] for message in body["messages"]]
    assert roles[0] == "user"
    assert all(one != other for one, other in itertools.pairwise(roles))
    assert all(block["text"].strip() for block in body.get("system", ()) if "text" in block)
    for message, following in itertools.pairwise([*body["messages"], {"content": []}]):
        content = message["content"]
        assert content
        assert all(block["text"].strip() for block in content if "text" in block)
        results = [block["toolResult"] for block in content if "toolResult" in block]
        assert not (is_mistral and results and len(results) != len(content))
        calls = [block["toolUse"] for block in content if "toolUse" in block]
        answers = {
            block["toolResult"]["toolUseId"]: block["toolResult"]
            for block in following["content"]
            if "toolResult" in block
        }
        assert sorted(answers) == sorted(call["toolUseId"] for call in calls)
        for call in calls:
            shape = r"[a-zA-Z0-9]{9}" if is_mistral else r"[a-zA-Z0-9_.:-]{1,64}"
            assert re.fullmatch(shape, call["toolUseId"])
            assert re.fullmatch(r"[A-Za-z0-9_-]{1,64}", call["name"])
            pairs[call["toolUseId"]] = (
                shown(call["input"]),
                shown(answers[call["toolUseId"]]["content"]),
            )
    assert bool(pairs) <= ("toolConfig" in body)
    return pairs


@dataclass(frozen=True, slots=True)
class Vendor:
    """Somebody whom a transcript may come from, and go to.

    Attributes:
        adapter: its format.
        target: a model of it.
        read: checks a request as it does.
        name: whose signatures its are; empty: it issues none.
    """

    adapter: Adapter
    target: Target
    read: Callable[[Body, Target], Pairs]
    name: str = ""


def at(provider: str, model: str) -> Target:
    """Return a model at an account of its vendor's."""
    return Target(provider, model, "https://a.example/v1", credential_id="cred_1", type=provider)


CLAUDE = at("anthropic", "claude-opus-4-5")
GEMINI = at("google", "gemini-3-pro-preview")
GPT = at("openai", "gpt-5.6-sol")
ON_BEDROCK = at("bedrock", "us.anthropic.claude-opus-4-5-20251101-v1:0")
VENDORS = {
    "openai": Vendor(OpenAIAdapter(), at("openai", "gpt-1"), read_as_openai),
    "like openai": Vendor(OpenAIAdapter(), at("acme", "acme-1"), read_as_openai),
    "azure": Vendor(AzureAdapter(), at("azure-openai", "gpt-1"), read_as_openai),
    "anthropic": Vendor(AnthropicAdapter(), CLAUDE, read_as_anthropic, "anthropic"),
    "anthropic without prefill": Vendor(
        AnthropicAdapter(), at("anthropic", "claude-opus-4-8"), read_as_anthropic, "anthropic"
    ),
    "google": Vendor(GoogleAdapter(), GEMINI, read_as_google, "google"),
    "google without prefill": Vendor(
        GoogleAdapter(), at("google", "gemini-3.8-flash"), read_as_google, "google"
    ),
    "bedrock": Vendor(BedrockAdapter(), ON_BEDROCK, read_as_bedrock, "bedrock"),
    "bedrock without prefill": Vendor(
        BedrockAdapter(), at("bedrock", "amazon.nova-pro-v1:0"), read_as_bedrock, "bedrock"
    ),
    "bedrock with results alone": Vendor(
        BedrockAdapter(), at("bedrock", "mistral.mistral-large-2407-v1:0"), read_as_bedrock
    ),
    "ollama": Vendor(OllamaAdapter(), at("ollama", "qwen3"), read_as_ollama),
    "responses": Vendor(ResponsesAdapter(), GPT, read_as_responses, "openai"),
}
ISSUERS = [
    *(issuer_at(vendor.target, vendor.name) for vendor in VENDORS.values() if vendor.name),
    issuer_at(replace(CLAUDE, credential_id="cred_2"), "anthropic"),
    issuer_at(replace(ON_BEDROCK, credential_id="cred_2"), "bedrock"),
    issuer_at(replace(GEMINI, credential_id="cred_2"), "google"),
    issuer_at(replace(GEMINI, credential_id=""), "google"),
    issuer_at(replace(GPT, provider="azure"), "openai"),
]


@pytest.mark.parametrize("vendor", VENDORS.values(), ids=VENDORS)
@settings(suppress_health_check=[HealthCheck.too_slow])
@given(written=transcripts(ISSUERS))
def test_nothing_gets_lost_in_silence(vendor: Vendor, written: Transcript) -> None:
    """The vendor takes it; each text is there once and in order, each call has its own result."""
    assert check(written.request) == []
    before = written.request.SerializeToString(deterministic=True)
    built = vendor.adapter.build_chat(vendor.target, written.request, stream=False)
    assert written.request.SerializeToString(deterministic=True) == before
    body = json.loads(built.request.content)
    lost = [loss.path for loss in built.losses]
    pairs = vendor.read(body, vendor.target)
    _check_marks(written, body, lost)
    _check_pairs(written, pairs, lost)
    _check_signatures(written, vendor, built)


def _check_marks(written: Transcript, body: Body, lost: list[str]) -> None:
    """Check that each mark is there once or told of, and that speech keeps its order."""
    # What begins a conversation stands where it is said, and not before it.
    text = shown([body.pop("system", None), body.pop("systemInstruction", None), body])
    last = f"messages[{len(written.request.messages) - 1}]"
    quoted = 0
    places = []
    for mark in written.marks:
        count = _count(text, mark)
        if count == 2 and last in lost and not quoted:
            # A text that is not continued is quoted by who asks for the rest of it.
            quoted += 1
        elif count != 1:
            assert count == 0
            assert any(mark.path.startswith(path) or path == mark.path for path in lost), mark
        if count and mark.is_speech:
            places.append(min(text.find(form) for form in mark.forms if form in text))
    assert places == sorted(places)


def _check_pairs(written: Transcript, pairs: Pairs, lost: list[str]) -> None:
    """Check that each call is there with its own result, or that it has none is told."""
    assert len(pairs) == len(written.calls)
    for call_id, mark in written.calls.items():
        (answer,) = (answer for said, answer in pairs.values() if _count(said, mark))
        results = written.results.get(call_id)
        if results is None:
            assert mark.path.removesuffix(".arguments") in lost
            assert "No result came." in answer
            continue
        for result in results:
            assert _count(answer, result) == 1 or result.path in lost
        others = [other for texts in written.results.values() for other in texts]
        assert not any(_count(answer, other) for other in others if other not in results)


def _check_signatures(written: Transcript, vendor: Vendor, built: BuiltChat) -> None:
    """Check that a signature goes to its issuer and to nobody else, which is told."""
    lost = {loss.path for loss in built.losses}
    content = built.request.content.decode()
    for path, signature in written.signatures:
        is_own = _issues(vendor, signature.issuer)
        if f"{path}.signature" not in lost:
            assert is_own
            assert signature.value in content
        elif not is_own and not _is_own_elsewhere(written, vendor, signature):
            assert signature.value not in content


def _issues(vendor: Vendor, issuer: message_pb2.Provenance) -> bool:
    """Tell whether a vendor's model and account are those that issued something."""
    target = vendor.target
    return (
        (issuer.vendor, issuer.model) == (vendor.name, target.model)
        and issuer.provider == target.provider
        and issuer.credential_id in ("", "cred_1")
    )


def _is_own_elsewhere(
    written: Transcript, vendor: Vendor, signature: message_pb2.Signature
) -> bool:
    """Tell whether the target itself has issued the same value for another part."""
    return any(
        other.value == signature.value and _issues(vendor, other.issuer)
        for _, other in written.signatures
    )


def _count(text: str, mark: Mark) -> int:
    """Return how often a mark is found."""
    return sum(text.count(form) for form in mark.forms)


def shown(value: object) -> str:
    """Return a value as JSON that shows every character."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
