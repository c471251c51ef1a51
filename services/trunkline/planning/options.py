"""The options that the models of each provider type take beside what every request has.

Each stands for a field of the request, by the vendor's own word for it: who knows the vendor
finds its words, and who does not finds the field's. Data of the release (C21 to C25).
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Final

from google.protobuf.struct_pb2 import Struct, Value

from trunkline.catalog.v1 import option_pb2
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.errors import Violation

_BOOL: Final = option_pb2.OPTION_KIND_BOOL
_CHOICE: Final = option_pb2.OPTION_KIND_CHOICE
_INTEGER: Final = option_pb2.OPTION_KIND_INTEGER

# What a switch turns thinking on with, where the vendor has no weaker word (D17).
_USUAL_EFFORT: Final = "medium"
_MOST_TOKENS: Final = 2**31 - 1


@dataclass(frozen=True, slots=True)
class Option:
    """One option; the fields are as in OptionSchema."""

    name: str
    display_name: str
    description: str
    kind: option_pb2.OptionKind.ValueType
    field: str
    choices: tuple[str, ...] = ()
    minimum: float | None = None
    maximum: float | None = None
    unit: str = ""
    thinking_only: bool = False

    def describe(self) -> option_pb2.OptionSchema:
        """Return it as the contract shows it."""
        return option_pb2.OptionSchema(
            name=self.name,
            display_name=self.display_name,
            description=self.description,
            kind=self.kind,
            field=self.field,
            choices=self.choices,
            minimum=self.minimum,
            maximum=self.maximum,
            unit=self.unit,
            thinking_only=self.thinking_only,
        )

    def find_fault(self, value: Value) -> str:
        """Return what is wrong with a value, as in a violation; empty: nothing is."""
        given = value.WhichOneof("kind")
        match self.kind:
            case option_pb2.OPTION_KIND_BOOL:
                return "" if given == "bool_value" else "must be true or false"
            case option_pb2.OPTION_KIND_CHOICE:
                if given == "string_value" and value.string_value in self.choices:
                    return ""
                return f"must be one of {', '.join(self.choices)}"
            case _:
                number = value.number_value
                whole = given == "number_value" and math.isfinite(number) and number.is_integer()
                if whole and self._least <= number <= self._most:
                    return ""
                return f"must be a whole number from {self._least:,.0f} to {self._most:,.0f}"

    @property
    def _least(self) -> float:
        """Return the least number."""
        return 0 if self.minimum is None else self.minimum

    @property
    def _most(self) -> float:
        """Return the greatest number."""
        return _MOST_TOKENS if self.maximum is None else self.maximum


_EFFORT: Final = Option(
    "reasoning_effort",
    "Reasoning effort",
    "How much the model thinks before it answers.",
    _CHOICE,
    "reasoning.effort",
    choices=("minimal", "low", "medium", "high", "xhigh"),
    thinking_only=True,
)
_BUDGET: Final = Option(
    "thinking_budget_tokens",
    "Thinking budget",
    "The most tokens that the model thinks before it answers.",
    _INTEGER,
    "reasoning.budget_tokens",
    minimum=1024,
    unit="tokens",
    thinking_only=True,
)
_SWITCH: Final = Option(
    "reasoning_enabled",
    "Reasoning",
    "Whether the model thinks before it answers.",
    _BOOL,
    "reasoning.effort",
    thinking_only=True,
)

_ANTHROPIC: Final = (
    _BUDGET,
    replace(
        _EFFORT,
        name="effort",
        display_name="Effort",
        choices=("low", "medium", "high", "xhigh", "max"),
    ),
)
_OPENAI: Final = (
    _EFFORT,
    Option(
        "max_completion_tokens",
        "Most tokens of an answer",
        "The most tokens of an answer, thoughts included.",
        _INTEGER,
        "max_output_tokens",
        minimum=1,
        unit="tokens",
    ),
    Option(
        "parallel_tool_calls",
        "Parallel tool calls",
        "Whether several tools may be called in one turn.",
        _BOOL,
        "tool_choice.parallel",
    ),
)
_GOOGLE: Final = (
    replace(_BUDGET, name="thinking_budget", minimum=0),
    Option(
        "include_thoughts",
        "Include thoughts",
        "Whether a summary of the thoughts comes with the answer.",
        _BOOL,
        "reasoning.include",
        thinking_only=True,
    ),
)
# Routers: what each model behind them takes is theirs to know.
_ROUTER: Final = (_SWITCH, replace(_EFFORT, choices=("low", "medium", "high")))

_BY_TYPE: Final[Mapping[str, tuple[Option, ...]]] = MappingProxyType(
    {
        "aws-bedrock": _ANTHROPIC,
        "azure-openai": _OPENAI,
        "openrouter": _ROUTER,
        "vercel": _ROUTER,
    }
)
_BY_FORMAT: Final[Mapping[str, tuple[Option, ...]]] = MappingProxyType(
    {"anthropic": _ANTHROPIC, "google": _GOOGLE, "openai": _OPENAI}
)


def options_of(type_name: str, format_name: str) -> tuple[Option, ...]:
    """Return the options of a provider type.

    Args:
        type_name: its slug.
        format_name: the wire format of its providers, which decides where the type has no row.
    """
    return _BY_TYPE.get(type_name) or _BY_FORMAT.get(format_name, ())


def list_faults(values: Struct, options: tuple[Option, ...], path: str) -> Iterator[Violation]:
    """Yield what is wrong with options that somebody sets.

    Args:
        values: by name.
        options: those that there are.
        path: of the values in the request.
    """
    known = {option.name: option for option in options}
    for name, value in sorted(values.fields.items()):
        option = known.get(name)
        if option is None:
            can = f"; there are {', '.join(known)}" if known else ""
            yield Violation(f"{path}.{name[:64]}", f"is no option of this provider type{can}")
        elif fault := option.find_fault(value):
            yield Violation(f"{path}.{name}", fault)


def apply_options(
    request: chat_pb2.ChatRequest, values: Struct, options: tuple[Option, ...]
) -> None:
    """Set the fields of a request that options stand for.

    Args:
        request: is changed.
        values: by name; what is no option, or no value of one, sets nothing.
        options: those that there are, in the order in which they are set.
    """
    for option in options:
        if option.name in values.fields and not option.find_fault(values.fields[option.name]):
            _set(request, option, values.fields[option.name])


def _set(request: chat_pb2.ChatRequest, option: Option, value: Value) -> None:
    """Set the field that one option stands for."""
    match option.field:
        case "reasoning.effort" if option.kind == _BOOL:
            # A budget or an effort beside the switch says how much.
            told = request.reasoning
            if not value.bool_value:
                told.effort, told.budget_tokens = "none", 0
            elif not told.budget_tokens and told.effort in ("", "none"):
                told.effort = _USUAL_EFFORT
        case "reasoning.effort":
            request.reasoning.effort = value.string_value
        case "reasoning.budget_tokens":
            request.reasoning.budget_tokens = int(value.number_value)
            if not value.number_value:
                # In a request no budget is none named.
                request.reasoning.effort = "none"
        case "reasoning.include":
            request.reasoning.include = value.bool_value
        case "max_output_tokens":
            request.max_output_tokens = int(value.number_value)
        case "tool_choice.parallel":
            request.tool_choice.parallel = value.bool_value
        case _:
            pass
