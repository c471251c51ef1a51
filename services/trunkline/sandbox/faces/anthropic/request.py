"""Requests of Anthropic Messages, checked as the real service checks them.

Source: the Messages API reference, and the pages on extended thinking, structured outputs and
versions. What the sandbox does not play (server tools) is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from trunkline.sandbox.faces.anthropic.blocks import read_system
from trunkline.sandbox.faces.anthropic.fields import (
    MAX_CACHE_POINTS,
    check_cache_control,
    read_choice,
    read_flag,
    read_object,
    read_text,
    refuse,
)
from trunkline.sandbox.faces.anthropic.messages import read_messages
from trunkline.sandbox.faces.anthropic.schema import check_schema
from trunkline.sandbox.faces.anthropic.tools import read_tool_choice, read_tools
from trunkline.sandbox.prompt import CallStyle, JsonObject, Prompt, Thoughts, ToolChoice

OLD_VERSION: Final = "2023-06-01"
NEW_VERSION: Final = "2026-10-21"
VERSIONS: Final = (OLD_VERSION, NEW_VERSION)
"""The values of the header `anthropic-version` that are taken."""

OLD_SCHEMA_BETA: Final = "structured-outputs-2025-11-13"
"""The beta under which `output_format` is still taken."""

MAX_OUTPUT: Final = 128_000
"""Most tokens of an answer."""

MIN_BUDGET: Final = 1_024

EFFORTS: Final = ("low", "medium", "high", "xhigh", "max")

_SAMPLING: Final = ("temperature", "top_p", "top_k")
_KNOWN: Final = (
    "cache_control",
    "container",
    "context_management",
    "diagnostics",
    "inference_geo",
    "max_tokens",
    "messages",
    "metadata",
    "model",
    "output_config",
    "output_format",
    "service_tier",
    "speed",
    "stop_sequences",
    "stream",
    "system",
    "thinking",
    "tool_choice",
    "tools",
    *_SAMPLING,
)


def read_prompt(body: object, *, version: str, betas: Sequence[str]) -> Prompt:
    """Check a decoded request body and say what it asks.

    Args:
        body: the decoded JSON; None when the body was not JSON.
        version: the header `anthropic-version`, one of `VERSIONS`.
        betas: the entries of the header `anthropic-beta`.

    Raises:
        Refusal: with the field that is at fault, in dots (`messages.1.role`).
    """
    if not isinstance(body, Mapping):
        refuse("", "The request body is not valid JSON: expected an object")
    read_object(body, "", _KNOWN)
    model = read_text(body, "model", "")
    if not model:
        refuse("model", "String should have at least 1 character")
    max_tokens = _read_max_tokens(body)
    transcript = read_messages(
        body.get("messages"), model=model, new_contract=version == NEW_VERSION
    )
    system = read_system(body.get("system"))
    tools, points = read_tools(body.get("tools"))
    points += transcript.cache_points + sum(block.cache_points for block in system)
    points += check_cache_control(body, "")
    if points > MAX_CACHE_POINTS:
        refuse(
            "",
            f"A maximum of {MAX_CACHE_POINTS} blocks with cache_control may be provided."
            f" Found {points}.",
        )
    thinking = _read_thinking(body.get("thinking"), max_tokens)
    choice, tools, parallel = read_tool_choice(body.get("tool_choice"), tools)
    if thinking == "enabled" and choice is ToolChoice.REQUIRED:
        refuse("", "Thinking may not be enabled when tool_choice forces tool use.")
    if thinking in ("enabled", "adaptive") and transcript.ends_with_assistant:
        refuse("", "Thinking may not be enabled when the conversation ends with an assistant turn.")
    _check_sampling(body, thinking=thinking, version=version)
    _check_rest(body)
    schema = _read_schema(body, betas)
    if schema is not None and transcript.ends_with_assistant:
        refuse("", "Prefilling assistant messages is incompatible with structured outputs.")
    return Prompt(
        model=model,
        stream=read_flag(body, "stream", ""),
        include_usage=True,
        message_count=transcript.message_count,
        history=transcript.history,
        tools=tools,
        tool_choice=choice,
        parallel_calls=parallel,
        max_tokens=max_tokens,
        stops=_read_stops(body.get("stop_sequences")),
        schema=schema,
        prompt_tokens=transcript.word_count + sum(len(block.text.split()) for block in system),
        thoughts=_read_thoughts(body.get("thinking"), thinking),
        call_style=CallStyle.IN_TURN,
    )


def _read_max_tokens(body: JsonObject) -> int:
    value = body.get("max_tokens")
    if value is None:
        refuse("max_tokens", "Field required")
    if not isinstance(value, int) or isinstance(value, bool):
        refuse("max_tokens", "Input should be a valid integer")
    if value < 0:
        refuse("max_tokens", "Input should be greater than or equal to 0")
    if value > MAX_OUTPUT:
        refuse(
            "max_tokens",
            f"{value} > {MAX_OUTPUT}, which is the maximum allowed number of output tokens for"
            f" {body['model'][:200]}",
        )
    return value


def _read_thinking(thinking: object, max_tokens: int) -> str | None:
    """Return the kind of thinking that is asked for; None when the request does not say."""
    if thinking is None:
        return None
    fields = read_object(
        thinking, "thinking", ("type", "budget_tokens", "display", "block_binding")
    )
    kind = read_choice(
        fields, "type", "thinking", ("enabled", "disabled", "adaptive", "between_tools")
    )
    if kind is None:
        refuse("thinking.type", "Field required")
    read_choice(fields, "display", "thinking", ("summarized", "omitted"))
    budget = fields.get("budget_tokens")
    if kind != "enabled":
        if budget is not None:
            refuse(f"thinking.{kind}.budget_tokens", "Extra inputs are not permitted")
        return kind
    if not isinstance(budget, int) or isinstance(budget, bool):
        refuse("thinking.enabled.budget_tokens", "Field required")
    if budget < MIN_BUDGET:
        refuse(
            "thinking.enabled.budget_tokens",
            f"Input should be greater than or equal to {MIN_BUDGET}",
        )
    if budget >= max_tokens:
        refuse("", "`max_tokens` must be greater than `thinking.budget_tokens`.")
    return kind


def _read_thoughts(thinking: object, kind: str | None) -> Thoughts:
    """Tell what becomes of the reasoning; a model that always thinks shows it unless told not."""
    if kind == "disabled":
        return Thoughts.OFF
    omitted = isinstance(thinking, Mapping) and thinking.get("display") == "omitted"
    return Thoughts.HIDDEN if omitted else Thoughts.SHOWN


def _read_stops(stops: object) -> tuple[str, ...]:
    if stops is None:
        return ()
    if not isinstance(stops, list):
        refuse("stop_sequences", "Input should be a valid list")
    for index, stop in enumerate(stops):
        if not isinstance(stop, str):
            refuse(f"stop_sequences.{index}", "Input should be a valid string")
        if not stop.strip():
            refuse("stop_sequences", "each stop sequence must contain non-whitespace")
    return tuple(stops)


def _check_sampling(body: JsonObject, *, thinking: str | None, version: str) -> None:
    given = [name for name in _SAMPLING if body.get(name) is not None]
    if version == NEW_VERSION and given:
        refuse(given[0], "Extra inputs are not permitted")
    for name in given:
        value = body[name]
        if not isinstance(value, int | float) or isinstance(value, bool):
            refuse(name, "Input should be a valid number")
        if name == "top_k" and (not isinstance(value, int) or value < 0):
            refuse(name, "Input should be greater than or equal to 0")
        if name != "top_k" and not 0 <= value <= 1:
            refuse(name, "range: 0..1")
    if {"temperature", "top_p"} <= set(given):
        refuse("", "`temperature` and `top_p` cannot both be specified for this model.")
    if thinking not in ("enabled", "adaptive"):
        return
    if body.get("temperature") not in (None, 1):
        refuse("", "`temperature` may only be set to 1 when thinking is enabled.")
    if body.get("top_k") is not None:
        refuse("", "`top_k` must be unset when thinking is enabled.")
    if (body.get("top_p") or 1) < 0.95:
        refuse("", "`top_p` must be at least 0.95 or unset when thinking is enabled.")


def _check_rest(body: JsonObject) -> None:
    """Check the fields that change nothing here."""
    read_choice(body, "service_tier", "", ("auto", "standard_only"))
    read_choice(body, "speed", "", ("standard", "fast"))
    if body.get("metadata") is not None:
        metadata = read_object(body["metadata"], "metadata", ("user_id",))
        if not isinstance(metadata.get("user_id"), str | None):
            refuse("metadata.user_id", "Input should be a valid string")


def _read_schema(body: JsonObject, betas: Sequence[str]) -> JsonObject | None:
    config = body.get("output_config")
    asked, path = None, "output_config.format"
    if config is not None:
        fields = read_object(config, "output_config", ("format", "effort", "task_budget"))
        read_choice(fields, "effort", "output_config", EFFORTS)
        asked = fields.get("format")
    if body.get("output_format") is not None:
        if OLD_SCHEMA_BETA not in betas:
            refuse("output_format", "Extra inputs are not permitted")
        asked, path = body["output_format"], "output_format"
    if asked is None:
        return None
    fields = read_object(asked, path, ("type", "schema", "name"))
    if read_choice(fields, "type", path, ("json_schema",)) is None:
        refuse(f"{path}.type", "Field required")
    schema = fields.get("schema")
    if not isinstance(schema, Mapping):
        refuse(f"{path}.schema", "Field required")
    check_schema(schema, f"{path}.schema")
    return schema
