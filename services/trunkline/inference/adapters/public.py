"""What adapters of others lean on: one import, whose names stay as long as a major release.

See docs/adapters.md for an adapter that uses it.
"""

from trunkline.inference.adapters.adapter import (
    Adapter,
    BuiltChat,
    Decoder,
    Ending,
    ProviderFailed,
    Reply,
    Target,
)
from trunkline.inference.adapters.bodies import DocumentDecoder
from trunkline.inference.adapters.failures import FailureTable, broken, refusal, stream_failure
from trunkline.inference.adapters.losses import Losses, passed_over
from trunkline.inference.adapters.requests import JSON, STREAM, build_request
from trunkline.inference.adapters.values import load
from trunkline.inference.adapters.verification import accepted, refused, verification
from trunkline.inference.adapters.waits import read_retry_after
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts
from trunkline.inference.framing import FrameTooLong, NdjsonFrames, SseFrames
from trunkline.inference.outgoing import Request

__all__ = [
    "JSON",
    "STREAM",
    "Adapter",
    "BuiltChat",
    "Decoder",
    "DocumentDecoder",
    "Drafts",
    "Ending",
    "FailureTable",
    "FrameTooLong",
    "Losses",
    "NdjsonFrames",
    "ProviderFailed",
    "Reply",
    "Request",
    "SseFrames",
    "Target",
    "Words",
    "accepted",
    "broken",
    "build_request",
    "load",
    "passed_over",
    "read_retry_after",
    "refusal",
    "refused",
    "stream_failure",
    "verification",
]
