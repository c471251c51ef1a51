"""Requests of the Gemini API, checked as the real service checks them.

Source: the GenerateContent reference and the page on thinking. What the sandbox does not play
(several candidates, cached content, other modalities, server tools) is refused, never ignored.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

from trunkline.sandbox.faces.google.contents import read_contents, read_instruction
from trunkline.sandbox.faces.google.fields import (
    read_list,
    read_number,
    read_object,
    read_text,
    read_word,
    refuse,
)
from trunkline.sandbox.faces.google.tools import read_schema, read_tool_config, read_tools
from trunkline.sandbox.prompt import CallStyle, JsonObject, Prompt, Thoughts

MAX_OUTPUT: Final = 65_536
"""Most tokens of an answer."""

MAX_STOPS: Final = 5
MAX_BUDGET: Final = 32_768

_PATH: Final = "generation_config"
_BODY: Final = (
    "cachedContent",
    "contents",
    "generationConfig",
    "model",
    "safetySettings",
    "serviceTier",
    "store",
    "systemInstruction",
    "toolConfig",
    "tools",
)
_CONFIG: Final = (
    "candidateCount",
    "enableEnhancedCivicAnswers",
    "frequencyPenalty",
    "imageConfig",
    "logprobs",
    "maxOutputTokens",
    "mediaResolution",
    "presencePenalty",
    "responseJsonSchema",
    "_responseJsonSchema",
    "responseLogprobs",
    "responseMimeType",
    "responseModalities",
    "responseSchema",
    "seed",
    "speechConfig",
    "stopSequences",
    "temperature",
    "thinkingConfig",
    "topK",
    "topP",
)


def read_prompt(body: object, *, model: str, stream: bool) -> Prompt:
    """Check a decoded request body and say what it asks.

    Args:
        body: the decoded JSON; None when the body was not JSON.
        model: the model that the path names.
        stream: whether the path asks for a stream.

    Raises:
        Refusal: with the field that is at fault, as the vendor writes it.
    """
    if not isinstance(body, Mapping):
        refuse("Invalid JSON payload received. Unexpected token.")
    held = read_object(body, "", _BODY)
    if "cachedContent" in held:
        refuse("CachedContent not found (or permission denied)", "cached_content")
    transcript = read_contents(held, model)
    system_words = read_instruction(held.get("systemInstruction"))
    choice, tools = read_tool_config(held.get("toolConfig"), read_tools(held))
    _check_safety(held)
    config = read_object(held.get("generationConfig", {}), _PATH, _CONFIG)
    _check_config(config)
    limit = read_number(config, "maxOutputTokens", _PATH, 1, MAX_OUTPUT, whole=True)
    return Prompt(
        model=model,
        stream=stream,
        include_usage=True,
        message_count=transcript.message_count,
        history=transcript.history,
        tools=tools,
        tool_choice=choice,
        parallel_calls=True,
        max_tokens=None if limit is None else int(limit),
        stops=_read_stops(config),
        schema=_read_schema(config),
        prompt_tokens=transcript.word_count + system_words,
        thoughts=_read_thoughts(config.get("thinkingConfig")),
        call_style=CallStyle.WHOLE,
    )


def _check_safety(body: Mapping[str, Any]) -> None:
    for index, setting in enumerate(read_list(body, "safetySettings", "")):
        path = f"safety_settings[{index}]"
        held = read_object(setting, path, ("category", "threshold", "method"))
        for name in ("category", "threshold"):
            if not read_text(held, name, path):
                refuse(f"* GenerateContentRequest.{path}.{name}: must be set", path)


def _check_config(config: Mapping[str, Any]) -> None:
    """Check the settings that change nothing here, and refuse those that are not played."""
    read_number(config, "temperature", _PATH, 0, 2)
    read_number(config, "topP", _PATH, 0, 1)
    read_number(config, "topK", _PATH, 1, 1_000, whole=True)
    read_number(config, "presencePenalty", _PATH, -2, 2)
    read_number(config, "frequencyPenalty", _PATH, -2, 2)
    read_number(config, "seed", _PATH, -(2**31), 2**31 - 1, whole=True)
    if config.get("candidateCount", 1) != 1:
        refuse("Multiple candidates is not enabled for this model", f"{_PATH}.candidate_count")
    if config.get("responseLogprobs") or "logprobs" in config:
        refuse("Logprobs is not enabled for this model", f"{_PATH}.response_logprobs")
    modalities = read_list(config, "responseModalities", _PATH)
    if any(modality != "TEXT" for modality in modalities):
        refuse(
            "The requested combination of response modalities is not supported by the model.",
            f"{_PATH}.response_modalities",
        )


def _read_stops(config: Mapping[str, Any]) -> tuple[str, ...]:
    stops = read_list(config, "stopSequences", _PATH)
    path = f"{_PATH}.stop_sequences"
    if len(stops) > MAX_STOPS:
        refuse(f"* {path}: at most {MAX_STOPS} stop sequences are allowed.", path)
    if not all(isinstance(stop, str) and stop for stop in stops):
        refuse(f"* {path}: must hold strings that are not empty.", path)
    return tuple(stops)


def _read_schema(config: Mapping[str, Any]) -> JsonObject | None:
    given = [
        name
        for name in ("responseSchema", "responseJsonSchema", "_responseJsonSchema")
        if name in config
    ]
    kind = read_text(config, "responseMimeType", _PATH) or "text/plain"
    if kind not in ("text/plain", "application/json"):
        refuse(
            f"* {_PATH}.response_mime_type: allowed mimetypes are `text/plain`,"
            " `application/json`.",
            f"{_PATH}.response_mime_type",
        )
    if len(given) > 1:
        refuse("Only one of response_schema and response_json_schema may be set.", _PATH)
    if given and kind != "application/json":
        refuse(
            "Controlled generation of a schema needs the response mime type `application/json`.",
            f"{_PATH}.response_mime_type",
        )
    if not given:
        return {} if kind == "application/json" else None
    schema = config[given[0]]
    if given[0] == "responseSchema":
        return read_schema(schema, f"{_PATH}.response_schema")
    if not isinstance(schema, Mapping):
        refuse(f"Invalid value at '{_PATH}.response_json_schema', expected an object.", _PATH)
    return schema


def _read_thoughts(config: object) -> Thoughts:
    """Tell what becomes of the reasoning: its text is sent only when it is asked for."""
    if config is None:
        return Thoughts.HIDDEN
    path = f"{_PATH}.thinking_config"
    held = read_object(config, path, ("includeThoughts", "thinkingBudget", "thinkingLevel"))
    budget = read_number(held, "thinkingBudget", path, -1, MAX_BUDGET, whole=True)
    level = read_word(held, "thinkingLevel", path, ("MINIMAL", "LOW", "MEDIUM", "HIGH"))
    if budget is not None and level is not None:
        refuse("You can only set only one of thinking budget and thinking level.", path)
    if budget == 0:
        return Thoughts.OFF
    shown = held.get("includeThoughts", False)
    if not isinstance(shown, bool):
        refuse(f"Invalid value at '{path}.include_thoughts' (TYPE_BOOL)", path)
    return Thoughts.SHOWN if shown else Thoughts.HIDDEN
