"""`trunkline disconnect`: a provider and its keys go, after a yes."""

from __future__ import annotations

import pytest

from integration.cli.child import Cli
from support.fake_suite import FakeSuite
from trunkline.catalog.v1 import chain_pb2


@pytest.fixture
def connected(suite: FakeSuite) -> FakeSuite:
    """Have a provider with a key and a model."""
    suite.catalog.add_provider("openai", "openai")
    suite.catalog.add_model("openai/gpt-mini")
    suite.credentials.add("openai")
    return suite


def test_keys_and_provider_are_deleted(cli: Cli, connected: FakeSuite) -> None:
    """The catalog hears late that the keys are gone, and is asked again."""
    result = cli.run("disconnect", "openai", "--yes")
    assert (result.code, result.err) == (0, "")
    assert result.out == "openai is disconnected (1 of its keys deleted).\n"
    assert connected.catalog.providers == {}
    assert connected.catalog.models == {}
    assert connected.credentials.credentials == {}
    assert connected.methods().count("DeleteProvider") == 2


def test_the_provider_can_be_kept(cli: Cli, connected: FakeSuite) -> None:
    """Then only its keys go."""
    result = cli.run("disconnect", "openai", "--keep-provider", "--yes", "--json")
    assert result.document == {
        "provider": "openai",
        "deleted_credentials": ["cred_1"],
        "deleted_provider": False,
    }
    assert set(connected.catalog.providers) == {"openai"}
    assert connected.credentials.credentials == {}


def test_without_a_terminal_it_needs_a_yes(cli: Cli, connected: FakeSuite) -> None:
    """A script that forgot it deletes nothing."""
    result = cli.run("disconnect", "openai")
    result.assert_reads_well()
    assert result.code == 2
    assert "--yes" in result.err
    assert set(connected.credentials.credentials) == {"cred_1"}


@pytest.mark.parametrize(("answer", "code"), [("n", 1), ("", 1), ("y", 0)])
def test_at_a_terminal_it_asks(cli: Cli, connected: FakeSuite, answer: str, code: int) -> None:
    """It says what goes, and takes only a yes for one."""
    child = cli.at_terminal("disconnect", "openai")
    child.see("Delete openai with its key and its models? [y/N]: ")
    child.enter(answer)
    ended, rest = child.end()
    assert ended == code
    assert ("Nothing was changed." in rest) is (code == 1)
    assert bool(connected.catalog.providers) is (code == 1)


def test_a_provider_with_the_default_model_is_refused_whole(cli: Cli, connected: FakeSuite) -> None:
    """Its keys are not deleted either, and the ways out are named."""
    connected.catalog.models["openai/gpt-mini"].deployment_default = True
    result = cli.run("disconnect", "openai", "--yes")
    result.assert_reads_well()
    assert result.code == 1
    assert "openai/gpt-mini is the deployment's default model" in result.err
    assert "trunkline models default --none" in result.err
    assert set(connected.credentials.credentials) == {"cred_1"}
    assert cli.run("models", "default", "--none").code == 0
    assert cli.run("disconnect", "openai", "--yes").code == 0


def test_a_provider_that_chains_name_is_refused_whole(cli: Cli, connected: FakeSuite) -> None:
    """Its keys are not deleted either, and the way out is named."""
    connected.catalog.chains["main"] = chain_pb2.Chain(
        name="main", candidates=[chain_pb2.Candidate(model="openai/gpt-mini")]
    )
    result = cli.run("disconnect", "openai", "--yes")
    result.assert_reads_well()
    assert result.code == 1
    assert "trunkline chain delete main" in result.err
    assert set(connected.credentials.credentials) == {"cred_1"}
    assert cli.run("chain", "delete", "main").code == 0
    assert cli.run("disconnect", "openai", "--yes").code == 0


def test_what_still_refers_to_it_is_shown(cli: Cli, connected: FakeSuite) -> None:
    """Every referrer is named."""
    connected.catalog.referrers["openai"] = ["default", "chains/main"]
    result = cli.run("disconnect", "openai", "--yes")
    result.assert_reads_well()
    assert result.code == 1
    assert "default: refers to it" in result.err
    assert "chains/main: refers to it" in result.err
    assert set(connected.catalog.providers) == {"openai"}


def test_a_provider_that_is_not_there_is_told(cli: Cli, suite: FakeSuite) -> None:
    """A misspelt name deletes nothing."""
    result = cli.run("disconnect", "opena", "--yes")
    result.assert_reads_well()
    assert result.code == 1
    assert "There is no provider opena." in result.err
    assert "trunkline status" in result.err


@pytest.fixture
def several(connected: FakeSuite) -> FakeSuite:
    """Have a second key beside the first."""
    connected.credentials.add("openai", label="second", rank=1)
    return connected


def test_one_of_several_keys_goes_alone(cli: Cli, several: FakeSuite) -> None:
    """The provider stays, with its models and its other key."""
    result = cli.run("disconnect", "openai", "--label", "second", "--yes")
    assert (result.code, result.err) == (0, "")
    assert result.out == "openai has no key second any more.\n"
    assert set(several.credentials.credentials) == {"cred_1"}
    assert set(several.catalog.models) == {"openai/gpt-mini"}
    result = cli.run("disconnect", "openai", "--label", "default", "--yes", "--json")
    assert result.document == {
        "provider": "openai",
        "deleted_credentials": ["cred_1"],
        "deleted_provider": False,
    }
    assert set(several.catalog.providers) == {"openai"}


def test_it_asks_by_name_for_one_key_and_by_number_for_all(cli: Cli, several: FakeSuite) -> None:
    """Nobody deletes more than they were told."""
    for arguments, question in (
        (("--label", "second"), "Delete the key second of openai? [y/N]: "),
        ((), "Delete openai with its 2 keys and its models? [y/N]: "),
    ):
        child = cli.at_terminal("disconnect", "openai", *arguments)
        child.see(question)
        child.enter("n")
        assert child.end()[0] == 1
    assert len(several.credentials.credentials) == 2


def test_a_label_that_is_not_there_is_told(cli: Cli, several: FakeSuite) -> None:
    """With those that are."""
    result = cli.run("disconnect", "openai", "--label", "third", "--yes")
    result.assert_reads_well()
    assert result.code == 1
    assert "openai has no key third." in result.err
    assert "default, second" in result.err
    assert len(several.credentials.credentials) == 2
