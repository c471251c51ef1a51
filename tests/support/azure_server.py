"""A small Azure OpenAI on a real socket: it lists models, and makes embeddings of a deployment."""

from __future__ import annotations

import asyncio
import base64
import json
import struct
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Self

from support.bedrock_server import head_of
from trunkline.sandbox.vectors import make_vector

DIMENSIONS = 8


@dataclass(frozen=True, slots=True)
class Asked:
    """A request for embeddings that came with the key.

    Attributes:
        path: as it came, with the query.
        body: decoded.
    """

    path: str
    body: dict[str, Any]


class AzureServer:
    """Answers whoever has its key.

    Args:
        key: that it knows.

    Attributes:
        asked: the requests for embeddings that came.
        url: of the resource.
    """

    def __init__(self, key: str) -> None:
        self._key = key
        self.asked: list[Asked] = []
        self.url = ""

    async def __aenter__(self) -> Self:
        """Listen on a free port."""
        self._server = await asyncio.start_server(self._serve, "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._server.sockets[0].getsockname()[1]}"
        return self

    async def __aexit__(self, *_: object) -> None:
        """Stop."""
        self._server.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """Answer one request, and close the connection."""
        try:
            head = (await reader.readuntil(b"\r\n\r\n")).decode()
            line, *fields = head.strip().split("\r\n")
            _, path, _ = line.split(" ")
            headers = {name.lower(): value for name, value in (f.split(": ", 1) for f in fields)}
            content = await reader.readexactly(int(headers.get("content-length", "0")))
            status, said = self._answer(path, headers, content)
            body = json.dumps(said).encode()
            writer.write(head_of(status, "application/json", len(body)) + body)
        except asyncio.IncompleteReadError:
            pass
        finally:
            writer.close()

    def _answer(self, path: str, headers: dict[str, str], content: bytes) -> tuple[int, Any]:
        """Return the status and the body of an answer."""
        if headers.get("api-key") != self._key or "authorization" in headers:
            return 401, {"error": {"code": "401", "message": "Access denied."}}
        place, _, query = path.partition("?")
        is_newer = place.startswith("/openai/v1/")
        if is_newer == query.startswith("api-version="):
            return 400, {"error": {"code": "BadRequest", "message": "api-version is wrong."}}
        if place.endswith("/models"):
            return 200, {"data": []}
        if not place.endswith("/embeddings"):
            return 400, {"error": {"code": "BadRequest", "message": "It makes embeddings alone."}}
        body = json.loads(content)
        self.asked.append(Asked(path, body))
        vectors = [make_vector(text, DIMENSIONS) for text in body["input"]]
        return 200, _embeddings(vectors, len(body["input"]))


def _embeddings(vectors: Sequence[Sequence[float]], tokens: int) -> dict[str, Any]:
    """Return a list of embeddings in base64."""
    coded = [base64.b64encode(struct.pack(f"<{len(each)}f", *each)).decode() for each in vectors]
    data = [
        {"object": "embedding", "index": index, "embedding": each}
        for index, each in enumerate(coded)
    ]
    usage = {"prompt_tokens": tokens, "total_tokens": tokens}
    return {"object": "list", "data": data, "model": "text-embedding-3-small", "usage": usage}
