"""What goes out to each service that speaks Chat Completions: a table of how they differ."""

from __future__ import annotations

from typing import Any

from trunkline.inference.adapters.adapter import Target
from unit.inference.openai_call_rows import OTHER_CALL_SENT
from unit.inference.openai_message_rows import ASKED, CALL, CALL_SENT, answer, result
from unit.inference.openai_rows import (
    DROPPED,
    SAID,
    TRANSLATED,
    USER,
    Row,
    messages,
    parts,
    tools,
    tools_sent,
)

BASE = "https://acme.example/v1"

EFFORT = "reasoning.effort"
BUDGET = "reasoning.budget_tokens"
STANDARD = ("none", "minimal", "low", "medium", "high", "xhigh")


def at(kind: str, model: str = "m", modes: tuple[str, ...] = ()) -> Target:
    """Return a model of a service."""
    return Target(kind, model, BASE, type=kind, modes=modes)


def effort(word: str) -> dict[str, Any]:
    """Return the request for an effort."""
    return {"reasoning": {"effort": word}}


def efforts(target: Target, *sent: dict[str, Any], lost: str) -> list[Row]:
    """Return a row for each effort of ours.

    Args:
        target: who is asked.
        sent: what each of them comes to, the least first.
        lost: likewise the mark of its loss: `t` translated, `d` dropped, `.` none.
    """
    actions = {"t": {EFFORT: TRANSLATED}, "d": {EFFORT: DROPPED}, ".": {}}
    return [
        Row(f"{target.type} {target.model}: {word}", effort(word), body, actions[mark], target)
        for word, body, mark in zip(STANDARD, sent, lost, strict=True)
    ]


def word(effort: str) -> dict[str, Any]:
    """Return the usual key of an effort."""
    return {"reasoning_effort": effort}


def thinking(kind: str) -> dict[str, Any]:
    """Return the switch of the vendors from China."""
    return {"thinking": {"type": kind}}


def routed(**reasoning: Any) -> dict[str, Any]:
    """Return the object of routers."""
    return {"reasoning": reasoning}


def templated(*, on: bool) -> dict[str, Any]:
    """Return the switch of llama.cpp."""
    return {"chat_template_kwargs": {"enable_thinking": on}}


ON, OFF = thinking("enabled"), thinking("disabled")
NONE: dict[str, Any] = {}

