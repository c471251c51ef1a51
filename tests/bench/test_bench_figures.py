"""What the bench says of what it measured: ratios, verdicts, tables, and which it was asked for."""

from __future__ import annotations

import json

import pytest

from bench.figures import (
    BURST,
    CONTINUED,
    DECODINGS,
    FALLBACK,
    FIRST_CONTENT,
    JOURNALLED,
    MEMORY,
    SERVING_FRESH,
    UNARY,
    Bound,
    Figure,
    Samples,
    Verdict,
    Way,
)
from bench.plan import Part, Plan, read_parts
from bench.report import describe, format_tables


def _judge(samples: Samples, figure: Figure, way: Way = Way.GATEWAY) -> Verdict:
    """Judge a figure by what one way is held to."""
    return samples.judge(figure, _bound(figure, way))


def _bound(figure: Figure, way: Way) -> Bound:
    """Return what a way is held to."""
    return next(bound for bound in figure.bounds if bound.way is way)


def test_a_figure_passes_up_to_its_limit() -> None:
    """The medians' ratio is what counts, not the worst sample."""
    samples = Samples()
    samples.add(BURST, Way.RELAY, 38, 40, 60)
    samples.add(BURST, Way.GATEWAY, 10, 10.8, 30)
    verdict = _judge(samples, BURST)
    assert (verdict.ratio, verdict.passed) == (0.27, True)
    samples.add(BURST, Way.GATEWAY, 30, 30)
    assert _judge(samples, BURST).passed is False


def test_four_processes_are_judged_by_one() -> None:
    """They may take 1.3 times what one process takes, whatever the relay takes."""
    samples = Samples()
    samples.add(UNARY, Way.RELAY, 1)
    samples.add(UNARY, Way.GATEWAY, 500)
    samples.add(UNARY, Way.FLEET, 650)
    verdict = _judge(samples, UNARY, Way.FLEET)
    assert (verdict.ratio, verdict.passed) == (1.3, True)
    samples.add(UNARY, Way.FLEET, 651, 651)
    assert _judge(samples, UNARY, Way.FLEET).passed is False
    assert _judge(samples, UNARY).passed is False


def test_time_to_first_content_is_judged_by_what_is_added() -> None:
    """What the direct way takes belongs to no gateway."""
    samples = Samples()
    samples.add(FIRST_CONTENT, Way.DIRECT, 300)
    samples.add(FIRST_CONTENT, Way.RELAY, 1_100)
    samples.add(FIRST_CONTENT, Way.GATEWAY, 1_500)
    samples.add(FIRST_CONTENT, Way.FLEET, 1_800)
    assert _judge(samples, FIRST_CONTENT).ratio == 1.5
    assert _judge(samples, FIRST_CONTENT).passed is True
    assert _judge(samples, FIRST_CONTENT, Way.FLEET).ratio == 1.25


def test_what_is_added_is_judged_by_the_difference() -> None:
    """A fallback may add 2 ms to what it takes by hand, whatever the ratio of the two is."""
    samples = Samples()
    samples.add(FALLBACK, Way.DIRECT, 200)
    samples.add(FALLBACK, Way.GATEWAY, 2_200)
    verdict = _judge(samples, FALLBACK)
    assert (verdict.ratio, verdict.added, verdict.passed) == (None, 2_000, True)
    samples.add(FALLBACK, Way.GATEWAY, 2_300, 2_300)
    verdict = _judge(samples, FALLBACK)
    assert (verdict.added, verdict.passed) == (2_100, False)
    assert format_tables([verdict], samples).splitlines()[1].split()[-4:] == [
        "+2100",
        "+2000",
        "µs",
        "FAIL",
    ]


def test_each_durable_journal_is_judged_for_itself() -> None:
    """SQLite and Redis have rows of their own beside MEMORY, and one may fail alone."""
    samples = Samples()
    samples.add(JOURNALLED, Way.MEMORY, 100)
    samples.add(JOURNALLED, Way.SQLITE, 131)
    samples.add(JOURNALLED, Way.REDIS, 130)
    samples.add(CONTINUED, Way.SQLITE, 7)
    samples.add(CONTINUED, Way.REDIS, 7.1)
    verdicts = [
        _judge(samples, figure, way)
        for figure in (JOURNALLED, CONTINUED)
        for way in (Way.SQLITE, Way.REDIS)
    ]
    assert [verdict.passed for verdict in verdicts] == [False, True, True, False]
    table = format_tables(verdicts, samples).splitlines()
    assert [line.split()[-1] for line in table] == [
        "limit",
        "FAIL",
        "PASS",
        "limit",
        "PASS",
        "FAIL",
    ]
    assert ["SQLite" in table[0], "Redis" in table[3]] == [True, True]


