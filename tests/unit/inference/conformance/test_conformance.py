"""Every adapter, run through the suite of all adapters."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from trunkline.inference.adapters.adapter import Adapter
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.azure import AzureAdapter
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.adapters.responses import ResponsesAdapter
from unit.inference.conformance import (
    anthropic_blocks,
    anthropic_documents,
    anthropic_failures,
    anthropic_streams,
    azure_cases,
    bedrock_documents,
    bedrock_failures,
    bedrock_streams,
    google_documents,
    google_failures,
    google_streams,
    ollama_documents,
    ollama_failures,
    ollama_streams,
    openai_documents,
    openai_failures,
    openai_services,
    openai_streams,
    responses_documents,
    responses_failures,
    responses_streams,
)
from unit.inference.conformance.suite import Case, check, check_cuts

CASES: dict[Adapter, tuple[Case, ...]] = {
    OpenAIAdapter(): (
        *openai_streams.STREAMS,
        *openai_documents.DOCUMENTS,
        *openai_failures.FAILURES,
        *openai_services.SERVICES,
    ),
    AnthropicAdapter(): (
        *anthropic_streams.STREAMS,
        *anthropic_blocks.BLOCKS,
        *anthropic_documents.DOCUMENTS,
        *anthropic_failures.FAILURES,
    ),
    BedrockAdapter(): (
        *bedrock_streams.STREAMS,
        *bedrock_documents.DOCUMENTS,
        *bedrock_failures.FAILURES,
    ),
    GoogleAdapter(): (
        *google_streams.STREAMS,
        *google_documents.DOCUMENTS,
        *google_failures.FAILURES,
    ),
    OllamaAdapter(): (
        *ollama_streams.STREAMS,
        *ollama_documents.DOCUMENTS,
        *ollama_failures.FAILURES,
    ),
    AzureAdapter(): azure_cases.CASES,
    ResponsesAdapter(): (
        *responses_streams.STREAMS,
        *responses_documents.DOCUMENTS,
        *responses_failures.FAILURES,
    ),
}
EVERY = [(adapter, case) for adapter, cases in CASES.items() for case in cases]

of_every_case = pytest.mark.parametrize(
    ("adapter", "case"), EVERY, ids=[f"{adapter.format}-{case.name}" for adapter, case in EVERY]
)


@pytest.mark.parametrize("adapter", CASES, ids=[adapter.format for adapter in CASES])
def test_every_case_has_a_name_of_its_own(adapter: Adapter) -> None:
    """A failure names the case, which helps only when the name is one case's."""
    names = [(case.name, case.stream) for case in CASES[adapter]]
    assert len(set(names)) == len(names)
    assert len(names) > 40


@of_every_case
def test_a_reply_in_one_read(adapter: Adapter, case: Case) -> None:
    """A reply that comes in one read comes to what is expected."""
    check(adapter, case)


@of_every_case
def test_a_reply_byte_by_byte(adapter: Adapter, case: Case) -> None:
    """A reply that comes byte by byte comes to the same."""
    check(adapter, case, range(len(case.body)))


@of_every_case
def test_a_reply_cut_at_every_place(adapter: Adapter, case: Case) -> None:
    """A reply in two reads comes to the same, wherever it is cut."""
    check_cuts(adapter, case)


@given(st.data())
def test_a_reply_in_three_reads(data: st.DataObject) -> None:
    """A reply in three reads comes to the same, wherever it is cut."""
    adapter, case = data.draw(st.sampled_from(EVERY))
    check(adapter, case, data.draw(st.lists(st.integers(0, len(case.body)), max_size=2)))
