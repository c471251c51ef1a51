"""A running sandbox, and the official clients in front of its faces."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import anthropic
import httpx
import ollama
import openai
import pytest
from google import genai
from google.genai import types
from google.genai.client import AsyncClient

from trunkline.sandbox.server import Sandbox

TIMEOUT = 20.0
"""Longest wait of a client, in seconds."""

HASTY = 0.3
"""Longest wait of a client that meets silence, in seconds."""


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a sandbox fifty times faster than life."""
    async with Sandbox(time_scale=0.02) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    """Open the official client, which retries nothing and takes no proxy."""
    async with (
        openai.DefaultAsyncHttpxClient(trust_env=False, verify=False) as http,
        openai.AsyncOpenAI(
            api_key=sandbox.api_key,
            base_url=sandbox.base_url,
            max_retries=0,
            timeout=TIMEOUT,
            http_client=http,
        ) as opened,
    ):
        yield opened


@pytest.fixture
async def claude(sandbox: Sandbox) -> AsyncIterator[anthropic.AsyncAnthropic]:
    """Open the official client of Anthropic, which retries nothing and takes no proxy."""
    async with (
        anthropic.DefaultAsyncHttpxClient(trust_env=False, verify=False) as http,
        anthropic.AsyncAnthropic(
            api_key=sandbox.api_key,
            # The client appends the version's path by itself.
            base_url=sandbox.addresses["anthropic"].removesuffix("/v1"),
            max_retries=0,
            timeout=TIMEOUT,
            http_client=http,
        ) as opened,
    ):
        yield opened


@asynccontextmanager
async def open_gemini(sandbox: Sandbox, seconds: float) -> AsyncIterator[AsyncClient]:
    """Open the official client of Google, which tries once and takes no proxy.

    Args:
        sandbox: the server to ask.
        seconds: its time limit.
    """
    base, _, version = sandbox.addresses["google"].rpartition("/")
    # Its own choice of a client would warn of deprecations. The line is plain HTTP: reading the
    # certificates of the system would only take time.
    with httpx.Client(trust_env=False, verify=False) as waiting:
        async with httpx.AsyncClient(trust_env=False, verify=False) as http:
            opened = genai.Client(
                api_key=sandbox.api_key,
                http_options=types.HttpOptions(
                    base_url=base,
                    api_version=version,
                    timeout=int(seconds * 1_000),
                    retry_options=types.HttpRetryOptions(attempts=1),
                    httpx_client=waiting,
                    httpx_async_client=http,
                ),
            )
            yield opened.aio


@pytest.fixture
async def gemini(sandbox: Sandbox) -> AsyncIterator[AsyncClient]:
    """Open the official client of Google."""
    async with open_gemini(sandbox, TIMEOUT) as opened:
        yield opened


@pytest.fixture
async def hasty_gemini(sandbox: Sandbox) -> AsyncIterator[AsyncClient]:
    """Open the official client of Google with a short time limit."""
    async with open_gemini(sandbox, HASTY) as opened:
        yield opened


@pytest.fixture
async def llama(
    sandbox: Sandbox, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[ollama.AsyncClient]:
    """Open the official client of Ollama, which sends no key."""
    monkeypatch.delenv("OLLAMA_API_KEY", raising=False)
    async with ollama.AsyncClient(
        host=sandbox.addresses["ollama"], trust_env=False, verify=False, timeout=TIMEOUT
    ) as opened:
        yield opened
