"""`trunkline connect --label`: a further key of a provider, and its place among the others."""

from __future__ import annotations

from integration.cli.child import Cli
from support.fake_credentials import GOOD_KEY
from support.fake_suite import FakeSuite


def connect(suite: FakeSuite) -> None:
    """Have a provider with a key, whose models were read."""
    suite.catalog.add_provider("openai", "openai")
    suite.credentials.add("openai")
    suite.catalog.hear_of_key("openai", verified=True)


def test_a_second_key_is_saved_beside_the_first(cli: Cli, suite: FakeSuite) -> None:
    """It says which it is and when it is tried; nobody waits for models that are known."""
    connect(suite)
    result = cli.run("connect", "openai", "--label", "second", "--rank", "1", stdin=GOOD_KEY)
    assert result.code == 0
    assert "  key      second (rank 1)" in result.out.splitlines()
    assert "were not read" not in result.err
    [saved] = suite.requests("SaveApiKey")
    assert (saved.label, saved.rank) == ("second", 1)
    keys = suite.credentials.credentials.values()
    assert [(each.label, each.rank) for each in keys] == [("default", 0), ("second", 1)]


def test_a_new_key_keeps_the_place_of_the_one_it_replaces(cli: Cli, suite: FakeSuite) -> None:
    """Unless another one is given."""
    connect(suite)
    for given, kept in (("7", 7), (None, 7), ("2", 2)):
        rank = () if given is None else ("--rank", given)
        result = cli.run("connect", "openai", "--label", "second", *rank, stdin=GOOD_KEY)
        assert result.code == 0
        assert suite.requests("SaveApiKey")[-1].rank == kept
    assert len(suite.credentials.credentials) == 2


def test_a_local_endpoint_takes_no_label(cli: Cli, suite: FakeSuite) -> None:
    """It has one address and no keys to choose from."""
    for option in (("--label", "second"), ("--rank", "0")):
        result = cli.run("connect", "lm-studio", "--local", *option)
        result.assert_reads_well()
        assert result.code == 2
        assert option[0] in result.err
    assert suite.catalog.providers == {}


def test_status_tells_several_keys_apart(cli: Cli, suite: FakeSuite) -> None:
    """In the order of their use; a single key is shown without its label."""
    connect(suite)
    suite.catalog.add_provider("groq", "groq")
    suite.credentials.add("groq", label="only", rank=3)
    suite.credentials.add("openai", label="first", rank=-1)
    result = cli.run("status")
    assert result.code == 0
    lines = {line.split()[0]: line for line in result.out.splitlines()}
    expected = "first (rank -1): api key, verified; default (rank 0): api key, verified"
    assert expected in lines["openai"]
    assert " api key, verified " in lines["groq"]
    assert "only" not in lines["groq"]
    document = cli.run("status", "--json").document
    keys = {each["provider"]["name"]: each["credentials"] for each in document["providers"]}
    assert [key["label"] for key in keys["openai"]] == ["first", "default"]
    assert [(key["label"], key["rank"]) for key in keys["groq"]] == [("only", 3)]
