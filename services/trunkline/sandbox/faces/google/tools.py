"""Tools of the Gemini API, the choice among them, and schemas in its subset of OpenAPI.

Source: the references of `Tool`, `FunctionCallingConfig` and `Schema`.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Final

from trunkline.sandbox.faces.google.fields import (
    read_list,
    read_object,
    read_text,
    read_word,
    refuse,
)
from trunkline.sandbox.prompt import JsonObject, Tool, ToolChoice

MAX_DEPTH: Final = 32
"""Deepest nesting of a schema."""

_NAME: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_.:-]{0,127}")
_PARAMETER: Final = re.compile(r"[A-Za-z_][A-Za-z0-9_]{0,63}")
_TYPES: Final = ("STRING", "NUMBER", "INTEGER", "BOOLEAN", "ARRAY", "OBJECT", "NULL")
_SCHEMA: Final = (
    "anyOf",
    "default",
    "description",
    "enum",
    "example",
    "format",
    "items",
    "maxItems",
    "maxLength",
    "maxProperties",
    "maximum",
    "minItems",
    "minLength",
    "minProperties",
    "minimum",
    "nullable",
    "pattern",
    "properties",
    "propertyOrdering",
    "required",
    "title",
    "type",
)
_SERVER_TOOLS: Final = (
    "codeExecution",
    "computerUse",
    "fileSearch",
    "googleMaps",
    "googleSearch",
    "googleSearchRetrieval",
    "urlContext",
)


def read_tools(body: Mapping[str, Any]) -> tuple[Tool, ...]:
    """Check the field `tools`.

    Raises:
        Refusal: a declaration is malformed, or two have one name.
    """
    read: list[Tool] = []
    for index, tool in enumerate(read_list(body, "tools", "")):
        path = f"tools[{index}]"
        held = read_object(tool, path, ("functionDeclarations", *_SERVER_TOOLS))
        if any(name in held for name in _SERVER_TOOLS):
            refuse("The sandbox plays no server tools.", path)
        for number, declaration in enumerate(read_list(held, "functionDeclarations", path)):
            read.append(_read_declaration(declaration, f"{path}.function_declarations[{number}]"))
    names = [tool.name for tool in read]
    for name in names:
        if names.count(name) > 1:
            refuse(f"Duplicate function declaration found: {name}", "tools")
    return tuple(read)


def _read_declaration(declaration: object, path: str) -> Tool:
    held = read_object(
        declaration,
        path,
        (
            *("name", "description", "behavior", "parameters", "parametersJsonSchema"),
            *("response", "responseJsonSchema"),
        ),
    )
    name = read_text(held, "name", path)
    if not _NAME.fullmatch(name):
        refuse(
            f"Invalid function name at '{path}.name'. Must start with a letter or an underscore."
            " Must be alphanumeric (a-z, A-Z, 0-9), underscores (_), dots (.), colons (:), or"
            " dashes (-), with a maximum length of 128.",
            f"{path}.name",
        )
    if "parameters" in held and "parametersJsonSchema" in held:
        refuse("parameters and parameters_json_schema are mutually exclusive.", path)
    if "parameters" in held:
        return Tool(name, read_schema(held["parameters"], f"{path}.parameters"))
    schema = held.get("parametersJsonSchema", {})
    if not isinstance(schema, Mapping):
        refuse(f"Invalid value at '{path}.parameters_json_schema', expected an object.", path)
    return Tool(name, schema)


def read_schema(schema: object, path: str, depth: int = 0) -> JsonObject:
    """Check a schema in the subset of OpenAPI, and return it as a JSON schema.

    Raises:
        Refusal: it has a keyword that the subset has not, or one of the wrong kind.
    """
    held = read_object(schema, path, _SCHEMA)
    if depth > MAX_DEPTH:
        refuse(f"Schema at '{path}' is nested too deeply.", path)
    kind = read_word(held, "type", path, _TYPES)
    if "enum" in held and kind not in (None, "STRING"):
        refuse(f"* {path}.enum: only allowed for STRING type", path)
    if kind is not None:
        held["type"] = kind.lower()
    if "items" in held:
        held["items"] = read_schema(held["items"], f"{path}.items", depth + 1)
    if "anyOf" in held:
        held["anyOf"] = [
            read_schema(option, f"{path}.any_of[{index}]", depth + 1)
            for index, option in enumerate(read_list(held, "anyOf", path))
        ]
    properties = held.get("properties", {})
    if not isinstance(properties, Mapping):
        refuse(f"Invalid value at '{path}.properties', expected an object.", path)
    for name in properties:
        if not _PARAMETER.fullmatch(name):
            refuse(f"* {path}.properties: invalid property name '{name[:64]}'", path)
    if properties:
        held["properties"] = {
            name: read_schema(inner, f"{path}.properties[{name}]", depth + 1)
            for name, inner in properties.items()
        }
    for name in read_list(held, "required", path):
        if name not in properties:
            refuse(f"* {path}.required: property is not defined", path)
    return held


def read_tool_config(
    config: object, tools: tuple[Tool, ...]
) -> tuple[ToolChoice, tuple[Tool, ...]]:
    """Check the field `toolConfig`; return the choice and the tools that it leaves.

    Raises:
        Refusal: there is no tool to choose, or it names one that there is not.
    """
    if config is None:
        return ToolChoice.AUTO, tools
    path = "tool_config"
    outer = read_object(
        config,
        path,
        ("functionCallingConfig", "retrievalConfig", "includeServerSideToolInvocations"),
    )
    if "functionCallingConfig" not in outer:
        return ToolChoice.AUTO, tools
    path = "tool_config.function_calling_config"
    held = read_object(
        outer["functionCallingConfig"],
        path,
        ("mode", "allowedFunctionNames", "streamFunctionCallArguments"),
    )
    mode = read_word(held, "mode", path, ("MODE_UNSPECIFIED", "AUTO", "ANY", "NONE", "VALIDATED"))
    names = read_list(held, "allowedFunctionNames", path)
    if not tools:
        refuse("Function calling config is set without function_declarations.", path)
    if names and mode not in ("ANY", "VALIDATED"):
        refuse("allowed_function_names should be set only when mode is ANY or VALIDATED.", path)
    chosen = tuple(tool for tool in tools if not names or tool.name in names)
    if len(chosen) < len(names):
        refuse("allowed_function_names names a function that is not declared.", path)
    words = {"ANY": ToolChoice.REQUIRED, "NONE": ToolChoice.NONE}
    return words.get(mode or "", ToolChoice.AUTO), chosen
