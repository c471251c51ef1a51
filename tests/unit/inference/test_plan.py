"""Who may still be asked after a failure, and within which limits."""

from __future__ import annotations

from typing import Final

import pytest

from support.bare_runs import candidate, names
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.failure_table import Next
from trunkline.inference.plan import Plan
from trunkline.inference.v1 import failure_pb2
from trunkline.planning.candidates import Candidate


def _sized(model: str, window: int | None, key: str = "cred_1") -> Candidate:
    """Return a candidate with a known window; None: it is not known."""
    made = candidate("openai", model, key=key)
    if window is not None:
        made.model.facts.context_window.value = window
        made.model.facts.context_window.source = model_pb2.FACT_SOURCE_KNOWN
    return made


FAILED: Final = _sized("small", 8_000)
OTHERS: Final = {
    "its other key": _sized("small", 8_000, key="cred_2"),
    "one as small": _sized("equal", 8_000),
    "a smaller one": _sized("tiny", 4_000),
    "a larger one": _sized("large", 200_000),
    "one of unknown size": _sized("unknown", None),
}

MAY_FOLLOW: Final[dict[Next, set[str]]] = {
    Next.NONE: set(),
    Next.OTHER_KEYS: {"its other key"},
    Next.OTHER_MODELS: set(OTHERS) - {"its other key"},
    Next.ANY: set(OTHERS),
    Next.LARGER_WINDOW: {"a larger one", "one of unknown size"},
}


def _plan(*candidates: Candidate) -> Plan:
    return Plan(candidates, (), chain_allows=False)


@pytest.mark.parametrize("who", OTHERS)
@pytest.mark.parametrize("next_", Next)
def test_who_may_follow_a_failure(next_: Next, who: str) -> None:
    """What a failure says of others closes them, or leaves them open; the failed one is closed."""
    other = OTHERS[who]
    plan = _plan(FAILED, other)
    plan.note_asked(FAILED)
    plan.rule_out(FAILED, next_)
    follows = who in MAY_FOLLOW[next_]
    assert plan.open == ([other] if follows else [])
    # One who is ruled out is named with the reason, but not the model that was asked.
    is_named = not follows and other.name != FAILED.name
    assert [skip.model for skip in plan.skipped] == [other.name] * is_named
    for skip in plan.skipped:
        is_size = next_ is Next.LARGER_WINDOW
        small = failure_pb2.SKIP_REASON_CONTEXT_TOO_SMALL
        forbidden = failure_pb2.SKIP_REASON_FALLBACK_NOT_ALLOWED
        assert skip.reason == (small if is_size else forbidden)
        assert skip.detail.endswith(".")


def test_table_of_successors_is_whole() -> None:
    """Every answer of the failure table stands here."""
    assert set(MAY_FOLLOW) == set(Next)


def test_order_of_the_others_stays() -> None:
    """Ruling some out does not change who comes first among the rest."""
    plan = _plan(FAILED, *OTHERS.values())
    plan.rule_out(FAILED, Next.LARGER_WINDOW)
    assert names(plan.open) == ["openai/large", "openai/unknown"]


def test_window_that_is_assumed_rules_nobody_out() -> None:
    """A size that nobody states is no reason to leave a model out."""
    assumed = _sized("assumed", 4_000)
    assumed.model.facts.context_window.source = model_pb2.FACT_SOURCE_ASSUMED
    plan = _plan(FAILED, assumed)
    plan.rule_out(FAILED, Next.LARGER_WINDOW)
    assert plan.open == [assumed]


def test_a_route_is_asked_twice() -> None:
    """After its second attempt a route is closed, and the other key of its model is not."""
    first, second = _sized("m", None), _sized("m", None, key="cred_2")
    plan = _plan(first, second)
    plan.note_asked(first)
    assert plan.may_ask(first)
    plan.note_asked(first)
    assert not plan.may_ask(first)
    assert plan.open == [second]
    assert plan.may_ask(second)
    assert plan.was_asked(first)
    assert not plan.was_asked(second)


def test_a_request_asks_eight_times() -> None:
    """After eight attempts nobody may be asked, however many are left."""
    candidates = [_sized(f"m{number}", None) for number in range(12)]
    plan = _plan(*candidates)
    for asked in candidates[:8]:
        assert plan.may_ask(asked)
        plan.note_asked(asked)
    assert plan.asked == 8
    assert not any(plan.may_ask(each) for each in candidates)
    assert not plan.has_other(candidates[7])


def test_whether_somebody_else_is_left() -> None:
    """Another key of the same model is somebody else; nobody is when all others are closed."""
    first, second = _sized("m", None), _sized("m", None, key="cred_2")
    plan = _plan(first, second)
    assert not plan.is_alone
    assert plan.has_other(first)
    plan.close(second)
    assert not plan.has_other(first)
    assert _plan(first).is_alone


def test_who_was_asked_was_not_skipped() -> None:
    """A model that cooled and was asked in the end is no skip; of the others the last reason."""
    cooling, small = _sized("cooling", None), _sized("small", 10)
    plan = _plan(cooling, small)
    plan.skip(cooling, failure_pb2.SKIP_REASON_COOLING, "It cools.", 1.5)
    plan.skip(small, failure_pb2.SKIP_REASON_COOLING, "It cools.")
    plan.skip(small, failure_pb2.SKIP_REASON_NO_ATTEMPTS_LEFT, "None is left.", 2.5)
    assert [skip.model for skip in plan.skipped] == [cooling.name, small.name]
    plan.note_asked(cooling)
    (skip,) = plan.skipped
    assert (skip.model, skip.reason) == (small.name, failure_pb2.SKIP_REASON_NO_ATTEMPTS_LEFT)
    assert skip.retry_after.ToNanoseconds() == 2_500_000_000


def test_refused_prefill_is_remembered() -> None:
    """A model that refused a partial answer is not given one again, with any key."""
    first = candidate("openai", "m", prefills=True)
    second = candidate("openai", "m", prefills=True, key="cred_2")
    never = candidate("openai", "never")
    plan = _plan(first, second, never)
    assert plan.prefills(first)
    assert not plan.prefills(never)
    plan.refuse_prefill(first)
    assert not plan.prefills(first)
    assert not plan.prefills(second)
