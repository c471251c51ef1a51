"""The options of provider types, as forms show them."""

from __future__ import annotations

import pytest
from google.protobuf.descriptor import Descriptor

from trunkline.catalog.answers import describe_types
from trunkline.catalog.provider_types import load_provider_types
from trunkline.catalog.v1 import option_pb2
from trunkline.inference.v1 import chat_pb2

TYPES = {each.name: each for each in describe_types(load_provider_types(), ())}


@pytest.mark.parametrize(
    ("type_name", "names"),
    [
        ("anthropic", ["thinking_budget_tokens", "effort"]),
        ("anthropic-compatible", ["thinking_budget_tokens", "effort"]),
        ("openai", ["reasoning_effort", "max_completion_tokens", "parallel_tool_calls"]),
        ("openai-compatible", ["reasoning_effort", "max_completion_tokens", "parallel_tool_calls"]),
        ("google", ["thinking_budget", "include_thoughts"]),
        ("openrouter", ["reasoning_enabled", "reasoning_effort"]),
        ("ollama", []),
    ],
)
def test_a_type_has_its_vendors_options(type_name: str, names: list[str]) -> None:
    """C21 to C24: by the vendor's own words."""
    assert [option.name for option in TYPES[type_name].options] == names


def test_efforts_are_those_of_the_vendor() -> None:
    """C21, C22 and C24 name them."""
    choices = {
        name: list(option.choices)
        for name in ("anthropic", "openai", "openrouter")
        for option in TYPES[name].options
        if option.kind == option_pb2.OPTION_KIND_CHOICE
    }
    assert choices == {
        "anthropic": ["low", "medium", "high", "xhigh", "max"],
        "openai": ["minimal", "low", "medium", "high", "xhigh"],
        "openrouter": ["low", "medium", "high"],
    }


def test_every_option_stands_for_a_field_of_the_request() -> None:
    """A form can show which; a path that is none would set nothing."""
    for kind in TYPES.values():
        for option in kind.options:
            descriptor: Descriptor | None = chat_pb2.ChatRequest.DESCRIPTOR
            *messages, last = option.field.split(".")
            for name in messages:
                assert descriptor is not None
                descriptor = descriptor.fields_by_name[name].message_type
            assert descriptor is not None
            assert last in descriptor.fields_by_name
            assert option.display_name
            assert option.description.endswith(".")
