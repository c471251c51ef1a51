"""`trunkline chain` and `trunkline explain`: what stands in for what, and where a request goes."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from integration.cli.child import Cli, Result
from support.fake_suite import DEVELOPER_TOKEN, FakeSuite
from trunkline.catalog.v1 import chain_pb2, route_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.errors import Unavailable


@pytest.fixture
def explained(suite: FakeSuite) -> FakeSuite:
    """Have every route explained with two candidates, of which one is skipped."""
    suite.catalog.explained = route_pb2.ExplainRouteResponse(
        steps=[
            route_pb2.ExplainedStep(
                step=route_pb2.ROUTE_STEP_REQUEST, chosen=True, detail="It names 2 models."
            ),
            route_pb2.ExplainedStep(
                step=route_pb2.ROUTE_STEP_BUILT_IN, detail="It is not looked at."
            ),
        ],
        candidates=[
            route_pb2.ExplainedCandidate(
                model="a/x\x1b[2J",
                skip_reason=failure_pb2.SKIP_REASON_CONTEXT_TOO_SMALL,
                detail="Its window holds 8,000.",
            ),
            route_pb2.ExplainedCandidate(
                model="b/y",
                detail="It is asked first.",
                credential_scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL,
            ),
        ],
        chosen="b/y",
        warnings=["Only b/y can be asked."],
    )
    return suite


def test_a_chain_is_made_in_order(cli: Cli, explained: FakeSuite) -> None:
    """What is to be minded about it is told beside the result, from its explanation."""
    result = cli.run(
        *("chain", "create", "main", "a/x", "b/y", "--fall-back-on-credential-failure"),
        *("--description", "For agents."),
    )
    assert result.code == 0
    assert result.out.startswith("The chain main is made")
    assert result.err == "Only b/y can be asked.\n"
    [request] = explained.requests("CreateChain")
    assert [each.model for each in request.chain.candidates] == ["a/x", "b/y"]
    assert not any(each.HasField("rank") for each in request.chain.candidates)
    assert request.chain.balance == chain_pb2.BALANCE_ORDER
    assert request.chain.fall_back_on_credential_failure
    assert request.chain.description == "For agents."
    [asked] = explained.requests("ExplainRoute")
    assert asked == route_pb2.ExplainRouteRequest(chain="main")


def test_a_chain_of_equals_has_weights(cli: Cli, explained: FakeSuite) -> None:
    """With a balance all models have one rank; as JSON the warnings are in the document."""
    result = cli.run(
        *("chain", "create", "main", "a/x", "b/y", "--balance", "weight"),
        *("--weight", "3", "--weight", "1", "--json"),
    )
    assert result.document["warnings"] == ["Only b/y can be asked."]
    assert result.document["chain"]["name"] == "main"
    [request] = explained.requests("CreateChain")
    candidates = [(each.rank, each.weight) for each in request.chain.candidates]
    assert candidates == [(1, 3), (1, 1)]
    assert request.chain.balance == chain_pb2.BALANCE_WEIGHT


@pytest.mark.parametrize(
    "options",
    [("--weight", "2"), ("--balance", "weight", "--weight", "2"), ("--balance", "chance")],
)
def test_weights_that_say_nothing_are_refused(
    type_in: Callable[..., Result], options: tuple[str, ...]
) -> None:
    """Before anybody is called."""
    result = type_in("chain", "create", "main", "a/x", "b/y", *options)
    result.assert_reads_well()
    assert result.code == 2


def test_a_chain_that_cannot_be_explained_is_made_all_the_same(
    cli: Cli, explained: FakeSuite
) -> None:
    """That nothing is known about it is told, and is no failure."""
    explained.faults["ExplainRoute"].append(
        Unavailable("PEER_UNAVAILABLE", "The credential service does not answer.")
    )
    result = cli.run("chain", "create", "main", "a/x")
    assert result.code == 0
    assert "The credential service does not answer." in result.err
    assert list(explained.catalog.chains) == ["main"]


def test_chains_are_listed_shown_and_deleted(cli: Cli, suite: FakeSuite) -> None:
    """All pages; one that is not there is told with what to do."""
    assert cli.run("chain", "list").out == "There is no chain.\n"
    for name in ("one", "two", "three"):
        suite.catalog.chains[name] = chain_pb2.Chain(
            name=name,
            candidates=[
                chain_pb2.Candidate(model="a/x", rank=1, weight=3),
                chain_pb2.Candidate(model="b/y"),
            ],
            balance=chain_pb2.BALANCE_WEIGHT,
            description="For agents.",
        )
    result = cli.run("chain", "list")
    assert [line.split()[0] for line in result.out.splitlines()] == ["CHAIN", "one", "three", "two"]
    assert "a/x, b/y  weight" in result.out
    names = [chain["name"] for chain in cli.run("chain", "list", "--json").document["chains"]]
    assert names == ["one", "three", "two"]
    shown = cli.run("chain", "show", "two").out.splitlines()
    assert shown[0] == "For agents."
    assert [line.split() for line in shown[-2:]] == [["a/x", "1", "3"], ["b/y", "-", "-"]]
    assert cli.run("chain", "show", "two", "--json").document["chain"]["description"]
    assert cli.run("chain", "delete", "two").out == "The chain two is deleted.\n"
    gone = cli.run("chain", "delete", "two")
    gone.assert_reads_well()
    assert "trunkline chain list" in gone.err


def test_a_request_is_explained_in_tables(cli: Cli, explained: FakeSuite) -> None:
    """Steps, then candidates in their order with why; what is to be minded stands beside."""
    result = cli.run(
        *("explain", "--model", "a/x", "--fallback", "b/y", "--fallback", "c/z"),
        *("--needs", "tools", "--needs", "structured-output", "--input-tokens", "9000"),
    )
    assert result.code == 0
    assert result.err == "Only b/y can be asked.\n"
    lines = [line.split("  ") for line in result.out.splitlines()]
    cells = [[cell.strip() for cell in line if cell.strip()] for line in lines]
    assert cells == [
        ["It goes to b/y."],
        [],
        ["STEP", "HOLDS", "WHY"],
        ["request", "yes", "It names 2 models."],
        ["built in", "-", "It is not looked at."],
        [],
        ["MODEL", "ASKED", "KEY", "WHY"],
        ["a/x[2J", "context too small", "-", "Its window holds 8,000."],
        ["b/y", "1", "central", "It is asked first."],
    ]
    [request] = explained.requests("ExplainRoute")
    assert request == route_pb2.ExplainRouteRequest(
        model="a/x",
        fallbacks=["b/y", "c/z"],
        needs=[route_pb2.NEED_TOOLS, route_pb2.NEED_STRUCTURED_OUTPUT],
        input_tokens=9_000,
    )


def test_an_explanation_as_json_is_exact(cli: Cli, explained: FakeSuite) -> None:
    """A developer may ask; the document has the names of the contract."""
    result = cli.run(
        "explain", "--chain", "main", "--json", env={"TRUNKLINE_TOKEN": DEVELOPER_TOKEN}
    )
    assert result.document["chosen"] == "b/y"
    reasons = [each.get("skip_reason") for each in result.document["candidates"]]
    assert reasons == ["SKIP_REASON_CONTEXT_TOO_SMALL", None]
    [request] = explained.requests("ExplainRoute")
    assert request == route_pb2.ExplainRouteRequest(chain="main")


def test_what_goes_nowhere_is_told_so(cli: Cli, suite: FakeSuite) -> None:
    """That is an answer, and no failure."""
    result = cli.run("explain")
    assert result.code == 0
    assert result.out.startswith("It goes nowhere.")
