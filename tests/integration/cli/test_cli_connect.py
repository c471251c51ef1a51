"""`trunkline connect`: a provider, its key, its models, its default."""

from __future__ import annotations

import signal
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from integration.cli.child import Cli
from support.fake_credentials import GOOD_KEY
from support.fake_suite import FakeSuite, wait_for
from trunkline.catalog.v1 import provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.kernel.errors import FailedPrecondition, InvalidArgument, NotFound, Unavailable

BAD_KEY = "sk-canary-cli-bad"


@pytest.fixture(autouse=True)
def no_key_is_an_argument(suite: FakeSuite) -> Iterator[None]:
    """Check what every process of this test was started with, as far as it still runs."""
    yield
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            assert b"sk-canary" not in path.read_bytes()
        except OSError:
            continue


def test_a_new_provider_is_made_and_proven_and_gets_its_default(cli: Cli, suite: FakeSuite) -> None:
    """One command and a key: the provider is complete."""
    result = cli.run("connect", "openai", stdin=f"{GOOD_KEY}\n")
    assert result.code == 0
    assert result.out.splitlines() == [
        "openai is connected.",
        "  state    defaults set",
        "  address  https://api.openai.com/v1",
        "  models   2",
        "  default  openai/gpt-mini",
    ]
    assert "trunkline chat --model openai/gpt-mini" in result.err
    assert GOOD_KEY not in result.out + result.err
    [created] = suite.requests("CreateProvider")
    assert (created.provider.name, created.provider.type) == ("openai", "openai")
    [saved] = suite.requests("SaveApiKey")
    assert (saved.provider, saved.api_key) == ("openai", GOOD_KEY)
    assert not saved.allow_unverified
    [updated] = suite.requests("UpdateProvider")
    assert updated.provider.default_model == "gpt-mini"
    assert list(updated.update_mask.paths) == ["default_model"]


def test_the_key_comes_from_a_prompt_without_echo(cli: Cli, suite: FakeSuite) -> None:
    """What is typed at the terminal shows nowhere on it, and is in no argument."""
    child = cli.at_terminal("connect", "openai")
    child.see("API key of openai: ")
    arguments = Path(f"/proc/{child.pid}/cmdline").read_bytes()
    assert arguments.split(b"\0")[-3:] == [b"connect", b"openai", b""]
    child.enter(GOOD_KEY)
    code, screen = child.end()
    assert code == 0
    assert "openai is connected." in screen
    assert "sk-" not in screen
    assert suite.requests("SaveApiKey")[0].api_key == GOOD_KEY


def test_who_turns_back_at_the_prompt_has_changed_nothing(cli: Cli, suite: FakeSuite) -> None:
    """Ctrl-C and Ctrl-D at the prompt come before anything is made."""
    for key, code in (("\x03", 130), ("\x04", 1)):
        child = cli.at_terminal("connect", "openai")
        child.see("API key of openai: ")
        child.press(key)
        assert child.end()[0] == code
    assert suite.catalog.providers == {}
    assert "CreateProvider" not in suite.methods()


def test_a_refused_key_leaves_nothing_and_shows_the_providers_words(
    cli: Cli, suite: FakeSuite
) -> None:
    """Verdict and words are shown without control characters; the provider is gone again."""
    suite.credentials.provider_words = "Incorrect \x1b[31mAPI\x9b0m key\r\nprovided.\x07"
    result = cli.run("connect", "openai", stdin=BAD_KEY)
    result.assert_reads_well()
    assert (result.code, result.out) == (1, "")
    assert "verdict: REVOKED" in result.err
    assert "the provider says (HTTP 401, invalid_api_key): Incorrect [31mAPI0m key" in result.err
    assert not set("\x1b\x9b\x07\r") & set(result.err)
    assert BAD_KEY not in result.err
    assert suite.catalog.providers == {}
    assert suite.credentials.credentials == {}