THINKING = [
    *efforts(at("openai"), *map(word, STANDARD), lost="......"),
    *efforts(at("openai-compatible"), *map(word, STANDARD), lost="......"),
    *efforts(at("sandbox"), *map(word, STANDARD), lost="......"),
    *efforts(at("lm-studio"), *map(word, STANDARD), lost="......"),
    *efforts(at("litellm"), *map(word, STANDARD), lost="......"),
    *efforts(at("vllm"), *map(word, STANDARD), lost="......"),
    *efforts(at("openrouter"), *(routed(effort=each) for each in STANDARD), lost="......"),
    *efforts(
        at("vercel"),
        routed(enabled=False),
        *(routed(enabled=True, effort=each) for each in STANDARD[1:]),
        lost="......",
    ),
    *efforts(
        at("deepseek"),
        OFF,
        *({**ON, **word("high")} for _ in range(4)),
        {**ON, **word("max")},
        lost=".ttt.t",
    ),
    *efforts(
        at("fireworks"),
        *map(word, ("none", "low", "low", "medium", "high", "high")),
        lost=".t...t",
    ),
    *efforts(at("groq"), *[NONE] * 6, lost="dddddd"),
    *efforts(
        at("groq", "openai/gpt-oss-20b"),
        *map(word, ("low", "low", "low", "medium", "high", "high")),
        lost="tt...t",
    ),
    *efforts(
        at("groq", "qwen/qwen3.8-27b"),
        *({"reasoning_format": "parsed", **word(each)} for each in ("none", *["default"] * 5)),
        lost=".ttttt",
    ),
    *efforts(at("llama-cpp"), templated(on=False), *[templated(on=True)] * 5, lost=".ttttt"),
    *efforts(at("minimax", "MiniMax-M3"), OFF, *[thinking("adaptive")] * 5, lost=".ttttt"),
    *efforts(at("minimax", "MiniMax-M2.5"), *[NONE] * 6, lost="dddddd"),
    *efforts(at("minimax-cn", "MiniMax-M2.5"), *[NONE] * 6, lost="dddddd"),
    *efforts(at("mistral", "mistral-large-latest"), *[NONE] * 6, lost="dddddd"),
    *efforts(
        at("mistral", "mistral-small-latest"),
        *map(word, ("none", *["high"] * 5)),
        lost=".ttt.t",
    ),
    *efforts(
        at("mistral", "mistral-medium-latest"),
        *map(word, ("none", *["high"] * 5)),
        lost=".ttt.t",
    ),
    *efforts(at("moonshot", "kimi-k2.6"), OFF, *[ON] * 5, lost=".ttttt"),
    *efforts(at("moonshot-cn", "kimi-k2.6"), OFF, *[ON] * 5, lost=".ttttt"),
    *efforts(at("moonshot", "kimi-k2.7-code-highspeed"), NONE, *[ON] * 5, lost="dttttt"),
    *efforts(
        at("moonshot", "kimi-k3"),
        *map(word, ("low", "low", "low", "high", "high", "max")),
        lost="tt.t.t",
    ),
    *efforts(at("moonshot", "moonshot-v1-8k"), *[NONE] * 6, lost="dddddd"),
    *efforts(
        at("perplexity"),
        *map(word, ("minimal", "minimal", "low", "medium", "high", "high")),
        lost="t....t",
    ),
    *efforts(at("together"), routed(enabled=False), *[routed(enabled=True)] * 5, lost=".ttttt"),
    *efforts(
        at("together", "openai/gpt-oss-120b"),
        *map(word, ("low", "low", "low", "medium", "high", "high")),
        lost="tt...t",
    ),
    *efforts(
        at("together", "deepseek-ai/DeepSeek-V4-Pro"),
        routed(enabled=False),
        *map(word, ("high", "high", "high", "high", "max")),
        lost=".ttt.t",
    ),
    *efforts(
        at("xai", "grok-4.3"),
        *map(word, ("none", "low", "low", "medium", "high", "high")),
        lost=".t...t",
    ),
    *efforts(
        at("xai", "grok-4.6"),
        *map(word, ("none", "low", "low", "medium", "high", "xhigh")),
        lost=".t....",
    ),
    *efforts(at("xai", "grok-4.20-reasoning"), *[NONE] * 6, lost="dddddd"),
    Row("a mode of the model's own", effort("fast"), word("fast"), {}, at("lm-studio")),
    Row("a mode that a switch cannot say", effort("fast"), {}, {EFFORT: DROPPED}, at("together")),
    Row(
        "the modes of the model's own list",
        effort("low"),
        word("on"),
        {EFFORT: TRANSLATED},
        at("lm-studio", modes=("off", "on")),
    ),
    Row(
        "none among the modes of the model's own list",
        effort("none"),
        word("off"),
        {EFFORT: TRANSLATED},
        at("lm-studio", modes=("off", "on")),
    ),
    Row(
        "a list that has no none",
        effort("none"),
        routed(effort="low"),
        {EFFORT: TRANSLATED},
        at("openrouter", modes=("high", "low")),
    ),
    Row(
        "a model of which only its list knows that it thinks",
        effort("high"),
        word("high"),
        {},
        at("groq", "new", modes=("low", "high")),
    ),
    Row(
        "a number of tokens (OpenRouter)",
        {"reasoning": {"budget_tokens": 9, "effort": "high", "include": False}},
        routed(exclude=True, max_tokens=9),
        {},
        at("openrouter"),
    ),
    Row(
        "a number of tokens (Vercel)",
        {"reasoning": {"budget_tokens": 9}},
        routed(enabled=True, max_tokens=9),
        {},
        at("vercel"),
    ),
    Row(
        "a number of tokens (Fireworks)",
        {"reasoning": {"budget_tokens": 9, "effort": "high"}},
        {"thinking": {"type": "enabled", "budget_tokens": 1024}},
        {BUDGET: TRANSLATED},
        at("fireworks"),
    ),
    Row(
        "a number of tokens (vLLM)",
        {"reasoning": {"budget_tokens": 9}},
        {"thinking_token_budget": 9},
        {},
        at("vllm"),
    ),
    Row(
        "a number of tokens where none is taken",
        {"reasoning": {"budget_tokens": 9, "effort": "none"}},
        {},
        {BUDGET: DROPPED, EFFORT: DROPPED},
        at("minimax", "MiniMax-M2"),
    ),
    Row(
        "nothing said of thinking but that thoughts are not shown",
        {"reasoning": {"include": False}},
        {},
        {},
        at("deepseek"),
    ),
]

