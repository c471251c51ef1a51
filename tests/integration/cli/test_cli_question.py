"""What `trunkline chat` asks: texts, files, tools and options."""

from __future__ import annotations

import json

import pytest

from integration.cli.child import Cli
from support.fake_suite import FakeSuite
from trunkline.inference.v1 import message_pb2


def test_the_text_may_come_on_standard_input(cli: Cli, suite: FakeSuite) -> None:
    """As it is, to the last character."""
    result = cli.run("chat", "-m", "sandbox/ok", stdin=" über\nzwei Zeilen\n")
    assert (result.code, result.out) == (0, "Hello.\n")
    [request] = suite.requests("StreamChat")
    assert request.model == "sandbox/ok"
    assert request.messages[0].content[0].text == " über\nzwei Zeilen\n"


@pytest.mark.parametrize(
    ("arguments", "stdin"), [([], b""), ([], b" \n"), ([""], b""), ([], b"\xff\xfe")]
)
def test_nothing_to_say_is_not_sent(
    cli: Cli, suite: FakeSuite, arguments: list[str], stdin: bytes
) -> None:
    """Nor is what is no text."""
    result = cli.run("chat", *arguments, stdin=stdin)
    result.assert_reads_well()
    assert result.code == 2
    assert suite.seen == []


def test_every_option_reaches_the_request(cli: Cli, suite: FakeSuite) -> None:
    """Files, tools, limits and instructions are those that were given."""
    picture, page, tools = cli.home / "a.png", cli.home / "b.pdf", cli.home / "tools.json"
    picture.write_bytes(b"\x89PNG")
    page.write_bytes(b"%PDF")
    schema = {"type": "object", "properties": {"tz": {"type": "string"}}}
    described = [{"name": "get_time", "parameters": schema}, {"name": "stop", "strict": True}]
    tools.write_text(json.dumps(described))
    result = cli.run(
        *("chat", "--system", "Be brief.", "--file", str(picture), "--file", str(page)),
        *("--tool", str(tools), "--max-output-tokens", "50", "--temperature", "0"),
        *("--reasoning", "low", "What is it?"),
    )
    assert result.code == 0
    [request] = suite.requests("StreamChat")
    assert request.max_output_tokens == 50
    assert request.sampling.HasField("temperature")
    assert request.sampling.temperature == 0
    assert request.reasoning.effort == "low"
    assert [tool.name for tool in request.tools] == ["get_time", "stop"]
    assert request.tools[0].parameters["properties"]["tz"]["type"] == "string"
    assert request.tools[1].strict
    system, user = request.messages
    assert (system.role, system.content[0].text) == (message_pb2.ROLE_SYSTEM, "Be brief.")
    image, document, said = user.content
    assert (image.image.data, image.image.media_type) == (b"\x89PNG", "image/png")
    assert document.document.data == b"%PDF"
    assert document.document.media_type == "application/pdf"
    assert document.document.name == "b.pdf"
    assert said.text == "What is it?"


@pytest.mark.parametrize(
    ("option", "name", "content", "named"),
    [
        ("--file", "a.png", None, "cannot be read"),
        ("--file", "a.png", b"", "is empty"),
        ("--file", "a.mystery", b"x", "what it is"),
        ("--tool", "t.json", b"{", "describes no tool"),
        ("--tool", "t.json", b'"text"', "describes no tool"),
        ("--tool", "t.json", b"[" * 100_000, "describes no tool"),
        ("--tool", "t.json", b'{"nome":"x"}', "nome"),
    ],
)
def test_a_file_that_cannot_be_used_is_named(
    cli: Cli, suite: FakeSuite, option: str, name: str, content: bytes | None, named: str
) -> None:
    """Before anything is asked."""
    path = cli.home / name
    if content is not None:
        path.write_bytes(content)
    result = cli.run("chat", option, str(path), "Hello")
    result.assert_reads_well()
    assert result.code == 2
    assert str(path) in result.err
    assert named in result.err
    assert suite.seen == []
