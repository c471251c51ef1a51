"""The provider's own words: who may read them, and how much of them is kept.

They are for ADMIN and SERVICE, and so is how a personal key cools. Everybody else sees
verdict, status, code and our sentence, as a DEVELOPER does of a failed attempt.
"""

from __future__ import annotations

import contextlib
from collections.abc import AsyncGenerator, Callable, Iterable
from typing import Any, Final, TypeAlias

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.inference.v1 import provider_pb2
from trunkline.kernel.call import Caller
from trunkline.options.v1 import options_pb2

# A message of the watch; a change comes as the bytes that the outbox holds.
Told: TypeAlias = health_service_pb2.WatchHealthResponse | bytes
# Tells whether a cooldown is one of somebody's own key.
IsPersonal: TypeAlias = Callable[[health_pb2.Cooldown], bool]

_READERS: Final = (options_pb2.CALLER_ROLE_ADMIN, options_pb2.CALLER_ROLE_SERVICE)
# There are ten thousand snapshots of each provider.
_MAX_KEPT: Final = 512


def may_read_words(caller: Caller) -> bool:
    """Tell whether a caller may read what providers said."""
    return caller.role in _READERS


def shorten(verification: provider_pb2.Verification) -> provider_pb2.Verification:
    """Return a verification with at most 512 bytes of the provider's words, for a snapshot."""
    kept = provider_pb2.Verification()
    kept.CopyFrom(verification)
    if kept.HasField("reply"):
        reply = kept.reply
        reply.message = _cut(reply.message, _MAX_KEPT)
        reply.body = _cut(reply.body, _MAX_KEPT - len(reply.message.encode()))
    return kept


def withhold(verifications: Iterable[provider_pb2.Verification]) -> None:
    """Take the provider's words out."""
    for verification in verifications:
        if verification.HasField("reply"):
            verification.reply.ClearField("message")
            verification.reply.ClearField("body")


def withhold_healths(healths: Iterable[health_pb2.ProviderHealth]) -> None:
    """Take the providers' words out of states."""
    for health in healths:
        withhold(key.verification for key in health.credentials)


def withhold_cooldowns(cooldowns: Any, is_personal: IsPersonal) -> None:
    """Take those of personal keys out of a message's cooldowns."""
    for place in reversed(range(len(cooldowns))):
        if is_personal(cooldowns[place]):
            del cooldowns[place]


async def without_words(
    messages: AsyncGenerator[Told, None], is_personal: IsPersonal
) -> AsyncGenerator[Told, None]:
    """Yield what a watch tells, without the providers' words and personal keys' cooldowns."""
    async with contextlib.aclosing(messages):
        async for message in messages:
            told = read_told(message)
            if told.HasField("cooldown") and is_personal(told.cooldown):
                continue
            withhold_healths(told.snapshot_page.healths)
            withhold_cooldowns(told.snapshot_page.cooldowns, is_personal)
            withhold_healths((told.health,))
            yield told


def read_told(message: Told) -> health_service_pb2.WatchHealthResponse:
    """Return a message of the watch, which may lie there as bytes."""
    if isinstance(message, bytes):
        return health_service_pb2.WatchHealthResponse.FromString(message)
    return message


def _cut(text: str, limit: int) -> str:
    """Return the start of a text, at most so many bytes of UTF-8."""
    return text.encode()[:limit].decode("utf-8", "ignore")