def test_a_figure_without_the_gateway_is_not_passed() -> None:
    """What was not measured neither passes nor fails, in the table as in the line of JSON."""
    samples = Samples()
    samples.add(BURST, Way.RELAY, 38)
    verdicts = [_judge(samples, BURST), _judge(samples, SERVING_FRESH)]
    assert [verdict.passed for verdict in verdicts] == [None, None]
    assert format_tables(verdicts, samples).count("not measured") == 2
    report = json.loads(json.dumps(describe(verdicts, samples)))
    assert report["figures"]["burst_cpu_ms_per_1000"]["bounds"][0]["verdict"] == "not measured"


def test_every_comparison_is_told() -> None:
    """Table and line of JSON have one process, four, and decoders, each with its limit."""
    samples = Samples()
    samples.add(BURST, Way.RELAY, 40)
    samples.add(BURST, Way.GATEWAY, 10)
    samples.add(BURST, Way.FLEET, 14)
    samples.add(DECODINGS["google"], Way.BARE, 1)
    samples.add(DECODINGS["google"], Way.ADAPTER, 2)
    verdicts = [
        _judge(samples, BURST),
        _judge(samples, BURST, Way.FLEET),
        _judge(samples, DECODINGS["google"], Way.ADAPTER),
    ]
    table = format_tables(verdicts, samples).splitlines()
    rows = [line for line in table if line.endswith(("PASS", "FAIL"))]
    assert [row.split()[-3:] for row in rows] == [
        ["0.25", "0.27×", "PASS"],
        ["1.40", "1.3×", "FAIL"],
        ["2.00", "2.5×", "PASS"],
    ]
    figures = json.loads(json.dumps(describe(verdicts, samples)))["figures"]
    assert figures["burst_cpu_ms_per_1000"]["median"] == {"b": 40, "c": 10, "d": 14}
    assert figures["burst_cpu_ms_per_1000"]["bounds"][1] == {
        "way": "d",
        "base": "c",
        "ratio": 1.4,
        "added": None,
        "limit": 1.3,
        "verdict": "FAIL",
    }
    assert figures["decoding_google_us"]["bounds"][0]["ratio"] == 2


def test_the_four_processes_are_asked_for_with_chats() -> None:
    """Alone they mean all that a chat costs; beside parts of it, these."""
    chats = {Part.PACED, Part.BURST, Part.UNARY, Part.TTFT}
    assert read_parts("fleet") == {Part.FLEET, *chats}
    assert read_parts("fleet,decoding") == {Part.FLEET, Part.DECODING, *chats}
    assert read_parts("unary,fleet") == {Part.UNARY, Part.FLEET}
    with pytest.raises(ValueError, match="nothing"):
        read_parts("unary,nothing")


def test_a_plan_holds_what_it_measures() -> None:
    """A way that is not measured is held to nothing; decoding takes no process."""
    beside_relay, beside_one = _bound(MEMORY, Way.GATEWAY), _bound(MEMORY, Way.FLEET)
    whole = Plan.whole(frozenset(Part), gateway=True)
    assert whole.holds(MEMORY, beside_relay)
    assert whole.holds(MEMORY, beside_one)
    one = Plan.whole(frozenset(Part) - {Part.FLEET}, gateway=True)
    assert one.holds(MEMORY, beside_relay)
    assert not one.holds(MEMORY, beside_one)
    relay_only = Plan.whole(frozenset(Part), gateway=False)
    assert not relay_only.holds(MEMORY, beside_one)
    assert not relay_only.holds(SERVING_FRESH, _bound(SERVING_FRESH, Way.GATEWAY))
    decoding = Plan.quick(frozenset({Part.DECODING}), gateway=True)
    assert not decoding.deployed
    durable = Plan.quick(frozenset({Part.DURABLE}), gateway=True)
    assert durable.deployed
    assert not durable.relayed
    assert durable.holds(JOURNALLED, _bound(JOURNALLED, Way.REDIS))
    assert not relay_only.holds(JOURNALLED, _bound(JOURNALLED, Way.REDIS))
    assert not decoding.holds(BURST, _bound(BURST, Way.GATEWAY))
    assert decoding.holds(DECODINGS["openai"], _bound(DECODINGS["openai"], Way.ADAPTER))


def test_a_relay_that_is_too_slow_is_found() -> None:
    """The bare relay has limits of its own."""
    samples = Samples()
    samples.add(BURST, Way.RELAY, 44)
    assert samples.find_slow_relay() is None
    samples.add(BURST, Way.RELAY, 46, 47)
    assert "46.0 ms" in (samples.find_slow_relay() or "")
