"""Which failures are tried again, where, and after how long. Knows no socket and no clock.

A call that began a run is sent again with the same idempotency key, which attaches to the run
if there is one; a run whose id is known is resumed. So trying again is always safe, and what
is asked here is only whether it can help:

- What carries a reason was decided by Trunkline. Four of them say that a service, and not the
  run, cannot go on at the moment. A refusal for too many calls says so too, to a reader that
  comes back: who begins is told, since that is the moment at which load is shed. A token that
  ends takes its calls along and not their runs: with the next token they go on. All other
  reasons end a run, are stored with it, and would be told again and again.
- What carries none was made up by gRPC, or something between. UNAVAILABLE is what a refused or
  cut connection, a proxy's 502 to 504 and a GOAWAY become; INTERNAL and UNKNOWN an RST_STREAM
  or a stream without trailers; CANCELLED a stream that a proxy or a stopping server dropped.
  DEADLINE_EXCEEDED is the caller's own limit, RESOURCE_EXHAUSTED a message that is too large,
  now as later, and the rest were decided by somebody.

Source: https://github.com/grpc/grpc/blob/master/doc/statuscodes.md.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

import grpc

from trunkline_client.errors import TrunklineError, Unreachable


class Verdict(Enum):
    """What to do about a failure."""

    STOP = auto()
    """It stands."""
    AGAIN = auto()
    """Try again; where the run lived first."""
    ELSEWHERE = auto()
    """Try again, on another replica if there is one."""


_TRANSPORT: Final = frozenset(
    {
        grpc.StatusCode.UNAVAILABLE,
        grpc.StatusCode.INTERNAL,
        grpc.StatusCode.UNKNOWN,
        grpc.StatusCode.CANCELLED,
    }
)
# Said of a run that goes on, too: their metadata name it all the same.
_NO_END: Final = frozenset({"NOT_SERVING", "JOURNAL_UNAVAILABLE"})
_PASSING: Final = frozenset({"SECURITY_VIEW_STALE", "PEER_UNAVAILABLE"})


def judge(error: TrunklineError, *, is_resume: bool, is_renewed: bool = False) -> Verdict:
    """Tell what to do about a failure.

    Args:
        error: as the call failed.
        is_resume: the run's id was known when it was called.
        is_renewed: there is another token than the one that the call was refused for.
    """
    if not error.reason:
        return Verdict.AGAIN if error.code in _TRANSPORT else Verdict.STOP
    if error.reason == "NOT_SERVING":
        return Verdict.ELSEWHERE
    # What names the run, to who resumed it, is how that run ended.
    about_call = not (is_resume and "run_id" in error.metadata)
    if (
        error.reason in _NO_END
        or (error.reason in _PASSING and about_call)
        or (error.reason == "TOKEN_INVALID" and about_call and is_renewed)
        or (
            error.reason == "LIMIT_REACHED"
            and is_resume
            and about_call
            and error.retry_after is not None
        )
    ):
        return Verdict.AGAIN
    return Verdict.STOP


@dataclass(frozen=True, slots=True)
class Patience:
    """How long and how often is tried until something comes again.

    Attributes:
        tries: at most so many after a failure without anything new in between.
        total_s: in at most so many seconds.
        first_wait_s: before the first of them; the wait doubles with each round of all
            replicas, and is shortened by chance by up to its half.
        longest_wait_s: at most so long between two, unless the server names a time.
    """

    tries: int = 12
    total_s: float = 60.0
    first_wait_s: float = 0.1
    longest_wait_s: float = 5.0


class Budget:
    """What is left of the patience of one stream.

    Args:
        patience: of the client.
        replicas: how many there are.
        replica: where to begin.
        draw: returns a number from 0 to below 1.
    """

    def __init__(
        self,
        patience: Patience,
        replicas: int,
        replica: int = 0,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.replica = replica
        self._patience = patience
        self._replicas = replicas
        self._draw = draw
        self._failures = 0
        self._failed: set[int] = set()
        self._since_s = 0.0

    def restore(self) -> None:
        """Have all of it again: something new came."""
        self._failures = 0
        self._failed.clear()

    def spend(
        self, error: TrunklineError, *, is_resume: bool, now_s: float, is_renewed: bool = False
    ) -> float:
        """Choose the replica to try next.

        Args:
            error: how the call to the current replica failed.
            is_resume: the run's id is known.
            now_s: of a clock that never goes back.
            is_renewed: as of `judge`.

        Returns:
            How long to wait before that, in seconds.

        Raises:
            TrunklineError: that error, when it stands or the patience is at its end.
            Unreachable: instead of one that gRPC made up.
        """
        verdict = judge(error, is_resume=is_resume, is_renewed=is_renewed)
        if verdict is Verdict.STOP:
            raise error
        if not self._failures:
            self._since_s = now_s
        self._failures += 1
        self._failed.add(self.replica)
        # A MEMORY run lives in one process only.
        stays = verdict is Verdict.AGAIN and is_resume and self._failures == 1
        replica = self.replica if stays else (self.replica + 1) % self._replicas
        wait_s = self._wait(error, replica)
        passed_s = now_s - self._since_s
        if self._failures > self._patience.tries or passed_s + wait_s > self._patience.total_s:
            raise self._give_up(error, passed_s)
        self.replica = replica
        return wait_s

    def _wait(self, error: TrunklineError, replica: int) -> float:
        """Return how long to wait before a replica is tried, in seconds."""
        if error.retry_after:
            return error.retry_after.total_seconds()
        at_once = error.retry_after is not None and self._failures == 1
        if at_once or replica not in self._failed:
            return 0.0
        rounds = (self._failures - 1) // self._replicas
        # Bounded before it is raised: so many doublings are more than any wait.
        wait_s = self._patience.first_wait_s * 2.0 ** min(rounds, 32)
        return min(wait_s, self._patience.longest_wait_s) * (0.5 + 0.5 * self._draw())

    def _give_up(self, error: TrunklineError, passed_s: float) -> TrunklineError:
        """Return the error for a patience that is at its end."""
        if error.reason:
            return error
        return Unreachable(
            f"No server answers, tried {self._failures} times in {passed_s:.1f} s: {error.message}",
            code=error.code,
        )
