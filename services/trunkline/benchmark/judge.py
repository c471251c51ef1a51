"""Judge one scenario from what was seen of it. Pure: no I/O and no clock of its own."""

from __future__ import annotations

from dataclasses import dataclass
from enum import StrEnum
from itertools import pairwise
from typing import Final, assert_never

from trunkline.benchmark.observation import Attempt, Call, End, Observation
from trunkline.benchmark.scenarios import (
    AnswersDuringOutage,
    AtLeastAttempts,
    AtMostAttempts,
    EndsWithin,
    Expectation,
    HealthyAfterwards,
    HidesRefusedPrefill,
    NamesFallback,
    OneAttemptEach,
    OneAttemptOrSmaller,
    RecoversWithin,
    ReportsUsage,
    SameStream,
    Scenario,
    TellsReason,
    WaitsBetween,
    Weight,
)


class Verdict(StrEnum):
    """What a gateway made of a scenario, the best first."""

    PASSED = "pass"
    """The caller got the whole answer (in S13 the reason), and every check holds."""
    PARTIAL = "partial"
    """The same, but an advisory check does not hold."""
    SAFE = "safe"
    """The caller got an error in time, and every required check holds."""
    FAILED = "fail"
    """A call hung or found no gateway, a part was given as the whole, or a required check does
    not hold."""


@dataclass(frozen=True, slots=True)
class Tempo:
    """Say how fast a scenario is played.

    Args:
        scale: factor of all its times.
        slack_s: what is added to a longest time, for machines that are slow at a small scale.
    """

    scale: float = 1.0
    slack_s: float = 0.0

    def at_most(self, seconds: float) -> float:
        """Return a longest time as it is played."""
        return seconds * self.scale + self.slack_s

    def at_least(self, seconds: float) -> float:
        """Return a shortest time as it is played."""
        return seconds * self.scale


@dataclass(frozen=True, slots=True)
class Judgement:
    """Hold the verdict on one scenario.

    Args:
        scenario: which.
        verdict: what was made of it.
        findings: a sentence for each thing that is not as expected.
        seconds: how long the longest call took.
        primary_attempts: attempts on the primary.
        fallback_attempts: attempts on the fallback.
    """

    scenario: Scenario
    verdict: Verdict
    findings: tuple[str, ...]
    seconds: float
    primary_attempts: int
    fallback_attempts: int


def judge(
    scenario: Scenario, observation: Observation, answer: str, tempo: Tempo = Tempo()
) -> Judgement:
    """Judge one scenario.

    Args:
        scenario: which was played.
        observation: what was seen.
        answer: the text of every healthy answer.
        tempo: how fast it was played.
    """
    court = _Court(scenario, observation, answer, tempo)
    required = court.find_faults()
    advisory: list[str] = []
    informational: list[str] = []
    lists = {
        Weight.REQUIRED: required,
        Weight.ADVISORY: advisory,
        Weight.INFORMATIONAL: informational,
    }
    for check in scenario.checks:
        finding = court.check(check.expectation)
        if finding is not None:
            lists[check.weight].append(finding)
    if required:
        verdict = Verdict.FAILED
    elif not court.is_served:
        verdict = Verdict.SAFE
    else:
        verdict = Verdict.PARTIAL if advisory else Verdict.PASSED
    errors = court.tell_errors() if not court.is_served else []
    return Judgement(
        scenario=scenario,
        verdict=verdict,
        findings=(*required, *advisory, *informational, *errors),
        seconds=max(call.seconds for call in observation.calls),
        primary_attempts=len(court.primary),
        fallback_attempts=len(observation.of(scenario.fallback)),
    )


_LONGEST_ERROR: Final = 200


