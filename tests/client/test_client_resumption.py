"""Which failures are tried again, where, and after how long."""

from __future__ import annotations

from datetime import timedelta

import grpc
import pytest

from trunkline.inference.v1 import error_pb2
from trunkline_client import Patience, TrunklineError, Unreachable
from trunkline_client.resumption import Budget, Verdict, judge

_REASONS = [name.removeprefix("ERROR_REASON_") for name in error_pb2.ErrorReason.keys()[1:]]
_TRANSPORT = {"UNAVAILABLE", "INTERNAL", "UNKNOWN", "CANCELLED"}
# Reason; whether its metadata name the run; verdict for who begins, and for who resumes.
_PASSING = {
    ("NOT_SERVING", False): (Verdict.ELSEWHERE, Verdict.ELSEWHERE),
    ("NOT_SERVING", True): (Verdict.ELSEWHERE, Verdict.ELSEWHERE),
    ("JOURNAL_UNAVAILABLE", False): (Verdict.AGAIN, Verdict.AGAIN),
    ("JOURNAL_UNAVAILABLE", True): (Verdict.AGAIN, Verdict.AGAIN),
    ("SECURITY_VIEW_STALE", False): (Verdict.AGAIN, Verdict.AGAIN),
    ("SECURITY_VIEW_STALE", True): (Verdict.AGAIN, Verdict.STOP),
    ("PEER_UNAVAILABLE", False): (Verdict.AGAIN, Verdict.AGAIN),
    ("PEER_UNAVAILABLE", True): (Verdict.AGAIN, Verdict.STOP),
    ("LIMIT_REACHED", False): (Verdict.STOP, Verdict.AGAIN),
    ("LIMIT_REACHED", True): (Verdict.STOP, Verdict.STOP),
}
_SECOND = timedelta(seconds=1)
_CUT = TrunklineError("cut", code=grpc.StatusCode.UNAVAILABLE)


def _told(reason: str, wait: timedelta | None = None, **metadata: str) -> TrunklineError:
    return TrunklineError("told", reason=reason, retry_after=wait, metadata=metadata)


@pytest.mark.parametrize("names_run", [False, True])
@pytest.mark.parametrize("reason", _REASONS)
def test_reason_is_tried_again_only_where_it_passes(reason: str, names_run: bool) -> None:
    """A run's end stands, and what keeps a service from going on passes."""
    error = _told(reason, _SECOND, **({"run_id": "run_1"} if names_run else {}))
    begins, resumes = _PASSING.get((reason, names_run), (Verdict.STOP, Verdict.STOP))
    assert judge(error, is_resume=False) is begins
    assert judge(error, is_resume=True) is resumes


def test_refusal_without_a_time_is_not_tried_again() -> None:
    """A limit that names no time may hold for the day."""
    assert judge(_told("LIMIT_REACHED"), is_resume=True) is Verdict.STOP


@pytest.mark.parametrize("is_resume", [False, True])
def test_refused_token_is_tried_again_only_where_it_was_renewed(is_resume: bool) -> None:
    """The run goes on for who has a newer token; how a run ended stands."""
    refused = _told("TOKEN_INVALID")
    assert judge(refused, is_resume=is_resume, is_renewed=True) is Verdict.AGAIN
    assert judge(refused, is_resume=is_resume, is_renewed=False) is Verdict.STOP
    ended = _told("TOKEN_INVALID", run_id="run_1")
    assert judge(ended, is_resume=True, is_renewed=True) is Verdict.STOP
    assert judge(_told("RUN_NOT_FOUND"), is_resume=is_resume, is_renewed=True) is Verdict.STOP


@pytest.mark.parametrize("is_resume", [False, True])
@pytest.mark.parametrize("code", list(grpc.StatusCode))
def test_failure_without_reason_is_tried_again_when_it_is_of_transport(
    code: grpc.StatusCode, is_resume: bool
) -> None:
    """The codes that gRPC makes of broken connections and streams, and no other."""
    verdict = judge(TrunklineError("bare", code=code), is_resume=is_resume)
    assert verdict is (Verdict.AGAIN if code.name in _TRANSPORT else Verdict.STOP)


def test_failure_that_stands_is_raised() -> None:
    """It costs nothing, and comes as it is."""
    error = _told("RUN_NOT_FOUND")
    with pytest.raises(TrunklineError) as caught:
        Budget(Patience(), 3).spend(error, is_resume=True, now_s=0.0)
    assert caught.value is error


