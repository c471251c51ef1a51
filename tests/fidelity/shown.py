"""What the cases of the conformance suite show of each format's answers, in numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from functools import partial
from typing import Final, TypeAlias

from trunkline.inference.v1 import failure_pb2, result_pb2
from unit.inference.conformance.suite import Answered, Block, Case, Failed
from unit.inference.conformance.test_conformance import CASES

Shows: TypeAlias = Callable[[Case], bool]


def counts(shows: Shows) -> list[int]:
    """Return how many cases of each format show something."""
    return [sum(map(shows, cases)) for cases in CASES.values()]


def formats() -> list[str]:
    """Return the names of the formats."""
    return [adapter.format for adapter in CASES]


def content_rows() -> Iterator[tuple[str, list[int]]]:
    """Return what whole answers hold."""
    for name, fits in _BLOCKS.items():
        yield name, counts(partial(_holds, fits))
    yield "several tool calls in one turn", counts(lambda case: _calls(case) > 1)
    yield "JSON that was asked for", counts(_is_shaped)
    yield "as a stream", counts(lambda case: _is_whole(case) and case.stream)
    yield "as one document", counts(lambda case: _is_whole(case) and not case.stream)
    yield "a frame passed over", counts(lambda case: "answer.frame" in _losses(case))


def end_rows() -> Iterator[tuple[str, list[int]]]:
    """Return how whole answers end."""
    for number, name in _names(result_pb2.FinishReason.items(), "FINISH_REASON_"):
        yield name, counts(partial(_ends, number))


def usage_rows() -> Iterator[tuple[str, list[int]]]:
    """Return which numbers of tokens are told."""
    for name in _USAGE:
        words = name.replace("_", " ")
        yield words, counts(partial(_counts, name))


def failure_rows() -> Iterator[tuple[str, list[int]]]:
    """Return the classes of failures that come with status 200, and those in mid-answer."""
    for number, name in _names(failure_pb2.ErrorKind.items(), "ERROR_KIND_"):
        row = counts(partial(_fails, number))
        if any(row):
            yield name, row
    yield (
        "of these after some content",
        counts(lambda case: isinstance(case.expected, Failed) and bool(case.expected.blocks)),
    )
    yield (
        "of these with a tool call taken back",
        counts(lambda case: any(block.kind == "aborted" for block in case.expected.blocks)),
    )


def case_counts() -> list[int]:
    """Return how many cases each format has."""
    return counts(lambda case: True)


_BLOCKS: Final[dict[str, Callable[[Block], bool]]] = {
    "text": lambda block: block.kind == "text",
    "text with citations": lambda block: bool(block.citations),
    "refusals told apart": lambda block: block.kind == "refusal",
    "reasoning": lambda block: block.kind == "reasoning" and bool(block.text),
    "reasoning withheld": lambda block: block.redacted,
    "signatures": lambda block: bool(block.signature),
    "blocks of the vendor's own": lambda block: block.kind == "provider",
    "tool calls": lambda block: block.kind == "completed",
}
_USAGE: Final = tuple(
    field.name for field in result_pb2.Usage.DESCRIPTOR.fields if field.name.endswith("_tokens")
)


def _is_whole(case: Case) -> bool:
    """Tell whether an answer comes whole."""
    return isinstance(case.expected, Answered)


def _holds(fits: Callable[[Block], bool], case: Case) -> bool:
    """Tell whether a whole answer has such a block."""
    return _is_whole(case) and any(map(fits, case.expected.blocks))


def _calls(case: Case) -> int:
    """Return how many whole calls a whole answer has."""
    blocks = case.expected.blocks if _is_whole(case) else ()
    return sum(block.kind == "completed" for block in blocks)


def _is_shaped(case: Case) -> bool:
    """Tell whether an answer is whole and had to have a shape."""
    return _is_whole(case) and case.request.HasField("response_format")


def _losses(case: Case) -> tuple[str, ...]:
    """Return what of a whole answer is lost."""
    return case.expected.losses if isinstance(case.expected, Answered) else ()


def _ends(reason: int, case: Case) -> bool:
    """Tell whether an answer ends for a reason."""
    return isinstance(case.expected, Answered) and case.expected.finish_reason == reason


def _counts(name: str, case: Case) -> bool:
    """Tell whether a number of tokens is told, and is not 0."""
    usage = case.expected.usage if isinstance(case.expected, Answered) else None
    return usage is not None and bool(getattr(usage, name))


def _fails(kind: int, case: Case) -> bool:
    """Tell whether a reply fails in a way."""
    return isinstance(case.expected, Failed) and case.expected.kind == kind


def _names(items: Sequence[tuple[str, int]], prefix: str) -> Iterator[tuple[int, str]]:
    """Return the values of an enum with their names in words."""
    for name, number in items:
        words = name.removeprefix(prefix).replace("_", " ").lower()
        yield number, "any other word" if words == "unspecified" else words
