"""Chains: made, shown, changed and removed, and told to the watchers as routes."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Any

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import ADMIN, DEVELOPER, Reading, refused
from trunkline.catalog.v1 import chain_pb2, route_pb2
from trunkline.kernel.clock import timestamp


@pytest.fixture
async def catalog(catalog: CatalogHarness) -> CatalogHarness:
    """Give a catalog with models of two vendors."""
    await catalog.create("a", "openai", models=["x", "y", "meta/llama"])
    await catalog.create("b", "groq", models=["z"])
    return catalog


@pytest.fixture
async def reading(catalog: CatalogHarness) -> AsyncIterator[Reading]:
    """Read the watch, from after the first view on."""
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        yield reading


def _routes(reading: Reading) -> list[route_pb2.Route]:
    """Return the routes of chains that were told as changes."""
    return [
        message.route for message in reading.messages if message.route.target.startswith("chain/")
    ]


async def test_a_chain_is_kept_as_it_was_given(catalog: CatalogHarness) -> None:
    """What was left out stays so; etag and time are the server's."""
    candidates = [
        chain_pb2.Candidate(model="a/meta/llama", rank=2, weight=3),
        chain_pb2.Candidate(model="b/z"),
    ]
    made = await catalog.create_chain(
        "main",
        *candidates,
        balance=chain_pb2.BALANCE_WEIGHT,
        fall_back_on_credential_failure=True,
        description="For agents.",
        etag="mine",
        update_time=timestamp(1),
    )
    assert list(made.candidates) == candidates
    assert not made.candidates[1].HasField("rank")
    assert (made.balance, made.description) == (chain_pb2.BALANCE_WEIGHT, "For agents.")
    assert made.fall_back_on_credential_failure
    assert made.etag not in ("", "mine")
    assert made.update_time.seconds > 1
    assert await catalog.get_chain("main") == made


async def test_the_watchers_are_told_of_a_chain_as_a_route(
    catalog: CatalogHarness, reading: Reading
) -> None:
    """Made, changed and removed; a change that does not show there is not told."""
    await catalog.create_chain("main", "a/x", "b/z")
    await catalog.update_chain("main", description="For agents.")
    await catalog.update_chain("main", "b/z", "a/y", fall_back_on_credential_failure=True)
    await catalog.delete_chain("main")
    gone = await reading.kind("deleted_route")
    assert gone.deleted_route == "chain/main"
    assert reading.kinds()[-3:] == ["route", "route", "deleted_route"]
    first, second = _routes(reading)
    assert [(each.model, each.rank, each.weight) for each in first.candidates] == [
        ("a/x", 1, 1),
        ("b/z", 2, 1),
    ]
    assert not first.fall_back_on_credential_failure
    assert [each.model for each in second.candidates] == ["b/z", "a/y"]
    assert second.fall_back_on_credential_failure
    async with catalog.watch() as later:
        await later.kind("snapshot_complete")
        assert not [each for message in later.messages for each in message.snapshot_page.routes]


async def test_a_snapshot_has_the_chains(catalog: CatalogHarness) -> None:
    """Who comes later is told of them too."""
    for name in ("one", "two"):
        await catalog.create_chain(name, "a/x")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        targets = [
            route.target for message in reading.messages for route in message.snapshot_page.routes
        ]
    assert targets == ["chain/one", "chain/two"]


async def test_a_taken_name_is_refused(catalog: CatalogHarness, reading: Reading) -> None:
    """NAME_TAKEN, and the chain that has it stays as it is."""
    made = await catalog.create_chain("main", "a/x")
    failure = await refused(catalog.create_chain("main", "b/z"))
    assert failure.code is grpc.StatusCode.ALREADY_EXISTS
    assert failure.reason == "NAME_TAKEN"
    assert failure.metadata == {"name": "main"}
    assert await catalog.get_chain("main") == made
    await catalog.create_chain("other", "a/x")
    await reading.until(lambda message: message.route.target == "chain/other")
    assert [route.target for route in _routes(reading)] == ["chain/main", "chain/other"]


