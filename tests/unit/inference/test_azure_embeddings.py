"""Where embeddings are asked for in Azure, with which key, and how many at once."""

from __future__ import annotations

import json

import pytest

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.azure import AzureEmbedder
from trunkline.inference.adapters.embedder import Batch
from trunkline.inference.v1 import embedding_pb2, provider_pb2

EMBEDDER = AzureEmbedder()
HOST = "https://my.openai.azure.com"
KEY = provider_pb2.ProviderSecret(api_key="the-key")
ENTRA = provider_pb2.ProviderSecret(bearer_token=provider_pb2.BearerToken(token="eyJ"))
PREVIEW = {"Api-Version": "2025-04-01-preview"}


def at(
    base_url: str,
    headers: dict[str, str] | None = None,
    secret: provider_pb2.ProviderSecret = KEY,
) -> Target:
    """Return a deployment at an address."""
    return Target("azure", "my vectors", base_url, headers or {}, secret, type="azure-openai")


@pytest.mark.parametrize(
    ("base_url", "headers", "url"),
    [
        (f"{HOST}/openai/v1", {}, "/openai/v1/embeddings"),
        (f"{HOST}/openai/v1", PREVIEW, "/openai/v1/embeddings"),
        (HOST, {}, "/openai/v1/embeddings"),
        (
            HOST,
            PREVIEW,
            "/openai/deployments/my%20vectors/embeddings?api-version=2025-04-01-preview",
        ),
        (
            f"{HOST}/openai/deployments",
            {},
            "/openai/deployments/my%20vectors/embeddings?api-version=2024-10-21",
        ),
        (
            f"{HOST}/openai/deployments/d",
            {},
            "/openai/deployments/d/embeddings?api-version=2024-10-21",
        ),
    ],
)
def test_where_requests_go(base_url: str, headers: dict[str, str], url: str) -> None:
    """As chats do, by another operation; the version goes into the query or nowhere."""
    request = EMBEDDER.build(at(base_url, headers), Batch(0, ["text"])).request
    assert (request.method, str(request.url)) == ("POST", HOST + url)
    assert request.headers["api-key"] == "the-key"
    assert "authorization" not in request.headers
    assert "api-version" not in request.headers


def test_a_token_of_entra_goes_alone() -> None:
    """A token is a bearer's, and no key goes beside it."""
    request = EMBEDDER.build(at(HOST, secret=ENTRA), Batch(0, ["text"])).request
    assert request.headers["authorization"] == "Bearer eyJ"
    assert "api-key" not in request.headers


def test_what_goes_out_is_what_openai_takes() -> None:
    """In base64, of the length that is asked for; what it is for cannot be said."""
    batch = Batch(0, ["a", "b"], 256, embedding_pb2.EMBEDDING_TASK_QUERY)
    built = EMBEDDER.build(at(HOST), batch)
    assert json.loads(built.request.content) == {
        "model": "my vectors",
        "input": ["a", "b"],
        "encoding_format": "base64",
        "dimensions": 256,
    }
    assert [loss.path for loss in built.losses] == ["task"]


def test_limits_are_openai_s() -> None:
    """Whatever the deployment is called."""
    limits = EMBEDDER.limits(HOST, "my vectors", provider_type="azure-openai")
    assert limits is not None
    assert (limits.items, limits.item_tokens, limits.truncates) == (2048, 8192, False)
