"""A stream breaks at each of its frames, in every format and every script."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sandbox.faces import FACES, TOOLS, ask_face
from sandbox.rawhttp import End
from support import matrix
from trunkline.sandbox.frames import split_frames
from trunkline.sandbox.server import Sandbox

SCRIPTS = ("long-4", "reason", "tool", "parallel-tools", "text-then-tool")

ENDS = {
    "cut": End.CLOSED,
    "end": End.COMPLETE,
    "reset": End.RESET,
    "error": End.COMPLETE,
    "malformed": End.COMPLETE,
    "malformed-twice": End.COMPLETE,
}
"""How the connection ends after each break."""

_MATRIX = "sandbox-breaks"
_CELLS = [(face, script, how) for face in FACES for script in SCRIPTS for how in ENDS]


async def take(face: str, model: str) -> tuple[list[bytes], End]:
    """Return the frames of a stream and how it ended; whatever the model, its name is `m`."""
    async with Sandbox(time_scale=0, aliases={"m": model}) as sandbox:
        tools = TOOLS[face] if "tool" in model else []
        reply = await ask_face(sandbox, face, "m", tools=tools)
    return split_frames(reply.headers["content-type"], reply.body), reply.end


@pytest.mark.parametrize(("face", "script", "how"), matrix.cells(_MATRIX, _CELLS, sample=8))
async def test_a_stream_breaks_at_every_frame(face: str, script: str, how: str) -> None:
    """The client gets the frames before the break, what the break puts in, and its end."""
    healthy, _ = await take(face, script)
    assert len(healthy) > 1
    for place in range(len(healthy) + 1):
        frames, end = await take(face, f"{how}-at-{place}-of-{script}")
        assert end is ENDS[how]
        before, after = healthy[:place], healthy[place:]
        assert frames[:place] == before
        match how, frames[place:]:
            case "malformed", [garbled, *rest]:
                assert garbled not in healthy
                assert rest == after
            case "malformed-twice", [garbled, *rest]:
                again = rest.pop(len(after[:1]))
                assert {garbled, again}.isdisjoint(healthy)
                assert rest == after
            case "error", [error]:
                assert b'"error"' in error
            case _, rest:
                assert (how in ("cut", "end", "reset"), rest) == (True, [])
    matrix.ran(_MATRIX)


@pytest.mark.parametrize("face", FACES)
async def test_a_stream_stalls_at_a_frame(sandbox: Sandbox, face: str) -> None:
    """The frames before the stall have come, and the connection stays open."""
    reply = await ask_face(sandbox, face, "stall-at-2-of-long-4", silence=0.3)
    assert len(split_frames(reply.headers["content-type"], reply.body)) == 2
    assert reply.end is End.SILENT


async def test_a_break_at_a_frame_lies_over_any_answer(sandbox: Sandbox) -> None:
    """A second attempt of the same key gets the whole answer."""
    first = await ask_face(sandbox, "anthropic", "once-cut-at-3-of-reason")
    again = await ask_face(sandbox, "anthropic", "once-cut-at-3-of-reason")
    assert (first.end, again.end) == (End.CLOSED, End.COMPLETE)


@given(
    st.lists(st.text(alphabet=st.characters(codec="utf-8", exclude_characters="\r\n"), min_size=1))
)
def test_frames_are_split_at_their_ends(texts: list[str]) -> None:
    """Joined they are what was sent; a type without ends is one frame."""
    for kind, end in (
        ("text/event-stream; charset=utf-8", b"\n\n"),
        ("text/event-stream", b"\r\n\r\n"),
        ("application/x-ndjson", b"\n"),
    ):
        frames = [text.encode() + end for text in texts]
        assert split_frames(kind, b"".join(frames)) == frames
    whole = "".join(texts).encode()
    assert split_frames("application/json", whole) == ([whole] if whole else [])
