"""Replies of Azure OpenAI: what its content filter adds to Chat Completions."""

from __future__ import annotations

from trunkline.inference.v1 import failure_pb2
from unit.inference.conformance.openai_documents import DOCUMENTS
from unit.inference.conformance.openai_failures import BROKEN_STREAMS
from unit.inference.conformance.openai_streams import (
    CONTENT_FILTER,
    END,
    HELLO,
    LENGTH,
    STOP,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.openai_wire import (
    DONE,
    call,
    calls,
    chunk,
    frame,
    text,
    usage,
    whole,
)
from unit.inference.conformance.suite import Answered, Block, Case, Failed

CONTENT_FILTERED = failure_pb2.ERROR_KIND_CONTENT_FILTERED
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR

SAFE = {"hate": {"filtered": False, "severity": "safe"}}
NAMELESS = {"id": "", "object": "", "created": 0, "model": ""}

PROMPT = frame(
    {
        **NAMELESS,
        "choices": [],
        "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": SAFE}],
    }
)


def annotation(finish_reason: str | None = None, **more: object) -> bytes:
    """Write a chunk that annotates what was said before, and says nothing."""
    choice = {"index": 0, "finish_reason": finish_reason, "content_filter_results": SAFE, **more}
    return frame({**NAMELESS, "choices": [choice]})


def _case(name: str, body: bytes, *blocks: Block) -> Case:
    """Return a case that ends with `stop`, usage and the end marker."""
    stream = PROMPT + body + END + usage() + DONE
    return Case(name, stream, Answered(blocks, STOP, "stop", USED))


STREAMS = (
    _case("a prompt that was looked at", text("Hel") + text("lo"), *HELLO),
    _case(
        "results in every chunk",
        chunk({"content": "Hello"}, content_filter_results={}),
        *HELLO,
    ),
    _case(
        "annotations between the pieces",
        text("Hel")
        + annotation(content_filter_offsets={"check_offset": 44, "start_offset": 44})
        + text("lo")
        + annotation(delta=None),
        *HELLO,
    ),
    Case(
        "annotations after the finish reason",
        PROMPT + text("Hello") + END + annotation() + usage() + DONE,
        Answered(HELLO, STOP, "stop", USED),
    ),
    Case(
        "an annotation that ends the answer",
        PROMPT + text("Hello") + annotation("content_filter") + DONE,
        Answered(HELLO, CONTENT_FILTER, "content_filter"),
    ),
    Case(
        "results of the prompt under their older name",
        frame({**NAMELESS, "choices": [], "prompt_annotations": []}) + text("Hello") + END + DONE,
        Answered(HELLO, STOP, "stop"),
    ),
    Case(
        "a call with every key there and null (DeepSeek's models)",
        PROMPT
        + chunk({"role": "assistant", "content": None, "reasoning_content": None})
        + calls(call("{}", call_id="x", name="f"))
        + chunk({"content": None, "tool_calls": None}, "tool_calls")
        + DONE,
        Answered((Block("completed", "{}", "x", "f"),), TOOL_CALLS, "tool_calls"),
    ),
    Case(
        "the token limit",
        PROMPT + text("Hello") + chunk(finish_reason="length") + DONE,
        Answered(HELLO, LENGTH, "length"),
    ),
)

FAILURES = (
    Case(
        "a prompt that the filter refuses within the stream",
        frame(
            {
                "error": {
                    "message": "The response was filtered …",
                    "type": None,
                    "param": "prompt",
                    "code": "content_filter",
                    "status": 400,
                    "innererror": {"code": "ResponsibleAIPolicyViolation"},
                }
            }
        ),
        Failed((), CONTENT_FILTERED, "filter", "content_filter"),
    ),
    Case(
        "an error after a word",
        PROMPT + text("Hello") + frame({"error": {"code": "500", "message": "Oh."}}),
        Failed(HELLO, SERVER_ERROR, "", "500"),
    ),
    Case(
        "annotations and no finish reason",
        PROMPT + text("Hello") + annotation() + DONE,
        Failed(HELLO, failure_pb2.ERROR_KIND_BROKEN_STREAM, "without a finish reason"),
    ),
)

FILTERED_DOCUMENTS = (
    Case(
        "a document with what the filter found",
        whole(
            {"role": "assistant", "content": "Hello"},
            prompt_filter_results=[{"prompt_index": 0, "content_filter_results": SAFE}],
        ),
        Answered(HELLO, STOP, "stop", USED),
        stream=False,
    ),
    Case(
        "a document that the filter ended",
        whole({"role": "assistant", "content": ""}, "content_filter"),
        Answered((), CONTENT_FILTER, "content_filter", USED),
        stream=False,
    ),
)

CASES = (*STREAMS, *FAILURES, *FILTERED_DOCUMENTS, *DOCUMENTS, *BROKEN_STREAMS)
