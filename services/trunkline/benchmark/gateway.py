"""Ask an OpenAI-compatible gateway, as any caller would."""

from __future__ import annotations

import asyncio
import time
from types import TracebackType
from typing import Final, Self

import httpx

from trunkline.benchmark.events import Answer, StreamRefused
from trunkline.benchmark.observation import Call, End

_CONNECT_S: Final = 5.0
_MAX_ERROR_CHARS: Final = 2_000
_NO_CONNECTION: Final = (httpx.ConnectError, httpx.ConnectTimeout)
_QUESTION: Final = [{"role": "user", "content": "Is the line open?"}]


class Unreachable(Exception):
    """No connection to the gateway could be made."""


class Gateway:
    """Ask a gateway for chats; a `bench.Driver`.

    Args:
        url: its base address, with `/v1` where it has that.
        api_key: for it; empty: it takes none.
        prefix: what stands before each model's name.
    """

    def __init__(self, url: str, api_key: str, prefix: str) -> None:
        self._url = url.rstrip("/") + "/chat/completions"
        self._prefix = prefix
        headers = {"authorization": f"Bearer {api_key}"} if api_key else {}
        # Reads have no limit of their own: the call as a whole has one.
        timeout = httpx.Timeout(None, connect=_CONNECT_S)
        self._client = httpx.AsyncClient(headers=headers, timeout=timeout, trust_env=False)

    async def __aenter__(self) -> Self:
        """Return the gateway."""
        return self

    async def __aexit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        """Close the connections."""
        await self._client.aclose()

    async def check(self) -> None:
        """Connect, to tell a wrong address from a gateway that goes away while it is judged.

        Raises:
            Unreachable: there is no gateway.
        """
        try:
            async with self._client.stream("GET", self._url, timeout=_CONNECT_S):
                pass
        except _NO_CONNECTION as failed:
            raise Unreachable(f"No connection to {self._url} could be made.") from failed
        except httpx.HTTPError:
            pass  # there is one, and what it makes of this is not judged

    async def ask(self, model: str, fallback: str, limit_s: float) -> Call:
        """Ask one question as a stream; the fallback is the gateway's own setting."""
        started_at = time.monotonic()
        answer = Answer()
        end, error = End.ANSWERED, ""
        try:
            async with asyncio.timeout(limit_s):
                error = await self._read(self._prefix + model, answer)
        except TimeoutError:
            end = End.HUNG
        except _NO_CONNECTION:
            end = End.UNREACHABLE
        except (httpx.HTTPError, StreamRefused) as failed:
            error = str(failed) or type(failed).__name__
        if error:
            end = End.FAILED
        return Call(
            started_at,
            time.monotonic(),
            end,
            answer.text,
            answer.model,
            answer.has_usage,
            error[:_MAX_ERROR_CHARS],
        )

    async def _read(self, model: str, answer: Answer) -> str:
        """Read an answer; return the error that came in place of one."""
        body = {
            "model": model,
            "messages": _QUESTION,
            "stream": True,
            "stream_options": {"include_usage": True},
        }
        async with self._client.stream("POST", self._url, json=body) as reply:
            if reply.status_code != httpx.codes.OK:
                told = b""
                async for data in reply.aiter_bytes():
                    told += data
                    if len(told) >= _MAX_ERROR_CHARS:
                        break
                return f"{reply.status_code} {told.decode(errors='replace')}"
            async for data in reply.aiter_bytes():
                answer.feed(data)
        return ""
