"""The public services of a small Trunkline on a real gRPC server.

A test sets what there is and what goes wrong, and reads what was received. It checks
tokens and promises what the contract promises, as far as the command line uses it.
"""

from __future__ import annotations

import threading
from collections import defaultdict, deque
from collections.abc import Callable, Iterator
from concurrent import futures
from dataclasses import dataclass
from types import TracebackType
from typing import Any, NoReturn

import grpc
from google.protobuf.message import Message

from support.fake_catalog import FakeCatalog
from support.fake_credentials import FakeAccess, FakeCredentials
from support.fake_runs import FakeInference
from trunkline.catalog.v1 import catalog_service_pb2_grpc
from trunkline.credential.v1 import access_pb2_grpc, credential_service_pb2_grpc
from trunkline.health.v1 import health_pb2, health_service_pb2, health_service_pb2_grpc
from trunkline.inference.v1 import inference_service_pb2_grpc, usage_pb2, usage_pb2_grpc
from trunkline.kernel.errors import NotFound, PermissionDenied, TrunklineError, Unauthenticated
from trunkline.kernel.status import to_grpc, to_status

ADMIN_TOKEN = "tl_admin-of-the-fake-suite"
DEVELOPER_TOKEN = "tl_developer-of-the-fake-suite"

_HOLD_S = 20.0
_FOR_ADMINS = (
    "CredentialService",
    "IssueAccessToken",
    "CheckNow",
    "RefreshModels",
    "CreateProvider",
    "UpdateProvider",
    "DeleteProvider",
    "UpdateModel",
    "CreateChain",
    "DeleteChain",
)


@dataclass(frozen=True)
class Seen:
    """One call that was received.

    Attributes:
        method: its name without its service's.
        request: its message.
        metadata: what came with it.
        seconds_left: until the caller's deadline; None: it set none.
    """

    method: str
    request: Any
    metadata: dict[str, str]
    seconds_left: float | None


class FakeHealth(health_service_pb2_grpc.HealthServiceServicer):
    """Answers the healths that a test set."""

    def __init__(self) -> None:
        self.healths: list[health_pb2.ProviderHealth] = []

    def ListHealth(self, request: Any, context: Any) -> health_service_pb2.ListHealthResponse:
        """Give them all."""
        return health_service_pb2.ListHealthResponse(healths=self.healths)

    def CheckNow(self, request: Any, context: Any) -> health_service_pb2.CheckNowResponse:
        """Give the one that is named, or the first hundred."""
        healths = [each for each in self.healths if request.provider in ("", each.provider)]
        if request.provider and not healths:
            raise NotFound(
                "PROVIDER_NOT_FOUND",
                f"There is no provider {request.provider}.",
                metadata={"provider": request.provider},
            )
        return health_service_pb2.CheckNowResponse(healths=healths[:100])


class FakeUsage(usage_pb2_grpc.UsageServiceServicer):
    """Answers the attempts that a test set, in pages of their size and at most `most`."""

    def __init__(self) -> None:
        self.entries: list[usage_pb2.LedgerEntry] = []
        self.sums: list[usage_pb2.UsageSum] = []
        self.most = 1000

    def QueryUsage(self, request: Any, context: Any) -> usage_pb2.QueryUsageResponse:
        """Give all sums, whatever is asked."""
        return usage_pb2.QueryUsageResponse(sums=self.sums)

    def ListAttempts(self, request: Any, context: Any) -> usage_pb2.ListAttemptsResponse:
        """Give those that follow the ones before the page."""
        start = int(request.page_token or 0)
        end = start + min(request.page_size or 100, self.most)
        return usage_pb2.ListAttemptsResponse(
            entries=self.entries[start:end],
            next_page_token=str(end) if end < len(self.entries) else "",
        )


