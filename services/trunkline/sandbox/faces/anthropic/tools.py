"""Tools of Anthropic Messages, and the choice among them.

Source: the Messages API reference and the page on tool use.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Final

from trunkline.sandbox.faces.anthropic.fields import (
    check_cache_control,
    read_choice,
    read_flag,
    read_object,
    read_text,
    refuse,
)
from trunkline.sandbox.faces.anthropic.schema import check_schema
from trunkline.sandbox.prompt import Tool, ToolChoice

_TOOL_NAME: Final = re.compile(r"[a-zA-Z0-9_-]{1,64}")


def read_tools(tools: object) -> tuple[tuple[Tool, ...], int]:
    """Check the field `tools`; return the tools, and how many cache points they hold.

    Raises:
        Refusal: a tool is malformed, or two have one name.
    """
    if tools is None:
        return (), 0
    if not isinstance(tools, list):
        refuse("tools", "Input should be a valid list")
    read: list[Tool] = []
    points = 0
    for index, tool in enumerate(tools):
        path = f"tools.{index}.custom"
        kind = tool.get("type") if isinstance(tool, Mapping) else None
        if kind not in (None, "custom"):
            refuse(f"tools.{index}.type", "The sandbox plays no server tools.")
        fields = read_object(
            tool,
            path,
            (
                *("type", "name", "description", "input_schema", "strict", "cache_control"),
                *("defer_loading", "eager_input_streaming", "input_examples", "allowed_callers"),
            ),
        )
        name = read_text(fields, "name", path)
        if not _TOOL_NAME.fullmatch(name):
            refuse(f"{path}.name", f"String should match pattern '^{_TOOL_NAME.pattern}$'")
        schema = fields.get("input_schema")
        if not isinstance(schema, Mapping):
            refuse(f"{path}.input_schema", "Field required")
        if schema.get("type") != "object":
            refuse(f"{path}.input_schema.type", "Input should be 'object'")
        if read_flag(fields, "strict", path):
            check_schema(schema, f"{path}.input_schema")
        points += check_cache_control(fields, path)
        read.append(Tool(name, schema))
    if len({tool.name for tool in read}) < len(read):
        refuse("tools", "Tool names must be unique.")
    return tuple(read), points


def read_tool_choice(
    choice: object, tools: tuple[Tool, ...]
) -> tuple[ToolChoice, tuple[Tool, ...], bool]:
    """Return the choice, the tools that it leaves, and whether parallel calls are allowed.

    Raises:
        Refusal: the choice is malformed, or names no tool.
    """
    if choice is None:
        return ToolChoice.AUTO, tools, True
    fields = read_object(choice, "tool_choice", ("type", "name", "disable_parallel_tool_use"))
    kind = read_choice(fields, "type", "tool_choice", ("auto", "any", "tool", "none"))
    if kind is None:
        refuse("tool_choice.type", "Field required")
    if not tools:
        refuse("tool_choice", "may only be specified while providing tools")
    parallel = not read_flag(fields, "disable_parallel_tool_use", "tool_choice")
    if kind != "tool":
        words = {"auto": ToolChoice.AUTO, "any": ToolChoice.REQUIRED, "none": ToolChoice.NONE}
        return words[kind], tools, parallel
    name = read_text(fields, "name", "tool_choice.tool")
    chosen = tuple(tool for tool in tools if tool.name == name)
    if not chosen:
        refuse("", f"Tool '{name[:64]}' not found in provided tools")
    return ToolChoice.REQUIRED, chosen, parallel
