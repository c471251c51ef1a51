"""The sixteen scenarios: what the provider does, and what is expected of a gateway.

Source: failoverbench/failoverbench, methodology v0.1. All times are in seconds, before scaling.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from enum import Enum, auto
from types import MappingProxyType
from typing import Final, TypeAlias


class Weight(Enum):
    """What it means that a check does not hold."""

    REQUIRED = auto()
    """The gateway fails."""
    ADVISORY = auto()
    """A whole answer counts as partial."""
    INFORMATIONAL = auto()
    """It is said, and counts for nothing."""


@dataclass(frozen=True, slots=True)
class AtMostAttempts:
    """Expect at most so many attempts on the primary, in all or in the first seconds."""

    count: int
    within_s: float | None = None


@dataclass(frozen=True, slots=True)
class AtLeastAttempts:
    """Expect at least so many attempts on the primary."""

    count: int


@dataclass(frozen=True, slots=True)
class OneAttemptOrSmaller:
    """Expect one attempt on the primary, or further ones each smaller than the one before."""


@dataclass(frozen=True, slots=True)
class WaitsBetween:
    """Expect so much time between the first two attempts on the primary, if there are two."""

    seconds: float


@dataclass(frozen=True, slots=True)
class EndsWithin:
    """Expect the end of the call within so much time."""

    seconds: float


@dataclass(frozen=True, slots=True)
class HealthyAfterwards:
    """Expect that a healthy model is answered afterwards."""


@dataclass(frozen=True, slots=True)
class SameStream:
    """Expect the whole answer from the first stream, without another attempt."""


@dataclass(frozen=True, slots=True)
class ReportsUsage:
    """Expect the usage with the answer."""


@dataclass(frozen=True, slots=True)
class NamesFallback:
    """Expect that the answer names the model that gave it."""


@dataclass(frozen=True, slots=True)
class TellsReason:
    """Expect an error, and that it holds the provider's code."""

    code: str


@dataclass(frozen=True, slots=True)
class HidesRefusedPrefill:
    """Expect that an error, if there is one, is not the fallback's refusal of a partial answer."""


@dataclass(frozen=True, slots=True)
class AnswersDuringOutage:
    """Expect a whole answer to every call that began in the outage."""

    outage_s: float


@dataclass(frozen=True, slots=True)
class RecoversWithin:
    """Expect the primary to be asked again within so much time of the end of its outage."""

    outage_s: float
    seconds: float


@dataclass(frozen=True, slots=True)
class OneAttemptEach:
    """Expect at most one attempt on the primary for each call that began in the outage."""

    outage_s: float


Expectation: TypeAlias = (
    AtMostAttempts
    | AtLeastAttempts
    | OneAttemptOrSmaller
    | WaitsBetween
    | EndsWithin
    | HealthyAfterwards
    | SameStream
    | ReportsUsage
    | NamesFallback
    | TellsReason
    | HidesRefusedPrefill
    | AnswersDuringOutage
    | RecoversWithin
    | OneAttemptEach
)


@dataclass(frozen=True, slots=True)
class Check:
    """Say what is expected, and what it means when it does not hold."""

    expectation: Expectation
    weight: Weight = Weight.REQUIRED


@dataclass(frozen=True, slots=True)
class Scenario:
    """Describe one failure.

    Every scenario expects that no call hangs, and that no part of an answer is given as a whole.

    Args:
        id: `S01` to `S16`.
        title: what the provider does.
        behaviour: the model of the sandbox that does it.
        longest_s: the longest a call may take; then it hangs.
        checks: what is expected beside.
        fallback: the model that the gateway falls back to.
        calls: how many calls are made.
        every_s: time between the starts of two calls.
    """

    id: str
    title: str
    behaviour: str
    longest_s: float
    checks: tuple[Check, ...] = ()
    fallback: str = "ok"
    calls: int = 1
    every_s: float = 0.0

    @property
    def model(self) -> str:
        """Return the primary's name, which a gateway asks its provider for."""
        return self.id.lower()


def _require(*expectations: Expectation) -> tuple[Check, ...]:
    return tuple(map(Check, expectations))


def _advise(*expectations: Expectation) -> tuple[Check, ...]:
    return tuple(Check(expectation, Weight.ADVISORY) for expectation in expectations)


