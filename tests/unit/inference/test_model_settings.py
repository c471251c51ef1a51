"""What a model is asked: the request, its options, and what is set for the model."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.json_format import ParseDict
from msgspec.structs import replace

from support.bare_runs import candidate
from support.chats import ask
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.inference.model_settings import check_options, settle_question
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.v1 import chat_pb2
from trunkline.inference.waits import settle_waits
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import InvalidArgument
from trunkline.options.v1 import options_pb2
from trunkline.planning.candidates import Candidate

TOOL = {"tools": [{"name": "look"}]}


def _candidate(type_name: str, format_: str, settings: dict[str, Any] | None) -> Candidate:
    """Return a candidate of a provider type, its model set so."""
    plain = candidate(format_, "m")
    provider, model = provider_pb2.Provider(), model_pb2.Model()
    provider.CopyFrom(plain.provider)
    provider.type = type_name
    model.CopyFrom(plain.model)
    if settings is not None:
        ParseDict(settings, model.settings)
    return replace(plain, provider=provider, model=model)


def _request(fields: dict[str, Any]) -> chat_pb2.ChatRequest:
    request = ask()
    ParseDict(fields, request)
    return request


@pytest.mark.parametrize(
    ("type_name", "settings", "request_", "expected"),
    [
        # What is set holds where the request says nothing.
        ("openai", {"sampling": {"temperature": 0.5}}, {}, {"sampling": {"temperature": 0.5}}),
        ("openai", {"maxOutputTokens": 9}, {}, {"maxOutputTokens": 9}),
        ("openai", {"reasoning": {"effort": "low"}}, {}, {"reasoning": {"effort": "low"}}),
        # The request holds over it, field by field.
        (
            "openai",
            {"sampling": {"temperature": 0.5, "topP": 0.9, "stop": ["a"]}, "maxOutputTokens": 9},
            {"sampling": {"temperature": 0.0, "stop": ["b"]}, "maxOutputTokens": 5},
            {"sampling": {"temperature": 0.0, "topP": 0.9, "stop": ["b"]}, "maxOutputTokens": 5},
        ),
        # Effort and budget are one setting.
        (
            "anthropic",
            {"reasoning": {"budgetTokens": 4096, "include": True}},
            {"reasoning": {"effort": "low"}},
            {"reasoning": {"effort": "low", "include": True}},
        ),
        # Options hold over the fields that they stand for, on either side.
        (
            "openai",
            {"reasoning": {"effort": "low"}, "providerOptions": {"reasoning_effort": "high"}},
            {},
            {"reasoning": {"effort": "high"}},
        ),
        (
            "openai",
            {"providerOptions": {"reasoning_effort": "high"}},
            {"reasoning": {"effort": "low"}},
            {"reasoning": {"effort": "low"}},
        ),
        (
            "openai",
            None,
            {
                "reasoning": {"effort": "low"},
                "providerOptions": {"openai": {"reasoning_effort": "xhigh"}},
            },
            {"reasoning": {"effort": "xhigh"}},
        ),
        # Those of another type are not seen.
        (
            "openai",
            {"maxOutputTokens": 9},
            {"providerOptions": {"google": {"include_thoughts": True}}},
            {"maxOutputTokens": 9},
        ),
        # Every option of every schema sets its field.
        ("openai", {"providerOptions": {"max_completion_tokens": 7}}, {}, {"maxOutputTokens": 7}),
        (
            "azure-openai",
            {"providerOptions": {"parallel_tool_calls": False}},
            TOOL,
            {**TOOL, "toolChoice": {"parallel": False}},
        ),
        ("openai", {"providerOptions": {"parallel_tool_calls": False}}, {}, {}),
        (
            "aws-bedrock",
            {"providerOptions": {"thinking_budget_tokens": 2048}},
            {},
            {"reasoning": {"budgetTokens": 2048}},
        ),
        ("anthropic", {"providerOptions": {"effort": "max"}}, {}, {"reasoning": {"effort": "max"}}),
        (
            "google",
            {"providerOptions": {"thinking_budget": 0, "include_thoughts": True}},
            {},
            {"reasoning": {"effort": "none", "include": True}},
        ),
        (
            "openrouter",
            {"providerOptions": {"reasoning_enabled": True}},
            {},
            {"reasoning": {"effort": "medium"}},
        ),
        (
            "vercel",
            {"providerOptions": {"reasoning_enabled": True, "reasoning_effort": "low"}},
            {},
            {"reasoning": {"effort": "low"}},
        ),
        (
            "openrouter",
            {"reasoning": {"effort": "high"}, "providerOptions": {"reasoning_enabled": False}},
            {},
            {"reasoning": {"effort": "none"}},
        ),
    ],
)
def test_what_a_model_is_asked(
    type_name: str,
    settings: dict[str, Any] | None,
    request_: dict[str, Any],
    expected: dict[str, Any],
) -> None:
    """Options of the request, its fields, options that are set, fields that are set (C17, D18)."""
    formats = {"anthropic": "anthropic", "aws-bedrock": "anthropic", "google": "google"}
    asked = _candidate(type_name, formats.get(type_name, "openai"), settings)
    given = _request(request_)
    before = given.SerializeToString(deterministic=True)
    assert settle_question(given, asked) == _request(expected)
    assert given.SerializeToString(deterministic=True) == before


def test_a_request_is_not_copied_where_nothing_is_set() -> None:
    """Far most are asked as they came."""
    given = _request({})
    assert settle_question(given, _candidate("openai", "openai", None)) is given


def test_the_waits_of_a_model_hold_between_the_request_and_the_deployment() -> None:
    """Each wait falls to the model's, then to the deployment's."""
    asked = _candidate("openai", "openai", {"limits": {"idle": "7s", "firstToken": "3s"}})
    request = _request({"limits": {"firstToken": "2s"}})
    caller = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")
    terms = Terms(Owner("ann"), caller, "req_1", "t", request, 0.0, 60.0, 60.0)
    settings = InferenceSettings()
    waits = settle_waits(terms, request, asked, settings, streams=True, has_other=False)
    assert (waits.first_token, waits.idle, waits.connect) == (2.0, 7.0, settings.connect_s)


@pytest.mark.parametrize(
    ("options", "fields"),
    [
        ({"openai": {"reasoning_effort": "high", "max_completion_tokens": 1}}, []),
        ({"openai": {"reasoning_effort": "huge"}}, ["provider_options.openai.reasoning_effort"]),
        ({"openai": {"reasoning_effort": 1}}, ["provider_options.openai.reasoning_effort"]),
        ({"openai": {"seed": 1}}, ["provider_options.openai.seed"]),
        (
            {"openai": {"max_completion_tokens": 0.5, "parallel_tool_calls": "yes"}},
            [
                "provider_options.openai.max_completion_tokens",
                "provider_options.openai.parallel_tool_calls",
            ],
        ),
        (
            {"openai": {"max_completion_tokens": 0}},
            ["provider_options.openai.max_completion_tokens"],
        ),
        ({"openai": 7}, ["provider_options.openai"]),
        ({"nobody": {}}, ["provider_options.nobody"]),
    ],
)
def test_options_that_nobody_could_take_are_refused(
    options: dict[str, Any], fields: list[str]
) -> None:
    """Each is named, with what it takes (C20)."""
    providers = {"p": _candidate("openai", "openai", None).provider}
    request = _request({"providerOptions": options})
    if not fields:
        check_options(request, providers)
        return
    with pytest.raises(InvalidArgument) as caught:
        check_options(request, providers)
    assert [violation.field for violation in caught.value.violations] == fields
