"""Scripts, stop sequences and schemas, without a socket."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.sandbox.history import History
from trunkline.sandbox.models import find
from trunkline.sandbox.prompt import Prompt, Tool, ToolChoice
from trunkline.sandbox.schemas import MAX_VALUES, fit
from trunkline.sandbox.scripts import Script, perform, say_words
from trunkline.sandbox.speech import CallArguments, Finish, FinishReason, Text
from trunkline.sandbox.stops import cut_at_stop
from trunkline.sandbox.words import split_words

PROMPT = Prompt(
    model="ok",
    stream=True,
    include_usage=False,
    message_count=1,
    history=History("Hello"),
    tools=(),
    tool_choice=ToolChoice.AUTO,
    parallel_calls=True,
    max_tokens=None,
    stops=(),
    schema=None,
    prompt_tokens=1,
)


@given(st.text())
def test_words_join_to_their_text(text: str) -> None:
    """Splitting loses nothing, white space included."""
    assert "".join(split_words(text)) == text


@given(st.lists(st.text("ab", max_size=3)), st.text("ab", min_size=1, max_size=3))
def test_a_stop_is_found_across_pieces(pieces: list[str], stop: str) -> None:
    """However the text is cut, it ends before the first stop sequence."""
    assert "".join(cut_at_stop(pieces, [stop])) == "".join(pieces).partition(stop)[0]


@given(st.lists(st.text("ab", min_size=1, max_size=3)))
def test_without_stops_the_pieces_pass_unchanged(pieces: list[str]) -> None:
    """No sequence, no change in how the text is cut."""
    assert list(cut_at_stop(pieces, [])) == pieces


def test_a_long_script_is_read_lazily() -> None:
    """The beginning of an endless-looking text costs nothing of its rest."""
    speech = perform(Script(say_words(10**12)), PROMPT)
    assert list(islice(speech, 2)) == [Text("The"), Text(" line")]


def test_the_token_limit_counts_every_utterance() -> None:
    """Reasoning and arguments use the limit up; arguments that break off are no JSON."""
    tool = Tool("f", {"type": "object", "properties": {"a": {"type": "string"}}})
    behaviour = find("tool")
    assert behaviour is not None
    prompt = replace(PROMPT, tools=(tool,), max_tokens=2)
    *said, finish = perform(behaviour.script, prompt)
    arguments = "".join(part.fragment for part in said if isinstance(part, CallArguments))
    assert len(said) == 2
    assert isinstance(finish, Finish)
    assert (finish.reason, finish.usage.completion_tokens) == (FinishReason.LENGTH, 2)
    with pytest.raises(json.JSONDecodeError):
        json.loads(arguments)


@pytest.mark.parametrize("size", [0, 10, 17, 5_000])
@pytest.mark.parametrize(
    ("schema", "smallest"),
    [
        ({}, '{"padding":""}'),
        ({"type": "string"}, '{"padding":""}'),
        ({"properties": {"n": {"type": "integer"}}}, '{"n":1,"padding":""}'),
        ({"properties": {"n": {"type": "string"}}}, '{"n":""}'),
    ],
)
def test_big_arguments_need_no_string_in_the_schema(
    size: int, schema: dict[str, Any], smallest: str
) -> None:
    """Without one a property is added; a size too small gives the smallest object."""
    behaviour = find(f"big-tool-{size}")
    assert behaviour is not None
    prompt = replace(PROMPT, tools=(Tool("f", schema),))
    fragments = [
        part.fragment
        for part in perform(behaviour.script, prompt)
        if isinstance(part, CallArguments)
    ]
    arguments = "".join(fragments)
    assert isinstance(json.loads(arguments), dict)
    assert len(arguments) == max(size, len(smallest))


NODE = {
    "type": "object",
    "properties": {"left": {"$ref": "#/$defs/node"}, "right": {"$ref": "#/$defs/node"}},
    "required": ["left", "right"],
}


@pytest.mark.parametrize(
    ("schema", "value"),
    [
        ({}, {"answer": "sandbox"}),
        ({"type": "object"}, {}),
        ({"type": "string"}, "sandbox"),
        ({"type": "string", "maxLength": 3}, "san"),
        ({"type": "string", "minLength": 9}, "sandboxxx"),
        ({"type": "string", "format": "date"}, "2026-11-20"),
        ({"type": ["null", "string"]}, "sandbox"),
        ({"type": "null"}, None),
        ({"type": "boolean"}, True),
        ({"type": "integer"}, 1),
        ({"type": "integer", "minimum": 7}, 7),
        ({"type": "integer", "exclusiveMinimum": 7}, 8),
        ({"type": "integer", "maximum": -3}, -3),
        ({"type": "integer", "exclusiveMaximum": 0}, -1),
        ({"type": "integer", "multipleOf": 5, "minimum": 7}, 10),
        ({"type": "integer", "multipleOf": 5, "maximum": -7}, -10),
        ({"type": "integer", "minimum": 10**400}, 1),
        ({"type": "number", "maximum": 0.25}, 0.25),
        ({"type": "number", "exclusiveMinimum": 3}, 3.5),
        ({"type": "number", "multipleOf": 5e-324}, 1.0),
        ({"type": "array"}, ["sandbox"]),
        ({"type": "array", "items": {"type": "integer"}, "minItems": 3}, [1, 1, 1]),
        ({"type": "array", "maxItems": 0}, []),
        ({"enum": ["b", "a"]}, "b"),
        ({"const": 5}, 5),
        ({"anyOf": [{"type": "integer"}, {"type": "string"}]}, 1),
        ({"oneOf": [{"type": "null"}]}, None),
        ({"properties": {"a": {"items": {"const": 1}}}}, {"a": [1]}),
        ({"type": "object", "required": ["a"]}, {"a": "sandbox"}),
        (
            {
                "$defs": {"a/b": {"properties": {"x": {"const": 1}}}},
                "allOf": [{"$ref": "#/$defs/a~1b"}, {"properties": {"y": {"const": 2}}}],
            },
            {"x": 1, "y": 2},
        ),
        ({"$ref": "#/nowhere"}, None),
        ({"type": "nonsense"}, None),
    ],
)
def test_a_value_fits_its_schema(schema: dict[str, Any], value: object) -> None:
    """Each keyword is obeyed."""
    assert fit(schema) == value


@pytest.mark.parametrize(
    "schema",
    [
        {"$ref": "#"},
        {"$ref": "#/$defs/node", "$defs": {"node": NODE}},
        {"type": "array", "minItems": 10**9},
        {"allOf": [{"$ref": "#"}]},
        {"type": "string", "minLength": 10**12},
    ],
)
def test_a_schema_without_end_is_filled_within_bounds(schema: dict[str, Any]) -> None:
    """A recursive or greedy schema ends in nulls, not in memory."""
    assert len(json.dumps(fit(schema))) < 100 * MAX_VALUES


def test_the_server_needs_no_other_part_of_trunkline() -> None:
    """Importing it loads the sandbox, httptools and msgspec, and no web framework."""
    code = "import sys, trunkline.sandbox.server; print(*sys.modules)"
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    loaded = done.stdout.split()
    parts = {name for name in loaded if name.startswith("trunkline.")}
    assert all(part.startswith("trunkline.sandbox") for part in parts)
    assert not {"aiohttp", "httpx", "grpc", "pydantic", "typer"} & set(loaded)


def test_a_model_of_any_name_does_what_stands_behind_the_at() -> None:
    """Clients that go by a vendor's names meet every behaviour."""
    assert find("claude-opus-4-6@json") == find("json")
    assert find("a@b@cut-after-3-of-tool") == find("cut-after-3-of-tool")
    assert find("claude-opus-4-6@nothing-of-ours") is None
    assert find("claude-opus-4-6@") is None
    assert find("@json") is None