def test_a_refusal_as_json_has_verdict_and_words(cli: Cli) -> None:
    """A program can act on the verdict."""
    error = cli.run("connect", "openai", "--json", stdin=BAD_KEY).error
    assert error["reason"] == "VERIFICATION_FAILED"
    assert error["code"] == "FAILED_PRECONDITION"
    assert error["metadata"]["verdict"] == "REVOKED"
    assert error["metadata"]["provider_message"] == "Incorrect API key provided."


def test_a_refused_key_leaves_an_earlier_one(cli: Cli, suite: FakeSuite) -> None:
    """A provider that was there before is not removed."""
    assert cli.run("connect", "openai", stdin=GOOD_KEY).code == 0
    assert cli.run("connect", "openai", stdin=BAD_KEY).code == 1
    assert set(suite.catalog.providers) == {"openai"}
    assert len(suite.credentials.credentials) == 1
    assert "DeleteProvider" not in suite.methods()


def test_a_provider_that_cannot_be_removed_again_is_told(cli: Cli, suite: FakeSuite) -> None:
    """Who is left with half a provider learns how to be rid of it."""
    suite.faults["DeleteProvider"].append(Unavailable("NOT_SERVING", "The service is stopping."))
    result = cli.run("connect", "openai", stdin=BAD_KEY)
    assert result.code == 1
    assert "`trunkline disconnect openai`" in result.err
    assert "verdict: REVOKED" in result.err


def test_a_provider_out_of_reach_can_be_saved_untried(cli: Cli, suite: FakeSuite) -> None:
    """Only when that is asked for, and then it is said."""
    suite.credentials.is_provider_up = False
    refused = cli.run("connect", "openai", stdin=GOOD_KEY)
    refused.assert_reads_well()
    assert "verdict: UNREACHABLE" in refused.err
    assert "--allow-unverified" in refused.err
    assert suite.catalog.providers == {}
    saved = cli.run("connect", "openai", "--allow-unverified", stdin=GOOD_KEY)
    assert saved.code == 0
    assert "  state    configured" in saved.out
    assert "  default  none" in saved.out
    assert "without having been tried" in saved.err


def test_the_credential_service_may_hear_late_of_a_new_provider(cli: Cli, suite: FakeSuite) -> None:
    """It is asked again until it knows the provider that was just made."""
    for _ in range(2):
        suite.faults["SaveApiKey"].append(
            NotFound("PROVIDER_NOT_FOUND", "There is no provider openai.")
        )
    assert cli.run("connect", "openai", stdin=GOOD_KEY).code == 0
    assert suite.methods().count("SaveApiKey") == 3


def test_who_turns_back_while_the_key_is_tried_leaves_nothing(cli: Cli, suite: FakeSuite) -> None:
    """The provider that was just made goes again, also on Ctrl-C."""
    suite.holds["SaveApiKey"] = threading.Event()
    suite.faults["SaveApiKey"].append(Unavailable("NOT_SERVING", "Too late."))
    child = cli.start("connect", "openai")
    assert child.stdin is not None
    child.stdin.write(GOOD_KEY)
    child.stdin.close()
    child.stdin = None
    wait_for(lambda: "SaveApiKey" in suite.methods())
    assert set(suite.catalog.providers) == {"openai"}
    child.send_signal(signal.SIGINT)
    out, err = child.communicate(timeout=30)
    suite.holds["SaveApiKey"].set()
    assert (child.returncode, out) == (130, "")
    assert "Interrupted." in err
    assert suite.catalog.providers == {}


