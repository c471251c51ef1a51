"""Who is asked for one answer, in which order, and who still may be after a failure."""

from __future__ import annotations

import difflib
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Final

from trunkline.inference.chat_needs import ChatNeeds
from trunkline.inference.endings import none_capable
from trunkline.inference.failure_table import MAX_ATTEMPTS, MAX_ROUTE_ATTEMPTS, Next
from trunkline.inference.v1 import chat_pb2, failure_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import (
    FailedPrecondition,
    NotFound,
    PermissionDenied,
    TrunklineError,
)
from trunkline.planning.balance import Latency, Price, arrange
from trunkline.planning.candidates import Candidate, expand, find_route
from trunkline.planning.preflight import known_window
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

_NEAREST: Final = 3

# A model with a key: what is asked at most twice by one request.
_Route = tuple[str, str]


class Plan:
    """The candidates of one run.

    Args:
        candidates: that may be asked, in order; at least one.
        skipped: that may not, with the reasons.
        chain_allows: as `find_next`.

    Attributes:
        open: candidates that may still be asked, in order.
        skipped: those that may not or were passed over, each once, with its latest reason.
        asked: how many attempts there were.
        is_alone: there never was a second one to fall back to.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        skipped: Sequence[failure_pb2.SkippedCandidate],
        *,
        chain_allows: bool,
    ) -> None:
        self.open = list(candidates)
        self.asked = 0
        self.is_alone = len(self.open) == 1
        self.chain_allows = chain_allows
        self._skipped = {skip.model: skip for skip in skipped}
        self._asked_of: Counter[_Route] = Counter()
        self._refused_prefill: set[str] = set()

    @property
    def skipped(self) -> list[failure_pb2.SkippedCandidate]:
        """Return who was passed over and not asked, with the reasons."""
        asked = {name for name, _ in self._asked_of}
        return [skip for name, skip in self._skipped.items() if name not in asked]

    def note_asked(self, candidate: Candidate) -> None:
        """Note that a candidate is asked now."""
        self.asked += 1
        self._asked_of[_route(candidate)] += 1
        if not self.may_ask(candidate):
            self.close(candidate)

    def may_ask(self, candidate: Candidate) -> bool:
        """Tell whether the limits on attempts let a candidate be asked."""
        return self.asked < MAX_ATTEMPTS and self._asked_of[_route(candidate)] < MAX_ROUTE_ATTEMPTS

    def was_asked(self, candidate: Candidate) -> bool:
        """Tell whether a candidate was asked before."""
        return self._asked_of[_route(candidate)] > 0

    def has_other(self, candidate: Candidate) -> bool:
        """Tell whether somebody else may be asked."""
        return self.asked < MAX_ATTEMPTS and any(each is not candidate for each in self.open)

    def close(self, candidate: Candidate) -> None:
        """Ask a candidate no more."""
        self.open = [each for each in self.open if each is not candidate]

    def skip(
        self,
        candidate: Candidate,
        reason: failure_pb2.SkipReason.ValueType,
        detail: str,
        retry_after_s: float | None = None,
    ) -> None:
        """Note why a candidate is passed over; it may be asked later if it is not closed."""
        skip = failure_pb2.SkippedCandidate(model=candidate.name, reason=reason, detail=detail)
        if retry_after_s is not None:
            skip.retry_after.FromNanoseconds(int(retry_after_s * 1e9))
        self._skipped[candidate.name] = skip

    def rule_out(self, candidate: Candidate, next_: Next) -> None:
        """Close what may not follow a failure.

        Args:
            candidate: whose attempt failed.
            next_: which others may follow.
        """
        for other in list(self.open):
            if other is candidate:
                continue
            if not _may_follow(candidate, other, next_):
                self.close(other)
                if other.name != candidate.name:
                    self._note_ruled_out(other, next_)
        self.close(candidate)

    def refuse_prefill(self, candidate: Candidate) -> None:
        """Note that a model refused to go on from a partial answer."""
        self._refused_prefill.add(candidate.name)

    def prefills(self, candidate: Candidate) -> bool:
        """Tell whether a model is known to go on from a partial answer."""
        return candidate.model.facts.prefill.value and candidate.name not in self._refused_prefill

    def _note_ruled_out(self, other: Candidate, next_: Next) -> None:
        """Note why a failure ends the chances of another model."""
        if next_ is Next.LARGER_WINDOW:
            reason = failure_pb2.SKIP_REASON_CONTEXT_TOO_SMALL
            self.skip(other, reason, "Its window is not larger than the one that was too small.")
        else:
            reason = failure_pb2.SKIP_REASON_FALLBACK_NOT_ALLOWED
            self.skip(other, reason, "The failure before it allows no other candidate.")


def draw_up(
    request: chat_pb2.ChatRequest,
    caller: Caller,
    catalog: CatalogView,
    credentials: CredentialView,
    draw: Callable[[], float],
    latency: Latency,
    price: Price,
) -> Plan:
    """Return the plan of a request, from what catalog and credentials say, asking nobody.

    Args:
        request: the question.
        caller: who asks.
        catalog, credentials: what there is.
        draw, latency, price: see `arrange`.

    Raises:
        NotFound: MODEL_NOT_FOUND, TARGET_NOT_FOUND.
        FailedPrecondition: NO_PROVIDER, NO_CREDENTIAL, NO_CAPABLE_CANDIDATE.
        InvalidArgument: CONTEXT_TOO_LONG.
        PermissionDenied: OUT_OF_SCOPE.
    """
    route = find_route(request.model, list(request.fallbacks), request.chain, catalog)
    if route is None or not route.candidates:
        raise _no_route(request.chain)
    needs = ChatNeeds(request)
    candidates: list[Candidate] = []
    skipped: list[failure_pb2.SkippedCandidate] = []
    for name in arrange(route.candidates, route.balance, draw, latency, price):
        for entry in expand(name, needs, caller, catalog, credentials):
            if isinstance(entry, Candidate):
                candidates.append(entry)
            else:
                skipped.append(entry)
    if not candidates:
        raise none_capable(skipped) or unusable(skipped[0], caller, catalog)
    return Plan(candidates, skipped, chain_allows=route.fall_back_on_credential_failure)


def _route(candidate: Candidate) -> _Route:
    """Return what counts attempts together."""
    return candidate.name, candidate.credential.id


def _may_follow(failed: Candidate, other: Candidate, next_: Next) -> bool:
    """Tell whether a failure lets another candidate be asked."""
    is_same_model = other.name == failed.name
    match next_:
        case Next.NONE:
            return False
        case Next.OTHER_KEYS:
            return is_same_model
        case Next.OTHER_MODELS:
            return not is_same_model
        case Next.ANY:
            return True
        case Next.LARGER_WINDOW:
            window, least = known_window(other.model.facts), known_window(failed.model.facts)
            return not is_same_model and (not window or not least or window > least)


def _no_route(chain: str) -> TrunklineError:
    """Return the error for a target that comes to nothing."""
    if chain:
        return NotFound(
            "TARGET_NOT_FOUND",
            f"There is no chain {chain}.",
            metadata={"kind": "chain", "name": chain},
        )
    return FailedPrecondition(
        "NO_PROVIDER",
        "No provider is connected that could answer by default: name a model, or connect"
        " one with `trunkline connect`.",
    )


def unusable(
    skip: failure_pb2.SkippedCandidate, caller: Caller, catalog: CatalogView
) -> TrunklineError:
    """Return the error when nobody can be asked: what is wrong with the first choice."""
    name = skip.model
    provider = name.partition("/")[0]
    match skip.reason:
        case failure_pb2.SKIP_REASON_UNKNOWN_MODEL:
            return _unknown(name, caller, catalog)
        case failure_pb2.SKIP_REASON_NOT_ALLOWED:
            return PermissionDenied(
                "OUT_OF_SCOPE", f"The access token does not reach {name}.", metadata={"model": name}
            )
        case failure_pb2.SKIP_REASON_NO_CREDENTIAL:
            return FailedPrecondition(
                "NO_CREDENTIAL",
                f"The provider {provider} is not connected: `trunkline connect {provider}`.",
                metadata={"provider": provider, "policy": "no_key"},
            )
        case _:
            return none_capable([skip]) or TrunklineError("INTERNAL", skip.detail)


def _unknown(name: str, caller: Caller, catalog: CatalogView) -> NotFound:
    """Return the error for a model that is not there, with the nearest that are."""
    reachable = [
        known
        for known, model in catalog.models.items()
        if model.enabled and caller.reaches(*known.split("/", 1))
    ]
    near = difflib.get_close_matches(name, reachable, n=_NEAREST, cutoff=0.4)
    hint = f" Nearest: {', '.join(near)}." if near else " `trunkline models` lists what there is."
    return NotFound(
        "MODEL_NOT_FOUND",
        f"There is no model {name}.{hint}",
        metadata={"model": name, "nearest": ",".join(near)},
    )
