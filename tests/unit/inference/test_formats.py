"""In which wire format a model is asked."""

from __future__ import annotations

import pytest

from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.formats import format_of
from trunkline.planning.candidates import Candidate, Place


@pytest.mark.parametrize(
    ("fact", "asked_in"), [("", "openai"), ("openai-responses", "openai-responses")]
)
def test_a_models_own_format_goes_before_its_providers(fact: str, asked_in: str) -> None:
    """A provider may serve some of its models in another format than the rest."""
    model = model_pb2.Model(name="p/m")
    if fact:
        model.facts.format.value = fact
    endpoint = provider_pb2.ProviderEndpoint(format="openai")
    candidate = Candidate(
        "p/m",
        provider_pb2.Provider(name="p", endpoint=endpoint),
        model,
        credential_pb2.Credential(),
        Place("https://a.example", "https://a.example:443", is_local=False),
    )
    assert format_of(candidate) == asked_in