def test_waits_double_up_to_the_longest() -> None:
    """Half of a wait is by chance, and something new begins them anew."""
    patience = Patience(tries=20, total_s=1e6, first_wait_s=0.1, longest_wait_s=1.0)
    longest = Budget(patience, 1, draw=lambda: 1.0)
    waits = [longest.spend(_CUT, is_resume=True, now_s=0.0) for _ in range(6)]
    assert waits == pytest.approx([0.1, 0.2, 0.4, 0.8, 1.0, 1.0])
    shortest = Budget(patience, 1, draw=lambda: 0.0)
    waits = [shortest.spend(_CUT, is_resume=True, now_s=0.0) for _ in range(3)]
    assert waits == pytest.approx([0.05, 0.1, 0.2])
    shortest.restore()
    assert shortest.spend(_CUT, is_resume=True, now_s=0.0) == pytest.approx(0.05)


def test_named_time_is_waited_for_exactly() -> None:
    """Neither chance nor the longest wait changes what the server says."""
    budget = Budget(Patience(longest_wait_s=0.1), 2, draw=lambda: 0.5)
    error = _told("JOURNAL_UNAVAILABLE", timedelta(seconds=7.25))
    assert [budget.spend(error, is_resume=True, now_s=0.0) for _ in range(3)] == [7.25] * 3


def test_at_once_is_at_once_and_not_for_ever() -> None:
    """The one server that says so again has not come back: then the waits grow."""
    budget = Budget(Patience(first_wait_s=0.1), 1, draw=lambda: 1.0)
    error = _told("NOT_SERVING", timedelta(0))
    waits = [budget.spend(error, is_resume=True, now_s=0.0) for _ in range(3)]
    assert waits == pytest.approx([0.0, 0.2, 0.4])


def test_other_replicas_are_tried_at_once() -> None:
    """Before there is a run every replica is as good; waits begin when all have failed."""
    budget = Budget(Patience(first_wait_s=0.1), 3, draw=lambda: 1.0)
    tried = []
    for _ in range(5):
        wait_s = budget.spend(_CUT, is_resume=False, now_s=0.0)
        tried.append((budget.replica, round(wait_s, 3)))
    assert tried == [(1, 0.0), (2, 0.0), (0, 0.1), (1, 0.2), (2, 0.2)]


def test_run_is_looked_for_where_it_lived_first() -> None:
    """A cut line leads back to the same replica once, since a MEMORY run has no other."""
    budget = Budget(Patience(first_wait_s=0.1), 2, draw=lambda: 1.0)
    tried = []
    for _ in range(3):
        wait_s = budget.spend(_CUT, is_resume=True, now_s=0.0)
        tried.append((budget.replica, round(wait_s, 3)))
    assert tried == [(0, 0.1), (1, 0.0), (0, 0.2)]


def test_draining_replica_is_left_at_once() -> None:
    """One that says it stops is not asked again before the others were."""
    budget = Budget(Patience(), 2, replica=1)
    wait_s = budget.spend(_told("NOT_SERVING", timedelta(0)), is_resume=True, now_s=0.0)
    assert (budget.replica, wait_s) == (0, 0.0)


def test_tries_are_bounded() -> None:
    """So many without anything new, then it is over."""
    budget = Budget(Patience(tries=3), 1)
    for _ in range(3):
        budget.spend(_CUT, is_resume=True, now_s=0.0)
    with pytest.raises(Unreachable, match="tried 4 times"):
        budget.spend(_CUT, is_resume=True, now_s=0.0)


def test_time_is_bounded() -> None:
    """A wait that would end after the patience is not begun."""
    budget = Budget(Patience(total_s=10.0), 1)
    budget.spend(_CUT, is_resume=True, now_s=100.0)
    told = _told("JOURNAL_UNAVAILABLE", timedelta(seconds=6))
    assert budget.spend(told, is_resume=True, now_s=104.0) == 6.0
    with pytest.raises(TrunklineError) as caught:
        budget.spend(told, is_resume=True, now_s=104.5)
    assert caught.value is told


def test_many_failures_make_no_endless_wait() -> None:
    """However many there were, a wait is a number within its bound."""
    patience = Patience(tries=10_000, total_s=1e9, longest_wait_s=5.0)
    budget = Budget(patience, 1, draw=lambda: 1.0)
    assert max(budget.spend(_CUT, is_resume=True, now_s=0.0) for _ in range(5_000)) == 5.0
