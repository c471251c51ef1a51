"""Write replies of Bedrock as its servers do: event streams by their specification, and documents.

Nothing of botocore is used here, whose parser reads what this writes.
"""

from __future__ import annotations

import json
import struct
import zlib
from typing import Any

USAGE = {"inputTokens": 90, "outputTokens": 17, "totalTokens": 107}

_STRING = 7


def message(headers: dict[str, str], payload: bytes) -> bytes:
    """Write one message: prelude, its checksum, headers, payload, the checksum of all."""
    head = b"".join(_header(name, value) for name, value in headers.items())
    prelude = struct.pack(">II", 12 + len(head) + len(payload) + 4, len(head))
    body = prelude + struct.pack(">I", zlib.crc32(prelude)) + head + payload
    return body + struct.pack(">I", zlib.crc32(body))


def _header(name: str, value: str) -> bytes:
    """Write a header that is text."""
    said = value.encode()
    return (
        struct.pack(">B", len(name)) + name.encode() + struct.pack(">BH", _STRING, len(said)) + said
    )


def raw_event(kind: str, payload: bytes) -> bytes:
    """Write an event whose payload is given."""
    headers = {":event-type": kind, ":content-type": "application/json", ":message-type": "event"}
    return message(headers, payload)


def event(kind: str, **said: Any) -> bytes:
    """Write an event, with the padding that every one of them has."""
    return raw_event(kind, json.dumps({**said, "p": "abcdefg"}, ensure_ascii=False).encode())


START = event("messageStart", role="assistant")


def delta(index: int, **said: Any) -> bytes:
    """Write more of a block."""
    return event("contentBlockDelta", contentBlockIndex=index, delta=said)


def text(said: str, index: int = 0) -> bytes:
    """Write text."""
    return delta(index, text=said)


def thought(index: int = 0, **said: Any) -> bytes:
    """Write more of a thought: `text`, `signature` or `redactedContent`."""
    return delta(index, reasoningContent=said)


def begin(index: int, **said: Any) -> bytes:
    """Write the start of a block."""
    return event("contentBlockStart", contentBlockIndex=index, start=said)


def call(index: int, call_id: Any = "x", name: Any = "f") -> bytes:
    """Write the start of a call."""
    return begin(index, toolUse={"toolUseId": call_id, "name": name})


def argument(index: int, fragment: Any) -> bytes:
    """Write a fragment of what a tool is called with."""
    return delta(index, toolUse={"input": fragment})


def stop(index: int = 0) -> bytes:
    """Write the end of a block."""
    return event("contentBlockStop", contentBlockIndex=index)


def end(reason: str = "end_turn") -> bytes:
    """Write the terminator."""
    return event("messageStop", stopReason=reason, additionalModelResponseFields=None)


def metadata(usage: Any = USAGE) -> bytes:
    """Write what follows the terminator."""
    return event("metadata", usage=usage, metrics={"latencyMs": 234})


def exception(kind: str, said: str = "Oh.", **more: Any) -> bytes:
    """Write a failure that the service knows."""
    headers = {
        ":exception-type": kind,
        ":content-type": "application/json",
        ":message-type": "exception",
    }
    return message(headers, json.dumps({"message": said, **more}).encode())


def error(code: str, said: str) -> bytes:
    """Write a failure that the service does not know."""
    return message({":error-code": code, ":error-message": said, ":message-type": "error"}, b"")


def whole(*blocks: Any, reason: Any = "end_turn", usage: Any = USAGE, **more: Any) -> bytes:
    """Write an answer as one document."""
    said = {"role": "assistant", "content": list(blocks)}
    document = {"output": {"message": said}, "stopReason": reason, "usage": usage, **more}
    return json.dumps(document, ensure_ascii=False).encode()
