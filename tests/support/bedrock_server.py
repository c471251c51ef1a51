"""A small Bedrock on a real socket: it checks signatures, and answers with streams and vectors.

Signatures are checked by the steps of the specification, without botocore.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Self
from urllib.parse import unquote

from trunkline.inference.v1.provider_pb2 import AwsKeys
from trunkline.sandbox.vectors import make_vector
from unit.inference.conformance.bedrock_wire import (
    START,
    argument,
    call,
    end,
    exception,
    metadata,
    stop,
    text,
    whole,
)

_SKEW_S = 300
_STREAM = "application/vnd.amazon.eventstream"

MAX_TEXTS = 96
"""How many texts Cohere's models take in one request."""

DIMENSIONS = 8
"""Length of a vector where the request says no other."""

# What a model says, by its name; the socket is cut after a stream that does not end.
ANSWERS = {
    "ok": START + text("Hel") + text("lo") + stop() + end() + metadata(),
    "tool": START + call(0, "x", "weather") + argument(0, '{"city":"Bern"}') + stop()
    + end("tool_use") + metadata(),
    "throttled": START + text("Hel") + exception("throttlingException", "Too many requests."),
    "cut": START + text("Hel"),
}  # fmt: skip


@dataclass(frozen=True, slots=True)
class Asked:
    """A request that came, and was signed as it must be.

    Attributes:
        path: as it came.
        body: decoded.
    """

    path: str
    body: dict[str, Any]


class BedrockServer:
    """Answers whoever signs with its keys.

    Args:
        keys: that it knows.

    Attributes:
        asked: the requests that came, to chat or for vectors.
        base_url: where it is.
    """

    def __init__(self, keys: AwsKeys) -> None:
        self._keys = keys
        self.asked: list[Asked] = []
        self.base_url = ""

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.base_url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.strip().split("\r\n")
            method, path, _ = line.split(" ")
            headers = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
            content = await reader.readexactly(int(headers["content-length"]))
            await self._answer(writer, method, path, headers, content)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    async def _answer(
        self,
        writer: asyncio.StreamWriter,
        method: str,
        path: str,
        headers: dict[str, str],
        content: bytes,
    ) -> None:
        """Check who asks, and say what the model says."""
        if headers.get("authorization") != self._expected(method, path, headers, content):
            refuse(writer, 403, "InvalidSignatureException", "The signature does not match.")
            return
        body = json.loads(content)
        model, _, kind = path.removeprefix("/model/").partition("/")
        if kind == "invoke":
            self.asked.append(Asked(path, body))
            status, made = invoke(unquote(model), body)
            said = json.dumps(made).encode()
            writer.write(head_of(status, "application/json", len(said)) + said)
            return
        if not body["messages"]:
            refuse(writer, 400, "ValidationException", "messages must not be empty.")
            return
        self.asked.append(Asked(path, body))
        if kind == "converse":
            said = whole({"text": "Hello"})
            writer.write(head_of(200, "application/json", len(said)) + said)
            return
        said = ANSWERS[model]
        writer.write(head_of(200, _STREAM))
        # Chunks of HTTP that end anywhere, each in a write of its own.
        for start in range(0, len(said), 50):
            piece = said[start : start + 50]
            writer.write(f"{len(piece):x}\r\n".encode() + piece + b"\r\n")
            await writer.drain()
        if model != "cut":
            writer.write(b"0\r\n\r\n")

    def _expected(self, method: str, path: str, headers: dict[str, str], content: bytes) -> str:
        """Return what the authorization must be; "" when it came too late or is none."""
        moment = headers.get("x-amz-date", "")
        if not moment:
            return ""
        when = datetime.strptime(moment, "%Y%m%dT%H%M%SZ").replace(tzinfo=UTC)
        if abs((datetime.now(UTC) - when).total_seconds()) > _SKEW_S:
            return ""
        names = sorted(name for name in headers if name == "host" or name.startswith("x-amz-"))
        signed = "".join(f"{name}:{headers[name]}\n" for name in names)
        digest = hashlib.sha256(content).hexdigest()
        canonical = "\n".join(
            [method, path.replace("%", "%25"), "", signed, ";".join(names), digest]
        )
        region = self._keys.region or "us-east-1"
        scope = f"{moment[:8]}/{region}/bedrock/aws4_request"
        to_sign = "\n".join(
            ["AWS4-HMAC-SHA256", moment, scope, hashlib.sha256(canonical.encode()).hexdigest()]
        )
        key = f"AWS4{self._keys.secret_access_key}".encode()
        for step in (*scope.split("/"), to_sign):
            key = hmac.digest(key, step.encode(), "sha256")
        return (
            f"AWS4-HMAC-SHA256 Credential={self._keys.access_key_id}/{scope},"
            f" SignedHeaders={';'.join(names)}, Signature={key.hex()}"
        )


def invoke(model: str, body: dict[str, Any]) -> tuple[int, dict[str, Any]]:
    """Return the status and the body of what InvokeModel answers, by the model's family.

    What a family's form does not have is refused, as is what it lacks.
    """
    if "amazon.titan-embed-text" in model and isinstance(body.get("inputText"), str):
        if not body.keys() - {"inputText", "dimensions", "normalize"}:
            vector = make_vector(body["inputText"], body.get("dimensions", DIMENSIONS))
            return 200, {"embedding": vector, "inputTextTokenCount": 3}
    elif "cohere.embed" in model and 0 < len(body.get("texts", ())) <= MAX_TEXTS:
        if body.keys() - {"output_dimension"} == {"texts", "input_type", "truncate"}:
            length = body.get("output_dimension", DIMENSIONS)
            made: Any = [make_vector(text, length) for text in body["texts"]]
            if "embed-v4" in model:
                made = {"float": made}
            return 200, {"id": "e1", "embeddings": made, "texts": body["texts"]}
    elif "amazon.nova-2-multimodal-embeddings" in model and "singleEmbeddingParams" in body:
        asked = body["singleEmbeddingParams"]
        vector = make_vector(asked["text"]["value"], asked.get("embeddingDimension", DIMENSIONS))
        return 200, {"embeddings": [{"embeddingType": "TEXT", "embedding": vector}]}
    return 400, {"message": "Malformed input request: #: extraneous key, or none that is required."}


def refuse(writer: asyncio.StreamWriter, status: int, code: str, message: str) -> None:
    """Write a refusal as AWS does."""
    said = json.dumps({"message": message}).encode()
    headers = f"x-amzn-errortype: {code}:http://internal.amazon.com/coral/\r\n"
    writer.write(head_of(status, "application/json", len(said), headers) + said)


def head_of(status: int, content_type: str, length: int | None = None, more: str = "") -> bytes:
    """Return the head of a response."""
    framed = "transfer-encoding: chunked" if length is None else f"content-length: {length}"
    return (
        f"HTTP/1.1 {status} X\r\ncontent-type: {content_type}\r\n{framed}\r\n"
        f"x-amzn-requestid: r1\r\nconnection: close\r\n{more}\r\n"
    ).encode()