LIMITS = [
    Row(f"the limit of {kind}", {"max_output_tokens": 9}, {key: 9}, {}, at(kind))
    for key, kinds in (
        ("max_completion_tokens", ("openai", "groq", "minimax", "minimax-cn", "vllm")),
        (
            "max_tokens",
            (
                "deepseek",
                "fireworks",
                "litellm",
                "llama-cpp",
                "lm-studio",
                "mistral",
                "moonshot",
                "moonshot-cn",
                "openai-compatible",
                "openrouter",
                "perplexity",
                "together",
                "vercel",
                "xai",
            ),
        ),
    )
    for kind in kinds
]

SETTINGS = {
    "temperature": 1.5,
    "top_k": 5,
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "seed": "7",
    "stop": ["a"],
}
SENT = {
    "temperature": 1.5,
    "top_k": 5,
    "presence_penalty": 1,
    "frequency_penalty": 1,
    "seed": 7,
    "stop": ["a"],
}


def sampled(target: Target, *lacking: str, **other: Any) -> Row:
    """Return the row of every setting.

    Args:
        target: who is asked.
        lacking: what is dropped.
        other: what is sent in another form, by key.
    """
    gone = {*lacking, "seed"} if "random_seed" in other else {*lacking}
    sent = {key: value for key, value in SENT.items() if key not in gone}
    lost = {f"sampling.{key}": DROPPED for key in lacking}
    if "temperature" in other:
        lost["sampling.temperature"] = TRANSLATED
    return Row(
        f"the sampling of {target.type} {target.model}",
        {"sampling": SETTINGS},
        {**sent, **other},
        lost,
        target,
    )


PENALTIES = ("presence_penalty", "frequency_penalty")

SAMPLING = [
    *(
        sampled(at(kind))
        for kind in ("fireworks", "llama-cpp", "lm-studio", "openrouter", "together", "vllm")
    ),
    *(
        sampled(at(kind), "top_k")
        for kind in ("deepseek", "groq", "litellm", "openai", "openai-compatible", "vercel")
    ),
    sampled(at("minimax", "MiniMax-M3"), "top_k", *PENALTIES, "seed", temperature=1),
    sampled(at("mistral"), "top_k", random_seed=7),
    sampled(at("moonshot", "kimi-k2.6"), "top_k", "temperature"),
    sampled(at("moonshot", "moonshot-v1-8k"), "top_k", temperature=1),
    sampled(at("perplexity"), "seed", "stop"),
    sampled(at("xai", "grok-4.5"), "top_k", *PENALTIES, "stop"),
    sampled(at("xai", "grok-code-fast-1"), "top_k", *PENALTIES, "stop"),
    sampled(at("xai", "grok-4.20-non-reasoning"), "top_k"),
    Row(
        "no heat at all (MiniMax)",
        {"sampling": {"temperature": 0}},
        {"temperature": 0.01},
        {"sampling.temperature": TRANSLATED},
        at("minimax"),
    ),
]

SCHEMA = {"json_schema": {"name": "s", "schema": {"type": "object"}}}
SCHEMA_SENT = {
    "response_format": {
        "type": "json_schema",
        "json_schema": {"name": "s", "schema": {"type": "object"}},
    }
}
TOOL = {"tools": tools("f")}
TOOL_SENT = {"tools": tools_sent("f")}
REQUIRED = {**TOOL, "tool_choice": {"mode": "MODE_REQUIRED", "parallel": True}}

TOOLS_AND_SHAPES = [
    *(
        Row(
            f"some tool ({kind})",
            REQUIRED,
            {**TOOL_SENT, "tool_choice": choice, "parallel_tool_calls": True},
            {},
            at(kind),
        )
        for kind, choice in (
            ("openrouter", "required"),
            ("xai", "required"),
            ("mistral", "any"),
            ("fireworks", "any"),
        )
    ),
    Row(
        "no choice among tools (MiniMax)",
        REQUIRED,
        TOOL_SENT,
        {"tool_choice.mode": DROPPED, "tool_choice.parallel": DROPPED},
        at("minimax"),
    ),
    Row(
        "one tool of several where there is no choice (MiniMax)",
        {"tools": tools("f", "g"), "tool_choice": {"mode": "MODE_REQUIRED", "allowed": ["f"]}},
        TOOL_SENT,
        {"tool_choice.allowed": TRANSLATED, "tool_choice.mode": DROPPED},
        at("minimax"),
    ),
    Row(
        "no tool now (MiniMax)",
        {**TOOL, "tool_choice": {"mode": "MODE_NONE"}},
        {},
        {"tool_choice.mode": TRANSLATED},
        at("minimax"),
    ),
    Row("no tools (Perplexity)", REQUIRED, {}, {"tools": DROPPED}, at("perplexity")),
    *(
        Row(
            f"a strict tool ({kind})",
            {"tools": [{"name": "f", "strict": True}]},
            TOOL_SENT,
            {"tools[0].strict": DROPPED},
            at(kind),
        )
        for kind in ("xai", "fireworks", "vllm", "mistral", "deepseek")
    ),
    Row(
        "a shape beside tools (Fireworks)",
        {**TOOL, "response_format": SCHEMA},
        TOOL_SENT,
        {"response_format.json_schema": DROPPED},
        at("fireworks"),
    ),
    Row("a shape (Fireworks)", {"response_format": SCHEMA}, SCHEMA_SENT, {}, at("fireworks")),
    Row("a shape (Perplexity)", {"response_format": SCHEMA}, SCHEMA_SENT, {}, at("perplexity")),
    Row(
        "any JSON (Perplexity)",
        {"response_format": {"json_object": {}}},
        {},
        {"response_format.json_object": DROPPED},
        at("perplexity"),
    ),
    Row(
        "a shape (MiniMax)",
        {"response_format": SCHEMA},
        {},
        {"response_format.json_schema": DROPPED},
        at("minimax"),
    ),
]