async def test_a_model_that_is_not_there_is_told_with_the_nearest(
    catalog: CatalogHarness,
) -> None:
    """MODEL_NOT_FOUND for the first that is missing, and nothing is written."""
    failure = await refused(catalog.create_chain("main", "a/x", "b/zz", "nobody/y"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "MODEL_NOT_FOUND"
    assert failure.metadata["model"] == "b/zz"
    assert failure.metadata["nearest"].split(",")[0] == "b/z"
    assert (await refused(catalog.get_chain("main"))).reason == "CHAIN_NOT_FOUND"
    made = await catalog.create_chain("main", "a/x")
    failure = await refused(catalog.update_chain("main", "a/x", "b/zz"))
    assert failure.reason == "MODEL_NOT_FOUND"
    assert await catalog.get_chain("main") == made


@pytest.mark.parametrize(
    ("candidates", "fields"),
    [
        ([], ["chain.candidates"]),
        (["a/x", "b/z", "a/x", "b/z"], ["chain.candidates[2].model", "chain.candidates[3].model"]),
        (["no-slash"], ["chain.candidates[0].model"]),
        ([f"a/{number}" for number in range(33)], ["chain.candidates"]),
        ([chain_pb2.Candidate(model="a/x", weight=1001)], ["chain.candidates[0].weight"]),
        (["test/ok", "a/x"], ["chain.candidates[0].model"]),
    ],
)
async def test_a_chain_that_cannot_be_is_refused(
    catalog: CatalogHarness, candidates: list[str], fields: list[str]
) -> None:
    """INVALID_REQUEST names what is wrong: nobody, somebody twice, one for trying things out."""
    await catalog.create("test", "sandbox", models=["ok"], base_url="http://localhost:1/v1")
    failure = await refused(catalog.create_chain("main", *candidates))
    assert failure.code is grpc.StatusCode.INVALID_ARGUMENT
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == fields
    made = await catalog.create_chain("other", "a/x")
    failure = await refused(catalog.update_chain("other", *candidates, mask=["candidates"]))
    assert failure.fields == fields
    assert await catalog.get_chain("other") == made


@pytest.mark.parametrize("name", ["", "Main", "a/b", "-a", "x" * 64])
async def test_a_name_that_is_none_is_refused(catalog: CatalogHarness, name: str) -> None:
    """The bound that the contract declares holds."""
    assert (await refused(catalog.get_chain(name))).fields == ["name"]
    assert (await refused(catalog.create_chain(name, "a/x"))).fields == ["chain.name"]


async def test_without_a_mask_every_field_that_is_set_counts(catalog: CatalogHarness) -> None:
    """What is left out stays; what changes nothing keeps the etag."""
    made = await catalog.create_chain(
        "main", "a/x", "b/z", fall_back_on_credential_failure=True, description="For agents."
    )
    after = await catalog.update_chain("main", "b/z", balance=chain_pb2.BALANCE_PRICE)
    assert [each.model for each in after.candidates] == ["b/z"]
    assert (after.balance, after.description) == (chain_pb2.BALANCE_PRICE, "For agents.")
    assert after.fall_back_on_credential_failure
    assert after.etag != made.etag
    request = chain_pb2.UpdateChainRequest(chain=after)
    assert (await catalog.stub.UpdateChain(request, metadata=ADMIN)).chain == after


async def test_a_mask_clears_what_it_names(catalog: CatalogHarness) -> None:
    """And nothing else changes, whatever else is given."""
    made = await catalog.create_chain(
        "main", "a/x", "b/z", fall_back_on_credential_failure=True, description="For agents."
    )
    after = await catalog.update_chain(
        "main", "a/y", mask=["fall_back_on_credential_failure", "description"]
    )
    assert not after.fall_back_on_credential_failure
    assert after.description == ""
    assert after.candidates == made.candidates


@pytest.mark.parametrize("path", ["name", "etag", "candidates.model", ""])
async def test_a_path_that_cannot_be_changed_is_refused(catalog: CatalogHarness, path: str) -> None:
    """INVALID_REQUEST names the mask."""
    await catalog.create_chain("main", "a/x")
    assert (await refused(catalog.update_chain("main", mask=[path]))).fields == ["update_mask"]


async def test_an_old_etag_is_refused_with_the_current_one(catalog: CatalogHarness) -> None:
    """ETAG_MISMATCH, for a change and a removal; no etag ever returns."""
    first = await catalog.create_chain("main", "a/x")
    second = await catalog.update_chain("main", "a/y", etag=first.etag)
    for attempt in (
        catalog.update_chain("main", "b/z", etag=first.etag),
        catalog.delete_chain("main", first.etag),
    ):
        failure = await refused(attempt)
        assert failure.code is grpc.StatusCode.ABORTED
        assert failure.reason == "ETAG_MISMATCH"
        assert failure.metadata == {"etag": second.etag}
    await catalog.delete_chain("main", second.etag)
    assert (await catalog.create_chain("main", "a/x")).etag not in (first.etag, second.etag)


async def test_an_unknown_chain_is_told_as_such(catalog: CatalogHarness) -> None:
    """CHAIN_NOT_FOUND, whatever is asked of it."""
    for attempt in (
        catalog.get_chain("nobody"),
        catalog.update_chain("nobody", "a/x"),
        catalog.delete_chain("nobody"),
    ):
        failure = await refused(attempt)
        assert failure.code is grpc.StatusCode.NOT_FOUND
        assert failure.reason == "CHAIN_NOT_FOUND"
        assert failure.metadata == {"chain": "nobody"}


async def test_chains_come_by_name_in_pages(catalog: CatalogHarness) -> None:
    """No page repeats or leaves out what another one has; a strange token is refused."""
    for name in ("c", "a-b", "b", "a"):
        await catalog.create_chain(name, "a/x")
    pages: list[list[str]] = []
    token = ""
    while not pages or token:
        request = chain_pb2.ListChainsRequest(page_size=3, page_token=token)
        page = await catalog.stub.ListChains(request, metadata=DEVELOPER)
        pages.append([chain.name for chain in page.chains])
        token = page.next_page_token
    assert pages == [["a", "a-b", "b"], ["c"]]
    strange = chain_pb2.ListChainsRequest(page_token="nonsense")
    failure = await refused(catalog.stub.ListChains(strange, metadata=ADMIN))
    assert failure.fields == ["page_token"]


async def test_a_chain_keeps_the_providers_that_it_names(catalog: CatalogHarness) -> None:
    """STILL_REFERRED_TO names every such chain, and one gone keeps nobody (decision 3)."""
    await catalog.create("a-b", "openai", models=["x"])
    await catalog.create_chain("one", "b/z", "a/x")
    await catalog.create_chain("two", "a/meta/llama")
    await catalog.create_chain("three", "a-b/x")
    failure = await refused(catalog.delete("a"))
    assert failure.code is grpc.StatusCode.FAILED_PRECONDITION
    assert failure.reason == "STILL_REFERRED_TO"
    assert failure.metadata == {"referrers": "chains/one,chains/two"}
    await catalog.update_chain("one", "b/z")
    await catalog.delete_chain("two")
    await catalog.delete("a")
    with_provider = await refused(catalog.delete("b"))
    assert with_provider.metadata == {"referrers": "chains/one"}


async def test_a_chain_does_not_mind_what_is_off(catalog: CatalogHarness, reading: Reading) -> None:
    """Its route names models whether they are on or not: that is for who asks."""
    await catalog.update_model("a/x", enabled=False)
    await catalog.update("b", enabled=False)
    await catalog.create_chain("main", "a/x", "b/z")
    told = await reading.until(lambda message: message.route.target == "chain/main")
    assert [each.model for each in told.route.candidates] == ["a/x", "b/z"]


@pytest.mark.both_stores
async def test_a_restart_keeps_chains(catalog: CatalogHarness) -> None:
    """And a release that plans otherwise tells its routes anew."""
    made = await catalog.create_chain("main", "a/x", "b/z", balance=chain_pb2.BALANCE_LATENCY)
    async with catalog.watch() as reading:
        revision = (await reading.kind("snapshot_complete")).revision
    await catalog.stop()
    old = route_pb2.Route(target="chain/main").SerializeToString()
    await catalog.run_sql("UPDATE route SET published = ?", old)
    await catalog.start()
    assert await catalog.get_chain("main") == made
    async with catalog.watch(revision) as reading:
        told = await reading.kind("route")
        assert told.route.balance == chain_pb2.BALANCE_LATENCY
        assert reading.kinds() == ["route"]


@pytest.mark.both_stores
async def test_a_chain_and_its_route_are_written_together(catalog: CatalogHarness) -> None:
    """Where the route cannot be kept there is no chain either, and nobody is told."""
    await catalog.store.refuse("route", "target", "chain/main")
    async with catalog.watch() as reading:
        await reading.kind("snapshot_complete")
        assert (await refused(catalog.create_chain("main", "a/x"))).reason == "INTERNAL"
        assert (await refused(catalog.get_chain("main"))).reason == "CHAIN_NOT_FOUND"
        await catalog.create_chain("other", "a/x")
        await reading.kind("route")
        assert [route.target for route in _routes(reading)] == ["chain/other"]


async def test_the_default_route_is_no_chain(catalog: CatalogHarness) -> None:
    """A chain may be called `default`; its route stands beside the other."""
    await catalog.verify("a")
    await catalog.update_model("a/x", deployment_default=True)
    await catalog.create_chain("default", "b/z")

    async def targets() -> list[str]:
        async with catalog.watch() as reading:
            await reading.kind("snapshot_complete")
            return [
                route.target
                for message in reading.messages
                for route in message.snapshot_page.routes
            ]

    assert await targets() == ["chain/default", "default"]
    await catalog.delete_chain("default")
    assert await targets() == ["default"]


async def test_only_an_admin_changes_chains(catalog: CatalogHarness) -> None:
    """A developer reads them, and is refused else; a stranger is refused all."""
    await catalog.create_chain("main", "a/x")
    chain = chain_pb2.Chain(name="main", candidates=[chain_pb2.Candidate(model="a/x")])
    stub = catalog.stub
    reads: list[tuple[Any, Any]] = [
        (stub.GetChain, chain_pb2.GetChainRequest(name="main")),
        (stub.ListChains, chain_pb2.ListChainsRequest()),
    ]
    writes: list[tuple[Any, Any]] = [
        (stub.CreateChain, chain_pb2.CreateChainRequest(chain=chain)),
        (stub.UpdateChain, chain_pb2.UpdateChainRequest(chain=chain)),
        (stub.DeleteChain, chain_pb2.DeleteChainRequest(name="main")),
    ]
    for method, request in reads:
        await method(request, metadata=DEVELOPER)
        assert (await refused(method(request))).reason == "TOKEN_MISSING"
    for method, request in writes:
        refusal = await refused(method(request, metadata=DEVELOPER))
        assert refusal.reason == "CALLER_NOT_ALLOWED"
