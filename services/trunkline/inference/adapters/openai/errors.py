"""Say what a provider's failure means.

By its code where it has one, else by a phrase where one status means several things, else by
the status. Phrases are data, each with its source; they tell kinds of one status apart and do
no more, and a phrase that is not known leaves the status's default.
"""

from __future__ import annotations

import re
from typing import Final, TypeAlias

from google.protobuf import duration_pb2

from trunkline.inference.adapters.adapter import ProviderFailed, Reply, Target
from trunkline.inference.adapters.openai.waits import read_wait
from trunkline.inference.adapters.openai.words import Words, read_words
from trunkline.inference.masking import mask, secrets_of
from trunkline.inference.v1 import failure_pb2

Kind: TypeAlias = failure_pb2.ErrorKind.ValueType

MAX_SHOWN: Final = 2048
"""How much of a provider's own words is kept, in bytes: message and body together."""

MAX_READ: Final = 64 * 1024
"""How much of a body is searched for phrases and secrets, in bytes."""

MAX_NAME: Final = 128
"""The longest code and request id that is kept, in bytes."""

_RATE_LIMITED: Final = failure_pb2.ERROR_KIND_RATE_LIMITED
_SERVER_ERROR: Final = failure_pb2.ERROR_KIND_SERVER_ERROR
_BROKEN_STREAM: Final = failure_pb2.ERROR_KIND_BROKEN_STREAM
_QUOTA: Final = failure_pb2.ERROR_KIND_QUOTA
_NOT_AUTHORIZED: Final = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
_CONTEXT_TOO_LONG: Final = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
_CONTENT_FILTERED: Final = failure_pb2.ERROR_KIND_CONTENT_FILTERED
_INVALID_REQUEST: Final = failure_pb2.ERROR_KIND_INVALID_REQUEST
_MODEL_NOT_FOUND: Final = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

# Codes that say the same under every status. What OpenAI uses with several
# (`invalid_request_error`, `slow_down`, `server_error`) is not among them.
_CODES: Final[dict[str, Kind]] = {
    # OpenAI, https://platform.openai.com/docs/guides/error-codes
    "rate_limit_exceeded": _RATE_LIMITED,
    "insufficient_quota": _QUOTA,
    "billing_hard_limit_reached": _QUOTA,
    "billing_not_active": _QUOTA,
    "credit_balance_exhausted": _QUOTA,
    "organization_spend_limit_exceeded": _QUOTA,
    "project_spend_limit_exceeded": _QUOTA,
    "organization_usage_limit_exceeded": _QUOTA,
    "invalid_api_key": _NOT_AUTHORIZED,
    "account_deactivated": _NOT_AUTHORIZED,
    "model_not_found": _MODEL_NOT_FOUND,
    "context_length_exceeded": _CONTEXT_TOO_LONG,
    "content_filter": _CONTENT_FILTERED,
    "content_policy_violation": _CONTENT_FILTERED,
    "server_is_overloaded": _SERVER_ERROR,
    # Moonshot, https://platform.moonshot.ai/docs/api/chat: three kinds under 429
    "rate_limit_reached_error": _RATE_LIMITED,
    "exceeded_current_quota_error": _QUOTA,
    "engine_overloaded_error": _SERVER_ERROR,
    "invalid_authentication_error": _NOT_AUTHORIZED,
    # OpenRouter's `error_type`, https://openrouter.ai/docs/errors
    "authentication": _NOT_AUTHORIZED,
    "permission_denied": _NOT_AUTHORIZED,
    "payment_required": _QUOTA,
    "provider_overloaded": _SERVER_ERROR,
    "provider_unavailable": _SERVER_ERROR,
    "refusal": _CONTENT_FILTERED,
    # llama.cpp, https://github.com/ggml-org/llama.cpp/pull/15780: under 400 and 500
    "exceed_context_size_error": _CONTEXT_TOO_LONG,
    # LiteLLM, https://docs.litellm.ai/docs/proxy/users: under 400 and 429
    "budget_exceeded": _QUOTA,
    # Anthropic's types, which gateways pass on under their own status
    "authentication_error": _NOT_AUTHORIZED,
    "rate_limit_error": _RATE_LIMITED,
    "overloaded_error": _SERVER_ERROR,
}

# (status, phrase in small letters, kind)
_PHRASES: Final[tuple[tuple[int, str, Kind], ...]] = (
    # vLLM, https://github.com/vllm-project/vllm/issues/20409; OpenRouter passes it on
    (400, "maximum context length", _CONTEXT_TOO_LONG),
    # Anthropic's models behind LiteLLM and OpenRouter
    (400, "prompt is too long", _CONTEXT_TOO_LONG),
    # llama.cpp before the code above
    (400, "exceeds the available context size", _CONTEXT_TOO_LONG),
    # llama.cpp and LM Studio, https://github.com/ggml-org/llama.cpp/issues/19774
    (500, "context size has been exceeded", _CONTEXT_TOO_LONG),
    # xAI, https://github.com/openai/codex/issues/1352
    (400, "incorrect api key provided", _NOT_AUTHORIZED),
    # Gemini's OpenAI face, https://ai.google.dev/gemini-api/docs/troubleshooting
    (400, "api key not valid", _NOT_AUTHORIZED),
    # OpenRouter, https://github.com/OpenRouterTeam/openrouter-examples/issues/74
    (400, "is not a valid model id", _MODEL_NOT_FOUND),
    # DeepSeek, https://github.com/langbot-app/LangBot/issues/1643
    (400, "model not exist", _MODEL_NOT_FOUND),
    # OpenAI's reasoning models, https://github.com/openai/codex/issues/7250
    (400, "your prompt was flagged", _CONTENT_FILTERED),
)

