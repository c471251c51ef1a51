"""The providers of the demonstration: one sandbox, connected twice, as anybody would connect it."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable, Iterable
from dataclasses import dataclass
from typing import Any, Final, Self

import grpc
from google.protobuf.field_mask_pb2 import FieldMask

from trunkline.catalog.v1 import catalog_service_pb2_grpc, model_pb2, provider_pb2
from trunkline.cli.failures import Failure
from trunkline.cli.refusals import read_refusal
from trunkline.cli.waiting import SETTLING_S
from trunkline.credential.v1 import credential_service_pb2_grpc, save_pb2
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, message_pb2
from trunkline.sandbox.server import Sandbox

_TYPE: Final = "sandbox"
_CALL_S: Final = 10.0
_PAUSE_S: Final = 0.05
# A proxy of the environment would read the token.
_OPTIONS: Final = (("grpc.enable_http_proxy", 0),)
# What one service says until it has heard of what another one owns.
_UNHEARD: Final = frozenset({"PROVIDER_NOT_FOUND", "MODEL_NOT_FOUND", "NO_CREDENTIAL"})


@dataclass(frozen=True, slots=True)
class Cast:
    """Who plays: models by what they do, as `trunkline sandbox --list` explains their names.

    Attributes:
        cut: its connection is closed in mid-sentence.
        ending: its answer ends in good order in mid-sentence.
        steady: it answers, and goes on from a partial answer.
        plain: it answers, and is not known to go on from a partial answer.
    """

    cut: str
    ending: str
    steady: str
    plain: str

    @classmethod
    def at(cls, pace_ms: int) -> Self:
        """Return the cast that says a word each so many milliseconds."""
        pace = f"every-{pace_ms}-ms"
        return cls(
            cut=f"north/cut-after-24-of-{pace}",
            ending=f"north/end-after-20-of-{pace}",
            steady=f"south/{pace}",
            plain=f"south/tokens-{1000 // pace_ms}-per-second",
        )


async def connect(cast: Cast, sandbox: Sandbox, address: str, token: str) -> None:
    """Connect the sandbox as two providers.

    Args:
        cast: whose models are needed.
        sandbox: that serves.
        address: of the catalog and the credentials.
        token: an ADMIN's.

    Raises:
        Failure: something was refused.
    """
    setting = _Setting(address, token)
    async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
        await setting.connect(channel, sandbox, "south", (cast.steady, cast.plain))
        await setting.teach(channel, cast.steady)
        # After what was told of the other one, so that who knows this one knows that too.
        await setting.connect(channel, sandbox, "north", (cast.cut, cast.ending))


async def await_models(addresses: Iterable[str], token: str) -> None:
    """Return when processes of inference have heard of both providers.

    Args:
        addresses: of the processes.
        token: an ADMIN's.

    Raises:
        Failure: one of them has not within the time for that, or refuses.
    """
    for address in addresses:
        async with grpc.aio.insecure_channel(address, options=_OPTIONS) as channel:
            await _Setting(address, token).await_models(channel, ("south/ok", "north/ok"))


class _Setting:
    """Calls with the admin's token.

    Args:
        address: that failures name.
        token: the admin's.
    """

    def __init__(self, address: str, token: str) -> None:
        self._address = address
        self._metadata = (("authorization", f"Bearer {token}"),)

    async def connect(
        self, channel: grpc.aio.Channel, sandbox: Sandbox, name: str, models: Iterable[str]
    ) -> None:
        """Make a provider and save its key."""
        catalog: Any = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        credentials: Any = credential_service_pb2_grpc.CredentialServiceStub(channel)
        provider = provider_pb2.Provider(
            name=name,
            type=_TYPE,
            endpoint=provider_pb2.ProviderEndpoint(base_url=sandbox.base_url),
        )
        named = ["ok", *(model.partition("/")[2] for model in models)]
        await self._ask(
            catalog.CreateProvider,
            provider_pb2.CreateProviderRequest(provider=provider, models=named),
        )
        await self._ask(
            credentials.SaveApiKey,
            save_pb2.SaveApiKeyRequest(provider=name, api_key=sandbox.api_key),
        )

    async def teach(self, channel: grpc.aio.Channel, name: str) -> None:
        """Tell the catalog that a model goes on from a partial answer."""
        catalog: Any = catalog_service_pb2_grpc.CatalogServiceStub(channel)
        model = model_pb2.Model(name=name)
        model.facts.prefill.value = True
        mask = FieldMask(paths=["facts.prefill"])
        await self._ask(
            catalog.UpdateModel, model_pb2.UpdateModelRequest(model=model, update_mask=mask)
        )

    async def await_models(self, channel: grpc.aio.Channel, names: Iterable[str]) -> None:
        """Return when a process can ask some models."""
        inference: Any = inference_service_pb2_grpc.InferenceServiceStub(channel)
        hello = message_pb2.Message(
            role=message_pb2.ROLE_USER, content=[message_pb2.Part(text="Hello")]
        )
        for name in names:
            request = chat_pb2.ChatRequest(model=name, messages=[hello])
            await self._ask(inference.Chat, request)

    async def _ask(self, method: Callable[..., Awaitable[Any]], request: object) -> None:
        """Call a method, again until another service has told what the called one needs."""
        loop = asyncio.get_running_loop()
        deadline_s = loop.time() + SETTLING_S
        while True:
            try:
                await method(request, metadata=self._metadata, timeout=_CALL_S)
            except grpc.aio.AioRpcError as error:
                failure: Failure = read_refusal(error, self._address, "the demonstration")
                if failure.reason not in _UNHEARD or loop.time() > deadline_s:
                    raise failure from None
            else:
                return
            await asyncio.sleep(_PAUSE_S)