def test_another_name_needs_an_address(cli: Cli, suite: FakeSuite) -> None:
    """The catalog recognises the type by it; the models are those that are named."""
    refused = cli.run("connect", "mine", stdin=GOOD_KEY)
    refused.assert_reads_well()
    assert refused.code == 2
    assert "--base-url" in refused.err
    assert "lm-studio" in refused.err
    suite.catalog.discovers = ()
    result = cli.run(
        "connect",
        "mine",
        "--base-url",
        "https://llm.example.com/v1",
        "--model",
        "big",
        stdin=GOOD_KEY,
    )
    assert result.code == 0
    assert "  default  mine/big" in result.out
    [created] = suite.requests("CreateProvider")
    assert created.provider.type == ""
    assert created.provider.endpoint.base_url == "https://llm.example.com/v1"
    assert list(created.models) == ["big"]
    assert suite.requests("SaveApiKey")[0].base_url == ""


def test_a_type_can_be_given_for_a_name_of_ones_own(cli: Cli, suite: FakeSuite) -> None:
    """Organisation and project go with the key."""
    result = cli.run(
        "connect",
        "work",
        "--type",
        "openai",
        "--organization",
        "org-1",
        "--project",
        "p-1",
        "--json",
        stdin=GOOD_KEY,
    )
    assert result.document["provider"]["type"] == "openai"
    assert result.document["provider"]["default_model"] == "gpt-mini"
    assert result.document["credential"]["organization"] == "org-1"
    assert suite.requests("SaveApiKey")[0].project == "p-1"
    unknown = cli.run("connect", "work2", "--type", "nonsense", stdin=GOOD_KEY)
    assert unknown.code == 2
    assert "nonsense" in unknown.err


def test_headers_that_authenticate_are_read_like_the_key(cli: Cli, suite: FakeSuite) -> None:
    """A line each after the key, which may be empty."""
    result = cli.run(
        "connect",
        "openai",
        "--header",
        "x-team",
        "--header",
        "authorization",
        stdin=f"\nblue\nBearer {GOOD_KEY}\n",
    )
    assert result.code == 0
    [saved] = suite.requests("SaveApiKey")
    assert saved.WhichOneof("secret") is None
    assert dict(saved.headers) == {"x-team": "blue", "authorization": f"Bearer {GOOD_KEY}"}


def test_a_local_server_needs_no_key(cli: Cli, suite: FakeSuite) -> None:
    """Its type says so, or --local does."""
    result = cli.run("connect", "lm-studio")
    assert result.code == 0
    assert "  address  http://localhost:1234/v1" in result.out
    assert "trunkline models --provider lm-studio" in result.err
    result = cli.run("connect", "box", "--local", "--base-url", "http://127.0.0.1:9000/v1")
    assert result.code == 0
    assert [saved.provider for saved in suite.requests("SaveLocalEndpoint")] == ["lm-studio", "box"]
    assert "SaveApiKey" not in suite.methods()


def test_a_server_that_exists_gets_a_new_key_and_address(cli: Cli, suite: FakeSuite) -> None:
    """The address counts with the key; what only counts for a new provider is refused."""
    suite.catalog.add_provider("openai", "openai")
    result = cli.run("connect", "openai", "--base-url", "https://proxy/v1", stdin=GOOD_KEY)
    assert result.code == 0
    assert suite.requests("SaveApiKey")[0].base_url == "https://proxy/v1"
    assert "  address  https://proxy/v1" in result.out
    for options in ("--model big", "--type sandbox"):
        refused = cli.run("connect", "openai", *options.split(), stdin=GOOD_KEY)
        refused.assert_reads_well()
        assert refused.code == 2
    assert "CreateProvider" not in suite.methods()


@pytest.mark.parametrize(
    ("stdin", "named"),
    [
        ("", "No key was entered"),
        ("two words", "spaces"),
        ("schlüssel-sk-canary", "ASCII"),
        ("k" * 9000, "8,192"),
        ("one\ntwo\n", "more than was asked for"),
    ],
)
def test_what_cannot_be_a_key_is_refused_unshown(
    cli: Cli, suite: FakeSuite, stdin: str, named: str
) -> None:
    """Nothing is made, and what was entered is not repeated."""
    result = cli.run("connect", "openai", stdin=stdin)
    result.assert_reads_well()
    assert result.code == 2
    assert named in result.err
    assert not stdin or stdin.splitlines()[-1] not in result.err
    assert suite.catalog.providers == {}


