"""What each family of models takes through Converse: the table that requests are shaped by.

One format for all of them, and yet they differ in what they refuse. The table is data: a model
that is not in it, or whose name hides behind an ARN, is treated as the plainest.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/conversation-inference-supported-models-features.html,
…/prompt-caching.html and …/structured-output.html, and what users report of refusals, which is
named beside each field.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from functools import lru_cache
from typing import Final

from trunkline.inference.adapters.anthropic.abilities import Abilities, abilities_of
from trunkline.inference.adapters.call_ids import IdForm
from trunkline.inference.adapters.tool_names import PLAIN, NameForm

TOOLS: Final = "tools"
SYSTEM: Final = "system"
MESSAGES: Final = "messages"

_EVERYWHERE: Final = frozenset({TOOLS, SYSTEM, MESSAGES})

_IDS: Final = IdForm(re.compile(r"[a-zA-Z0-9_.:-]{1,64}"))
# https://docs.mistral.ai/capabilities/function_calling
_NINE: Final = IdForm(re.compile(r"[a-zA-Z0-9]{9}"), prefix="", digits=9)

# Hyphens make it produce invalid calls, https://github.com/strands-agents/harness-sdk/issues/649.
_NO_HYPHENS: Final = NameForm(
    re.compile(r"[^A-Za-z0-9_]"),
    64,
    "The model takes letters, digits and `_` in names, 64 at most.",
)


@dataclass(frozen=True, slots=True)
class Dial:
    """How a model that is no Claude is told to think.

    Attributes:
        key: what stands beside the format's own fields; a dot leads into an object.
        efforts: from little to much.
        off: the effort by which it does not think; empty when it always does.
        beside: what stands beside the effort.
    """

    key: str
    efforts: tuple[str, ...]
    off: str = ""
    beside: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True, slots=True)
class Family:
    """What the models of a family take.

    Attributes:
        claude: what Anthropic's table says of the model; None when it is no Claude.
        caches: where cache marks are taken.
        marks: they are put there by default; where it is not known that they are taken, a mark
            that nobody asked for could cost the answer.
        long_marks: they may hold for an hour.
        mark_after_document: one may stand right after a document.
        choices: which choices among the tools are taken, `any` and `tool`.
        failures: results may say that the tool failed.
        alone: the results of tools stand alone in their turn.
        media_in_results: results may hold pictures and documents.
        documents_beside_results: a turn with results may hold documents.
        ids: of calls.
        names: of tools.
        samples: takes `temperature` and `topP`.
        top_k: where `top_k` goes beside the format's own fields; empty: nowhere.
        stops: how many stop sequences.
        schemas: an answer can be held to a JSON schema.
        dial: how it is told to think; None: it is not.
    """

    claude: Abilities | None = None
    caches: frozenset[str] = frozenset()
    marks: bool = False
    long_marks: bool = False
    mark_after_document: bool = False
    choices: frozenset[str] = frozenset()
    failures: bool = True
    alone: bool = False
    media_in_results: bool = False
    documents_beside_results: bool = True
    ids: IdForm = field(default=_IDS)
    names: NameForm = field(default=PLAIN)
    samples: bool = True
    top_k: str = ""
    stops: int = 4
    schemas: bool = False
    dial: Dial | None = None


_CLAUDE: Final = Family(
    caches=_EVERYWHERE,
    marks=True,
    long_marks=True,
    mark_after_document=True,
    choices=frozenset({"any", "tool"}),
    media_in_results=True,
    # https://github.com/pydantic/pydantic-ai/pull/6081
    documents_beside_results=False,
    top_k="top_k",
    stops=16,
)
_NOVA: Final = Family(
    caches=frozenset({SYSTEM, MESSAGES}),
    marks=True,
    choices=frozenset({"any", "tool"}),
    media_in_results=True,
    names=_NO_HYPHENS,
    top_k="inferenceConfig.topK",
)
_LLAMA: Final = Family(alone=True)

# What stands in a model's name, between letters that do not go on; the longest one counts.
_FAMILIES: Final[dict[str, Family]] = {
    "amazon.nova": _NOVA,
    "amazon.nova-2": replace(
        _NOVA,
        dial=Dial(
            "reasoningConfig.maxReasoningEffort",
            ("low", "medium", "high"),
            beside=(("type", "enabled"),),
        ),
    ),
    "meta.llama": _LLAMA,
    "mistral.": Family(choices=frozenset({"any"}), alone=True, ids=_NINE),
    # It rejects the field, https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-writer-palmyra.html
    "writer.": Family(alone=True, failures=False),
    "openai.gpt-oss": Family(dial=Dial("reasoning_effort", ("low", "medium", "high"))),
    "openai.gpt": Family(
        samples=False,
        dial=Dial("reasoning.effort", ("low", "medium", "high", "xhigh"), off="none"),
    ),
    "qwen.": Family(schemas=True),
    "qwen.qwen3": Family(schemas=True, dial=Dial("reasoning_config", ("low", "high"), off="none")),
    "deepseek.v3.2": Family(dial=Dial("reasoning_effort", ("high",), off="none")),
    "zai.glm": Family(schemas=True, dial=Dial("reasoning_effort", ("high",), off="none")),
    "zai.glm-5.3": Family(
        schemas=True, dial=Dial("reasoning_effort", ("low", "medium", "high", "max"))
    ),
    "google.gemma": Family(schemas=True),
    "xai.grok": Family(
        samples=False, dial=Dial("reasoning.effort", ("low", "medium", "high", "xhigh"))
    ),
}

# A mark of the caller's is his own risk there.
_UNKNOWN: Final = Family(caches=_EVERYWHERE, choices=frozenset({"any", "tool"}))

# Ones that elsewhere hold a schema, and not here.
_NO_SCHEMAS: Final = ("claude-fable-5", "claude-opus-4-1")


@lru_cache(maxsize=1024)
def family_of(model: str) -> Family:
    """Return what a model takes.

    Args:
        model: an id, with the area of an inference profile before it or not, or an ARN.
    """
    name = model.lower()
    if "claude" in name:
        abilities = abilities_of(name)
        schemas = abilities.schemas and not any(each in name for each in _NO_SCHEMAS)
        return replace(_CLAUDE, claude=replace(abilities, schemas=schemas), schemas=schemas)
    part = find_part(name, _FAMILIES)
    return _FAMILIES[part] if part else _UNKNOWN


def find_part(model: str, parts: Iterable[str]) -> str:
    """Return the longest part that a model's name has where a word begins; empty: it has none.

    Args:
        model: an id, with the area of an inference profile before it or not, or an ARN.
        parts: of names, in small letters.
    """
    name = model.lower()
    fitting = [part for part in parts if re.search(rf"(?:^|[./]){re.escape(part)}", name)]
    return max(fitting, key=len, default="")
