"""What cools while health is away: by the word of this process alone."""

from __future__ import annotations

import pytest

from trunkline.health.v1 import health_pb2
from trunkline.inference.own_rule import WAIT_S, judge_answer, judge_failure
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration, to_seconds
from trunkline.views.health import HALF_OPEN, OPEN, Cooldown

ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR


def stands(state: health_pb2.CooldownState.ValueType) -> Cooldown:
    """Return a model that cools for all keys, by health's word."""
    return Cooldown("openai/a", "", state, 1.0, 0.0, ERROR, 3, 7, provider_given=False)


def failed(
    kind: failure_pb2.ErrorKind.ValueType = ERROR, wait_s: float = 0.0
) -> failure_pb2.AttemptFailure:
    """Return a failure, perhaps with a wait that the provider asked for."""
    failure = failure_pb2.AttemptFailure(kind=kind)
    if wait_s:
        failure.reply.retry_after.CopyFrom(duration(wait_s))
    return failure


def test_a_failure_cools_the_model_with_the_key_for_a_moment() -> None:
    """In a generation that is older than any of health's."""
    cooldown = judge_failure(None, failed(), "openai/a", "cred_1", 0)
    assert cooldown is not None
    assert (cooldown.route.model, cooldown.route.credential_id) == ("openai/a", "cred_1")
    assert (cooldown.state, cooldown.generation, cooldown.provider_given) == (OPEN, 0, False)
    assert to_seconds(cooldown.remaining) == WAIT_S


@pytest.mark.parametrize("state", [None, OPEN, HALF_OPEN])
def test_a_wait_that_the_provider_gave_always_counts(
    state: health_pb2.CooldownState.ValueType | None,
) -> None:
    """At most an hour of it, for whom it was given: other models and keys may be asked."""
    then = stands(state) if state is not None else None
    cooldown = judge_failure(then, failed(wait_s=7200), "openai/a", "cred_1", 5)
    assert cooldown is not None
    assert cooldown.provider_given
    assert (cooldown.route.model, cooldown.route.credential_id) == ("openai/a", "cred_1")
    assert cooldown.generation == 5
    assert to_seconds(cooldown.remaining) == 3600


def test_what_was_begun_while_it_cooled_changes_nothing() -> None:
    """It speaks of the trouble that is known already, or did not wait for its end."""
    assert judge_failure(stands(OPEN), failed(), "openai/a", "cred_1", 0) is None
    assert judge_answer(stands(OPEN)) is None
    assert judge_answer(None) is None


def test_what_was_begun_in_the_half_open_decides() -> None:
    """Within the generation that health gave: what health tells next goes before."""
    again = judge_failure(stands(HALF_OPEN), failed(), "openai/a", "cred_1", 0)
    assert again is not None
    assert (again.route.model, again.route.credential_id) == ("openai/a", "")
    assert (again.state, again.generation) == (OPEN, 7)
    closed = judge_answer(stands(HALF_OPEN))
    assert closed is not None
    assert (closed.route.model, closed.route.credential_id) == ("openai/a", "")
    assert (closed.state, closed.generation) == (health_pb2.COOLDOWN_STATE_CLOSED, 7)


@pytest.mark.parametrize(
    "kind",
    [
        failure_pb2.ERROR_KIND_INVALID_REQUEST,
        failure_pb2.ERROR_KIND_CONTENT_FILTERED,
        failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG,
        failure_pb2.ERROR_KIND_HEDGE_LOST,
        failure_pb2.ERROR_KIND_SUPERSEDED,
    ],
)
def test_what_says_nothing_of_the_provider_cools_nothing(
    kind: failure_pb2.ErrorKind.ValueType,
) -> None:
    """A failure of the request or of our own."""
    assert judge_failure(None, failed(kind), "openai/a", "cred_1", 0) is None