def test_an_address_that_is_refused_says_which_rule(cli: Cli, suite: FakeSuite) -> None:
    """The catalog's advice is passed on."""
    suite.faults["CreateProvider"].append(
        InvalidArgument(
            "ADDRESS_REFUSED",
            "The address may not be used.",
            metadata={"rule": "plain_http", "advice": "Use https."},
        )
    )
    result = cli.run("connect", "x", "--base-url", "http://example.com/v1", stdin=GOOD_KEY)
    result.assert_reads_well()
    assert result.err.splitlines()[-1] == "Use https."
    assert "SaveApiKey" not in suite.methods()


def test_without_a_name_and_a_terminal_the_types_are_listed(cli: Cli) -> None:
    """A script learns what it may name."""
    result = cli.run("connect")
    result.assert_reads_well()
    assert result.code == 2
    assert "lm-studio, openai, openai-compatible or sandbox" in result.err


def test_at_a_terminal_a_provider_is_picked(cli: Cli, suite: FakeSuite) -> None:
    """A wrong answer is asked again; a number or a name is taken."""
    child = cli.at_terminal("connect")
    child.see("What do you want to connect?")
    child.see("Number or name")
    child.enter("99")
    child.see("Enter a number from 1 to 4")
    child.see("Number or name")
    child.enter("1")
    child.see("Make a key at platform.openai.com.")
    child.see("API key of openai: ")
    child.enter(GOOD_KEY)
    child.see("openai is connected.")
    assert child.end()[0] == 0


def test_a_picked_type_without_an_address_is_asked_for_it(cli: Cli, suite: FakeSuite) -> None:
    """Name and address come from the terminal too."""
    child = cli.at_terminal("connect")
    child.see("Number or name")
    child.enter("openai-compatible")
    child.see("Its name here, for provider/model [openai-compatible]: ")
    child.enter("mine")
    child.see("Its address, such as https://host/v1: ")
    child.enter("https://llm.example.com/v1")
    child.see("API key of mine: ")
    child.enter(GOOD_KEY)
    child.see("mine is connected.")
    assert child.end()[0] == 0
    [created] = suite.requests("CreateProvider")
    assert (created.provider.name, created.provider.type) == ("mine", "openai-compatible")


def test_a_default_that_is_set_stays(cli: Cli, suite: FakeSuite) -> None:
    """A new key does not choose another model."""
    suite.catalog.add_provider("openai", "openai", default_model="gpt-large")
    result = cli.run("connect", "openai", stdin=GOOD_KEY)
    assert result.code == 0
    assert "  default  openai/gpt-large" in result.out
    assert "UpdateProvider" not in suite.methods()


def test_the_catalogs_remarks_are_shown(cli: Cli, suite: FakeSuite) -> None:
    """What is not as it should be is not hidden by success."""
    suite.catalog.add_provider("openai", "openai", notes=["The default model is gone."])
    result = cli.run("connect", "openai", stdin=GOOD_KEY)
    assert result.code == 0
    assert "The default model is gone." in result.err


def test_a_failure_after_the_key_is_saved_keeps_the_key(cli: Cli, suite: FakeSuite) -> None:
    """Only what failed is undone: a saved key is no half of anything."""
    suite.faults["UpdateProvider"].append(
        FailedPrecondition("NOT_VERIFIED", "It is not verified.", metadata={"provider": "openai"})
    )
    result = cli.run("connect", "openai", stdin=GOOD_KEY)
    result.assert_reads_well()
    assert result.code == 1
    assert suite.catalog.providers["openai"].state == provider_pb2.CONNECTION_STATE_VERIFIED
    [credential] = suite.credentials.credentials.values()
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
