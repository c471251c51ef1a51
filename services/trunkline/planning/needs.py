"""What a request needs of a model."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Protocol


class Needs(Protocol):
    """What a request needs; asked only where a model is known not to have it."""

    @property
    def vision(self) -> bool:
        """Images in the prompt."""

    @property
    def documents(self) -> bool:
        """Documents in the prompt."""

    @property
    def tools(self) -> bool:
        """Tool calls."""

    @property
    def structured_output(self) -> bool:
        """A schema for the answer."""

    @property
    def thinking(self) -> bool:
        """Thinking, asked for in words."""

    @property
    def least_tokens(self) -> int:
        """Tokens that the prompt has at the very least."""


@dataclass(frozen=True, slots=True)
class DeclaredNeeds:
    """Needs that somebody names."""

    vision: bool = False
    documents: bool = False
    tools: bool = False
    structured_output: bool = False
    thinking: bool = False
    least_tokens: int = 0
