"""Say what a failure means in Chat Completions; see `failures` for the order of judging."""

from __future__ import annotations

from typing import Final

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.failures import (
    BROKEN_STREAM,
    CONTENT_FILTERED,
    CONTEXT_TOO_LONG,
    MODEL_NOT_FOUND,
    NOT_AUTHORIZED,
    QUOTA,
    RATE_LIMITED,
    SERVER_ERROR,
    FailureTable,
    Kind,
    refusal,
    stream_failure,
)
from trunkline.inference.adapters.openai.waits import read_wait
from trunkline.inference.adapters.openai.words import read_words
from trunkline.inference.adapters.words import Words
from trunkline.inference.v1 import failure_pb2

CODES: Final[dict[str, Kind]] = {
    # OpenAI, https://platform.openai.com/docs/guides/error-codes
    "rate_limit_exceeded": RATE_LIMITED,
    "insufficient_quota": QUOTA,
    "billing_hard_limit_reached": QUOTA,
    "billing_not_active": QUOTA,
    "credit_balance_exhausted": QUOTA,
    "organization_spend_limit_exceeded": QUOTA,
    "project_spend_limit_exceeded": QUOTA,
    "organization_usage_limit_exceeded": QUOTA,
    "invalid_api_key": NOT_AUTHORIZED,
    "account_deactivated": NOT_AUTHORIZED,
    "model_not_found": MODEL_NOT_FOUND,
    "context_length_exceeded": CONTEXT_TOO_LONG,
    "content_filter": CONTENT_FILTERED,
    "content_policy_violation": CONTENT_FILTERED,
    "server_is_overloaded": SERVER_ERROR,
    # Moonshot, https://platform.moonshot.ai/docs/api/chat: three kinds under 429
    "rate_limit_reached_error": RATE_LIMITED,
    "exceeded_current_quota_error": QUOTA,
    "engine_overloaded_error": SERVER_ERROR,
    "invalid_authentication_error": NOT_AUTHORIZED,
    # OpenRouter's `error_type`, https://openrouter.ai/docs/errors
    "authentication": NOT_AUTHORIZED,
    "permission_denied": NOT_AUTHORIZED,
    "payment_required": QUOTA,
    "provider_overloaded": SERVER_ERROR,
    "provider_unavailable": SERVER_ERROR,
    "refusal": CONTENT_FILTERED,
    # llama.cpp, https://github.com/ggml-org/llama.cpp/pull/15780: under 400 and 500
    "exceed_context_size_error": CONTEXT_TOO_LONG,
    # Groq, https://console.groq.com/docs/tool-use: the model wrote a call that is none
    "tool_use_failed": BROKEN_STREAM,
    # MiniMax, https://platform.minimax.io/docs/api-reference/errorcode: with status 200
    "base_resp_1000": SERVER_ERROR,
    "base_resp_1002": RATE_LIMITED,
    "base_resp_1004": NOT_AUTHORIZED,
    "base_resp_1008": QUOTA,
    "base_resp_1013": SERVER_ERROR,
    # LiteLLM, https://docs.litellm.ai/docs/proxy/users: under 400 and 429
    "budget_exceeded": QUOTA,
    # Anthropic's types, which gateways pass on under their own status
    "authentication_error": NOT_AUTHORIZED,
    "rate_limit_error": RATE_LIMITED,
    "overloaded_error": SERVER_ERROR,
}
"""Codes that say the same under every status. What OpenAI uses with several
(`invalid_request_error`, `slow_down`, `server_error`) is not among them."""

PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # vLLM, https://github.com/vllm-project/vllm/issues/20409; OpenRouter passes it on
    (400, "maximum context length", CONTEXT_TOO_LONG),
    # Anthropic's models behind LiteLLM and OpenRouter
    (400, "prompt is too long", CONTEXT_TOO_LONG),
    # llama.cpp before the code above
    (400, "exceeds the available context size", CONTEXT_TOO_LONG),
    # llama.cpp and LM Studio, https://github.com/ggml-org/llama.cpp/issues/19774
    (500, "context size has been exceeded", CONTEXT_TOO_LONG),
    # xAI, https://github.com/openai/codex/issues/1352
    (400, "incorrect api key provided", NOT_AUTHORIZED),
    # Gemini's OpenAI face, https://ai.google.dev/gemini-api/docs/troubleshooting
    (400, "api key not valid", NOT_AUTHORIZED),
    # LiteLLM without a database, which knows its master key alone: `user_api_key_auth.py` in
    # https://github.com/BerriAI/litellm. Its type stands under 503 too, when a database fails.
    (400, "no connected db", NOT_AUTHORIZED),
    # OpenRouter, https://github.com/OpenRouterTeam/openrouter-examples/issues/74
    (400, "is not a valid model id", MODEL_NOT_FOUND),
    # DeepSeek, https://github.com/langbot-app/LangBot/issues/1643
    (400, "model not exist", MODEL_NOT_FOUND),
    # OpenAI's reasoning models, https://github.com/openai/codex/issues/7250
    (400, "your prompt was flagged", CONTENT_FILTERED),
)

"""Status, phrase in small letters, kind."""

# Groq's flex tier without capacity.
TABLE: Final = FailureTable(CODES, PHRASES, {498: RATE_LIMITED})


def classify(
    target: Target, reply: Reply, table: FailureTable = TABLE
) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`.

    Args:
        target: who was asked.
        reply: what came.
        table: of a format that says it in the same shapes.
    """
    words = read_words(reply.body) or Words()
    kind = table.refused(reply, words)
    return refusal(
        target,
        reply,
        words,
        kind,
        wait=read_wait(reply.headers, rate_limited=kind == RATE_LIMITED),
        request_id=reply.headers.get("x-request-id") or reply.headers.get("request-id") or "",
    )


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    return stream_failure(target, words, TABLE.kind(words, words.status, words.message), frame)
