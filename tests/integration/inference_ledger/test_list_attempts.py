"""`ListAttempts`: newest first, page by page, to each what is its own."""

from __future__ import annotations

from typing import Any

import grpc

from integration.inference_ledger.conftest import LedgerHarness
from support.attempts import NOW_NS, attempt, entry, places
from support.service_calls import refused
from trunkline.inference.v1 import failure_pb2, usage_pb2
from trunkline.kernel.clock import timestamp
from trunkline.kernel.page_token import MAX_PAGE_BYTES, encode_page_token

CENTRAL = failure_pb2.CREDENTIAL_SCOPE_CENTRAL
PERSONAL = failure_pb2.CREDENTIAL_SCOPE_PERSONAL

# Whose token, what it asks for, and the runs that it sees.
SIGHTS: tuple[tuple[str, dict[str, str], str], ...] = (
    ("ann", {}, "43210"),
    ("ann", {"principal": "dora"}, "432"),
    ("ann-for-users", {"on_behalf_of": "una"}, "1"),
    ("ann-for-users", {"on_behalf_of": "una", "principal": "dora"}, ""),
    ("dora", {}, "432"),
    ("dora", {"principal": "dora"}, "432"),
    ("dora", {"principal": "ann"}, ""),
    ("dora", {"run_id": "run_0"}, ""),
    ("dora-for-users", {"on_behalf_of": "una"}, "3"),
    ("dora-for-users", {"on_behalf_of": "una", "principal": "dora"}, "3"),
    ("dora-for-users", {"on_behalf_of": "nobody"}, ""),
)

# What is wanted, and the runs that it finds.
FILTERS: tuple[tuple[dict[str, Any], str], ...] = (
    ({"provider": "openai"}, "40"),
    ({"provider": "open"}, ""),
    ({"model": "groq/a"}, "1"),
    ({"role": "planner"}, "2"),
    ({"agent": "coder"}, "3"),
    ({"run_id": "run_1"}, "1"),
    ({"start_time": timestamp(NOW_NS + 3 * 10**9)}, "43"),
    ({"end_time": timestamp(NOW_NS + 3 * 10**9)}, "210"),
    ({"start_time": timestamp(NOW_NS + 10**9), "end_time": timestamp(NOW_NS + 10**9)}, ""),
    ({"provider": "openai", "start_time": timestamp(NOW_NS + 1)}, "4"),
    ({"start_time": timestamp(-(10**18)), "end_time": timestamp(2**63)}, "43210"),
)


async def put_everybodys(house: LedgerHarness) -> None:
    """Write one attempt for each of five owners, the later the further down."""
    owners = [("ann", ""), ("ann", "una"), ("dora", ""), ("dora", "una"), ("dora", "ugo")]
    await house.put(
        entry(f"run_{number}", attempt(start_s=number), principal=principal, on_behalf_of=user)
        for number, (principal, user) in enumerate(owners)
    )


async def test_everybody_sees_what_is_its_own(house: LedgerHarness) -> None:
    """A developer its own and its users', an administrator all; who names a user that one's."""
    await put_everybodys(house)
    for token, fields, seen in SIGHTS:
        assert await house.runs(token, **fields) == [f"run_{number}" for number in seen]


async def test_users_are_named_by_who_may(house: LedgerHarness) -> None:
    """Others are told that their token reaches no user, also an administrator."""
    for token in ("ann", "dora"):
        failure = await refused(house.page(token, on_behalf_of="una"))
        assert failure.code is grpc.StatusCode.PERMISSION_DENIED
        assert failure.reason == "OUT_OF_SCOPE"


async def test_who_has_no_token_sees_nothing(house: LedgerHarness) -> None:
    """As everywhere."""
    assert (await refused(house.page("nobody"))).code is grpc.StatusCode.UNAUTHENTICATED


