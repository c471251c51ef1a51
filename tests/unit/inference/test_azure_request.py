"""Where requests go in Azure, with which key, and what differs from Chat Completions."""

from __future__ import annotations

import json

import pytest
from google.protobuf import json_format

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.azure import AzureAdapter
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.openai_rows import SAID, USER

ADAPTER = AzureAdapter()
HOST = "https://my.openai.azure.com"
QUESTION = json_format.ParseDict({"messages": [USER]}, chat_pb2.ChatRequest())
OLDER = "?api-version=2024-10-21"
PREVIEW = {"Api-Version": "2025-04-01-preview"}


def at(base_url: str, headers: dict[str, str] | None = None) -> Target:
    """Return a deployment at an address."""
    secret = provider_pb2.ProviderSecret(api_key="the-key")
    return Target("azure", "my gpt", base_url, headers or {}, secret, type="azure-openai")


@pytest.mark.parametrize(
    ("base_url", "headers", "chat", "models"),
    [
        (
            f"{HOST}/openai/v1",
            {},
            f"{HOST}/openai/v1/chat/completions",
            f"{HOST}/openai/v1/models",
        ),
        # The newer way takes no version, whatever a provider's headers say.
        (
            f"{HOST}/openai/v1",
            PREVIEW,
            f"{HOST}/openai/v1/chat/completions",
            f"{HOST}/openai/v1/models",
        ),
        (HOST, {}, f"{HOST}/openai/v1/chat/completions", f"{HOST}/openai/v1/models"),
        (f"{HOST}/openai", {}, f"{HOST}/openai/v1/chat/completions", f"{HOST}/openai/v1/models"),
        (
            "https://my.services.ai.azure.com/api/projects/p/openai/v1",
            {},
            "https://my.services.ai.azure.com/api/projects/p/openai/v1/chat/completions",
            "https://my.services.ai.azure.com/api/projects/p/openai/v1/models",
        ),
        (
            "https://name.eastus.models.ai.azure.com/v1",
            {},
            "https://name.eastus.models.ai.azure.com/v1/chat/completions",
            "https://name.eastus.models.ai.azure.com/v1/models",
        ),
        (
            f"{HOST}/openai/deployments/d",
            {},
            f"{HOST}/openai/deployments/d/chat/completions{OLDER}",
            f"{HOST}/openai/models{OLDER}",
        ),
        (
            f"{HOST}/openai/deployments",
            {},
            f"{HOST}/openai/deployments/my%20gpt/chat/completions{OLDER}",
            f"{HOST}/openai/models{OLDER}",
        ),
        (
            f"{HOST}/openai/deployments/d",
            PREVIEW,
            f"{HOST}/openai/deployments/d/chat/completions?api-version=2025-04-01-preview",
            f"{HOST}/openai/models?api-version=2025-04-01-preview",
        ),
        (
            HOST,
            PREVIEW,
            f"{HOST}/openai/deployments/my%20gpt/chat/completions?api-version=2025-04-01-preview",
            f"{HOST}/openai/models?api-version=2025-04-01-preview",
        ),
    ],
)
def test_where_requests_go(base_url: str, headers: dict[str, str], chat: str, models: str) -> None:
    """Both ways to write an address are understood, and a version is named where it is wanted."""
    target = at(base_url, headers)
    asked = ADAPTER.build_chat(target, QUESTION, stream=True).request
    assert (asked.method, str(asked.url)) == ("POST", chat)
    assert json.loads(asked.content)["model"] == "my gpt"
    listed = ADAPTER.build_probe(target, provider_pb2.PROBE_PURPOSE_PROVE_KEY)
    assert (listed.method, str(listed.url)) == ("GET", models)
    for request in (asked, listed):
        assert request.headers["api-key"] == "the-key"
        assert "api-version" not in request.headers
        assert "authorization" not in request.headers


def test_a_token_of_entra_goes_alone() -> None:
    """A token is a bearer's, and no key goes beside it."""
    secret = provider_pb2.ProviderSecret(
        bearer_token=provider_pb2.BearerToken(token="eyJ"), headers={"Ocp-Apim-Key": "k"}
    )
    target = Target("azure", "d", f"{HOST}/openai/v1", {"x-title": "t"}, secret)
    request = ADAPTER.build_chat(target, QUESTION, stream=False).request
    assert sorted(request.headers.multi_items()) == [
        ("accept", "application/json"),
        ("accept-encoding", "identity"),
        ("authorization", "Bearer eyJ"),
        ("content-length", str(len(request.content))),
        ("content-type", "application/json"),
        ("host", "my.openai.azure.com"),
        ("ocp-apim-key", "k"),
        ("user-agent", "trunkline"),
        ("x-title", "t"),
    ]


def test_what_goes_out_is_what_openai_takes() -> None:
    """The limit has its newer name, and a stream is asked for with its usage."""
    asked = json_format.ParseDict(
        {"messages": [USER], "max_output_tokens": 5, "reasoning": {"effort": "low"}},
        chat_pb2.ChatRequest(),
    )
    built = ADAPTER.build_chat(at(HOST), asked, stream=True)
    assert json.loads(built.request.content) == {
        "model": "my gpt",
        "messages": [SAID],
        "max_completion_tokens": 5,
        "reasoning_effort": "low",
        "stream": True,
        "stream_options": {"include_usage": True},
    }
    assert built.losses == ()


def test_a_document_does_not_get_there() -> None:
    """Azure takes none in Chat Completions, and that is told."""
    document = {"document": {"data": "JVBERi0=", "media_type": "application/pdf"}}
    asked = json_format.ParseDict(
        {"messages": [{"role": "ROLE_USER", "content": [{"text": "Hello"}, document]}]},
        chat_pb2.ChatRequest(),
    )
    built = ADAPTER.build_chat(at(HOST), asked, stream=False)
    assert json.loads(built.request.content)["messages"] == [SAID]
    (loss,) = built.losses
    assert loss.path == "messages[0].content[1].document"
