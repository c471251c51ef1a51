"""What the bench asks of a deployment, whether it is one process or four."""

from __future__ import annotations

import time
from dataclasses import dataclass
from pathlib import Path
from typing import Final, cast

import grpc

from bench.answers import KEY, MODELS
from bench.child import ChildFailed
from bench.targets import EMBEDDING_PROVIDER, PROVIDER, GatewayRoute
from bench.vectors import EMBEDDER
from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2
from trunkline.credential.v1 import credential_service_pb2_grpc, save_pb2
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, message_pb2

_LOOK_SECONDS: Final = 0.02
_CALL_LIMIT_SECONDS: Final = 10.0


@dataclass(frozen=True, slots=True)
class Deployment:
    """Where the services of a deployment are called, by an administrator.

    Attributes:
        inference, catalog, credential: addresses of public listeners, `host:port`.
        token_file: holds the admin token.
    """

    inference: str
    catalog: str
    credential: str
    token_file: str

    @property
    def route(self) -> GatewayRoute:
        """Return the load's route through it."""
        return GatewayRoute(address=self.inference, token_file=self.token_file)

    def connect_standin(self, address: str) -> None:
        """Make the stand-in its provider, key and models included, and have it answer once.

        Args:
            address: the stand-in's, `host:port`.

        Raises:
            ChildFailed: it was refused, or the first chat did not succeed in time.
        """
        metadata = self._read_metadata()
        try:
            # What is saved last is known last, and is what is waited for.
            for name, kind, models in (
                (EMBEDDING_PROVIDER, "openai", (EMBEDDER,)),
                (PROVIDER, "openai-compatible", MODELS),
            ):
                with grpc.insecure_channel(self.catalog) as channel:
                    catalog_service_pb2_grpc.CatalogServiceStub(channel).CreateProvider(
                        provider_pb2.CreateProviderRequest(
                            provider=provider_pb2.Provider(
                                name=name,
                                type=kind,
                                endpoint=provider_pb2.ProviderEndpoint(
                                    base_url=f"http://{address}/v1"
                                ),
                            ),
                            models=models,
                        ),
                        metadata=metadata,
                        timeout=_CALL_LIMIT_SECONDS,
                    )
                with grpc.insecure_channel(self.credential) as channel:
                    credential_service_pb2_grpc.CredentialServiceStub(channel).SaveApiKey(
                        save_pb2.SaveApiKeyRequest(provider=name, api_key=KEY),
                        metadata=metadata,
                        timeout=_CALL_LIMIT_SECONDS,
                    )
        except grpc.RpcError as error:
            raise ChildFailed(f"Trunkline refused the stand-in: {_tell(error)}") from None
        self.wait_for_chat()

    def wait_for_chat(self) -> None:
        """Ask until it answers: what is saved reaches the views of inference a moment later.

        Raises:
            ChildFailed: it does not answer in time.
        """
        metadata = self._read_metadata()
        part = message_pb2.Part(text="Hello")
        message = message_pb2.Message(role=message_pb2.ROLE_USER, content=[part])
        request = chat_pb2.ChatRequest(model=f"{PROVIDER}/unary-32", messages=[message])
        with grpc.insecure_channel(self.inference) as channel:
            inference = inference_service_pb2_grpc.InferenceServiceStub(channel)
            deadline = time.monotonic() + _CALL_LIMIT_SECONDS
            while True:
                try:
                    inference.Chat(request, metadata=metadata, timeout=_CALL_LIMIT_SECONDS)
                    return
                except grpc.RpcError as error:
                    if time.monotonic() > deadline:
                        raise ChildFailed(f"Trunkline answers no chat: {_tell(error)}") from None
                time.sleep(_LOOK_SECONDS)

    def _read_metadata(self) -> tuple[tuple[str, str], ...]:
        token = Path(self.token_file).read_text().strip()
        return (("authorization", f"Bearer {token}"),)


def _tell(error: grpc.RpcError) -> str:
    # What a call raises is a call as well, though its type does not say so.
    call = cast("grpc.Call", error)
    return f"{call.code().name}: {call.details()}"