BEGUN = messages(USER, parts("ROLE_ASSISTANT", {"text": "Hi, I "}))
CUT = {"messages[1]": TRANSLATED}
GO_ON = {
    "role": "user",
    "content": "Go on exactly where your answer breaks off, and repeat nothing of it.",
}


def goes_on(target: Target, mark: dict[str, Any], **body: Any) -> Row:
    """Return the row of a partial answer that is continued."""
    last = {"role": "assistant", "content": "Hi, I", **mark}
    return Row(
        f"a partial answer of {target.type}", BEGUN, {**messages(SAID, last), **body}, CUT, target
    )


PARTIAL = [
    *(
        goes_on(at(kind), {})
        for kind in ("fireworks", "groq", "litellm", "lm-studio", "openrouter", "together")
    ),
    goes_on(at("deepseek"), {"prefix": True}, **OFF),
    goes_on(at("llama-cpp"), {}, **templated(on=False)),
    goes_on(at("mistral"), {"prefix": True}),
    goes_on(at("moonshot"), {"partial": True}),
    goes_on(at("vllm"), {}, continue_final_message=True, add_generation_prompt=False),
    *(
        Row(
            f"a partial answer of {kind}",
            BEGUN,
            messages(SAID, {"role": "assistant", "content": "Hi, I "}, GO_ON),
            CUT,
            at(kind),
        )
        for kind in ("openai", "minimax", "perplexity", "xai")
    ),
    Row(
        "an effort beside a partial answer (DeepSeek)",
        {**BEGUN, **effort("high")},
        {
            **messages(SAID, {"role": "assistant", "content": "Hi, I", "prefix": True}),
            **OFF,
        },
        {**CUT, "reasoning": DROPPED},
        at("deepseek"),
    ),
    Row(
        "no effort beside a partial answer (llama.cpp)",
        {**BEGUN, **effort("none")},
        {**messages(SAID, {"role": "assistant", "content": "Hi, I"}), **templated(on=False)},
        CUT,
        at("llama-cpp"),
    ),
    Row(
        "an effort beside a partial answer (vLLM)",
        {**BEGUN, **effort("none")},
        {
            **messages(SAID, {"role": "assistant", "content": "Hi, I"}),
            **word("none"),
            "continue_final_message": True,
            "add_generation_prompt": False,
        },
        CUT,
        at("vllm"),
    ),
    *(
        Row(
            f"nothing but a thought ({kind})",
            messages(parts("ROLE_ASSISTANT", {"reasoning": {"text": "Hm."}})),
            messages(),
            {"messages[0].content[0].reasoning": DROPPED},
            at(kind),
        )
        for kind in ("deepseek", "openai", "mistral", "perplexity")
    ),
]

OTHER_ANSWER = answer("b", "call_2")

THOUGHT = {"reasoning": {"text": "Hm."}}
THOUGHT_OF = "messages[{}].content[0].reasoning"
THOUGHTFUL = messages(
    USER,
    parts("ROLE_ASSISTANT", THOUGHT, {"text": "Hi."}),
    USER,
    parts("ROLE_ASSISTANT", {"text": "Hi."}),
    USER,
    parts("ROLE_ASSISTANT", THOUGHT, CALL),
    result({"text": "a"}),
    parts("ROLE_ASSISTANT", {"tool_call": {"id": "call_2", "name": "g"}}),
    result({"text": "b"}, call_id="call_2"),
)


