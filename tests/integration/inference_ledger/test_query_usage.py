"""`QueryUsage`: what was used and what it cost, by time and by what is asked."""

from __future__ import annotations

from typing import Any, Final

import grpc
import pytest
from google.protobuf.duration_pb2 import Duration
from google.protobuf.json_format import MessageToDict

from integration.inference_ledger.conftest import LedgerHarness
from integration.inference_ledger.test_list_attempts import SIGHTS, put_everybodys
from support.attempts import COMPLETED, FAILED, NOW_NS, OPEN, SUPERSEDED, attempt, entry
from support.service_calls import refused
from trunkline.inference import usage_sums
from trunkline.inference.v1 import result_pb2, usage_pb2
from trunkline.kernel.clock import timestamp

REPORTED: Final = result_pb2.USAGE_SOURCE_REPORTED
ESTIMATED: Final = result_pb2.USAGE_SOURCE_ESTIMATED
UNKNOWN: Final = result_pb2.USAGE_SOURCE_UNKNOWN
DAY_S: Final = 24 * 3600

PROVIDER: Final = usage_pb2.USAGE_DIMENSION_PROVIDER
MODEL: Final = usage_pb2.USAGE_DIMENSION_MODEL
PRINCIPAL: Final = usage_pb2.USAGE_DIMENSION_PRINCIPAL
ROLE: Final = usage_pb2.USAGE_DIMENSION_ROLE
AGENT: Final = usage_pb2.USAGE_DIMENSION_AGENT
USER: Final = usage_pb2.USAGE_DIMENSION_ON_BEHALF_OF

ALL: Final = {"start_time": timestamp(NOW_NS)}


def used(source: result_pb2.UsageSource.ValueType = REPORTED, **counts: int) -> result_pb2.Usage:
    """Return usage."""
    return result_pb2.Usage(source=source, **counts)


def cost(nanodollars: int, **fields: Any) -> result_pb2.Cost:
    """Return a known cost."""
    return result_pb2.Cost(nanodollars=nanodollars, price_version="v", **fields)


def shown(sums: list[usage_pb2.UsageSum]) -> list[dict[str, Any]]:
    """Return sums as dictionaries, without the time that most of them share."""
    made = [MessageToDict(each, preserving_proto_field_name=True) for each in sums]
    for each in made:
        del each["start_time"]
    return [
        {name: int(value) if value.isdigit() else value for name, value in each.items()}
        for each in made
    ]


async def test_a_sum_has_all_figures(house: LedgerHarness) -> None:
    """Tokens by class, money, and of how many attempts something is not known."""
    spoke: dict[str, Any] = {"time_to_first_token": Duration(seconds=1)}
    counts = {
        "input_tokens": 1,
        "output_tokens": 20,
        "cache_read_tokens": 300,
        "cache_write_tokens": 4_000,
        "reasoning_tokens": 10,
        "cache_write_long_tokens": 1_000,
    }
    await house.put(
        [
            entry("run_1", attempt(1, FAILED)),
            entry("run_1", attempt(2, usage=used(REPORTED, **counts), cost=cost(7), **spoke)),
            entry("run_2", attempt(1, usage=used(input_tokens=2**32 - 1), cost=cost(2**60))),
            # Its price is not known, and that it cost nothing is known of the next.
            entry("run_3", attempt(1, usage=used(output_tokens=1), **spoke)),
            entry("run_4", attempt(1, usage=used(output_tokens=1), cost=cost(0), **spoke)),
            # Estimated, not known at all, and nothing to estimate.
            entry("run_5", attempt(1, SUPERSEDED, usage=used(ESTIMATED, output_tokens=5))),
            entry("run_6", attempt(1, FAILED, usage=used(UNKNOWN), **spoke)),
            entry("run_7", attempt(1, OPEN, usage=used(UNKNOWN))),
        ]
    )
    assert shown(await house.sums(filter=ALL)) == [
        {
            "attempts": 8,
            "runs": 7,
            "input_tokens": 2**32,
            "output_tokens": 27,
            "cache_read_tokens": 300,
            "cache_write_tokens": 4_000,
            "reasoning_tokens": 10,
            "nanodollars": 2**60 + 7,
            "unpriced_attempts": 2,
            "estimated_attempts": 2,
            "failed_attempts": 3,
        }
    ]


