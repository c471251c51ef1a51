"""What aimock answers to whom, in its own words: a model for each answer."""

from __future__ import annotations

from typing import Any, Final

HELLO: Final = "Hello over there, zwölf 👩‍🚀 शक्ति."
THOUGHT: Final = "It may be so."
PROOF: Final = "c2lnbmVk"
CITY: Final = {"city": "Oslo"}
# It cuts after some pieces of eight characters.
CUT: Final = "This is said in part, and nobody hears it to its end."
REST: Final = " And this is the rest of it."

# Each format reads its own of these.
_USAGE: Final = {
    "prompt_tokens": 11,
    "completion_tokens": 7,
    "input_tokens": 11,
    "output_tokens": 7,
    "promptTokenCount": 11,
    "candidatesTokenCount": 7,
}
# In whose words a format refuses what its model has no room for.
TOO_LONG: Final = {
    "openai": {
        "message": "This model's maximum context length is 8 tokens.",
        "type": "invalid_request_error",
        "code": "context_length_exceeded",
    },
    "anthropic": {
        "message": "prompt is too long: 9 tokens > 8 maximum",
        "type": "invalid_request_error",
    },
    "google": {
        "message": "The input token count (9) exceeds the maximum number of tokens allowed (8).",
        "type": "INVALID_ARGUMENT",
    },
}
# HTTP statuses with which it refuses.
STATUSES: Final = (400, 401, 403, 404, 429, 500, 503, 529)


def _of(model: str, response: dict[str, Any], **more: Any) -> dict[str, Any]:
    """Return what a model answers."""
    match = {"model": model, **more.pop("match", {})}
    return {"match": match, "response": response, **more}


def _calls(**arguments: dict[str, Any]) -> list[dict[str, Any]]:
    """Return calls of tools, by their names."""
    return [{"name": name, "arguments": given} for name, given in arguments.items()]


FIXTURES: Final = [
    _of("hello", {"content": HELLO, "usage": _USAGE}),
    _of("tools", {"content": "It rains at noon."}, match={"hasToolResult": True}),
    _of("tools", {"content": "Let me see.", "toolCalls": _calls(weather=CITY, time={})}),
    _of("call", {"toolCalls": _calls(weather=CITY)}),
    _of("data", {"content": CITY}),
    _of("think", {"content": HELLO, "reasoning": THOUGHT, "reasoningSignature": PROOF}),
    _of("length", {"content": HELLO, "finishReason": "length"}),
    _of("filter", {"content": HELLO, "finishReason": "content_filter"}),
    _of("refusal", {"content": HELLO, "finishReason": "refusal"}),
    *(
        _of(
            f"status-{status}",
            {
                "error": {"message": "made to fail", "type": "made_to_fail"},
                "status": status,
                "retryAfter": 7,
            },
        )
        for status in STATUSES
    ),
    *(_of(f"too-long-{name}", {"error": error, "status": 400}) for name, error in TOO_LONG.items()),
    # Without pauses it has not sent anything when it cuts. Two, because one that was cut cools.
    *(
        _of(model, {"content": CUT}, truncateAfterChunks=4, latency=20)
        for model in ("cut", "begun")
    ),
    _of("rest", {"content": REST}),
    _of("gone", {"content": CUT}, chaos={"disconnectRate": 1}),
    _of("garbled", {"content": CUT}, chaos={"malformedRate": 1}),
]

MODELS: Final = sorted({fixture["match"]["model"] for fixture in FIXTURES})
