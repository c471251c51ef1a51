"""What the bench orders of the process that is its load."""

from __future__ import annotations

from typing import Any

import msgspec

from bench.child import Child
from bench.load import BurstMeasure, Question, UnaryMeasure
from bench.targets import GatewayRoute


def ask(load: Child, measure: Question) -> dict[str, Any]:
    """Have something measured.

    Raises:
        ChildFailed: it went wrong, or took too long.
    """
    return load.ask(msgspec.to_builtins(measure), limit_seconds=60.0)


def warm(load: Child, route: GatewayRoute) -> None:
    """Have every path taken once, so that no measure pays for a first time."""
    ask(load, UnaryMeasure(route, chats=64))
    for _ in range(4):
        ask(load, BurstMeasure(route, streams=16, words=8))
