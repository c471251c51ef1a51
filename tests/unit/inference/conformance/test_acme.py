"""The adapter of docs/adapters.md, held to what all are held to."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from support.acme import ROOT, acme_installed
from trunkline.inference.adapters.adapter import Adapter, Target
from trunkline.inference.installed import list_adapters
from trunkline.inference.v1 import failure_pb2, result_pb2
from unit.inference.conformance.suite import HELLO, Answered, Block, Case, Failed, check, check_cuts

DOCUMENT = Path(__file__).parents[4] / "docs" / "adapters.md"
SOURCE = ROOT / "trunkline_acme.py"
TARGET = Target("acme", "acme-1", "https://acme.example/v1")
USAGE = result_pb2.Usage(input_tokens=3, output_tokens=2, source=result_pb2.USAGE_SOURCE_REPORTED)
END = {"end": "stop", "tokens": [3, 2]}


@pytest.fixture(scope="module")
def adapter() -> Adapter:
    """Give the adapter as it is found among what is installed."""
    with acme_installed():
        return list_adapters(())["acme"]


def _lines(*lines: object) -> bytes:
    return b"".join(msgspec.json.encode(line) + b"\n" for line in lines)


def _answered(text: str, raw: str = "stop") -> Answered:
    reasons = {
        "stop": result_pb2.FINISH_REASON_STOP,
        "length": result_pb2.FINISH_REASON_LENGTH,
    }
    reason = reasons.get(raw, result_pb2.FINISH_REASON_UNSPECIFIED)
    blocks = (Block("text", text),) if text else ()
    return Answered(blocks, reason, raw, USAGE)


def _failed(kind: int, says: str, text: str = "", code: str = "") -> Failed:
    blocks = (Block("text", text),) if text else ()
    return Failed(blocks, failure_pb2.ErrorKind.ValueType(kind), says, code)


BROKEN = failure_pb2.ERROR_KIND_BROKEN_STREAM
CASES = (
    Case("text", _lines({"text": "Hel"}, {"text": "lo ü"}, END), _answered("Hello ü")),
    Case("one line", _lines({"text": "Hello", **END}), _answered("Hello")),
    Case("no last line feed, no words", _lines(END), _answered("")),
    Case("blank lines", b"\n\n" + _lines({"text": "a"}) + b"\n" + _lines(END), _answered("a")),
    Case("a limit", _lines({"text": "a"}, {**END, "end": "length"}), _answered("a", "length")),
    Case(
        "an end of its own", _lines({"text": "a"}, {**END, "end": "bored"}), _answered("a", "bored")
    ),
    Case("more after the end", _lines({"text": "a"}, END, {"text": "b"}), _answered("a")),
    Case("cut", _lines({"text": "a"}), _failed(BROKEN, "broke off", "a")),
    Case("cut in a line", _lines({"text": "a"}) + b'{"te', _failed(BROKEN, "broke off", "a")),
    Case("empty", b"", _failed(BROKEN, "broke off")),
    Case("a page", b"<html>\n</html>\n", _failed(BROKEN, "no line of JSON")),
    Case("a line of nonsense", _lines({"text": "a"}, 7, END), _failed(BROKEN, "no line", "a")),
    Case(
        "a failure in the middle",
        _lines({"text": "a"}, {"oops": ["busy", "Come back."]}),
        _failed(failure_pb2.ERROR_KIND_SERVER_ERROR, "overloaded", "a", "busy"),
    ),
    Case(
        "a whole answer",
        _lines({"text": "Hello"}, END),
        _answered("Hello"),
        stream=False,
    ),
)


@pytest.mark.parametrize("case", CASES, ids=lambda case: case.name)
def test_the_example_reads_what_all_read(adapter: Adapter, case: Case) -> None:
    """Whole, byte by byte, and cut at every place."""
    check(adapter, case)
    check(adapter, case, range(len(case.body)))
    check_cuts(adapter, case)


def test_the_example_says_what_it_cannot_carry(adapter: Adapter) -> None:
    """An image is named as lost; the key is in its header and in no other place."""
    request = type(HELLO)()
    request.CopyFrom(HELLO)
    request.messages[0].content.add().image.url = "https://pictures.example/cat.png"
    target = Target("acme", "acme-1", TARGET.base_url)
    target.secret.api_key = "secret-of-acme"
    built = adapter.build_chat(target, request, stream=True)
    assert [loss.path for loss in built.losses] == ["messages[0].content[1]"]
    assert msgspec.json.decode(built.request.content)["lines"] == [["user", "Hello"]]
    assert built.request.headers["x-acme-key"] == "secret-of-acme"
    assert b"secret-of-acme" not in built.request.content


def test_the_document_shows_the_example_as_it_is() -> None:
    """Who copies it gets what is tested here, in under 100 lines."""
    source = SOURCE.read_text()
    assert f"```python\n{source}```\n" in DOCUMENT.read_text()
    assert len(source.splitlines()) < 100
