"""The connection to a running Trunkline: address, token, and a limit for every call."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Final, Protocol, TypeVar

import grpc

from trunkline.catalog.v1.catalog_service_pb2_grpc import CatalogServiceStub
from trunkline.cli.addresses import open_channel, parse_addresses
from trunkline.cli.failures import ExitCode, Failure
from trunkline.cli.refusals import read_refusal
from trunkline.credential.v1.access_pb2_grpc import AccessServiceStub
from trunkline.credential.v1.credential_service_pb2_grpc import CredentialServiceStub
from trunkline.health.v1.health_service_pb2_grpc import HealthServiceStub
from trunkline.inference.v1.inference_service_pb2_grpc import InferenceServiceStub
from trunkline.inference.v1.usage_pb2_grpc import UsageServiceStub
from trunkline.process.v1.process_pb2_grpc import ProcessServiceStub

TOKEN_VARIABLE: Final = "TRUNKLINE_TOKEN"  # noqa: S105 - the name of a variable
TOKEN_FILE: Final = "admin-token"  # noqa: S105 - the name of a file

CALL_S: Final = 30.0
# A provider may be asked for 60 s within such a call.
PROVIDER_CALL_S: Final = 90.0
# Longer than a run lasts by default.
CHAT_S: Final = 900.0

PAGE_SIZE: Final = 1000
_MAX_PAGES: Final = 1000
_MAX_TOKEN_FILE_BYTES: Final = 4096

_TOKEN: Final = re.compile(r"[\x21-\x7e]{1,1024}")

Q = TypeVar("Q")
R = TypeVar("R")
T = TypeVar("T")
Q_contra = TypeVar("Q_contra", contravariant=True)
R_co = TypeVar("R_co", covariant=True)


class Method(Protocol[Q_contra, R_co]):
    """A unary method of a stub."""

    def __call__(
        self,
        request: Q_contra,
        timeout: float | None = None,
        metadata: tuple[tuple[str, str | bytes], ...] | None = None,
    ) -> R_co:
        """Call it and wait for the answer."""


class PagedRequest(Protocol):
    """What asks for a page."""

    page_size: int
    page_token: str


class Page(Protocol):
    """What answers with a page."""

    next_page_token: str


P = TypeVar("P", bound=PagedRequest)
G = TypeVar("G", bound=Page)


@dataclass(frozen=True, slots=True)
class Token:
    """An access token.

    Attributes:
        source: where it was found, in words.
        metadata: what it adds to every call.
    """

    source: str
    metadata: tuple[tuple[str, str | bytes], ...]

    def __repr__(self) -> str:
        return f"Token(source={self.source!r})"


class Client:
    """The public services of one Trunkline.

    Args:
        address: as somebody named it.
        addresses: `host:port` by service.
        token: sent with every call.
    """

    def __init__(self, address: str, addresses: dict[str, str], token: Token) -> None:
        self.address = address
        self.token = token
        self.addresses = addresses
        self._channels = {each: open_channel(each) for each in set(self.addresses.values())}
        self.access = AccessServiceStub(self._to("credential"))
        self.catalog = CatalogServiceStub(self._to("catalog"))
        self.credentials = CredentialServiceStub(self._to("credential"))
        self.health = HealthServiceStub(self._to("health"))
        self.inference = InferenceServiceStub(self._to("inference"))
        self.usage = UsageServiceStub(self._to("inference"))

    def ask(
        self, method: Method[Q, R], request: Q, *, timeout: float = CALL_S, address: str = ""
    ) -> R:
        """Call a unary method.

        Args:
            method: of one of the stubs.
            request: its message.
            timeout: the longest wait in seconds.
            address: where that stub leads, to be named in a failure; empty: where the
                deployment is.

        Raises:
            Failure: it did not answer, or answered with an error.
        """
        try:
            return method(request, timeout=timeout, metadata=self.token.metadata)
        except grpc.RpcError as error:
            raise self.refusal(error, address) from None

    def list_all(
        self, method: Method[P, G], request: P, items: Callable[[G], Sequence[T]]
    ) -> list[T]:
        """Call a method that answers in pages until the last one.

        Args:
            method: of one of the stubs.
            request: for the first page; its size and token are set here.
            items: takes what is listed out of a page.

        Raises:
            Failure: it did not answer, or answered with an error.
        """
        listed: list[T] = []
        request.page_size = PAGE_SIZE
        for _ in range(_MAX_PAGES):
            page = self.ask(method, request)
            listed.extend(items(page))
            if not page.next_page_token:
                return listed
            request.page_token = page.next_page_token
        raise Failure(
            f"The server at {self.address} does not come to the end of a list.",
            "Ask for less, such as with --provider.",
        )

    def refusal(self, error: grpc.RpcError, address: str = "") -> Failure:
        """Return the failure that a failed call to this server means."""
        return read_refusal(error, address or self.address, self.token.source)

    def close(self) -> None:
        """Close the connections."""
        for channel in self._channels.values():
            channel.close()

    def process(self, address: str) -> ProcessServiceStub:
        """Return what tells of the process at one of the addresses."""
        return ProcessServiceStub(self._channels[address])

    def _to(self, service: str) -> grpc.Channel:
        """Return the channel to a service."""
        return self._channels[self.addresses[service]]


@contextmanager
def open_client(address: str) -> Iterator[Client]:
    """Give a client for an address and the caller's token. Connects with the first call.

    Args:
        address: as `parse_addresses` reads it.

    Raises:
        Failure: the address is none, or there is no token.
    """
    client = Client(address, parse_addresses(address), find_token())
    try:
        yield client
    finally:
        client.close()


def find_token() -> Token:
    """Return the access token: of the environment, else the first admin's from its file.

    Raises:
        Failure: there is none, or it is no token.
    """
    token = os.environ.get(TOKEN_VARIABLE, "").strip()
    source = f"the environment variable {TOKEN_VARIABLE}"
    if not token:
        # Only here, since settings take long to import.
        from trunkline.kernel.settings import ProcessSettings, Source

        path = Source.read().load(ProcessSettings).config_dir / TOKEN_FILE
        source = f"the file {path}"
        try:
            with path.open("rb") as file:
                token = file.read(_MAX_TOKEN_FILE_BYTES).decode("ascii", "replace").strip()
        except OSError as error:
            raise _without_token(
                "TOKEN_MISSING",
                f"There is no access token: {TOKEN_VARIABLE} is not set, and {path} cannot be"
                f" read ({error.strerror}).",
                f"Start `trunkline up`, which writes an admin's token there, or set"
                f" {TOKEN_VARIABLE} to one of your own.",
            ) from None
    if not _TOKEN.fullmatch(token):
        raise _without_token(
            "TOKEN_INVALID",
            f"What stands in {source} is no access token.",
            f"Set {TOKEN_VARIABLE} to a token as `trunkline token issue` prints it.",
        )
    return Token(source, (("authorization", f"Bearer {token}"),))


def _without_token(reason: str, what: str, advice: str) -> Failure:
    """Return the failure for a missing or useless token."""
    return Failure(
        what, advice, exit_code=ExitCode.NOT_ALLOWED, reason=reason, code="UNAUTHENTICATED"
    )
