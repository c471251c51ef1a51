"""What a feature of a transcript is."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final, TypeAlias

from google.protobuf import json_format

from fidelity.formats import Format
from fidelity.reading import Json, Said
from trunkline.inference.v1 import chat_pb2

NAMED: Final = frozenset(
    {
        "tool ids",
        "parallel calls",
        "tool errors",
        "pictures in results",
        "reasoning",
        "system messages",
        "stop sequences",
        "schemas",
    }
)
"""The groups of features of which 95 % are to arrive."""

Turn: TypeAlias = Sequence[Said]
"""A turn of the model, which the vendor says that the transcript comes from."""


@dataclass(frozen=True, slots=True)
class Back:
    """A turn that the model itself has said which is asked now.

    Attributes:
        said: by it.
    """

    said: Turn


@dataclass(frozen=True, slots=True, eq=False)
class Feature:
    """Something that a transcript may have.

    Attributes:
        name: of it.
        group: under which it is listed; those of `NAMED` the requirement names.
        about: what of the request it is; matches whole paths.
        messages: of the transcript, each as the contract's JSON or a turn of a model.
        options: what else is asked, as the contract's JSON.
        model: says the model's turns, instead of the one that is asked.
    """

    name: str
    group: str
    about: str
    messages: Sequence[Json | Turn | Back]
    options: Json = field(default_factory=dict)
    model: str = ""

    def fits(self, source: Format, target: Format) -> bool:
        """Tell whether the answers of two vendors can have it."""
        for each in self.messages:
            if isinstance(each, dict):
                continue
            who, turn = (target, each.said) if isinstance(each, Back) else (source, each)
            if not all(said.needs in who.says for said in turn):
                return False
        return True

    def concerns(self, path: str) -> bool:
        """Tell whether a place in the request belongs to it."""
        return re.fullmatch(self.about, path) is not None

    def request(self, source: Format, target: Format) -> chat_pb2.ChatRequest:
        """Return the question, of which vendors have said the model's turns."""
        request = json_format.ParseDict(self.options, chat_pb2.ChatRequest())
        for each in self.messages:
            if isinstance(each, dict):
                json_format.ParseDict(each, request.messages.add())
            elif isinstance(each, Back):
                request.messages.append(target.turn(each.said))
            else:
                request.messages.append(source.turn(each, model=self.model))
        return request