class _Court:
    """Hold one case; each check gives a sentence where it does not hold."""

    def __init__(
        self, scenario: Scenario, observation: Observation, answer: str, tempo: Tempo
    ) -> None:
        self._scenario = scenario
        self._seen = observation
        self._answer = answer
        self._tempo = tempo
        self.primary = observation.of(scenario.model)
        """The attempts on the primary."""
        self._wants_error = any(
            isinstance(check.expectation, TellsReason) for check in scenario.checks
        )

    @property
    def is_served(self) -> bool:
        """Tell whether every caller got what is best: the whole answer, or here the reason."""
        if self._wants_error:
            return all(call.end is End.FAILED for call in self._seen.calls)
        return all(map(self._is_whole, self._seen.calls))

    def tell_errors(self) -> list[str]:
        """Say what errors the callers got."""
        errors = (call.error for call in self._seen.calls if call.end is End.FAILED)
        return [f"The caller got: {error[:_LONGEST_ERROR]}" for error in dict.fromkeys(errors)]

    def find_faults(self) -> list[str]:
        """Say which calls hung or found no gateway, and which got no answer as if it were one."""
        found = []
        for call in self._seen.calls:
            if call.end is End.HUNG:
                found.append(f"The call had no end after {call.seconds:.1f} s.")
            elif call.end is End.UNREACHABLE:
                found.append("The gateway took no connection.")
            elif call.end is End.ANSWERED and not self._is_whole(call):
                found.append(self._describe(call.text))
        return list(dict.fromkeys(found))

    def check(self, expectation: Expectation) -> str | None:
        """Return what is wrong; None when the expectation holds."""
        match expectation:
            case AtMostAttempts(count, within_s):
                return self._check_most(count, within_s)
            case AtLeastAttempts(count):
                made = len(self.primary)
                return None if made >= count else f"The primary was asked {_times(made)}."
            case OneAttemptOrSmaller():
                return self._check_smaller()
            case WaitsBetween(seconds):
                return self._check_wait(seconds)
            case EndsWithin(seconds):
                longest = max(call.seconds for call in self._seen.calls)
                late = longest > self._tempo.at_most(seconds)
                return f"The call took {longest:.1f} s." if late else None
            case HealthyAfterwards():
                after = self._seen.afterwards
                healthy = after is not None and self._is_whole(after)
                return None if healthy else "A healthy call afterwards was not answered."
            case SameStream():
                one = len(self._seen.attempts) == 1
                return None if one else "The answer did not come from one stream."
            case ReportsUsage():
                told = all(call.has_usage for call in self._seen.calls if self._is_whole(call))
                return None if told else "The usage was not reported."
            case NamesFallback():
                return self._check_name()
            case TellsReason(code):
                told = all(code in call.error for call in self._seen.calls)
                return None if told else f"The caller was not told {code}."
            case HidesRefusedPrefill():
                shown = any("ends with an assistant" in call.error for call in self._seen.calls)
                return "The caller got the refusal of the continuation." if shown else None
            case AnswersDuringOutage(outage_s):
                calls = self._during(outage_s)
                lost = sum(not self._is_whole(call) for call in calls)
                return (
                    f"{lost} of {len(calls)} calls in the outage got no answer." if lost else None
                )
            case RecoversWithin(outage_s, seconds):
                return self._check_recovery(outage_s, seconds)
            case OneAttemptEach(outage_s):
                made = len(self._attempts_during(outage_s))
                calls = self._during(outage_s)
                many = made > len(calls)
                return f"{made} attempts for {len(calls)} calls in the outage." if many else None
            case _:
                assert_never(expectation)

    def _is_whole(self, call: Call) -> bool:
        return call.end is End.ANSWERED and call.text == self._answer

    def _describe(self, text: str) -> str:
        """Say what was given as the answer."""
        if self._answer.startswith(text):
            return (
                f"{len(text.split())} of {len(self._answer.split())} words were given as the whole"
                " answer."
            )
        return "A text that is not the answer was given as it."

    def _check_most(self, count: int, within_s: float | None) -> str | None:
        attempts = self.primary
        when = ""
        if within_s is not None and attempts:
            # At a small scale as well: what comes at once always counts.
            until = attempts[0].started_at + self._tempo.at_least(within_s)
            attempts = [attempt for attempt in attempts if attempt.started_at <= until]
            when = f" in the first {self._tempo.at_least(within_s):g} s"
        if len(attempts) <= count:
            return None
        return f"The primary was asked {_times(len(attempts))}{when}."

    def _check_smaller(self) -> str | None:
        if not self.primary:
            return "The primary was not asked."
        if all(later.size < earlier.size for earlier, later in pairwise(self.primary)):
            return None
        return f"The same was asked {_times(len(self.primary))}."

    def _check_wait(self, seconds: float) -> str | None:
        if len(self.primary) < 2:
            return None
        waited = self.primary[1].started_at - self.primary[0].started_at
        if waited >= self._tempo.at_least(seconds):
            return None
        return f"The second attempt came after {waited:.2f} s."

    def _check_name(self) -> str | None:
        whole = [call for call in self._seen.calls if self._is_whole(call)]
        # A gateway may put the provider's name before it.
        names = {call.model.rpartition("/")[2] for call in whole}
        if names <= {self._scenario.fallback}:
            return None
        return f"The answer named {', '.join(sorted(names)) or 'no model'}."

    def _check_recovery(self, outage_s: float, seconds: float) -> str | None:
        ended_at = self._outage_end(outage_s)
        if ended_at is None:
            return "The primary was not asked."
        until = ended_at + self._tempo.at_most(seconds)
        if any(ended_at <= attempt.started_at <= until for attempt in self.primary):
            return None
        return "The primary was not asked again after its outage."

    def _outage_end(self, outage_s: float) -> float | None:
        """Return when the outage ended, which began with the first attempt."""
        if not self.primary:
            return None
        return self.primary[0].started_at + outage_s * self._tempo.scale

    def _during(self, outage_s: float) -> list[Call]:
        ended_at = self._outage_end(outage_s)
        if ended_at is None:
            return list(self._seen.calls)
        return [call for call in self._seen.calls if call.started_at < ended_at]

    def _attempts_during(self, outage_s: float) -> list[Attempt]:
        ended_at = self._outage_end(outage_s)
        return [
            attempt
            for attempt in self.primary
            if ended_at is not None and attempt.started_at < ended_at
        ]


def _times(count: int) -> str:
    return {0: "never", 1: "once", 2: "twice"}.get(count, f"{count} times")
