"""`trunkline status` and `trunkline models`: what there is, and how it fares."""

from __future__ import annotations

import json
import time

import pytest

from integration.cli.child import Cli
from support.fake_suite import DEVELOPER_TOKEN, FakeSuite
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.health.v1 import health_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration, timestamp
from trunkline.kernel.errors import Unavailable


@pytest.fixture
def busy(suite: FakeSuite) -> FakeSuite:
    """Have three providers, which make two pages, with models and healths."""
    suite.catalog.add_provider(
        "openai",
        "openai",
        state=provider_pb2.CONNECTION_STATE_DEFAULTS_SET,
        default_model="gpt-mini",
        model_count=2,
    )
    suite.catalog.add_provider(
        "groq", "openai-compatible", notes=["Its list could not be \x1b[2Jread."]
    )
    suite.catalog.add_provider("box", "lm-studio", state=provider_pb2.CONNECTION_STATE_VERIFIED)
    suite.credentials.add("openai")
    facts = model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(value=400_000),
        tools=model_pb2.BoolFact(value=True),
        vision=model_pb2.BoolFact(value=True),
    )
    suite.catalog.add_model("openai/gpt-mini", facts=facts, deployment_default=True)
    suite.catalog.add_model("openai/gpt-old", enabled=False, listed=False)
    suite.catalog.add_model("box/gemma\x1b]0;x\x07")
    suite.health.healths = [
        health_pb2.ProviderHealth(
            provider="openai",
            status=health_pb2.ENDPOINT_STATUS_OK,
            latency=duration(0.42),
            check_time=timestamp(time.time_ns() - 150 * 10**9),
            credentials=[
                health_pb2.CredentialHealth(
                    credential_id="cred_1", kind=failure_pb2.ERROR_KIND_QUOTA
                )
            ],
        ),
        health_pb2.ProviderHealth(
            provider="box",
            status=health_pb2.ENDPOINT_STATUS_UNREACHABLE,
            message="Nothing answers at its address.",
        ),
    ]
    return suite


def test_status_shows_each_provider_with_key_and_health(cli: Cli, busy: FakeSuite) -> None:
    """All pages, one line each; what is not as it should be stands below."""
    result = cli.run("status")
    assert result.code == 0
    header, box, groq, openai = (line.split("  ") for line in result.out.splitlines())
    cells = [[cell.strip() for cell in line if cell.strip()] for line in (box, groq, openai)]
    assert header[0] == "PROVIDER"
    assert cells[0] == ["box", "lm-studio", "verified", "-", "unreachable", "-", "0", "-"]
    assert cells[1] == [
        *("groq", "openai-compatible", "not connected", "-", "not known", "-", "0", "-")
    ]
    assert cells[2] == [
        *("openai", "openai", "defaults set", "api key, verified", "ok, 0.42 s, key: quota"),
        *("2 min ago", "2", "gpt-mini"),
    ]
    assert "groq: Its list could not be [2Jread." in result.err
    assert "box: Nothing answers at its address." in result.err


def test_status_of_a_provider_that_is_off_is_not_its_past(cli: Cli, suite: FakeSuite) -> None:
    """What was wrong with it when it was last asked is no news."""
    suite.catalog.add_provider("idle", "openai-compatible").enabled = False
    suite.health.healths = [
        health_pb2.ProviderHealth(
            provider="idle",
            status=health_pb2.ENDPOINT_STATUS_UNREACHABLE,
            message="It was away.",
            check_time=timestamp(time.time_ns() + 60 * 10**9),
        )
    ]
    result = cli.run("status")
    (line,) = result.out.splitlines()[1:]
    assert line.split() == ["idle", "openai-compatible", "off", "-", "-", "now", "0", "-"]
    assert result.err == ""


def test_status_as_json_is_one_document(cli: Cli, busy: FakeSuite) -> None:
    """With the names of the contract."""
    entries = {
        each["provider"]["name"]: each for each in cli.run("status", "--json").document["providers"]
    }
    assert set(entries) == {"box", "groq", "openai"}
    assert entries["openai"]["credentials"][0]["id"] == "cred_1"
    assert entries["openai"]["health"]["status"] == "ENDPOINT_STATUS_OK"
    assert entries["groq"]["health"] is None
    assert entries["groq"]["credentials"] == []


def test_status_without_a_provider_says_what_to_do(cli: Cli) -> None:
    """That is no failure."""
    result = cli.run("status")
    assert (result.code, result.out) == (0, "No provider is connected.\n")
    assert "trunkline connect" in result.err
    assert cli.run("status", "--json").document == {"providers": []}


