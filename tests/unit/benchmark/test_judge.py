"""Each verdict has its cause: what the caller got, and what the provider saw."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from trunkline.benchmark.judge import Tempo, Verdict, judge
from trunkline.benchmark.observation import Attempt, Call, End, Observation
from trunkline.benchmark.scenarios import MODELS, SCENARIOS, Scenario
from trunkline.benchmark.scorecard import COLUMNS, count, list_rows, summarise, to_document
from trunkline.sandbox.models import find

ANSWER = "All of the words"
BY_ID = {scenario.id: scenario for scenario in SCENARIOS}


def call(
    end: End = End.ANSWERED,
    text: str = ANSWER,
    *,
    at: float = 0.0,
    seconds: float = 1.0,
    model: str = "ok",
    has_usage: bool = True,
    error: str = "",
) -> Call:
    """Return a call; by itself the best there is."""
    return Call(at, at + seconds, end, text, model, has_usage, error)


def failed(error: str = "502 gone") -> Call:
    """Return a call that failed in time."""
    return call(End.FAILED, "", error=error)


def see(
    scenario: Scenario,
    *calls: Call,
    primary: Sequence[float] = (0.0,),
    fallback: Sequence[float] = (),
    sizes: Sequence[int] = (),
    afterwards: Call | None = None,
) -> Observation:
    """Return what was seen, attempts by their times."""
    attempts = [
        Attempt(scenario.model, at, sizes[index] if sizes else 100)
        for index, at in enumerate(primary)
    ]
    attempts += [Attempt(scenario.fallback, at, 100) for at in fallback]
    ordered = sorted(attempts, key=lambda attempt: attempt.started_at)
    return Observation(calls or (call(),), tuple(ordered), afterwards or call())


BEST: dict[str, Observation] = {
    "S01": see(BY_ID["S01"], primary=(0.0, 2.0)),
    "S03": see(BY_ID["S03"], primary=(0.0, 0.5)),
    "S13": see(BY_ID["S13"], failed("400 content_policy_violation")),
    "S15": see(
        BY_ID["S15"],
        *(call(at=at) for at in range(0, 80, 4)),
        primary=(0.0, 1.0, 10.0, 70.0),
        fallback=range(20),
    ),
}
"""What the best gateway shows where it is not one attempt and one answer."""


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
def test_the_best_gateway_passes(scenario: Scenario) -> None:
    """What is expected was seen, and nothing is said against it."""
    judged = judge(scenario, BEST.get(scenario.id, see(scenario)), ANSWER)
    assert (judged.verdict, judged.findings) == (Verdict.PASSED, ())


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
def test_a_call_without_end_fails(scenario: Scenario) -> None:
    """Whatever else holds."""
    judged = judge(scenario, see(scenario, call(End.HUNG, seconds=200)), ANSWER)
    assert judged.verdict is Verdict.FAILED
    assert "The call had no end after 200.0 s." in judged.findings


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
def test_a_gateway_that_is_gone_fails(scenario: Scenario) -> None:
    """No connection is no clean error: nobody was there to give one."""
    judged = judge(scenario, see(scenario, call(End.UNREACHABLE)), ANSWER)
    assert judged.verdict is Verdict.FAILED
    assert "The gateway took no connection." in judged.findings


@pytest.mark.parametrize("scenario", SCENARIOS, ids=lambda each: each.id)
@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("All of", "2 of 4 words were given as the whole answer."),
        ("All of All of the words", "A text that is not the answer was given as it."),
    ],
)
def test_a_false_answer_fails(scenario: Scenario, text: str, said: str) -> None:
    """A part of the answer, or one with a part said twice, that ends as if it were whole."""
    judged = judge(scenario, see(scenario, call(text=text)), ANSWER)
    assert judged.verdict is Verdict.FAILED
    assert said in judged.findings


@pytest.mark.parametrize(
    "scenario",
    [each for each in SCENARIOS if each.id not in ("S13", "S15")],
    ids=lambda each: each.id,
)
def test_a_clean_error_is_safe(scenario: Scenario) -> None:
    """No answer, but the caller knows, with a part of the text or none."""
    judged = judge(scenario, see(scenario, failed()), ANSWER)
    assert (judged.verdict, judged.findings[-1]) == (Verdict.SAFE, "The caller got: 502 gone")


CASES: list[tuple[str, Observation, Verdict, str]] = [
    ("S01", see(BY_ID["S01"], primary=(0, 0.2, 1.4)), Verdict.FAILED, "asked 3 times in the first"),
    ("S01", see(BY_ID["S01"], primary=(0, 0.2)), Verdict.PARTIAL, "second attempt came after 0.20"),
    ("S01", see(BY_ID["S01"]), Verdict.PARTIAL, "asked once"),
    ("S02", see(BY_ID["S02"], primary=(0, 1, 2, 2.5, 2.9)), Verdict.FAILED, "5 times in the first"),
    ("S02", see(BY_ID["S02"], primary=range(0, 28, 4)), Verdict.FAILED, "asked 7 times."),
    ("S03", see(BY_ID["S03"]), Verdict.PARTIAL, "asked once"),
    ("S04", see(BY_ID["S04"], primary=range(7)), Verdict.FAILED, "asked 7 times"),
    ("S06", see(BY_ID["S06"], call(seconds=101)), Verdict.FAILED, "took 101.0 s"),
    ("S06", see(BY_ID["S06"], primary=(0, 30)), Verdict.PARTIAL, "asked twice"),
    ("S07", see(BY_ID["S07"], call(seconds=21)), Verdict.PARTIAL, "took 21.0 s"),
    ("S09", see(BY_ID["S09"], call(seconds=46)), Verdict.FAILED, "took 46.0 s"),
    ("S09", see(BY_ID["S09"], afterwards=failed()), Verdict.FAILED, "healthy call afterwards"),
    ("S10", see(BY_ID["S10"], afterwards=failed()), Verdict.FAILED, "healthy call afterwards"),
    ("S10", see(BY_ID["S10"], fallback=(1,)), Verdict.PARTIAL, "not come from one stream"),
    ("S11", see(BY_ID["S11"], call(seconds=9)), Verdict.FAILED, "took 9.0 s"),
    ("S11", see(BY_ID["S11"], call(has_usage=False)), Verdict.PARTIAL, "usage was not reported"),
    ("S12", see(BY_ID["S12"], primary=(0, 1)), Verdict.FAILED, "same was asked twice"),
    ("S12", see(BY_ID["S12"], primary=(0, 1), sizes=(100, 50)), Verdict.PASSED, ""),
    ("S13", see(BY_ID["S13"], failed("500 error")), Verdict.FAILED, "not told content_policy"),
    ("S13", see(BY_ID["S13"]), Verdict.FAILED, "not told content_policy"),
    (
        "S13",
        see(BY_ID["S13"], failed("content_policy_violation"), primary=(0, 1)),
        Verdict.FAILED,
        "asked twice",
    ),
    (
        "S14",
        see(BY_ID["S14"], failed("400 a transcript that ends with an assistant message")),
        Verdict.FAILED,
        "refusal of the continuation",
    ),
    ("S15", see(BY_ID["S15"], call(), primary=(0, 95)), Verdict.FAILED, "not asked again"),
    (
        "S15",
        see(BY_ID["S15"], call(), failed(), primary=(0, 65)),
        Verdict.FAILED,
        "1 of 2 calls in the outage",
    ),
    ("S15", see(BY_ID["S15"], primary=(0, 1, 65)), Verdict.PASSED, "2 attempts for 1 calls"),
    ("S16", see(BY_ID["S16"], call(model="s16")), Verdict.FAILED, "answer named s16"),
    ("S16", see(BY_ID["S16"], call(model="bench/ok")), Verdict.PASSED, ""),
    ("S16", see(BY_ID["S16"], call(has_usage=False)), Verdict.PARTIAL, "usage was not reported"),
]


@pytest.mark.parametrize(("name", "seen", "verdict", "said"), CASES)
def test_a_check_that_does_not_hold_is_said(
    name: str, seen: Observation, verdict: Verdict, said: str
) -> None:
    """Each one decides as its weight says, with a sentence."""
    judged = judge(BY_ID[name], seen, ANSWER)
    assert judged.verdict is verdict
    assert said in " ".join(judged.findings)


def test_times_are_scaled() -> None:
    """At a tenth of the speed, a tenth of the time is allowed, and a slack on top."""
    seen = see(BY_ID["S11"], call(seconds=0.9))
    assert judge(BY_ID["S11"], seen, ANSWER, Tempo(0.1)).verdict is Verdict.FAILED
    assert judge(BY_ID["S11"], seen, ANSWER, Tempo(0.1, slack_s=1)).verdict is Verdict.PASSED
    seen = see(BY_ID["S01"], primary=(0.0, 0.2))
    assert judge(BY_ID["S01"], seen, ANSWER, Tempo(0.1)).verdict is Verdict.PASSED


def test_every_scenario_has_its_models() -> None:
    """Sixteen, numbered, each with a behaviour and a fallback that the sandbox knows."""
    assert [each.id for each in SCENARIOS] == [f"S{number:02}" for number in range(1, 17)]
    assert all(find(behaviour) for behaviour in MODELS.values())
    assert {each.fallback for each in SCENARIOS} <= MODELS.keys()
    assert {each.model for each in SCENARIOS} <= MODELS.keys()


def test_a_scorecard_counts_the_verdicts() -> None:
    """A row for each scenario, the counts in order, and all of it as data."""
    judged = [
        judge(BY_ID["S08"], see(BY_ID["S08"], fallback=(1,)), ANSWER),
        judge(BY_ID["S14"], see(BY_ID["S14"], call(text="All")), ANSWER),
    ]
    rows = list_rows(judged)
    assert [row[:4] for row in rows] == [
        ("S08", "pass", "1.0", "1+1"),
        ("S14", "fail", "1.0", "1+0"),
    ]
    assert all(len(row) == len(COLUMNS) for row in rows)
    assert count(judged) == {"pass": 1, "partial": 0, "safe": 0, "fail": 1}
    assert summarise(judged) == "2 scenarios: 1 pass, 0 partial, 0 safe, 1 fail."
    document = to_document(judged, 0.5)
    assert (document["scale"], document["counts"]) == (0.5, count(judged))
    assert document["scenarios"][1]["findings"] == ["1 of 4 words were given as the whole answer."]
