"""Answers of OpenAI Responses that come as one document."""

from __future__ import annotations

from unit.inference.conformance.responses_streams import (
    CONTENT_FILTER,
    HELLO,
    LENGTH,
    SILENT,
    STOP,
    THOUGHT,
    TOOL_CALLS,
    USED,
)
from unit.inference.conformance.responses_wire import (
    function,
    output_text,
    said,
    thought,
    whole,
)
from unit.inference.conformance.suite import MINTED, Answered, Block, Case, Citation

DOCUMENTS = (
    Case(
        "text",
        whole(said(output_text("Hello"))),
        Answered(HELLO, STOP, "completed", USED),
        stream=False,
    ),
    Case(
        "blank lines around the document",
        b"\n\r\n" + whole(said(output_text("Hello"))) + b"\n",
        Answered(HELLO, STOP, "completed", USED),
        stream=False,
    ),
    Case(
        "no items",
        whole(),
        Answered((), STOP, "completed", USED),
        stream=False,
    ),
    Case(
        "thought, text and calls",
        whole(
            thought("Hm."),
            said(output_text("Hello")),
            function('{"a":1}'),
            function("", call_id="", name="g"),
        ),
        Answered(
            (
                THOUGHT,
                *HELLO,
                Block("completed", '{"a":1}', "x", "f"),
                Block("completed", "", MINTED, "g"),
            ),
            TOOL_CALLS,
            "completed",
            USED,
        ),
        stream=False,
    ),
    Case(
        "a thought that nobody asked for",
        whole(thought("Hm."), said(output_text("Hello"))),
        Answered((Block("reasoning", "", signature="gAAA"), *HELLO), STOP, "completed", USED),
        stream=False,
        request=SILENT,
    ),
    Case(
        "a refusal",
        whole(said({"type": "refusal", "refusal": "No."})),
        Answered((Block("refusal", "No."),), CONTENT_FILTER, "completed", USED),
        stream=False,
    ),
    Case(
        "a source",
        whole(said(output_text("Hello", {"type": "url_citation", "url": "https://a.example"}))),
        Answered(
            (Block("text", "Hello", citations=(Citation("https://a.example"),)),),
            STOP,
            "completed",
            USED,
        ),
        stream=False,
    ),
    Case(
        "an item of the provider's own",
        whole({"type": "web_search_call", "id": "ws_1"}, said(output_text("Hello"))),
        Answered(
            (
                Block(
                    "provider", '{"type": "web_search_call", "id": "ws_1"}', name="web_search_call"
                ),
                *HELLO,
            ),
            STOP,
            "completed",
            USED,
        ),
        stream=False,
    ),
    Case(
        "the token limit within a call",
        whole(
            function('{"a":', status="incomplete"),
            status="incomplete",
            incomplete_details={"reason": "max_output_tokens"},
        ),
        Answered((Block("aborted", '{"a":', "x", "f"),), LENGTH, "max_output_tokens", USED),
        stream=False,
    ),
    Case(
        "the token limit before any text, as with hidden thoughts",
        whole(status="incomplete", incomplete_details={"reason": "max_output_tokens"}),
        Answered((), LENGTH, "max_output_tokens", USED),
        stream=False,
    ),
)
