"""What cools by this process's own word while health does not take outcomes. Pure.

It is kept short and simple: a route is left alone for a moment after a failure and then
tried by `Cooling`'s own leave, and what answers is asked again. Where nothing cools yet, and
wherever the provider gave a wait, it is only the model with the key that was used. What health
tells later goes before.
"""

from __future__ import annotations

from typing import Final

from trunkline.health.v1 import health_pb2
from trunkline.inference.failure_table import Next, find_row
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration, to_seconds
from trunkline.views.health import HALF_OPEN, Cooldown

WAIT_S: Final = 1.0
_LONGEST_S: Final = 3600.0

# Failures that are followed so speak of the request; these kinds, of ourselves.
_OF_REQUEST: Final = (Next.NONE, Next.LARGER_WINDOW)
_OF_US: Final = (failure_pb2.ERROR_KIND_HEDGE_LOST, failure_pb2.ERROR_KIND_SUPERSEDED)


def judge_answer(then: Cooldown | None) -> health_pb2.Cooldown | None:
    """Return what a whole answer ends; None: nothing.

    Args:
        then: how the route stood when the attempt began, by what is known now.
    """
    if then is None or then.state != HALF_OPEN:
        return None
    return health_pb2.Cooldown(
        route=health_pb2.RouteKey(model=then.model, credential_id=then.credential_id),
        state=health_pb2.COOLDOWN_STATE_CLOSED,
        generation=then.generation,
    )


def judge_failure(
    then: Cooldown | None,
    failure: failure_pb2.AttemptFailure,
    model: str,
    credential_id: str,
    generation: int,
) -> health_pb2.Cooldown | None:
    """Return what cools by a failure; None: it says nothing of the provider.

    Args:
        then: as `judge_answer`.
        failure: of an attempt that its request does not make again.
        model: that was asked, `provider/model`.
        credential_id: of the key that was used; empty: none.
        generation: of what is held of just that model with that key; 0: nothing is.
    """
    if failure.kind in _OF_US or find_row(failure).next in _OF_REQUEST:
        return None
    wait_s = min(to_seconds(failure.reply.retry_after), _LONGEST_S)
    if then is not None and not wait_s:
        if then.state != HALF_OPEN:
            # It speaks of the trouble that is known already.
            return None
        model, credential_id, generation = then.model, then.credential_id, then.generation
    return health_pb2.Cooldown(
        route=health_pb2.RouteKey(model=model, credential_id=credential_id),
        state=health_pb2.COOLDOWN_STATE_OPEN,
        remaining=duration(wait_s or WAIT_S),
        kind=failure.kind,
        failures=1,
        # One that health told of, or none: less than any that it gives from now on.
        generation=generation,
        provider_given=wait_s > 0,
    )
