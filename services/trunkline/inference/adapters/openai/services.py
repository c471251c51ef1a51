"""How the services that speak Chat Completions differ: one row each, and one for all others.

Each row names its source. What none confirms is left as most services have it. Usage, finish
reasons, thoughts and errors are read in whatever form they come (`decoder`, `answer`, `usage`,
`words`), since gateways pass on those of others.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import replace
from functools import lru_cache
from itertools import groupby
from typing import Final

from trunkline.inference.adapters.call_ids import IdForm
from trunkline.inference.adapters.openai.service import Prefill, Service, Thinking, Thoughts

_STANDARD: Final = ("none", "minimal", "low", "medium", "high", "xhigh")

_TEMPERATURE: Final = "sampling.temperature"
_SEED: Final = "sampling.seed"
_STOP: Final = "sampling.stop"
_PENALTIES: Final = frozenset({"sampling.presence_penalty", "sampling.frequency_penalty"})
_TOP_K: Final = frozenset({"top_k"})

OTHERS: Final = Service("")
"""A service of which nothing is known."""

# https://platform.openai.com/docs/api-reference/chat/create: reasoning models refuse `max_tokens`,
# and begin another answer after a message of their own.
_OPENAI: Final = Service(
    "openai",
    limit_key="max_completion_tokens",
    strict_tools=True,
    subsets=True,
    refusals=True,
    prefill=None,
)

# https://learn.microsoft.com/azure/ai-foundry/openai/reference: OpenAI's models, and no documents.
AZURE: Final = replace(_OPENAI, documents=False)
"""OpenAI's models in Azure, whose adapter says so itself."""

# https://api-docs.deepseek.com/guides/thinking_mode and /guides/chat_prefix_completion. Without
# its thoughts a turn is refused ("must be passed back"), a blank will do: BerriAI/litellm#28045.
_DEEPSEEK: Final = Service(
    "deepseek",
    thoughts=Thoughts.EVERY_TURN,
    thinking=Thinking(
        efforts=("high", "max"),
        off={"thinking": {"type": "disabled"}},
        on={"thinking": {"type": "enabled"}},
    ),
    prefill=Prefill("prefix", off={"thinking": {"type": "disabled"}}, version="/beta"),
)

# https://docs.fireworks.ai/api-reference/post-chatcompletions. `thinking` and `reasoning_effort`
# together are refused, as is a shape beside tools.
_FIREWORKS: Final = Service(
    "fireworks",
    extra=_TOP_K,
    required="any",
    shapes_with_tools=False,
    thinking=Thinking(
        efforts=("none", "low", "medium", "high"),
        counted={"thinking": {"type": "enabled"}},
        budget=("thinking", "budget_tokens"),
        least_budget=1024,
    ),
)

# https://console.groq.com/docs/reasoning: the efforts are the family's, and a model without any
# refuses the word. `raw`, the default of some, puts thoughts into the text, and is refused with
# tools and JSON.
_GROQ: Final = Service("groq", limit_key="max_completion_tokens", thinking=None)
_GROQ_QWEN: Final = replace(
    _GROQ,
    family="qwen/",
    thinking=Thinking(efforts=("none", "default")),
    body={"reasoning_format": "parsed"},
)
_GROQ_GPT: Final = replace(
    _GROQ, family="openai/gpt-oss", thinking=Thinking(efforts=("low", "medium", "high"))
)

# https://docs.litellm.ai/docs/proxy/model_management: `/model/info` tells of windows and abilities.
_LITELLM: Final = Service("litellm", lists=("/model/info",))

# https://github.com/ggml-org/llama.cpp/tree/master/tools/server: a switch and no efforts; with
# thinking on, a partial answer is refused.
_LLAMA_CPP: Final = Service(
    "llama-cpp",
    extra=_TOP_K,
    thinking=Thinking(
        effort=(),
        off={"chat_template_kwargs": {"enable_thinking": False}},
        on={"chat_template_kwargs": {"enable_thinking": True}},
    ),
    prefill=Prefill(off={"chat_template_kwargs": {"enable_thinking": False}}),
)

# https://lmstudio.ai/docs/developer/rest: the native lists tell of windows, and of modes of
# thinking (D16).
_LM_STUDIO: Final = Service("lm-studio", extra=_TOP_K, lists=("/api/v1/models", "/api/v0/models"))

