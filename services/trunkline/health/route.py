"""What a failure cools, and for how long by our own guess.

A route is a model of a provider with a key. What cools is as much of it as a failure
speaks of.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum
from typing import Final, TypeAlias

from trunkline.inference.v1 import failure_pb2

Kind: TypeAlias = "failure_pb2.ErrorKind.ValueType"


class Reach(Enum):
    """How much a failure speaks of: `provider/model` or `provider/*`, one key or all."""

    MODEL_WITH_KEY = "model with key"
    MODEL = "model"
    KEY = "key"
    PROVIDER = "provider"


# Of a key that speaks for itself only.
OF_ONE_KEY: Final[Mapping[Reach, Reach]] = {
    Reach.MODEL_WITH_KEY: Reach.MODEL_WITH_KEY,
    Reach.MODEL: Reach.MODEL_WITH_KEY,
    Reach.KEY: Reach.KEY,
    Reach.PROVIDER: Reach.KEY,
}


@dataclass(frozen=True, slots=True)
class Rule:
    """What a kind of failure does.

    Attributes:
        reach: what cools.
        waits_s: for how long by our guess, in seconds: after the first failure, the second
            in a row and so on; the last one again and again.
    """

    reach: Reach
    waits_s: tuple[float, ...]


_GROWING_S: Final = (1.0, 2.0, 4.0, 8.0, 10.0)
# A host that restarts or a pause of its network is over soon, and what still hangs costs
# each trial a time limit, not the user an answer.
_SHORT_S: Final = (1.0, 2.0)
# Its end is that the provider's list is read again; this one is for when it never is.
_UNTIL_LISTED_S: Final = (3600.0,)

# A kind that is not here cools nothing: it speaks of the request, or of us.
RULES: Final[Mapping[Kind, Rule]] = {
    # Vendors count requests and tokens by account and model.
    failure_pb2.ERROR_KIND_RATE_LIMITED: Rule(Reach.MODEL_WITH_KEY, _GROWING_S),
    # A model's servers fail, whoever asks them; those of another model need not.
    failure_pb2.ERROR_KIND_SERVER_ERROR: Rule(Reach.MODEL, _GROWING_S),
    failure_pb2.ERROR_KIND_BROKEN_STREAM: Rule(Reach.MODEL, _GROWING_S),
    failure_pb2.ERROR_KIND_SILENT: Rule(Reach.MODEL, _SHORT_S),
    # All models of a provider are behind one address.
    failure_pb2.ERROR_KIND_UNREACHABLE: Rule(Reach.PROVIDER, _SHORT_S),
    # An account that cannot pay, or a key that is refused, is so for every model.
    failure_pb2.ERROR_KIND_QUOTA: Rule(Reach.KEY, _GROWING_S),
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: Rule(Reach.KEY, _GROWING_S),
    failure_pb2.ERROR_KIND_MODEL_NOT_FOUND: Rule(Reach.MODEL, _UNTIL_LISTED_S),
}


@dataclass(frozen=True, slots=True, order=True)
class Route:
    """What is asked, or cools.

    Attributes:
        model: `provider/model`; of what cools also `provider/*`.
        credential_id: `cred_…`; empty: none, of what cools all.
    """

    model: str
    credential_id: str

    @property
    def provider(self) -> str:
        """Return the provider's name."""
        return self.model.partition("/")[0]

    def narrow(self, reach: Reach) -> Route:
        """Return what a failure of this route cools."""
        all_models = all_models_of(self.provider)
        match reach:
            case Reach.MODEL_WITH_KEY:
                return self
            case Reach.MODEL:
                return Route(self.model, "")
            case Reach.KEY:
                return Route(all_models, self.credential_id)
            case Reach.PROVIDER:
                return Route(all_models, "")

    def applying(self, *, has_own_address: bool = False) -> tuple[Route, ...]:
        """Return what may cool that this route is part of, the narrowest first.

        Args:
            has_own_address: its key is used at an address of its own, not the provider's: what
                cools for all keys says nothing of it.
        """
        reaches = OF_ONE_KEY.values() if has_own_address else Reach
        return tuple(dict.fromkeys(self.narrow(reach) for reach in reaches))


def all_models_of(provider: str) -> str:
    """Return what stands for all models of a provider."""
    return f"{provider}/*"
