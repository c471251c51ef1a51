"""How much to think, as it goes out to Anthropic."""

from __future__ import annotations

from typing import Any

from unit.inference.anthropic_rows import (
    ADAPTIVE,
    ALIKE,
    BOTH,
    CALL,
    CALL_SENT,
    COUNTING,
    DROPPED,
    NEWEST,
    OTHER_CALL,
    OTHER_CALL_SENT,
    PLAIN,
    SAID,
    TRANSLATED,
    USER,
    Row,
    answer,
    assistant,
    messages,
    model,
    parts,
    result,
    tools,
    tools_sent,
    user,
)


def think(**options: Any) -> dict[str, Any]:
    """Return a request that says how much to think."""
    return {"reasoning": options}


def counted(tokens: int, **more: Any) -> dict[str, Any]:
    """Return thinking by a number of tokens on the wire."""
    return {"thinking": {"type": "enabled", "budget_tokens": tokens, **more}}


def adaptive(effort: str = "", **more: Any) -> dict[str, Any]:
    """Return adaptive thinking on the wire."""
    shown = {"display": "summarized", **more}
    sent = {"type": "adaptive", **{key: value for key, value in shown.items() if value}}
    return {"thinking": sent, **({"output_config": {"effort": effort}} if effort else {})}


THINKING = [
    Row("an effort in tokens", think(effort="low"), counted(4096)),
    Row("the largest effort", think(effort="max"), counted(51_200)),
    Row("an effort within a limit", {**think(effort="high"), "max_output_tokens": 5000},
        {**counted(4000), "max_tokens": 5000}),
    Row("an effort without room", {**think(effort="high"), "max_output_tokens": 1200},
        {"max_tokens": 1200}, {"reasoning.effort": DROPPED}),
    Row("an effort that is none", think(effort="so_so"), {}, {"reasoning.effort": DROPPED}),
    Row("no thoughts", think(effort="none"), {"thinking": {"type": "disabled"}}),
    Row("a number of tokens", think(effort="none", budget_tokens=2000), counted(2000)),
    Row("too few tokens", think(budget_tokens=5), counted(1024),
        {"reasoning.budget_tokens": TRANSLATED}),
    Row("too many tokens", {**think(budget_tokens=5000), "max_output_tokens": 5000},
        {**counted(4999), "max_tokens": 5000}, {"reasoning.budget_tokens": TRANSLATED}),
    Row("no room for tokens", {**think(budget_tokens=5000), "max_output_tokens": 1024},
        {"max_tokens": 1024}, {"reasoning.budget_tokens": DROPPED}),
    Row("thoughts unseen", think(effort="low", include=False), counted(4096, display="omitted")),
    Row("thoughts unseen of an older model", think(effort="low", include=False), counted(4096),
        {}, model("claude-sonnet-4-20250514")),
    Row("thoughts seen", think(effort="low", include=True), counted(4096)),
    Row("nothing but whether they are seen", think(include=True), {}),
    Row("who imitates the format thinks", think(effort="medium", include=False),
        {"max_tokens": 8192, **counted(6553)}, {}, ALIKE),
    Row("a model that does not think", think(effort="low", budget_tokens=2000), {},
        {"reasoning.effort": DROPPED, "reasoning.budget_tokens": DROPPED}, PLAIN),
    Row("a model that does not think, and shall not", think(effort="none"), {}, {}, PLAIN),
    Row("both: an effort", think(effort="max"), adaptive("max", display=None), {}, BOTH),
    Row("both: a number of tokens", think(effort="max", budget_tokens=2000), counted(2000), {},
        BOTH),
    Row("both: an effort that the model has not", think(effort="xhigh"),
        adaptive("high", display=None), {"reasoning.effort": TRANSLATED}, BOTH),
    Row("adaptive: an effort", think(effort="xhigh"), adaptive("xhigh"), {}, ADAPTIVE),
    Row("adaptive: too low an effort", think(effort="minimal"), adaptive("low"),
        {"reasoning.effort": TRANSLATED}, ADAPTIVE),
    Row("adaptive: a mode of the model's own list", think(effort="wild"), adaptive("wild"), {},
        ADAPTIVE),
    Row("adaptive: a number of tokens", think(budget_tokens=2000), adaptive(),
        {"reasoning.budget_tokens": DROPPED}, ADAPTIVE),
    Row("adaptive: no thoughts", think(effort="none"), {"thinking": {"type": "disabled"}}, {},
        ADAPTIVE),
    Row("adaptive: the model does not think unasked", think(include=True), {}, {}, ADAPTIVE),
    Row("thinking unasked, unseen", think(include=False), adaptive(display="omitted"), {},
        model("claude-sonnet-5")),
    Row("thinking unasked, seen", think(include=True), adaptive(), {}, NEWEST),
    Row("thinking that cannot be stopped", think(effort="none"),
        {"output_config": {"effort": "low"}}, {"reasoning.effort": TRANSLATED}, NEWEST),
    Row("thinking that is stopped but between tools", think(effort="none"),
        {"thinking": {"type": "between_tools"}}, {}, model("claude-sonnet-5-5")),
    Row("a model that nobody knows yet", think(effort="max"), adaptive("max"), {},
        model("claude-saga-7")),
    Row("thinking and sampling", {**think(effort="low"), "sampling": {"temperature": 1}},
        counted(4096), {"sampling.temperature": DROPPED}),
    Row(
        "thinking and a tool that is forced",
        {**think(effort="low"), "tools": tools("f"), "tool_choice": {"mode": "MODE_REQUIRED"}},
        {"tools": tools_sent("f"), "tool_choice": {"type": "any"}},
        {"reasoning": DROPPED},
    ),
    Row(
        "thinking and a text to be continued",
        {**think(effort="low"), **messages(USER, parts("ROLE_ASSISTANT", {"text": "Once"}))},
        messages(SAID, {"role": "assistant", "content": "Once"}),
        {"reasoning": DROPPED},
    ),
    Row(
        "thinking over another model's calls",
        {
            **think(effort="low"),
            "tools": tools("f"),
            **messages(USER, parts("ROLE_ASSISTANT", CALL), result({"text": "a"})),
        },
        {
            "tools": tools_sent("f"),
            **messages(SAID, assistant(CALL_SENT), user(answer("a"))),
        },
        {"reasoning": DROPPED},
    ),
    Row(
        "thinking adaptively over another model's calls",
        {
            **think(effort="low"),
            "tools": tools("f"),
            **messages(USER, parts("ROLE_ASSISTANT", CALL), result({"text": "a"})),
        },
        {
            **adaptive("low"),
            "tools": tools_sent("f"),
            **messages(SAID, assistant(CALL_SENT), user(answer("a"))),
        },
        {},
        ADAPTIVE,
    ),
    Row(
        "thinking over calls of its own, the first of them with a thought",
        {
            **think(effort="low"),
            "tools": tools("f", "g"),
            **messages(
                USER,
                parts(
                    "ROLE_ASSISTANT",
                    {
                        "reasoning": {"text": "Hm."},
                        "signature": {
                            "value": "Eq1",
                            "issuer": {"vendor": "anthropic", "model": COUNTING.model},
                        },
                    },
                    CALL,
                ),
                result({"text": "a"}),
                parts("ROLE_ASSISTANT", OTHER_CALL),
                result({"text": "b"}, call_id="call_2"),
            ),
        },
        {
            **counted(4096),
            "tools": tools_sent("f", "g"),
            **messages(
                SAID,
                assistant({"type": "thinking", "thinking": "Hm.", "signature": "Eq1"}, CALL_SENT),
                user(answer("a")),
                assistant(OTHER_CALL_SENT),
                user(answer("b", "call_2")),
            ),
        },
    ),
    Row(
        "thinking after another model's calls",
        {
            **think(effort="low"),
            "tools": tools("f"),
            **messages(
                USER,
                parts("ROLE_ASSISTANT", CALL),
                result({"text": "a"}),
                parts("ROLE_ASSISTANT", {"text": "Hi."}),
                USER,
            ),
        },
        {
            **counted(4096),
            "tools": tools_sent("f"),
            **messages(
                SAID,
                assistant(CALL_SENT),
                user(answer("a")),
                {"role": "assistant", "content": "Hi."},
                SAID,
            ),
        },
    ),
]  # fmt: skip