def test_a_developer_sees_status_without_credentials(cli: Cli, busy: FakeSuite) -> None:
    """What is not for them is marked, and the rest is shown."""
    env = {"TRUNKLINE_TOKEN": DEVELOPER_TOKEN}
    result = cli.run("status", env=env)
    assert result.code == 0
    assert result.out.count("for admins") == 3
    document = cli.run("status", "--json", env=env).document
    assert document["providers"][0]["credentials"] is None


def test_models_are_listed_with_what_they_can(cli: Cli, busy: FakeSuite) -> None:
    """Names from a provider carry no control characters into the terminal."""
    result = cli.run("models")
    assert (result.code, result.err) == (0, "")
    header, gemma, mini = result.out.splitlines()
    assert [cell.strip() for cell in header.split("  ") if cell] == [
        *("MODEL", "WINDOW", "ANSWER", "IN / OUT PER 1M", "CAN", "NOTES")
    ]
    assert gemma.split()[0] == "box/gemma]0;x"
    assert mini.split() == ["openai/gpt-mini", "400,000", "-", "-", "tools,", "vision", "default"]
    whole = cli.run("models", "--all", "--provider", "openai")
    assert "off, not listed" in whole.out
    assert "box/" not in whole.out
    assert cli.run("models", "--provider", "groq").out == "No model of groq is known.\n"


def test_models_as_json_are_exact(cli: Cli, busy: FakeSuite) -> None:
    """Names are as they came, written so that no terminal obeys them."""
    result = cli.run("models", "--json")
    assert result.out.isascii()
    assert "\x1b" not in result.out
    names = [model["name"] for model in result.document["models"]]
    assert names == ["box/gemma\x1b]0;x\x07", "openai/gpt-mini"]


def test_models_can_be_read_anew(cli: Cli, busy: FakeSuite) -> None:
    """Of one provider, or of all that are connected."""
    result = cli.run("models", "--refresh", "--provider", "openai")
    assert result.code == 0
    assert result.err == "1 new, 0 gone, 0 changed.\n"
    assert "openai/gpt-large" in result.out
    assert [each.provider for each in busy.requests("RefreshModels")] == ["openai"]
    document = cli.run("models", "--refresh", "--json").document
    assert {change["model"] for change in document["changes"]} == {"box/gpt-mini", "box/gpt-large"}
    assert [each.provider for each in busy.requests("RefreshModels")[1:]] == ["box", "openai"]


def test_a_list_that_cannot_be_read_does_not_hide_the_others(cli: Cli, busy: FakeSuite) -> None:
    """What is known is listed, and the failure is told and counts."""
    busy.faults["RefreshModels"].append(
        Unavailable("LIST_UNAVAILABLE", "The list of box cannot be read.")
    )
    result = cli.run("models", "--refresh")
    result.assert_reads_well()
    assert result.code == 1
    assert "openai/gpt-large" in result.out
    assert "The list of box cannot be read." in result.err


def defaults(suite: FakeSuite) -> list[str]:
    """Return the models that are the default."""
    return [name for name, model in suite.catalog.models.items() if model.deployment_default]


def test_the_default_model_is_chosen(cli: Cli, busy: FakeSuite) -> None:
    """And can be done without."""
    busy.catalog.add_model("box/llama")
    result = cli.run("models", "default", "box/llama")
    assert (result.code, result.out) == (0, "box/llama is the default model now.\n")
    assert defaults(busy) == ["box/llama"]
    [request] = busy.requests("UpdateModel")
    assert list(request.update_mask.paths) == ["deployment_default"]
    assert cli.run("models", "default", "--none").out == "There is no default model now.\n"
    assert defaults(busy) == []
    assert cli.run("models", "default", "--none", "--json").document == {"model": None}


def test_a_model_that_is_not_there_shows_the_nearest(cli: Cli, busy: FakeSuite) -> None:
    """A slip of the finger is answered with what was meant."""
    result = cli.run("models", "default", "openai/gpt-mimi")
    result.assert_reads_well()
    assert result.code == 1
    assert "There is no model openai/gpt-mimi." in result.err
    assert "Did you mean openai/gpt-mini" in result.err
    error = cli.run("models", "default", "openai/gpt-mimi", "--json").error
    assert error["reason"] == "MODEL_NOT_FOUND"
    assert error["metadata"]["nearest"].startswith("openai/gpt-mini")
    assert json.dumps(error).isascii()
