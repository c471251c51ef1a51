"""What can be struck out on a terminal, and what cannot."""

from __future__ import annotations

import pytest

from trunkline.cli.shown import Shown

_UP = "\x1b[{}A\r\x1b[J"


def strike(*pieces: tuple[str, int], start: int = 2, columns: int = 10, rows: int = 20) -> str:
    """Return what strikes out pieces that were written."""
    shown = Shown()
    for text, sequence in pieces:
        shown.add(text, sequence)
    return shown.strike(start, columns, rows)


def test_only_what_is_void_is_struck_out() -> None:
    """What stands between, and in another style, stays as it was."""
    remark = "\x1b[2mIt broke.\x1b[0m\n"
    struck = strike(("One ", 2), ("two", 3), ("\n", 0), (remark, 0))
    assert struck == f"{_UP.format(2)}\x1b[2;9mOne \x1b[0m\x1b[2;9mtwo\x1b[0m\n{remark}"


def test_what_came_before_is_not_touched() -> None:
    """The cursor goes no higher than the first void line."""
    struck = strike(("\x1b[1mkept\x1b[0m\n", 2), ("void\n", 3), start=3)
    assert struck == f"{_UP.format(1)}\x1b[2;9mvoid\n\x1b[0m"


@pytest.mark.parametrize(
    ("text", "height"),
    [
        ("0123456789\n", 1),
        ("0123456789a\n", 2),
        ("\n\n", 2),
        ("日本語日本\n", 1),
        ("a日本語日本\n", 2),
        ("\ta\n", 1),
        ("\t\t\ta\n", 1),
    ],
)
def test_lines_are_counted_as_the_terminal_wraps_them(text: str, height: int) -> None:
    """A wide character does not stand on two lines; a tab does not wrap."""
    assert strike((text, 2)).startswith(_UP.format(height))


@pytest.mark.parametrize("text", ["🙂\n", "e\u0301\n", "a\u200db\n", "a\u2028b\n", "open"])
def test_where_nobody_knows_what_stands_nothing_is_touched(text: str) -> None:
    """Terminals do not agree on such characters."""
    assert strike((text, 2)) == ""


def test_what_has_scrolled_away_is_not_touched() -> None:
    """One row is the cursor's own."""
    assert strike(("a\n" * 19, 2))
    assert strike(("a\n" * 20, 2)) == ""


def test_what_is_not_kept_any_more_is_not_touched() -> None:
    """Long answers are not held a second time."""
    assert strike(*(("x" * 10_000 + "\n", number) for number in range(2, 12)), rows=10**6) == ""


def test_a_line_that_began_before_is_not_touched() -> None:
    """What stands there is not void."""
    assert strike(("kept ", 2), ("void\n", 3), start=3) == ""


def test_what_was_struck_out_stays_so() -> None:
    """A second seam strikes out what came after the first one, too."""
    shown = Shown()
    shown.add("one\n", 2)
    assert shown.strike(2, 10, 20)
    shown.add("two\n", 3)
    assert shown.strike(2, 10, 20) == (f"{_UP.format(2)}\x1b[2;9mone\n\x1b[0m\x1b[2;9mtwo\n\x1b[0m")


def test_nothing_void_needs_nothing() -> None:
    """As when what became void never was shown."""
    assert strike(("kept\n", 2), start=3) == ""