GROUPS: Final[tuple[tuple[list[int], list[tuple[str, ...]]], ...]] = (
    ([], [()]),
    ([PROVIDER], [("groq",), ("openai",)]),
    ([MODEL], [("groq/a",), ("openai/b",), ("openai/a",)]),
    ([PROVIDER, MODEL], [("groq", "groq/a"), ("openai", "openai/b"), ("openai", "openai/a")]),
    ([PRINCIPAL], [("dora",), ("ann",)]),
    ([ROLE], [("planner",), ("",)]),
    ([AGENT], [("",), ("coder",)]),
    ([USER], [("dora", "una"), ("ann", ""), ("dora", "")]),
    ([USER, PRINCIPAL], [("dora", "una"), ("ann", ""), ("dora", "")]),
)


@pytest.mark.parametrize(("group_by", "groups"), GROUPS)
async def test_sums_are_grouped_and_the_dearest_comes_first(
    house: LedgerHarness, group_by: list[Any], groups: list[tuple[str, ...]]
) -> None:
    """What is not grouped by is left empty."""
    await house.put(
        [
            entry("run_1", attempt(model="openai/a", cost=cost(1)), agent="coder"),
            entry("run_2", attempt(model="openai/b", cost=cost(2)), principal="ann"),
            entry(
                "run_3",
                attempt(model="groq/a", cost=cost(4)),
                role="planner",
                on_behalf_of="una",
            ),
        ]
    )
    names = ("provider", "model", "principal", "role", "agent", "on_behalf_of")
    sums = await house.sums(filter=ALL, group_by=group_by)
    asked = {
        PROVIDER: {"provider"},
        MODEL: {"model"},
        PRINCIPAL: {"principal"},
        ROLE: {"role"},
        AGENT: {"agent"},
        USER: {"principal", "on_behalf_of"},
    }
    filled = set[str]().union(*(asked[each] for each in group_by))
    assert [
        tuple(getattr(each, name) for name in names if name in filled) for each in sums
    ] == groups
    assert not any(getattr(each, name) for each in sums for name in names if name not in filled)
    assert sum(each.attempts for each in sums) == 3
    assert sum(each.nanodollars for each in sums) == 7