def thoughtful(target: Target, *more: dict[str, Any], **lost: int) -> Row:
    """Return the row of a transcript with thoughts.

    Args:
        target: who is asked.
        more: what each of the model's four turns has beside its text or calls, or instead.
        lost: action by the number of the message.
    """
    turns: list[dict[str, Any]] = [{"content": "Hi."}, {"content": "Hi."}]
    turns += [{"tool_calls": [CALL_SENT]}, {"tool_calls": [OTHER_CALL_SENT]}]
    first, second, third, fourth = (
        {"role": "assistant", **turn, **each} for turn, each in zip(turns, more, strict=True)
    )
    return Row(
        f"thoughts of earlier turns for {target.type} {target.model}",
        THOUGHTFUL,
        messages(SAID, first, SAID, second, SAID, third, answer("a"), fourth, OTHER_ANSWER),
        {THOUGHT_OF.format(index.removeprefix("m")): action for index, action in lost.items()},
        target,
    )


KEPT, BLANK = {"reasoning_content": "Hm."}, {"reasoning_content": " "}

THOUGHTS = [
    *(
        thoughtful(target, NONE, NONE, NONE, NONE, m1=DROPPED, m5=DROPPED)
        for target in (
            at("xai"),
            at("deepseek", "deepseek-reasoner"),
            at("moonshot", "moonshot-v1"),
        )
    ),
    thoughtful(at("deepseek"), KEPT, BLANK, KEPT, BLANK),
    thoughtful(at("moonshot", "kimi-k2.6"), NONE, NONE, KEPT, BLANK, m1=DROPPED),
    thoughtful(
        at("minimax"),
        {"content": "<think>Hm.</think>\n\nHi."},
        NONE,
        {"content": "<think>Hm.</think>\n\n"},
        NONE,
    ),
]

VERBATIM = '{"$schema": "s", "z": {"$id": "kept"}, "a": 1180591620717411303424}'

ORDER = [
    Row(
        "ids of calls (Mistral)",
        messages(ASKED, result({"text": "a"})),
        messages(
            {"role": "assistant", "tool_calls": [{**CALL_SENT, "id": "74196fe72"}]},
            answer("a", "74196fe72"),
        ),
        {},
        at("mistral"),
    ),
    Row(
        "the user after results (Mistral)",
        messages(ASKED, result({"text": "a"}), USER),
        messages(
            {"role": "assistant", "tool_calls": [{**CALL_SENT, "id": "74196fe72"}]},
            answer("a", "74196fe72"),
            {"role": "assistant", "content": "Done."},
            SAID,
        ),
        {"messages": TRANSLATED},
        at("mistral"),
    ),
    Row(
        "what a schema says of itself, in words (Mistral)",
        {
            "tools": [
                {
                    "name": "f",
                    "parameters_json": VERBATIM,
                }
            ]
        },
        {
            "tools": [
                {
                    "type": "function",
                    "function": {"name": "f", "parameters": {"z": {"$id": "kept"}, "a": 2**70}},
                }
            ]
        },
        {},
        at("mistral"),
    ),
    Row(
        "what a schema says of itself (Mistral)",
        {"tools": [{"name": "f", "parameters": {"$schema": "s", "type": "object"}}]},
        {
            "tools": [
                {"type": "function", "function": {"name": "f", "parameters": {"type": "object"}}}
            ]
        },
        {},
        at("mistral"),
    ),
    Row(
        "neighbours (Perplexity)",
        messages(
            {"role": "ROLE_SYSTEM", "content": [{"text": "Be short."}]},
            USER,
            USER,
            parts("ROLE_ASSISTANT", {"text": "Hi."}),
            {"role": "ROLE_SYSTEM", "content": [{"text": "Be long."}]},
            parts("ROLE_USER", {"text": "See:"}, {"image": {"url": "https://a.example/b"}}),
        ),
        messages(
            {"role": "system", "content": "Be short."},
            {"role": "user", "content": "Hello\n\nHello"},
            {"role": "assistant", "content": "Hi."},
            {
                "role": "user",
                "content": [
                    {"type": "text", "text": "Be long."},
                    {"type": "text", "text": "See:"},
                    {"type": "image_url", "image_url": {"url": "https://a.example/b"}},
                ],
            },
        ),
        {"messages": TRANSLATED},
        at("perplexity"),
    ),
    Row(
        "calls and results (Perplexity)",
        messages(USER, ASKED, result({"text": "a"})),
        messages({"role": "user", "content": "Hello\n\na"}),
        {"messages": TRANSLATED},
        at("perplexity"),
    ),
]

SERVICES = THINKING + LIMITS + SAMPLING + TOOLS_AND_SHAPES + PARTIAL + THOUGHTS + ORDER
