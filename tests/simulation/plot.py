"""Lines over time, as an SVG picture."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final
from xml.sax.saxutils import escape

_WIDTH: Final = 860
_PANEL_HEIGHT: Final = 220
_LEFT: Final = 64
_RIGHT: Final = 16
_TOP: Final = 34
_BOTTOM: Final = 26
_COLOURS: Final = ("#1f6feb", "#d1495b", "#2a9d5c", "#8957e5")
_GREY: Final = "#7d8590"
_STYLE: Final = (
    f"text{{font:12px sans-serif;fill:{_GREY}}}"
    "polyline{fill:none;stroke-width:1.6;stroke-linejoin:round}"
    f"line{{stroke:{_GREY};stroke-opacity:.3}}"
)


@dataclass(frozen=True, slots=True)
class Line:
    """One line.

    Attributes:
        name: beside its colour.
        values: one for each second, from 0.
    """

    name: str
    values: Sequence[float]


@dataclass(frozen=True, slots=True)
class Panel:
    """Lines that share an axis of powers of ten.

    Attributes:
        title: what the axis counts.
        lines: at most four.
        powers: the lowest and the highest power of ten; what is lower lies at the foot.
    """

    title: str
    lines: Sequence[Line]
    powers: tuple[int, int]


def draw(panels: Sequence[Panel], seconds: int, outage: tuple[float, float]) -> str:
    """Return a picture of panels below each other.

    Args:
        panels: from the top.
        seconds: how long the axis of time is.
        outage: its begin and end; shaded.
    """
    height = _PANEL_HEIGHT * len(panels)
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {_WIDTH} {height}">',
        f"<style>{_STYLE}</style>",
    ]
    for place, panel in enumerate(panels):
        parts.append(f'<g transform="translate(0 {place * _PANEL_HEIGHT})">')
        parts += _draw_panel(panel, seconds, outage)
        parts.append("</g>")
    return "\n".join([*parts, "</svg>", ""])


def _draw_panel(panel: Panel, seconds: int, outage: tuple[float, float]) -> list[str]:
    """Return the parts of one panel."""
    foot = _PANEL_HEIGHT - _BOTTOM
    low, high = panel.powers

    def across(second: float) -> float:
        return _LEFT + second / seconds * (_WIDTH - _LEFT - _RIGHT)

    def down(value: float) -> float:
        power = math.log10(value) if value > 0 else low
        share = (min(max(power, low), high) - low) / (high - low)
        return foot - share * (foot - _TOP)

    begin, end = (across(each) for each in outage)
    parts = [
        f'<rect x="{begin:.1f}" y="{_TOP}" width="{end - begin:.1f}" height="{foot - _TOP}"'
        f' fill="{_GREY}" fill-opacity=".12"/>',
        f'<text x="{_LEFT}" y="16">{escape(panel.title)}</text>',
    ]
    for power in range(low, high + 1):
        y = down(10.0**power)
        parts.append(f'<line x1="{_LEFT}" x2="{_WIDTH - _RIGHT}" y1="{y:.1f}" y2="{y:.1f}"/>')
        parts.append(
            f'<text x="{_LEFT - 8}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:,g}</text>'
        )
    for second in range(0, seconds + 1, 20):
        parts.append(
            f'<text x="{across(second):.1f}" y="{foot + 18}" text-anchor="middle">{second} s</text>'
        )
    for number, line in enumerate(panel.lines):
        colour = _COLOURS[number]
        points = " ".join(
            f"{across(second + 0.5):.1f},{down(value):.1f}"
            for second, value in enumerate(line.values)
        )
        parts.append(f'<polyline points="{points}" stroke="{colour}"/>')
        x = _WIDTH - _RIGHT - 165 * (len(panel.lines) - number)
        parts.append(f'<rect x="{x}" y="7" width="10" height="10" fill="{colour}"/>')
        parts.append(f'<text x="{x + 16}" y="16">{escape(line.name)}</text>')
    return parts
