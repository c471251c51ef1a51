"""`trunkline embed`: vectors of texts."""

from __future__ import annotations

import json

import pytest

from integration.cli.child import Cli
from support.fake_suite import FakeSuite
from trunkline.inference.v1 import embedding_pb2
from trunkline.kernel.errors import FailedPrecondition
from trunkline.kernel.status import to_status


def test_each_text_is_a_row(cli: Cli, suite: FakeSuite) -> None:
    """With the length of its vector and how that begins."""
    result = cli.run("embed", "sandbox/ok", "first", "second", "x" * 99)
    assert (result.code, result.err) == (0, "")
    lines = [line.split() for line in result.out.splitlines()]
    assert lines[0] == ["NO", "TEXT", "NUMBERS", "VECTOR"]
    assert lines[1] == ["1", "first", "8", "0.0000", "0.5000", "0.5000", "0.5000", "…"]
    assert lines[2][:4] == ["2", "second", "8", "1.0000"]
    assert lines[3][1] == "x" * 31 + "…"
    [request] = suite.requests("StreamEmbed")
    assert request.model == "sandbox/ok"
    assert request.idempotency_key.startswith("key_")


def test_json_has_all_numbers(cli: Cli, suite: FakeSuite) -> None:
    """In the order of the texts, with what it took."""
    result = cli.run("embed", "--json", "--dimensions", "3", "sandbox/ok", "first", "second")
    printed = json.loads(result.out)
    assert printed["embeddings"] == [[0.0, 0.5, 0.5], [1.0, 0.5, 0.5]]
    assert printed["summary"]["model"] == "sandbox/ok"
    assert printed["summary"]["run_id"] == "run_e"


def test_lines_of_standard_input_are_texts(cli: Cli, suite: FakeSuite) -> None:
    """Empty ones are none."""
    result = cli.run("embed", "sandbox/ok", stdin="erste Zeile\n\nüber\n")
    assert result.code == 0
    [request] = suite.requests("StreamEmbed")
    assert list(request.inputs) == ["erste Zeile", "über"]


def test_options_reach_the_request(cli: Cli, suite: FakeSuite) -> None:
    """And what could not be carried is told."""
    result = cli.run(
        *("embed", "--task", "query", "--fallback", "a/ok", "--fallback", "b/ok"),
        *("--truncate", "sandbox/ok", "Hello"),
    )
    assert result.code == 0
    assert "Not carried: task." in result.err
    [request] = suite.requests("StreamEmbed")
    assert request.task == embedding_pb2.EMBEDDING_TASK_QUERY
    assert list(request.fallbacks) == ["a/ok", "b/ok"]
    assert request.truncate


@pytest.mark.parametrize(
    ("arguments", "stdin"),
    [(["sandbox/ok"], b""), (["sandbox/ok"], b" \n"), (["sandbox/ok", ""], b""), ([], b"Hello")],
)
def test_nothing_to_embed_is_not_sent(
    cli: Cli, suite: FakeSuite, arguments: list[str], stdin: bytes
) -> None:
    """Nor is a request without a model."""
    result = cli.run("embed", *arguments, stdin=stdin)
    result.assert_reads_well()
    assert result.code == 2
    assert suite.seen == []


def test_a_failure_is_told(cli: Cli, suite: FakeSuite) -> None:
    """No part of the vectors is shown for the whole."""
    error = FailedPrecondition("NO_EMBEDDINGS", "It makes no embeddings.")
    suite.inference.embedding_fault = to_status(
        error, domain="trunkline.inference", request_id="req_1"
    )
    result = cli.run("embed", "sandbox/ok", "first", "second")
    result.assert_reads_well()
    assert result.code != 0
    assert result.out == ""
    assert "It makes no embeddings." in result.err
