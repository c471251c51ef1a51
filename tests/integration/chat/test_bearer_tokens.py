"""A token that ends stands in the place of a key, from its saving to the provider."""

from __future__ import annotations

import time

from google.protobuf.timestamp_pb2 import Timestamp

from support.chats import ask
from support.deployment import Deployment, patiently
from trunkline.catalog.v1 import provider_pb2 as catalog_provider_pb2
from trunkline.credential.v1 import credential_pb2, save_pb2
from trunkline.inference.v1 import provider_pb2, result_pb2


async def test_a_chat_with_a_token() -> None:
    """It is proven with its provider, sealed, and sent as a bearer's in every chat."""
    async with Deployment(connected=False) as deployment:
        endpoint = catalog_provider_pb2.ProviderEndpoint(base_url=deployment.sandbox.base_url)
        await deployment.catalog.CreateProvider(
            catalog_provider_pb2.CreateProviderRequest(
                provider=catalog_provider_pb2.Provider(
                    name="mine", type="openai-compatible", endpoint=endpoint
                ),
                models=["ok"],
            ),
            metadata=deployment.admin,
        )
        token = provider_pb2.BearerToken(
            token=deployment.sandbox.api_key,
            expire_time=Timestamp(seconds=int(time.time()) + 3600),
        )
        saved = await patiently(
            lambda: deployment.credentials.SaveApiKey(
                save_pb2.SaveApiKeyRequest(provider="mine", bearer_token=token),
                metadata=deployment.admin,
            ),
            "PROVIDER_NOT_FOUND",
        )
        assert saved.credential.kind == credential_pb2.CREDENTIAL_KIND_BEARER_TOKEN
        response = await patiently(
            lambda: deployment.inference.Chat(
                ask("mine/ok"), metadata=deployment.admin, timeout=20
            ),
            "MODEL_NOT_FOUND",
            "NO_CREDENTIAL",
        )
        assert response.completed.finish_reason == result_pb2.FINISH_REASON_STOP
        sent = dict(deployment.sandbox.seen[-1].headers)
        assert sent["authorization"] == f"Bearer {token.token}"
