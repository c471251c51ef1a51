"""A function is told to a model by its signature, and its answer back as a tool result."""

from __future__ import annotations

import json
from collections.abc import Callable, Sequence
from typing import Annotated, Any, Literal

import pytest

from trunkline.inference.v1 import message_pb2
from trunkline_client.tool import Toolbox, describe, to_error, to_result

_CALL = message_pb2.ToolCall(id="call_1", name="look")


def _everything(
    city: Annotated[str, "a city's name"],
    days: int,
    share: float,
    exact: bool,
    unit: Literal["C", "F"],
    tags: list[str],
    more: Sequence[int],
    options: dict[str, int],
    raw: dict,  # type: ignore[type-arg] # that is what is tried
    anything: Any,
    note: str | None = None,
    limit: int = 3,
) -> None:
    """Tell all.

    Twice.
    """


def test_signature_becomes_a_schema() -> None:
    """Each annotation that JSON Schema knows; what has a default is not required."""
    tool = describe(_everything, "all")
    schema = json.loads(tool.parameters_json)
    assert (tool.name, tool.description) == ("all", "Tell all.\n\nTwice.")
    assert schema["properties"] == {
        "city": {"type": "string", "description": "a city's name"},
        "days": {"type": "integer"},
        "share": {"type": "number"},
        "exact": {"type": "boolean"},
        "unit": {"enum": ["C", "F"]},
        "tags": {"type": "array", "items": {"type": "string"}},
        "more": {"type": "array", "items": {"type": "integer"}},
        "options": {"type": "object", "additionalProperties": {"type": "integer"}},
        "raw": {"type": "object", "additionalProperties": True},
        "anything": {},
        "note": {"anyOf": [{"type": "string"}, {"type": "null"}]},
        "limit": {"type": "integer"},
    }
    assert schema["required"] == list(schema["properties"])[:-2]


def _of_object(thing: object) -> None: ...
def _of_bytes(data: bytes) -> None: ...
def _of_many(*cities: str) -> None: ...
def _of_any(**cities: str) -> None: ...
def _of_place(city: str, /) -> None: ...


@pytest.mark.parametrize("function", [_of_object, _of_bytes, _of_many, _of_any, _of_place])
def test_signature_that_a_model_cannot_be_told_is_refused(function: Callable[..., Any]) -> None:
    """It is refused before anything is sent, and named."""
    with pytest.raises(TypeError, match=r"thing|data|cities|city"):
        describe(function)


def test_tool_beside_a_function_is_told_in_place_of_it() -> None:
    """Its own schema counts, under its own name."""
    tool = message_pb2.Tool(name="look", parameters_json='{"type": "object"}')
    toolbox = Toolbox.of({"look": (tool, _of_object)})
    assert toolbox.tools == (tool,)
    with pytest.raises(TypeError, match="look"):
        Toolbox.of({"see": (tool, _of_object)})


@pytest.mark.parametrize(
    ("value", "texts"),
    [
        (None, []),
        ("sunny", ["sunny"]),
        ("", [""]),
        ({"a": [1, "ü"]}, ['{"a": [1, "ü"]}']),
        ([], ["[]"]),
        (3, ["3"]),
        (message_pb2.Part(text="part"), ["part"]),
        ([message_pb2.Part(text="a"), message_pb2.Part(text="b")], ["a", "b"]),
    ],
)
def test_answer_becomes_a_result(value: object, texts: list[str]) -> None:
    """Text as it is, parts as they are, and everything else as JSON."""
    result = to_result(_CALL, value)
    assert (result.call_id, result.is_error) == ("call_1", False)
    assert [part.text for part in result.content] == texts


def test_answer_that_json_cannot_say_is_an_error() -> None:
    """It is the function's fault, and told like one."""
    with pytest.raises(TypeError):
        to_result(_CALL, {1, 2})


def test_error_is_told_and_bounded(caplog: pytest.LogCaptureFixture) -> None:
    """The model reads what went wrong; the program's log has where."""
    result = to_error(_CALL, ValueError("x" * 10_000))
    assert result.is_error
    assert result.content[0].text.startswith("ValueError: xxx")
    assert len(result.content[0].text) == 4096
    assert [record.getMessage() for record in caplog.records] == ["the tool look failed"]
