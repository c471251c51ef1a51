"""A running sandbox, and the official client in front of it."""

from __future__ import annotations

from collections.abc import AsyncIterator

import openai
import pytest

from trunkline.sandbox.server import Sandbox


@pytest.fixture
async def sandbox() -> AsyncIterator[Sandbox]:
    """Run a sandbox fifty times faster than life."""
    async with Sandbox(time_scale=0.02) as running:
        yield running


@pytest.fixture
async def client(sandbox: Sandbox) -> AsyncIterator[openai.AsyncOpenAI]:
    """Open the official client, which retries nothing and takes no proxy."""
    async with (
        openai.DefaultAsyncHttpxClient(trust_env=False) as http,
        openai.AsyncOpenAI(
            api_key=sandbox.api_key,
            base_url=sandbox.base_url,
            max_retries=0,
            timeout=20.0,
            http_client=http,
        ) as opened,
    ):
        yield opened