async def test_slots_follow_each_other_from_the_start(house: LedgerHarness) -> None:
    """One without rows is left out, and in each the dearest comes first."""
    starts = (0, 59.999999999, 60, 200, 239.5)
    await house.put(
        entry(f"run_{index}", attempt(start_s=start, model=f"openai/{index}", cost=cost(index)))
        for index, start in enumerate(starts)
    )
    sums = await house.sums(
        filter={"start_time": timestamp(NOW_NS)}, interval=Duration(seconds=60), group_by=[MODEL]
    )
    slots = [(each.start_time.ToNanoseconds() - NOW_NS) // 10**9 for each in sums]
    assert slots == [0, 0, 60, 180, 180]
    assert [each.model for each in sums] == [f"openai/{index}" for index in (1, 0, 2, 4, 3)]


async def test_nothing_asked_is_the_last_day(house: LedgerHarness) -> None:
    """Its start is told, and it is one sum also where there is nothing."""
    house.clock.now_ns = NOW_NS + DAY_S * 10**9
    (nothing,) = await house.sums()
    assert nothing == usage_pb2.UsageSum(start_time=timestamp(NOW_NS))
    await house.put(
        [entry("run_0", attempt(start_s=-1)), entry("run_1"), entry("run_2", attempt(start_s=9))]
    )
    (found,) = await house.sums()
    assert (found.attempts, found.runs) == (2, 2)
    assert found.start_time.ToNanoseconds() == NOW_NS


async def test_a_filter_narrows_the_sum(house: LedgerHarness) -> None:
    """As it narrows the list."""
    await house.put(
        [
            entry("run_0"),
            entry("run_1", attempt(start_s=1, model="groq/a")),
            entry("run_2", attempt(start_s=2), role="planner"),
            entry("run_3", attempt(start_s=3), agent="coder", principal="ann"),
        ]
    )
    for wanted, runs in (
        ({"provider": "groq"}, 1),
        ({"model": "openai/a"}, 3),
        ({"role": "planner"}, 1),
        ({"agent": "coder"}, 1),
        ({"principal": "ann"}, 1),
        ({"run_id": "run_0"}, 1),
        ({"end_time": timestamp(NOW_NS + 2 * 10**9)}, 2),
    ):
        (found,) = await house.sums(filter={**ALL, **wanted})
        assert found.runs == runs, wanted


async def test_everybody_sums_what_is_its_own(house: LedgerHarness) -> None:
    """As everybody lists it."""
    await put_everybodys(house)
    for token, fields, seen in SIGHTS:
        wanted = {key: value for key, value in fields.items() if key != "on_behalf_of"}
        sums = await house.sums(
            token, filter={**ALL, **wanted}, on_behalf_of=fields.get("on_behalf_of", "")
        )
        assert sum(each.attempts for each in sums) == len(seen), (token, fields)


async def test_users_are_named_by_who_may(house: LedgerHarness) -> None:
    """Others are told that their token reaches no user."""
    failure = await refused(house.sums("dora", on_behalf_of="una"))
    assert failure.reason == "OUT_OF_SCOPE"


@pytest.mark.parametrize(
    ("fields", "field"),
    [
        ({"interval": Duration(seconds=59)}, "interval"),
        ({"group_by": [0]}, "group_by[0]"),
        ({"group_by": [99]}, "group_by[0]"),
        ({"group_by": [MODEL, MODEL]}, "group_by"),
        # One slot too many, by the end that is asked for and by the time that it is.
        (
            {
                "interval": Duration(seconds=60),
                "filter": {**ALL, "end_time": timestamp(NOW_NS + 600_000 * 10**9 + 1)},
            },
            "interval",
        ),
        (
            {
                "interval": Duration(seconds=60),
                "filter": {"start_time": timestamp(NOW_NS - 600_001 * 10**9)},
            },
            "interval",
        ),
        ({"filter": {"end_time": {"seconds": 10**15}}}, "filter.end_time"),
    ],
)
async def test_what_cannot_be_asked_is_refused_by_field(
    house: LedgerHarness, fields: dict[str, Any], field: str
) -> None:
    """Before the database is."""
    failure = await refused(house.sums(**fields))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.fields == [field]


async def test_ten_thousand_slots_are_answered(house: LedgerHarness) -> None:
    """That many are the most."""
    await house.put([entry("run_1", attempt(1, COMPLETED, start_s=599_999))])
    (found,) = await house.sums(
        filter={**ALL, "end_time": timestamp(NOW_NS + 600_000 * 10**9)},
        interval=Duration(seconds=60),
    )
    assert found.start_time.ToNanoseconds() == NOW_NS + 599_940 * 10**9


async def test_a_slot_may_be_wider_than_all_times(house: LedgerHarness) -> None:
    """All is in the first, also in one that no database counts the nanoseconds of."""
    await house.put([entry("run_1", attempt(1, COMPLETED, start_s=60))])
    (found,) = await house.sums(filter=ALL, interval=Duration(seconds=315_576_000_000))
    assert found.start_time.ToNanoseconds() == NOW_NS
    assert found.attempts == 1


async def test_more_sums_than_an_answer_holds_are_refused(
    house: LedgerHarness, monkeypatch: pytest.MonkeyPatch
) -> None:
    """By their number, and by their bytes."""
    await house.put(
        entry(f"run_{number}", on_behalf_of=str(number) * 10, principal="ann")
        for number in range(4)
    )
    assert len(await house.sums(filter=ALL, group_by=[USER])) == 4
    for name, value in (("MAX_SUMS", 3), ("MAX_PAGE_BYTES", 100)):
        with monkeypatch.context() as patch:
            patch.setattr(usage_sums, name, value)
            failure = await refused(house.sums(filter=ALL, group_by=[USER]))
            assert failure.fields == ["group_by"]