class FakeSuite(grpc.ServerInterceptor):
    """A server with the public services, on a free port of this machine.

    Args:
        credentials: of TLS; None: in the clear.
    """

    def __init__(self, credentials: grpc.ServerCredentials | None = None) -> None:
        self.seen: list[Seen] = []
        self.faults: defaultdict[str, deque[TrunklineError]] = defaultdict(deque)
        """By method: what its next calls fail with."""
        self.holds: dict[str, threading.Event] = {}
        """By method: what its calls wait for."""
        # What a fake leaves out answers UNIMPLEMENTED.
        self.catalog = FakeCatalog()  # type: ignore[abstract] # see above
        self.credentials = FakeCredentials(self.catalog)  # type: ignore[abstract] # see above
        self.access = FakeAccess()  # type: ignore[abstract] # see above
        self.health = FakeHealth()  # type: ignore[abstract] # see above
        self.inference = FakeInference(self.catalog)  # type: ignore[abstract] # see above
        self.usage = FakeUsage()
        self._server = grpc.server(
            futures.ThreadPoolExecutor(16),
            interceptors=[self],
            # The kernel would give the same free port to another test's server.
            options=[("grpc.so_reuseport", 0)],
        )
        catalog_service_pb2_grpc.add_CatalogServiceServicer_to_server(self.catalog, self._server)
        credential_service_pb2_grpc.add_CredentialServiceServicer_to_server(
            self.credentials, self._server
        )
        access_pb2_grpc.add_AccessServiceServicer_to_server(self.access, self._server)
        health_service_pb2_grpc.add_HealthServiceServicer_to_server(self.health, self._server)
        inference_service_pb2_grpc.add_InferenceServiceServicer_to_server(
            self.inference, self._server
        )
        usage_pb2_grpc.add_UsageServiceServicer_to_server(self.usage, self._server)
        anywhere = "127.0.0.1:0"
        if credentials is None:
            port = self._server.add_insecure_port(anywhere)
        else:
            port = self._server.add_secure_port(anywhere, credentials)
        self.address = f"127.0.0.1:{port}"

    def __enter__(self) -> FakeSuite:
        """Serve."""
        self._server.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Stop at once."""
        self.inference.stop()
        self._server.stop(None).wait(5)

    def requests(self, method: str) -> list[Any]:
        """Return the requests that a method received."""
        return [seen.request for seen in self.seen if seen.method == method]

    def methods(self) -> list[str]:
        """Return the names of the methods that were called, in order."""
        return [seen.method for seen in self.seen]

    def intercept_service(self, continuation: Any, details: Any) -> Any:
        """Wrap a handler: note the call, check its token, fail it if a test said so."""
        handler = continuation(details)
        if handler is None:
            return None
        path = details.method.removeprefix("/")
        metadata = {key: str(value) for key, value in details.invocation_metadata}
        if handler.response_streaming:

            def stream(request: Message, context: Any) -> Iterator[Message]:
                try:
                    self._admit(path, request, metadata, context)
                    yield from handler.unary_stream(request, context)
                except TrunklineError as error:
                    _abort(context, path, error)

            return grpc.unary_stream_rpc_method_handler(
                stream, handler.request_deserializer, handler.response_serializer
            )

        def unary(request: Message, context: Any) -> Message:
            try:
                self._admit(path, request, metadata, context)
                answer: Message = handler.unary_unary(request, context)
            except TrunklineError as error:
                _abort(context, path, error)
            return answer

        return grpc.unary_unary_rpc_method_handler(
            unary, handler.request_deserializer, handler.response_serializer
        )

    def _admit(self, path: str, request: Message, metadata: dict[str, str], context: Any) -> None:
        """Note a call and check it."""
        method = path.rpartition("/")[2]
        self.seen.append(Seen(method, request, metadata, context.time_remaining()))
        token = metadata.get("authorization", "").removeprefix("Bearer ")
        if not token:
            raise Unauthenticated("TOKEN_MISSING", "No access token came with the call.")
        if token not in (ADMIN_TOKEN, DEVELOPER_TOKEN):
            raise Unauthenticated("TOKEN_INVALID", "The access token is not known.")
        if token == DEVELOPER_TOKEN and any(part in path for part in _FOR_ADMINS):
            raise PermissionDenied(
                "CALLER_NOT_ALLOWED",
                f"{path} is not for DEVELOPER.",
                metadata={"method": path, "role": "DEVELOPER"},
            )
        if method in self.holds:
            self.holds[method].wait(_HOLD_S)
        if self.faults[method]:
            raise self.faults[method].popleft()


def _abort(context: Any, path: str, error: TrunklineError) -> NoReturn:
    """End a call with an error's status."""
    domain = path.partition("/")[0].rpartition(".")[0].removesuffix(".v1")
    context.abort_with_status(to_grpc(to_status(error, domain=domain, request_id="req_fake")))
    raise AssertionError("abort always raises")


def wait_for(condition: Callable[[], bool], seconds: float = 10.0) -> None:
    """Wait until something is so.

    Raises:
        AssertionError: it was not within the limit.
    """
    pause = threading.Event()
    waited = 0.0
    while not condition():
        assert waited < seconds, "it did not happen in time"
        pause.wait(0.01)
        waited += 0.01