async def test_the_deployments_keys_are_named_to_who_operates_it(house: LedgerHarness) -> None:
    """A user's own key is named to that user, too."""
    await house.put(
        entry(f"run_{scope}", attempt(credential_scope=scope, credential_id=f"cred_{scope}"))
        for scope in (CENTRAL, PERSONAL)
    )
    for token, shown in (("ann", {"cred_1", "cred_2"}), ("dora", {"", "cred_2"})):
        page = await house.page(token)
        assert {found.attempt.credential_id for found in page.entries} == shown


async def test_a_filter_narrows_the_list(house: LedgerHarness) -> None:
    """All that is set must hold."""
    await house.put(
        [
            entry("run_0"),
            entry("run_1", attempt(start_s=1, model="groq/a")),
            entry("run_2", attempt(start_s=2, model="groq/b"), role="planner"),
            entry("run_3", attempt(start_s=3, model="mistral/c/d"), agent="coder"),
            entry("run_4", attempt(start_s=4, model="openai/b")),
        ]
    )
    for wanted, seen in FILTERS:
        assert await house.runs(**wanted) == [f"run_{number}" for number in seen]


async def test_pages_follow_each_other_without_a_gap(house: LedgerHarness) -> None:
    """Also where many began in one moment; what comes meanwhile is on no later page."""
    made = [
        entry(f"run_{run}", attempt(number, start_s=run // 3))
        for run in range(7)
        for number in (1, 2)
    ]
    await house.put(made)
    seen, token = [], ""
    while True:
        page = await house.page(page_size=3, page_token=token)
        seen += places(list(page.entries))
        await house.put([entry(f"run_late{len(seen)}", attempt(start_s=100))])
        token = page.next_page_token
        if not token:
            break
        assert len(page.entries) == 3
    by_time = sorted(made, key=lambda each: each.attempt.start_time.seconds, reverse=True)
    assert sorted(seen) == sorted(places(made))
    starts = {place: each.attempt.start_time.seconds for each in made for place in places([each])}
    assert [starts[place] for place in seen] == [e.attempt.start_time.seconds for e in by_time]


async def test_a_page_has_a_hundred_rows_where_no_size_is_named(house: LedgerHarness) -> None:
    """As the contract says."""
    await house.put(entry(f"run_{number}", attempt(start_s=number)) for number in range(101))
    page = await house.page()
    assert len(page.entries) == 100
    rest = await house.page(page_token=page.next_page_token)
    assert [each.run_id for each in rest.entries] == ["run_0"]
    assert not rest.next_page_token


async def test_a_page_is_cut_by_its_bytes(house: LedgerHarness) -> None:
    """A client reads no answer of any size; nothing is lost by it."""
    long = "u" * 3000
    count = MAX_PAGE_BYTES // 3000 + 10
    await house.put(
        entry(f"run_{number}", attempt(start_s=number), on_behalf_of=long)
        for number in range(count)
    )
    first = await house.page(page_size=1000)
    assert first.ByteSize() <= MAX_PAGE_BYTES + 100
    rest = await house.page(page_size=1000, page_token=first.next_page_token)
    assert len(first.entries) + len(rest.entries) == count
    assert not rest.next_page_token


async def test_a_token_of_another_list_is_refused(house: LedgerHarness) -> None:
    """And named."""
    for token in ("x", encode_page_token("run_1"), encode_page_token("1.run_1;.2"), "ä"):
        failure = await refused(house.page(page_token=token))
        assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
        assert failure.fields == ["page_token"]


async def test_a_token_of_any_number_is_read(house: LedgerHarness) -> None:
    """No database is asked for a number that it does not have."""
    await house.put([entry()])
    token = encode_page_token(f"{10**19 - 1}.run_{'z' * 64}.{10**10 - 1}")
    page = await house.page(page_token=token)
    assert places(list(page.entries)) == [("run_1", 1)]


async def test_a_time_that_is_none_is_refused(house: LedgerHarness) -> None:
    """And named."""
    wanted = usage_pb2.UsageFilter(start_time=timestamp(0))
    wanted.start_time.seconds = 10**15
    failure = await refused(house.page(filter=wanted))
    assert failure.fields == ["filter.start_time"]