HEALTHY: Final = "ok"
"""The model that always answers."""

NO_PREFILL: Final = "no-prefill"
"""The model that answers, and refuses a transcript that ends with an assistant's message."""

_WORDS: Final = "every-15-ms"
_OUTAGE_S: Final = 60

SCENARIOS: Final[tuple[Scenario, ...]] = (
    Scenario(
        "S01",
        "The first attempt is 429 with Retry-After: 2, then it is healthy",
        f"once-429-retry-after-2-of-{_WORDS}",
        20,
        _require(AtMostAttempts(2, within_s=1.5)) + _advise(AtLeastAttempts(2), WaitsBetween(1.8)),
    ),
    Scenario(
        "S02",
        "Always 429, without a wait",
        "429",
        40,
        _require(AtMostAttempts(4, within_s=3), AtMostAttempts(6)),
    ),
    Scenario(
        "S03",
        "The first attempt is 500, then it is healthy",
        f"once-500-of-{_WORDS}",
        20,
        _advise(AtLeastAttempts(2)),
    ),
    Scenario("S04", "Always 503", "503", 40, _require(AtMostAttempts(6))),
    Scenario(
        "S05",
        "The first attempt is reset (TCP) before any byte, then it is healthy",
        f"once-reset-of-{_WORDS}",
        20,
    ),
    Scenario(
        "S06",
        "The request is taken and never answered",
        "silent",
        130,
        _require(EndsWithin(100)) + _advise(AtMostAttempts(1)),
    ),
    Scenario(
        "S07",
        "The headers come at once, the first token after 20 s",
        f"first-token-after-20-of-{_WORDS}",
        60,
        _advise(EndsWithin(15)),
    ),
    Scenario(
        "S08",
        "The connection is lost after 40 of 60 words",
        f"cut-after-40-of-{_WORDS}",
        40,
    ),
    Scenario(
        "S09",
        "After 20 words nothing for 30 s, then the connection is closed",
        f"stall-30s-after-20-of-{_WORDS}",
        70,
        _require(EndsWithin(45), HealthyAfterwards()),
    ),
    Scenario(
        "S10",
        "The tenth event is invalid JSON, all others are right",
        f"malformed-after-9-of-{_WORDS}",
        30,
        _require(HealthyAfterwards()) + _advise(SameStream()),
    ),
    Scenario(
        "S11",
        "The whole answer, but no [DONE]",
        f"no-done-of-{_WORDS}",
        30,
        _require(EndsWithin(8)) + _advise(ReportsUsage()),
    ),
    Scenario(
        "S12",
        "Always 400 context_length_exceeded",
        "400-context",
        20,
        _require(OneAttemptOrSmaller()),
    ),
    Scenario(
        "S13",
        "Always 400 content_policy_violation",
        "400-content",
        20,
        _require(AtMostAttempts(1), AtLeastAttempts(1), TellsReason("content_policy_violation")),
    ),
    Scenario(
        "S14",
        "The connection is lost after 40 of 60 words; the fallback refuses to continue a message",
        f"cut-after-40-of-{_WORDS}",
        40,
        _require(HidesRefusedPrefill()),
        fallback=NO_PREFILL,
    ),
    Scenario(
        "S15",
        "503 for 60 s, then it is healthy; twenty requests, one every 4 s",
        f"for-{_OUTAGE_S}-then-ok-503-of-{_WORDS}",
        30,
        (
            *_require(AnswersDuringOutage(_OUTAGE_S), RecoversWithin(_OUTAGE_S, 30)),
            Check(OneAttemptEach(_OUTAGE_S), Weight.INFORMATIONAL),
        ),
        calls=20,
        every_s=4,
    ),
    Scenario(
        "S16",
        "Always 503; the fallback answers",
        "503",
        40,
        _require(NamesFallback(), AtMostAttempts(6)) + _advise(ReportsUsage()),
    ),
)
"""All sixteen, in their order."""

MODELS: Final[Mapping[str, str]] = MappingProxyType(
    {
        HEALTHY: _WORDS,
        NO_PREFILL: f"no-prefill-of-{_WORDS}",
        **{scenario.model: scenario.behaviour for scenario in SCENARIOS},
    }
)
"""The names that a gateway asks its provider for, and what each one stands for in the sandbox."""
