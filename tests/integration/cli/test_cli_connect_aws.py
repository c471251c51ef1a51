"""`trunkline connect` for AWS keys: from a terminal or as JSON, and never as an argument."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from integration.cli.child import Cli
from support.fake_catalog import provider_type
from support.fake_credentials import GOOD_KEY
from support.fake_suite import FakeSuite
from trunkline.catalog.v1 import provider_pb2
from trunkline.cli.aws import address_in

ADDRESS = "https://bedrock-runtime.us-east-1.amazonaws.com"
ELSEWHERE = "https://bedrock-runtime.eu-central-1.amazonaws.com"
ID = "AKIACANARYCANARY"
PLAIN = {"access_key_id": ID, "secret_access_key": GOOD_KEY}


@pytest.fixture
def suite(suite: FakeSuite) -> FakeSuite:
    """Return a suite that knows Bedrock."""
    suite.catalog.types["aws-bedrock"] = provider_type(
        "aws-bedrock",
        base_url=ADDRESS,
        no_model_list=True,
        auth_kinds=[provider_pb2.AUTH_KIND_AWS_KEYS, provider_pb2.AUTH_KIND_API_KEY],
    )
    return suite


def test_keys_come_as_json(cli: Cli, suite: FakeSuite) -> None:
    """The object's fields are the contract's; nothing of them is printed."""
    result = cli.run("connect", "aws-bedrock", stdin=json.dumps(PLAIN))
    assert result.code == 0, result.err
    assert GOOD_KEY not in result.out + result.err
    assert ID not in result.out + result.err
    [saved] = suite.requests("SaveApiKey")
    assert saved.WhichOneof("secret") == "aws_keys"
    assert (saved.aws_keys.access_key_id, saved.aws_keys.secret_access_key) == (ID, GOOD_KEY)
    assert (saved.aws_keys.session_token, saved.aws_keys.region) == ("", "")
    [created] = suite.requests("CreateProvider")
    assert created.provider.endpoint.base_url == ""


def test_a_region_is_an_address(cli: Cli, suite: FakeSuite) -> None:
    """A new provider is made in the region of its keys; one that is there keeps its own."""
    stdin = json.dumps({**PLAIN, "session_token": "t==", "region": "eu-central-1"})
    assert cli.run("connect", "bedrock", "--type", "aws-bedrock", stdin=stdin).code == 0
    [created] = suite.requests("CreateProvider")
    assert created.provider.endpoint.base_url == ELSEWHERE
    [saved] = suite.requests("SaveApiKey")
    assert (saved.aws_keys.session_token, saved.aws_keys.region) == ("t==", "eu-central-1")
    assert saved.base_url == ""
    again = json.dumps({**PLAIN, "region": "us-east-1"})
    assert cli.run("connect", "bedrock", "--label", "second", stdin=again).code == 0
    assert suite.requests("SaveApiKey")[-1].base_url == ADDRESS


def test_keys_are_asked_for_without_echo(cli: Cli, suite: FakeSuite) -> None:
    """One prompt each; only the region shows, and nothing is an argument."""
    child = cli.at_terminal("connect", "aws-bedrock")
    child.see("Access key id of aws-bedrock")
    arguments = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    assert arguments.split(b"\0")[-3:] == [b"connect", b"aws-bedrock", b""]
    child.enter(ID)
    child.see("Secret access key: ")
    child.enter(GOOD_KEY)
    child.see("Session token of temporary keys")
    child.enter("")
    child.see("Region [us-east-1]: ")
    child.enter("")
    code, screen = child.end()
    assert code == 0
    assert ID not in screen
    assert GOOD_KEY not in screen
    [saved] = suite.requests("SaveApiKey")
    assert (saved.aws_keys.access_key_id, saved.aws_keys.region) == (ID, "us-east-1")


def test_an_api_key_is_taken_too(cli: Cli, suite: FakeSuite) -> None:
    """Piped in alone, or asked for when there is no access key id."""
    assert cli.run("connect", "aws-bedrock", stdin=f"{GOOD_KEY}\n").code == 0
    assert suite.requests("SaveApiKey")[0].api_key == GOOD_KEY
    child = cli.at_terminal("connect", "aws-bedrock")
    child.see("Access key id of aws-bedrock")
    child.enter("")
    child.see("Bedrock API key of aws-bedrock")
    child.enter(GOOD_KEY)
    code, shown = child.end()
    assert code == 0
    assert "were not read" not in shown
    assert suite.requests("SaveApiKey")[1].api_key == GOOD_KEY


@pytest.mark.parametrize(
    "stdin",
    [
        "",
        '{"access_key_id": "AKIACANARYCANARY", "secret_access_key": "canary',
        '{"access_key_id": "AKIACANARYCANARY"}',
        '{"access_key_id": "canary", "secret_access_key": "canary"}',
        '{"access_key_id": 7, "secret_access_key": "canary"}',
        '{"access_key_id": "AKIACANARYCANARY", "secret_access_key": "canary canary"}',
        '{"access_key_id": "AKIACANARYCANARY", "secret_access_key": "c", "session_token": "a\\nb"}',
        '{"access_key_id": "AKIACANARYCANARY", "secret_access_key": "c", "region": "../canary"}',
        '{"canary": 1, "access_key_id": "AKIACANARYCANARY", "secret_access_key": "c"}',
        "canary with spaces",
    ],
)
def test_what_is_no_key_changes_nothing(cli: Cli, suite: FakeSuite, stdin: str) -> None:
    """It is refused before anything is made, and nothing of it is told back."""
    result = cli.run("connect", "aws-bedrock", stdin=stdin)
    assert result.code == 2
    assert "canary" not in (result.out + result.err).lower()
    assert "CreateProvider" not in suite.methods()
    assert "SaveApiKey" not in suite.methods()


@pytest.mark.parametrize(
    ("region", "address", "there"),
    [
        ("", ADDRESS, ADDRESS),
        ("eu-central-1", ADDRESS, ELSEWHERE),
        ("eu-central-1", "https://vpce-1.acme.example", "https://vpce-1.acme.example"),
        ("us-gov-west-1", "https://bedrock-runtime-fips.us-east-1.api.aws",
         "https://bedrock-runtime-fips.us-gov-west-1.api.aws"),
    ],
)  # fmt: skip
def test_the_address_of_a_region(region: str, address: str, there: str) -> None:
    """Only a host that names a region is changed."""
    assert address_in(region, address) == there