_STATUSES: Final[dict[int, Kind]] = {
    401: _NOT_AUTHORIZED,
    402: _QUOTA,
    403: _NOT_AUTHORIZED,
    404: _MODEL_NOT_FOUND,
    408: _SERVER_ERROR,
    410: _MODEL_NOT_FOUND,
    413: _CONTEXT_TOO_LONG,
    425: _SERVER_ERROR,
    429: _RATE_LIMITED,
    498: _RATE_LIMITED,  # Groq's flex tier without capacity
}

_SENTENCES: Final[dict[Kind, str]] = {
    _RATE_LIMITED: "has too many requests from this key at the moment",
    _SERVER_ERROR: "is overloaded or has failed",
    _QUOTA: "refuses: the quota is used up or an invoice is open",
    _NOT_AUTHORIZED: "does not accept the key, or not for this",
    _CONTEXT_TOO_LONG: "refuses: the prompt is longer than the model's window",
    _CONTENT_FILTERED: "refuses: its filter objects to the content",
    _INVALID_REQUEST: "calls the request wrong",
    _MODEL_NOT_FOUND: "has no such model at this address",
    _BROKEN_STREAM: "answered with something that is no answer",
}

# Tabs and ends of lines become blanks, other control characters (C0, DEL, C1) a mark: they
# could drive the terminal of whoever reads them.
_BLANK: Final = re.compile(r"[\t\n\r]+")
_CONTROL: Final = re.compile(r"[\x00-\x1f\x7f-\x9f]")


def classify(target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
    """Say what a refusal means; see `Adapter.classify`."""
    words = read_words(reply.body) or Words()
    text = words.message or reply.body[:MAX_READ].decode("utf-8", "replace")
    kind = _kind(words.codes, reply.status, text)
    shown = _reply(target, words, status=reply.status, body=reply.body)
    wait = read_wait(reply.headers, rate_limited=kind == _RATE_LIMITED)
    if wait is not None:
        shown.retry_after.CopyFrom(_duration(wait.total_seconds()))
    request_id = reply.headers.get("x-request-id") or reply.headers.get("request-id") or ""
    shown.request_id = show(request_id, secrets_of(target.secret), MAX_NAME)
    return failure_pb2.AttemptFailure(kind=kind, reply=shown, message=_sentence(target, kind))


def in_stream(target: Target, words: Words, frame: bytes) -> ProviderFailed:
    """Return the failure for an error inside of a reply with status 200."""
    kind = _kind(words.codes, words.status, words.message)
    return ProviderFailed(
        failure_pb2.AttemptFailure(
            kind=kind,
            reply=_reply(target, words, status=200, body=frame),
            message=_sentence(target, kind),
        )
    )


def broken(target: Target, what: str, body: bytes = b"") -> ProviderFailed:
    """Return the failure for a reply that is no whole answer.

    Args:
        target: who was asked.
        what: what is wrong, to follow `The answer of openai `, without a full stop.
        body: what shows it; empty when nothing does.
    """
    failure = failure_pb2.AttemptFailure(
        kind=_BROKEN_STREAM, message=f"The answer of {target.provider or 'the provider'} {what}."
    )
    if body:
        failure.reply.CopyFrom(_reply(target, Words(), status=200, body=body))
    return ProviderFailed(failure)


def show(text: str, secrets: tuple[str, ...], limit: int) -> str:
    """Make a provider's words fit to be shown.

    Args:
        text: as it came; its first `MAX_READ` characters are looked at.
        secrets: what is masked in it, before it is cut.
        limit: the most bytes of UTF-8 to keep.
    """
    text = _BLANK.sub(" ", mask(text[:MAX_READ], secrets))
    text = _CONTROL.sub("\N{REPLACEMENT CHARACTER}", text)
    return text.encode()[:limit].decode("utf-8", "ignore")


def _kind(codes: tuple[str, ...], status: int, text: str) -> Kind:
    """Classify: by code, by phrase, by status."""
    for code in codes:
        kind = _CODES.get(code.lower())
        if kind is not None:
            return kind
    text = text[:MAX_READ].lower()
    for when, phrase, kind in _PHRASES:
        # An error inside of a stream often names no status.
        if status in (when, 0) and phrase in text:
            return kind
    return _of_status(status)


def _of_status(status: int) -> Kind:
    """Classify by the HTTP status alone; 0, of an error inside of a stream, is the server's."""
    if status in _STATUSES:
        return _STATUSES[status]
    if status >= 500 or status == 0:
        return _SERVER_ERROR
    return _INVALID_REQUEST if status >= 300 else _BROKEN_STREAM


def _reply(target: Target, words: Words, *, status: int, body: bytes) -> failure_pb2.ProviderReply:
    """Put together what the provider said, as far as it may be shown."""
    secrets = secrets_of(target.secret)
    message = show(words.message, secrets, MAX_SHOWN)
    left = MAX_SHOWN - len(message.encode())
    code = next(iter(words.codes), "") or (str(words.status) if words.status else "")
    return failure_pb2.ProviderReply(
        http_status=status,
        code=show(code, secrets, MAX_NAME),
        message=message,
        body=show(body[:MAX_READ].decode("utf-8", "replace"), secrets, left),
    )


def _sentence(target: Target, kind: Kind) -> str:
    """Return our own sentence about a failure; who is not saved yet has no name."""
    return f"{target.provider or 'The provider'} {_SENTENCES[kind]}."


def _duration(seconds: float) -> duration_pb2.Duration:
    """Return a duration."""
    whole, rest = divmod(round(seconds * 1e9), 1_000_000_000)
    return duration_pb2.Duration(seconds=whole, nanos=rest)