# https://platform.minimax.io/docs/api-reference/text-openai-api: what it ignores is left out, so
# that the loss is told. The M2 models cannot stop thinking.
_MINIMAX: Final = Service(
    "minimax",
    limit_key="max_completion_tokens",
    refused=_PENALTIES | {_SEED, "tool_choice", "response_format"},
    temperatures=(0.01, 1),
    thoughts=Thoughts.IN_TEXT,
    thinks_in_text=True,
    thinking=Thinking(
        effort=(),
        off={"thinking": {"type": "disabled"}},
        on={"thinking": {"type": "adaptive"}},
    ),
    prefill=None,
)
_MINIMAX_M2: Final = replace(_MINIMAX, family="MiniMax-M2", thinking=None)

# https://docs.mistral.ai/api: an unknown key is refused, `stream_options` among them; usage comes
# without. Ids of calls have nine characters (anomalyco/opencode#1680), and "user" may not come
# after "tool". Only the small and the medium models take an effort.
_MISTRAL: Final = Service(
    "mistral",
    keys={"seed": "random_seed"},
    required="any",
    closes_results=True,
    bare_schemas=True,
    ids=IdForm(re.compile(r"[a-zA-Z0-9]{9}"), "", 9),
    thinking=None,
    prefill=Prefill("prefix", repeats=True),
    counts_in_streams=False,
)
_MISTRAL_EFFORTS: Final = Thinking(efforts=("none", "high"))
_MISTRAL_MEDIUM: Final = replace(
    _MISTRAL, family="mistral-medium-latest", thinking=_MISTRAL_EFFORTS
)
_MISTRAL_SMALL: Final = replace(_MISTRAL, family="mistral-small-latest", thinking=_MISTRAL_EFFORTS)

# https://platform.moonshot.ai/docs/api/chat and /docs/guide/use-kimi-k2-thinking-model: models
# that think take no temperature but 1, and turns with calls must have thoughts, of which a blank
# will do.
_MOONSHOT: Final = Service(
    "moonshot",
    refused=frozenset({_TEMPERATURE}),
    thoughts=Thoughts.CALLING_TURNS,
    thinking=Thinking(
        effort=(),
        off={"thinking": {"type": "disabled"}},
        on={"thinking": {"type": "enabled"}},
    ),
    prefill=Prefill("partial"),
)
_MOONSHOT_V1: Final = replace(
    _MOONSHOT,
    family="moonshot-v1",
    refused=frozenset(),
    temperatures=(0, 1),
    thoughts=Thoughts.NOWHERE,
    thinking=None,
)
_MOONSHOT_K27_CODE: Final = replace(
    _MOONSHOT,
    family="kimi-k2.7-code",
    thinking=Thinking(effort=(), on={"thinking": {"type": "enabled"}}),
)
_MOONSHOT_K3: Final = replace(
    _MOONSHOT, family="kimi-k3", thinking=Thinking(efforts=("low", "high", "max"))
)

# https://openrouter.ai/docs/use-cases/reasoning-tokens, /docs/api-reference/parameters,
# /docs/app-attribution. The list of models is public.
_OPENROUTER: Final = Service(
    "openrouter",
    extra=_TOP_K,
    thinking=Thinking(
        ("reasoning", "effort"),
        (*_STANDARD, "max"),
        budget=("reasoning", "max_tokens"),
        hidden=("reasoning", "exclude"),
    ),
    headers={"x-openrouter-title": "Trunkline"},
    proof="/key",
)

# https://docs.perplexity.ai/api-reference/chat-completions-post: no tools, turns must alternate,
# and the last is the user's.
_PERPLEXITY: Final = Service(
    "perplexity",
    refused=frozenset({"tools", _SEED, _STOP, "response_format.json_object"}),
    extra=_TOP_K,
    alternates=True,
    thinking=Thinking(efforts=("minimal", "low", "medium", "high")),
    prefill=None,
    counts_in_streams=False,
    has_list=False,
)

