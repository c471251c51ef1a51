"""The sandbox's API keys and their fates."""

from __future__ import annotations

from enum import Enum, auto
from typing import Final

from trunkline.sandbox.face import Operation
from trunkline.sandbox.faults import Refusal, Trouble

REVOKED_KEY: Final = "sandbox-revoked-key"
"""A key that was revoked: everything is refused, 401 in most formats."""

UNSCOPED_KEY: Final = "sandbox-unscoped-key"
"""A restricted key that may chat, but not list models: that is 403."""

NO_CREDIT_KEY: Final = "sandbox-no-credit-key"
"""A key whose account is empty: models are listed, chat is refused as the vendor does it."""

MODELS_SCOPE: Final = "api.model.read"
"""The scope that `UNSCOPED_KEY` lacks."""


class Fate(Enum):
    """What happens to requests with a key."""

    ACCEPTED = auto()
    REVOKED = auto()
    UNSCOPED = auto()
    NO_CREDIT = auto()
    UNKNOWN = auto()


_FATES: Final = {
    REVOKED_KEY: Fate.REVOKED,
    UNSCOPED_KEY: Fate.UNSCOPED,
    NO_CREDIT_KEY: Fate.NO_CREDIT,
}


def admit(key: str, accepted_key: str, operation: Operation, *, keyless: bool = False) -> None:
    """Let a request pass, or refuse it for its key.

    Args:
        key: the key that came with the request; empty when none did.
        accepted_key: the key that works; it comes before the keys with a fate of their own.
        operation: what the request asks for.
        keyless: whether a missing or unknown key is as good as the accepted one.

    Raises:
        Refusal: the key is missing, unknown or revoked, or may not do this. It does not hold
            the key.
    """
    fate = Fate.ACCEPTED if key == accepted_key else _FATES.get(key, Fate.UNKNOWN)
    if fate is Fate.UNKNOWN and keyless:
        return
    if not key:
        raise Refusal(
            Trouble.NO_KEY,
            "You didn't provide an API key. Provide it in an Authorization header:"
            " 'Authorization: Bearer YOUR_KEY'.",
        )
    match fate, operation:
        case Fate.UNKNOWN, _:
            raise Refusal(Trouble.UNAUTHENTICATED, "Incorrect API key provided.")
        case Fate.REVOKED, _:
            raise Refusal(Trouble.KEY_REVOKED, "This API key has been revoked.")
        case Fate.UNSCOPED, Operation.LIST_MODELS | Operation.SHOW_MODEL:
            raise Refusal(
                Trouble.MISSING_SCOPE,
                "You have insufficient permissions for this operation."
                f" Missing scopes: {MODELS_SCOPE}.",
            )
        case Fate.NO_CREDIT, Operation.CHAT | Operation.EMBED:
            raise Refusal(
                Trouble.NO_CREDIT,
                "You exceeded your current quota, please check your plan and billing details.",
            )
