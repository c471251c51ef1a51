"""Rows of failures: what goes wrong, where, and at which attempts."""

from __future__ import annotations

from typing import Final

from trunkline.sandbox.behaviours import (
    Kind,
    Row,
    break_frames,
    break_off,
    fail_first,
    fail_for,
    spoil,
    spoil_with,
)
from trunkline.sandbox.faults import Break, Drop, Ending, Page, Refuse, Silence, Trouble

_AFTER: Final = range(100_001)
_SECONDS: Final = range(3_601)

_RATE_LIMITED: Final = "Rate limit reached for requests. Please slow down."
_NO_QUOTA: Final = "You exceeded your current quota, please check your plan and billing details."


def _refuse(name: str, sentence: str, trouble: Trouble, message: str) -> Row:
    """Make the row of a model that refuses everything."""
    return Row(Kind.FAULT, name, name, sentence, spoil_with(Refuse(trouble, message)))


FAULTS: Final[tuple[Row, ...]] = (
    Row(
        Kind.FAULT,
        "cut-after-N",
        "cut-after-40",
        "The connection is closed after N events, the chunked body unfinished.",
        break_off(Break.CUT),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "end-after-N",
        "end-after-40",
        "The body ends in order after N events, without finish reason and terminator.",
        break_off(Break.END),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "reset-after-N",
        "reset-after-40",
        "The connection is reset (TCP RST) after N events.",
        break_off(Break.RESET),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "stall-after-N",
        "stall-after-20",
        "Silence after N events until the client leaves, for 10 minutes at most.",
        break_off(Break.STALL),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "stall-30s-after-N",
        "stall-30s-after-20",
        "Silence for 30 seconds after N events, then the connection is closed.",
        break_off(Break.HANG_UP),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "malformed-after-N",
        "malformed-after-10",
        "One frame of invalid JSON after N events, then the rest.",
        break_off(Break.GARBLE),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "error-after-N",
        "error-after-10",
        "An error object inside the stream after N events, then the body ends.",
        break_off(Break.ERROR),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "cut-at-N",
        "cut-at-3",
        "The connection is closed after N frames, the chunked body unfinished.",
        break_frames(Break.CUT),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "end-at-N",
        "end-at-3",
        "The body ends in order after N frames.",
        break_frames(Break.END),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "reset-at-N",
        "reset-at-3",
        "The connection is reset (TCP RST) after N frames.",
        break_frames(Break.RESET),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "stall-at-N",
        "stall-at-3",
        "Silence after N frames until the client leaves, for 10 minutes at most.",
        break_frames(Break.STALL),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "malformed-at-N",
        "malformed-at-3",
        "One frame of invalid JSON after N frames, then the rest.",
        break_frames(Break.GARBLE),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "malformed-twice-at-N",
        "malformed-twice-at-3",
        "A frame of invalid JSON after N frames, another after the next one, then the rest.",
        break_frames(Break.GARBLE_TWICE),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "error-at-N",
        "error-at-3",
        "An error object inside the stream after N frames, then the body ends.",
        break_frames(Break.ERROR),
        _AFTER,
    ),
    Row(
        Kind.FAULT,
        "cut",
        "cut",
        "The connection is closed before a byte of the response.",
        spoil_with(Drop.CUT),
    ),
    Row(
        Kind.FAULT,
        "reset",
        "reset",
        "The connection is reset (TCP RST) before a byte of the response.",
        spoil_with(Drop.RESET),
    ),
    Row(
        Kind.FAULT,
        "html-200",
        "html-200",
        "A page of HTML with status 200.",
        spoil_with(Page.HTML),
    ),
    Row(
        Kind.FAULT,
        "empty-200",
        "empty-200",
        "An empty body with status 200.",
        spoil_with(Page.EMPTY),
    ),
    Row(
        Kind.FAULT,
        "no-done",
        "no-done",
        "A whole answer without its terminator ([DONE]).",
        spoil_with(Ending.NO_DONE),
    ),
    Row(
        Kind.FAULT,
        "done-without-finish",
        "done-without-finish",
        "A whole answer and its terminator, but no finish reason.",
        spoil_with(Ending.NO_FINISH),
    ),
    Row(
        Kind.FAULT,
        "late-usage",
        "late-usage",
        "What follows the finish reason, the usage first, comes 3 seconds late.",
        spoil_with(Ending.LATE_USAGE),
    ),
    Row(
        Kind.FAULT,
        "no-first-token",
        "no-first-token",
        "The response head, then silence.",
        spoil_with(Silence.AFTER_HEAD),
    ),
    Row(
        Kind.FAULT,
        "silent",
        "silent",
        "The request is taken and never answered.",
        spoil_with(Silence.BEFORE_HEAD),
    ),
    _refuse("429", "429 rate_limit_exceeded, without a wait.", Trouble.RATE_LIMITED, _RATE_LIMITED),
    Row(
        Kind.FAULT,
        "429-retry-after-S",
        "429-retry-after-2",
        "429 rate_limit_exceeded that asks for a wait of S seconds.",
        spoil(lambda s: Refuse(Trouble.RATE_LIMITED, _RATE_LIMITED, s)),
        _SECONDS,
    ),
    _refuse("429-quota", "429 insufficient_quota.", Trouble.NO_QUOTA, _NO_QUOTA),
    _refuse("500", "500 server_error.", Trouble.SERVER_ERROR, "The server had an error."),
    _refuse(
        "503",
        "503 server_is_overloaded.",
        Trouble.OVERLOADED,
        "The server is overloaded, try again later.",
    ),
    _refuse("401", "401 invalid_api_key.", Trouble.UNAUTHENTICATED, "Incorrect API key provided."),
    _refuse(
        "403",
        "403 unsupported_country_region_territory.",
        Trouble.FORBIDDEN,
        "Country, region, or territory not supported.",
    ),
    _refuse(
        "404",
        "404 model_not_found, though the model is listed.",
        Trouble.MODEL_NOT_FOUND,
        "The model '404' does not exist.",
    ),
    _refuse(
        "400", "400 invalid_request_error.", Trouble.INVALID_REQUEST, "The request is invalid."
    ),
    _refuse(
        "400-context",
        "400 context_length_exceeded.",
        Trouble.CONTEXT_TOO_LONG,
        "This model's maximum context length is 8 tokens.",
    ),
    _refuse(
        "400-content",
        "400 content_policy_violation.",
        Trouble.CONTENT_REFUSED,
        "The prompt violates the usage policy.",
    ),
)
"""What goes wrong."""

ATTEMPTS: Final[tuple[Row, ...]] = (
    Row(
        Kind.ATTEMPTS,
        "once-NAME",
        "once-503",
        "The fault of NAME at the first attempt of each key, then its answer without it.",
        lambda _, beneath: fail_first(1, beneath),
    ),
    Row(
        Kind.ATTEMPTS,
        "fail-K-then-ok-NAME",
        "fail-2-then-ok-503",
        "The fault of NAME at the first K attempts of each key, then its answer without it.",
        fail_first,
        range(1, 1_001),
    ),
    Row(
        Kind.ATTEMPTS,
        "for-S-then-ok-NAME",
        "for-60-then-ok-503",
        "The fault of NAME for S seconds from each key's first attempt on, then its answer.",
        fail_for,
        range(1, 3_601),
    ),
)
"""At which attempts it does."""
