"""What a model is told by a request, in words that all formats share."""

from __future__ import annotations

import enum
from dataclasses import dataclass, field
from typing import Any, TypeAlias

Json: TypeAlias = dict[str, Any]


class Speaker(enum.Enum):
    """Who says something."""

    SYSTEM = "system"
    USER = "user"
    MODEL = "model"
    TOOL = "tool"


class Kind(enum.Enum):
    """What something that is said is."""

    TEXT = "text"
    IMAGE = "image"
    DOCUMENT = "document"
    CALL = "call"
    RESULT = "result"
    THOUGHT = "thought"
    SEALED = "sealed thought"
    REFUSAL = "refusal"
    OWN = "the vendor's own block"


@dataclass(frozen=True, slots=True)
class Said:
    """A block of an answer, before it is written as a vendor does.

    Attributes:
        kind: of it.
        text: its text, a call's arguments, or what stands in a block of the vendor's own.
        call_id: of a call.
        name: of a called tool.
        signature: the vendor's proof.
        cited: the words that a text leans on.
    """

    kind: Kind
    text: str = ""
    call_id: str = ""
    name: str = ""
    signature: str = ""
    cited: str = ""

    @property
    def needs(self) -> str:
        """Return what a vendor must be able to say for this."""
        if self.cited:
            return "cited text"
        signed = self.signature and self.kind is not Kind.SEALED
        return f"signed {self.kind.value}" if signed else self.kind.value


@dataclass(frozen=True, slots=True)
class Item:
    """Something that a request says.

    Attributes:
        speaker: who says it.
        kind: what it is.
        text: its text, a call's arguments, the JSON of an own block; of media the base64 of
            the content, or its address.
        name: of a called tool or a document.
        call_id: of a call, or of the one that a result answers.
        failed: of a result: the tool failed.
        in_words: that it failed is said in words, where there is no flag for it.
        signature: the vendor's proof.
        marked: with the wish to be cached.
        media_type: of media by value.
        inside: the media of a result.
    """

    speaker: Speaker
    kind: Kind
    text: str = ""
    name: str = ""
    call_id: str = ""
    failed: bool = False
    in_words: bool = False
    signature: str = ""
    marked: bool = False
    media_type: str = ""
    inside: tuple[Item, ...] = ()


@dataclass(frozen=True, slots=True)
class SentTool:
    """A tool that a request offers.

    Attributes:
        description: empty when there is none.
        schema: of its arguments; None when there is none.
        strict: the model is held to it.
        marked: with the wish to be cached.
    """

    description: str
    schema: Json | None
    strict: bool = False
    marked: bool = False


@dataclass(slots=True)
class Reading:
    """A request, read.

    Attributes:
        items: all that is said, in the order in which the model has it.
        tools: by name.
        mode: `auto`, `none` or `required`; empty when nothing is said.
        allowed: the only tools that may be called; empty: all.
        parallel: whether several may be called at once; None when nothing is said.
        stop: the stop sequences.
        shape: the schema of the answer, or `{}` for any object; None when it is free.
    """

    items: list[Item] = field(default_factory=list)
    tools: dict[str, SentTool] = field(default_factory=dict)
    mode: str = ""
    allowed: tuple[str, ...] = ()
    parallel: bool | None = None
    stop: tuple[str, ...] = ()
    shape: Json | None = None
