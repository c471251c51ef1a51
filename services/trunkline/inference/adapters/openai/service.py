"""What a row of the table of services is: how one of them differs from the others."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Final

from trunkline.inference.adapters.call_ids import IdForm
from trunkline.inference.adapters.values import Json

# Longer ids and other characters were refused by OpenAI and still are by some who imitate it
# ("Expected a string with maximum length 40": microsoft/autogen#6377, vercel/ai#8132).
_IDS: Final = IdForm(re.compile(r"[A-Za-z0-9_-]{1,40}"))


class Thoughts(Enum):
    """Where thoughts of earlier turns go when they are sent back."""

    NOWHERE = auto()
    """They are left out."""
    EVERY_TURN = auto()
    """In `reasoning_content` of every turn of the model, which must not lack it."""
    CALLING_TURNS = auto()
    """The same, in turns with tool calls only."""
    IN_TEXT = auto()
    """In front of the text, between tags."""


@dataclass(frozen=True, slots=True)
class Thinking:
    """How a service is told how much to think.

    Attributes:
        effort: keys that lead to the word for it in a body; empty: it takes no word.
        efforts: the words that it knows, the least first; empty: any.
        off: what a body gets so that the model does not think; None: the least effort.
        on: what a body gets beside an effort.
        counted: what it gets beside a number of tokens.
        budget: keys that lead to a number of tokens; empty: it takes none.
        least_budget: the smallest such number.
        hidden: keys that lead to the flag by which thoughts are not shown; empty: there is none.
    """

    effort: tuple[str, ...] = ("reasoning_effort",)
    efforts: tuple[str, ...] = ()
    off: Json | None = None
    on: Json = field(default_factory=dict)
    counted: Json = field(default_factory=dict)
    budget: tuple[str, ...] = ()
    least_budget: int = 1
    hidden: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Prefill:
    """How a service is asked to go on with the model's last message.

    Attributes:
        mark: a key of that message that is set; empty: none, it only stands last.
        body: what the body gets beside it.
        off: likewise, so that the model does not think first; in the place of an effort.
        version: the version of the address that takes it, such as `/beta`; empty: any.
        repeats: the answer begins with the message once more.
    """

    mark: str = ""
    body: Json = field(default_factory=dict)
    off: Json = field(default_factory=dict)
    version: str = ""
    repeats: bool = False


@dataclass(frozen=True, slots=True)
class Service:
    """One service, or one of its families of models; the defaults are what most of them take.

    Attributes:
        type: the provider type.
        family: what the ids of its models begin with; empty: all others of the type.
        limit_key: the key of the longest answer.
        refused: what of a request is not sent, by its path, such as `sampling.seed`.
        keys: other keys of settings, by ours.
        extra: settings that most services lack and this one takes, by key.
        temperatures: the least and the greatest.
        required: the word by which some tool must be called.
        shapes_with_tools: an answer's shape can be asked for beside tools.
        strict_tools: tools may be strict.
        subsets: a choice among some of the tools can be said.
        refusals: refusals of the model can be sent back as such.
        documents: they are taken.
        alternates: the system speaks first, then user and model in turn.
        closes_results: after results the model speaks, and not the user.
        bare_schemas: a schema may not say what it is (`$schema`, `$id`).
        ids: the form of the ids of tool calls.
        thoughts: where thoughts of earlier turns go.
        thinks_in_text: thoughts come as text between tags.
        thinking: how it is told how much to think; None: it cannot be.
        prefill: how it goes on with the model's last message; None: it does not.
        counts_in_streams: the usage of a stream must be asked for.
        body: what every body gets.
        headers: what every request gets unless the provider's own headers say otherwise; names
            in small letters.
        lists: paths of lists of models, from the address without its version on, the best first;
            the last is `/models` under the address.
        proof: path under the address where a key counts; empty: it does at the list.
        has_list: there is a list of models.
    """

    type: str
    family: str = ""
    limit_key: str = "max_tokens"
    refused: frozenset[str] = frozenset()
    keys: Mapping[str, str] = field(default_factory=dict)
    extra: frozenset[str] = frozenset()
    temperatures: tuple[float, float] = (0, 2)
    required: str = "required"
    shapes_with_tools: bool = True
    strict_tools: bool = False
    subsets: bool = False
    refusals: bool = False
    documents: bool = True
    alternates: bool = False
    closes_results: bool = False
    bare_schemas: bool = False
    ids: IdForm = _IDS
    thoughts: Thoughts = Thoughts.NOWHERE
    thinks_in_text: bool = False
    thinking: Thinking | None = Thinking()
    prefill: Prefill | None = Prefill()
    counts_in_streams: bool = True
    body: Json = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)
    lists: tuple[str, ...] = ()
    proof: str = ""
    has_list: bool = True
