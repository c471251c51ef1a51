"""ProviderService: ask a provider about itself, for the other services."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Mapping
from datetime import timedelta
from typing import Any

import grpc
from google.protobuf.duration_pb2 import Duration

from trunkline.inference.adapters.adapter import Adapter, Reply, Target
from trunkline.inference.aws_chain import AwsChain
from trunkline.inference.endings import to_limit
from trunkline.inference.keys import Keys
from trunkline.inference.outgoing import Request
from trunkline.inference.terms import Owner
from trunkline.inference.transport import (
    AddressForbidden,
    Broken,
    NoPlace,
    Transport,
    TransportFault,
)
from trunkline.inference.v1 import provider_pb2, provider_pb2_grpc
from trunkline.kernel.address import AddressRefused, check_url, parse_base_url
from trunkline.kernel.clock import Clock, timestamp
from trunkline.kernel.errors import (
    FailedPrecondition,
    InvalidArgument,
    NotFound,
    Violation,
)
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

DEFAULT_TIMEOUT_S = 10.0
MAX_BODY_BYTES = 16 * 1024 * 1024


class ProviderServicer(provider_pb2_grpc.ProviderServiceServicer):
    """Probes.

    Args:
        adapters: by wire format.
        transport: sends.
        catalog, credentials, keys: for what is stored.
        clock: the time.
        connect_s: the longest wait for a connection.
        aws_chain: the machine's own keys; None: they are not asked for.
    """

    def __init__(
        self,
        adapters: Mapping[str, Adapter],
        transport: Transport,
        catalog: CatalogView,
        credentials: CredentialView,
        keys: Keys,
        clock: Clock,
        connect_s: float,
        aws_chain: AwsChain | None = None,
    ) -> None:
        self._adapters = adapters
        self._transport = transport
        self._catalog = catalog
        self._credentials = credentials
        self._keys = keys
        self._clock = clock
        self._connect_s = connect_s
        self._aws_chain = aws_chain

    async def ProbeProvider(
        self,
        request: provider_pb2.ProbeProviderRequest,
        context: grpc.aio.ServicerContext[Any, Any],
    ) -> provider_pb2.ProbeProviderResponse:
        """List a provider's models, or prove a key."""
        del context
        target, adapter = await self._target(request)
        purpose = request.purpose or provider_pb2.PROBE_PURPOSE_LIST_MODELS
        timeout = (
            request.timeout.ToTimedelta().total_seconds()
            if request.HasField("timeout")
            else DEFAULT_TIMEOUT_S
        )
        response = provider_pb2.ProbeProviderResponse()
        started = time.perf_counter()
        try:
            reply = await self._probe(adapter, adapter.build_probe(target, purpose), timeout)
        except AddressForbidden as forbidden:
            raise refused(forbidden.rule, forbidden.message, forbidden.advice) from None
        except NoPlace as fault:
            raise to_limit(fault.limit) from None
        except TransportFault as fault:
            response.verification.verdict = (
                provider_pb2.VERDICT_NOT_FOUND
                if isinstance(fault, Broken)
                else provider_pb2.VERDICT_UNREACHABLE
            )
            response.verification.message = fault.message
        else:
            latency = Duration()
            latency.FromTimedelta(timedelta(seconds=time.perf_counter() - started))
            response.latency.CopyFrom(latency)
            response.verification.CopyFrom(adapter.verify(target, purpose, reply))
            self._add_models(response, adapter, reply, wanted=request.include_models)
        response.verification.time.CopyFrom(timestamp(self._clock.time_ns()))
        return response

    def _add_models(
        self,
        response: provider_pb2.ProbeProviderResponse,
        adapter: Adapter,
        reply: Reply,
        *,
        wanted: bool,
    ) -> None:
        """Put the models of a good reply into the response."""
        if reply.status != 200:
            return
        try:
            models = adapter.read_models(reply.body)
        except ValueError:
            return  # the verification says that it is no list
        response.model_count = len(models)
        if wanted:
            response.models.extend(models)

    async def _probe(self, adapter: Adapter, request: Request, timeout: float) -> Reply:
        """Send a probe; where its path is not known, ask what is to be asked otherwise."""
        end = time.perf_counter() + timeout
        reply = await self._send(request, timeout)
        while request.otherwise is not None and _is_strange(adapter, reply):
            request = request.otherwise
            reply = await self._send(request, max(0.001, end - time.perf_counter()))
        return reply

    async def _send(self, request: Request, timeout: float) -> Reply:
        """Send a probe and read its answer whole, within a time."""
        deadline = asyncio.get_running_loop().time() + timeout
        exchange = await self._transport.open(
            request, connect_s=min(self._connect_s, timeout), deadline=deadline
        )
        try:
            body = await exchange.read_all(MAX_BODY_BYTES)
            return Reply(exchange.status, exchange.headers, body)
        finally:
            exchange.close()

    async def _target(self, request: provider_pb2.ProbeProviderRequest) -> tuple[Target, Adapter]:
        """Put together where the probe goes, and by which format.

        Raises:
            NotFound: PROVIDER_NOT_FOUND.
            InvalidArgument: ADDRESS_REFUSED; a format that is not served.
            FailedPrecondition: NO_CREDENTIAL.
        """
        provider_type = ""
        if request.WhichOneof("provider") == "name":
            await self._catalog.follower.wait_ready()
            provider = self._catalog.providers.get(request.name)
            if provider is None:
                raise NotFound(
                    "PROVIDER_NOT_FOUND",
                    f"There is no provider {request.name}.",
                    metadata={"provider": request.name},
                )
            provider_type = provider.type
            wire_format = provider.endpoint.format
            address, headers = provider.endpoint.base_url, dict(provider.endpoint.headers)
        else:
            wire_format = request.endpoint.format
            address, headers = request.endpoint.base_url, dict(request.endpoint.headers)
        adapter = self._adapters.get(wire_format)
        if adapter is None:
            raise InvalidArgument.of(
                Violation("endpoint.format", f"is {wire_format!r}, which is not served")
            )
        try:
            url = parse_base_url(request.base_url or address)
            check_url(url)
        except AddressRefused as refusal:
            raise refused(refusal.rule, refusal.message, refusal.advice) from None
        secret = request.secret
        if request.WhichOneof("credential") == "credential_id":
            secret, url = await self._stored(request, url)
        if self._aws_chain is not None:
            secret = await self._aws_chain.complete(request.name, wire_format, url.url, secret)
        target = Target(
            provider=request.name,
            model="",
            base_url=url.url,
            headers=headers,
            secret=secret,
            type=provider_type,
            time_ns=self._clock.time_ns(),
        )
        return target, adapter

    async def _stored(
        self, request: provider_pb2.ProbeProviderRequest, url: Any
    ) -> tuple[provider_pb2.ProviderSecret, Any]:
        """Return a stored credential's secret, and the address that it is used at."""
        await self._credentials.follower.wait_ready()
        credential = self._credentials.get(request.credential_id)
        if credential is None:
            raise FailedPrecondition(
                "NO_CREDENTIAL",
                "The credential is gone.",
                metadata={"provider": request.name, "policy": "no_key"},
            )
        if credential.base_url and not request.base_url:
            url = parse_base_url(credential.base_url)
        secret = await self._keys.resolve(credential, Owner(""), url.origin)
        return secret, url


def _is_strange(adapter: Adapter, reply: Reply) -> bool:
    """Tell whether a reply is that of a server which does not know what it was asked.

    LM Studio says so with status 200, others may ask for more rights than the list does.
    """
    if reply.status != 200:
        return 400 <= reply.status < 500 and reply.status != 429
    try:
        adapter.read_models(reply.body)
    except ValueError:
        return True
    return False


def refused(rule: str, message: str, advice: str) -> InvalidArgument:
    """Return the error for an address that may not be asked."""
    return InvalidArgument("ADDRESS_REFUSED", f"{message} {advice}", metadata={"rule": str(rule)})
