"""When a route is left alone after failures, and for how long. Pure: times are handed in.

Only the deployment's own key at the provider's own address speaks for others: a personal
one, or one with an address of its own, cools only itself. One with an address of its own is
also cooled by itself only, and ends nothing else: another server answers there.

Within a generation a deadline only ever moves later, and only an attempt that was begun
after it, in the half-open, closes the cooldown or begins the next generation. What was
begun before speaks of the trouble that is known already; only a wait that the provider
asks for with it counts. One that ends before our own guess does forbids the route until
then; the guess goes on as what it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from typing import Final, TypeAlias

from trunkline.health.route import OF_ONE_KEY, RULES, Kind, Route
from trunkline.inference.v1 import failure_pb2

# None: it is over.
Changes: TypeAlias = "dict[Route, Cooldown | None]"

SECOND_NS: Final = 1_000_000_000
LONGEST_NS: Final = 3600 * SECOND_NS
# Of a guess, so that many routes which fail together do not come back together.
FACTORS: Final = (0.8, 1.0)

_NOT_FAILED: Final = failure_pb2.ERROR_KIND_UNSPECIFIED
_OF_KEY: Final = frozenset({failure_pb2.ERROR_KIND_QUOTA, failure_pb2.ERROR_KIND_NOT_AUTHORIZED})


@dataclass(frozen=True, slots=True)
class Witness:
    """What was known of a route's key and of its provider's list at some moment.

    Attributes:
        version: of the key; 0: not known.
        proof_ns: when the key was last proven to be accepted; 0: never, or not known.
        is_paid: that proof also showed that the account may spend.
        list_ns: when the provider's list was last read; 0: never, or not known.
    """

    version: int = 0
    proof_ns: int = 0
    is_paid: bool = False
    list_ns: int = 0


@dataclass(frozen=True, slots=True)
class Cooldown:
    """A route that cools. Times are nanoseconds since 1970 by the clock of all replicas.

    Attributes:
        route: what cools.
        kind: of what failed last, as far as that set the deadline.
        failures: in a row.
        generation: grows each time the route begins to cool.
        deadline_ns: until when it is not asked; from then on it is half-open.
        given_until_ns: until when the provider asked not to be asked, at most the deadline;
            0: it did not, or that is over and our guess goes on.
        trial_id: of the trial that is under way; empty: none was since it began to cool.
        trial_end_ns: when the trial ends by itself.
        witness: as it was when the route began to cool.
    """

    route: Route
    kind: Kind
    failures: int
    generation: int
    deadline_ns: int
    given_until_ns: int = 0
    trial_id: str = ""
    trial_end_ns: int = 0
    witness: Witness = Witness()

    @property
    def outlasts_given_wait(self) -> bool:
        """Tell whether our own guess goes on after the wait that the provider asked for."""
        return 0 < self.given_until_ns < self.deadline_ns

    def remaining_ns(self, now_ns: int) -> int:
        """Return how long the route still is not asked; 0: it is half-open.

        A deadline that is later than any can be was set before the clock was set back.
        """
        left = self.deadline_ns - now_ns
        return left if 0 < left <= 2 * LONGEST_NS else 0

    def is_provider_given(self, now_ns: int) -> bool:
        """Tell whether the provider asked for the wait: the route is not even asked last."""
        return self.given_until_ns > now_ns or self.given_until_ns == self.deadline_ns

    def trial_remaining_ns(self, now_ns: int) -> int:
        """Return how long the trial may still take; 0: nobody holds one."""
        left = self.trial_end_ns - now_ns
        return left if self.trial_id and 0 < left <= LONGEST_NS else 0

    def is_over(self, witness: Witness, now_ns: int) -> bool:
        """Tell whether what is known of key and list now ends the cooldown.

        Args:
            witness: as it is now.
            now_ns: by the clock of all replicas.
        """
        then = self.witness
        is_unlisted = self.kind == failure_pb2.ERROR_KIND_MODEL_NOT_FOUND
        if is_unlisted and witness.list_ns > then.list_ns:
            # A list speaks against our guess, not against what the provider asked for.
            return self.given_until_ns <= now_ns
        # Of all keys, or of one of which nothing was known then.
        if not self.route.credential_id or not then.version:
            return False
        if witness.version > then.version:
            return True  # another secret
        is_proven = self.kind in _OF_KEY and witness.proof_ns > then.proof_ns
        return is_proven and (witness.is_paid or self.kind == failure_pb2.ERROR_KIND_NOT_AUTHORIZED)

    def admits(self, began_ns: int, now_ns: int) -> bool:
        """Tell whether an attempt was begun in the half-open, and so can end it."""
        is_half_open = not self.remaining_ns(now_ns)
        return is_half_open and (began_ns >= self.deadline_ns or self.deadline_ns > now_ns)


@dataclass(frozen=True, slots=True)
class Evidence:
    """What one attempt came to.

    Attributes:
        route: that was asked.
        kind: why it failed; unspecified: it did not.
        began_ns: when it began, by the clock of all replicas.
        wait_ns: how long the provider asked to wait; 0: it did not.
        trial_id: the trial it was made under; empty: none.
        will_retry: the same request asks the route once more.
        speaks_for_others: it was made with the deployment's key at the provider's address.
        has_own_address: it was made at an address of the key's own.
        witness: as it is now.
    """

    route: Route
    kind: Kind
    began_ns: int
    wait_ns: int = 0
    trial_id: str = ""
    will_retry: bool = False
    speaks_for_others: bool = True
    has_own_address: bool = False
    witness: Witness = Witness()


def weigh(
    held: Mapping[Route, Cooldown],
    evidence: Evidence,
    now_ns: int,
    *,
    factor: float,
    generation: int,
) -> Changes:
    """Return what the outcome of an attempt changes.

    Args:
        held: what cools.
        evidence: of the attempt.
        now_ns: by the clock of all replicas.
        factor: of a wait that is our guess, 0.8 to 1.
        generation: higher than any that was.
    """
    changes: Changes = {}
    routes = evidence.route.applying(has_own_address=evidence.has_own_address)
    applying = [held[route] for route in routes if route in held]
    for each in applying:
        if evidence.trial_id and each.trial_id == evidence.trial_id:
            changes[each.route] = replace(each, trial_id="", trial_end_ns=0)
    if evidence.kind == _NOT_FAILED:
        changes |= {each.route: None for each in applying if each.admits(evidence.began_ns, now_ns)}
        return changes
    rule = RULES.get(evidence.kind)
    # A trial is not asked again, whatever its reporter means to do.
    if rule is None or (evidence.will_retry and not evidence.trial_id):
        return changes
    reach = rule.reach if evidence.speaks_for_others else OF_ONE_KEY[rule.reach]
    route = evidence.route.narrow(reach)
    before = held.get(route)
    wait_ns = min(evidence.wait_ns, LONGEST_NS)
    if before is not None and not before.admits(evidence.began_ns, now_ns):
        if wait_ns > 0:
            given_until_ns = now_ns + wait_ns
            is_longer = given_until_ns > before.deadline_ns
            changes[route] = replace(
                changes.get(route) or before,
                # Of what the route cools for: that of our guess also says what ends it.
                kind=evidence.kind if is_longer else before.kind,
                deadline_ns=max(before.deadline_ns, given_until_ns),
                given_until_ns=max(before.given_until_ns, given_until_ns),
            )
        return changes
    failures = before.failures + 1 if before is not None else 1
    guess_s = rule.waits_s[min(failures, len(rule.waits_s)) - 1] * factor
    deadline_ns = now_ns + (wait_ns if wait_ns > 0 else int(guess_s * SECOND_NS))
    changes[route] = Cooldown(
        route,
        evidence.kind,
        failures,
        generation,
        deadline_ns,
        given_until_ns=deadline_ns if wait_ns > 0 else 0,
        witness=evidence.witness,
    )
    return changes


def weigh_probe(
    held: Mapping[Route, Cooldown],
    asked: Route,
    began_ns: int,
    now_ns: int,
    *,
    has_own_address: bool = False,
) -> Changes:
    """Return what a list that a provider answered closes: only what was unreachable.

    Args:
        held: what cools.
        asked: `provider/*` with the key that was used.
        began_ns: when it was asked.
        now_ns: by the clock of all replicas.
        has_own_address: it was asked at an address of the key's own.
    """
    return {
        route: None
        for route in asked.applying(has_own_address=has_own_address)
        if (each := held.get(route)) is not None
        and each.kind == failure_pb2.ERROR_KIND_UNREACHABLE
        and each.admits(began_ns, now_ns)
    }


def end_given_waits(held: Mapping[Route, Cooldown], now_ns: int) -> Changes:
    """Return what changes where a provider's wait is over, and our longer guess goes on.

    Args:
        held: what cools.
        now_ns: by the clock of all replicas.
    """
    return {
        route: replace(each, given_until_ns=0)
        for route, each in held.items()
        if each.outlasts_given_wait and each.given_until_ns <= now_ns < each.deadline_ns
    }


def lease_trial(
    held: Mapping[Route, Cooldown],
    route: Route,
    trial_id: str,
    ttl_ns: int,
    now_ns: int,
    *,
    has_own_address: bool = False,
) -> tuple[Changes, Cooldown | None]:
    """Lease the half-open of a route, of all that applies to it, to one trial.

    Args:
        held: what cools.
        route: to be asked.
        trial_id: of the trial.
        ttl_ns: how long it may take.
        now_ns: by the clock of all replicas.
        has_own_address: it is asked at an address of the key's own.

    Returns:
        What that changes: nothing when it is not granted; and how the route stands then,
        by the strictest that applies to it; None: nothing does.
    """
    routes = route.applying(has_own_address=has_own_address)
    applying = [held[each] for each in routes if each in held]
    standing = strictest(applying, now_ns)
    if standing is None or standing.remaining_ns(now_ns) or standing.trial_remaining_ns(now_ns):
        return {}, standing
    leased = [replace(each, trial_id=trial_id, trial_end_ns=now_ns + ttl_ns) for each in applying]
    return {each.route: each for each in leased}, strictest(leased, now_ns)


def strictest(cooldowns: Iterable[Cooldown], now_ns: int) -> Cooldown | None:
    """Return the one that forbids most: a provider's wait, the longest, a trial under way."""

    def weight(each: Cooldown) -> tuple[bool, int, int]:
        remaining = each.remaining_ns(now_ns)
        return (
            each.is_provider_given(now_ns) and remaining > 0,
            remaining,
            each.trial_remaining_ns(now_ns),
        )

    return max(cooldowns, key=weight, default=None)