# https://docs.together.ai/docs/reasoning-models-guide: a switch, and efforts of some families.
_TOGETHER: Final = Service(
    "together",
    extra=_TOP_K,
    thinking=Thinking(
        effort=(),
        off={"reasoning": {"enabled": False}},
        on={"reasoning": {"enabled": True}},
    ),
)
_TOGETHER_GPT: Final = replace(
    _TOGETHER, family="openai/gpt-oss", thinking=Thinking(efforts=("low", "medium", "high"))
)
_TOGETHER_DEEPSEEK: Final = replace(
    _TOGETHER,
    family="deepseek-ai/DeepSeek-V4-Pro",
    thinking=Thinking(efforts=("high", "max"), off={"reasoning": {"enabled": False}}),
)

# https://vercel.com/docs/ai-gateway/openai-compat. The list of models is public.
_VERCEL: Final = Service(
    "vercel",
    thinking=Thinking(
        ("reasoning", "effort"),
        _STANDARD,
        off={"reasoning": {"enabled": False}},
        on={"reasoning": {"enabled": True}},
        counted={"reasoning": {"enabled": True}},
        budget=("reasoning", "max_tokens"),
        hidden=("reasoning", "exclude"),
    ),
    proof="/credits",
)

# https://docs.vllm.ai/en/latest/serving/openai_compatible_server
_VLLM: Final = Service(
    "vllm",
    limit_key="max_completion_tokens",
    extra=_TOP_K,
    thinking=Thinking(efforts=(*_STANDARD, "max"), budget=("thinking_token_budget",)),
    prefill=Prefill(body={"continue_final_message": True, "add_generation_prompt": False}),
)

# https://docs.x.ai/docs/guides/reasoning: models that think refuse penalties and stops, those of
# 4.20 take no effort at all.
_XAI: Final = Service(
    "xai",
    thinking=Thinking(efforts=("none", "low", "medium", "high")),
    prefill=None,
)
_XAI_4: Final = replace(_XAI, family="grok-4", refused=_PENALTIES | {_STOP})
_XAI_46: Final = replace(
    _XAI_4,
    family="grok-4.6",
    thinking=Thinking(efforts=("none", "low", "medium", "high", "xhigh")),
)

ROWS: Final[tuple[Service, ...]] = (
    _DEEPSEEK,
    # The model before V3.2 refuses its own thoughts.
    replace(_DEEPSEEK, family="deepseek-reasoner", thoughts=Thoughts.NOWHERE),
    _FIREWORKS,
    _GROQ,
    _GROQ_GPT,
    _GROQ_QWEN,
    _LITELLM,
    _LLAMA_CPP,
    _LM_STUDIO,
    _MINIMAX,
    _MINIMAX_M2,
    replace(_MINIMAX, type="minimax-cn"),
    replace(_MINIMAX_M2, type="minimax-cn"),
    _MISTRAL,
    _MISTRAL_MEDIUM,
    _MISTRAL_SMALL,
    _MOONSHOT,
    _MOONSHOT_K27_CODE,
    _MOONSHOT_K3,
    _MOONSHOT_V1,
    *(
        replace(row, type="moonshot-cn")
        for row in (_MOONSHOT, _MOONSHOT_K27_CODE, _MOONSHOT_K3, _MOONSHOT_V1)
    ),
    _OPENAI,
    _OPENROUTER,
    _PERPLEXITY,
    _TOGETHER,
    _TOGETHER_DEEPSEEK,
    _TOGETHER_GPT,
    _VERCEL,
    _VLLM,
    _XAI,
    _XAI_4,
    replace(_XAI_4, family="grok-4.20-", thinking=None),
    replace(_XAI, family="grok-4.20-non-reasoning", thinking=None),
    _XAI_46,
    replace(_XAI_4, family="grok-code-fast"),
)
"""Every row, by type."""

_BY_TYPE: Final[Mapping[str, tuple[Service, ...]]] = {
    # The longest family first, the one of all others last.
    kind: tuple(sorted(rows, key=lambda row: -len(row.family)))
    for kind, rows in groupby(ROWS, key=lambda row: row.type)
}


@lru_cache(maxsize=1024)
def find_service(kind: str, model: str) -> Service:
    """Return the row of a provider's type and a model; `OTHERS` where there is none.

    Args:
        kind: the provider type; empty: not known.
        model: as the provider calls it; empty for a probe.
    """
    rows = _BY_TYPE.get(kind, ())
    return next((row for row in rows if model.startswith(row.family)), OTHERS)
