"""Trunkline as the bench runs it: `trunkline up` with everything on, the stand-in its provider.

What the bench has to know of the command stands in `Up` and nowhere else.
"""

from __future__ import annotations

import os
import re
import subprocess
import sys
import tempfile
import time
from dataclasses import dataclass, field
from pathlib import Path
from types import TracebackType
from typing import Final, Self, cast

import grpc

from bench.answers import KEY, MODELS
from bench.child import ChildFailed, start, stop
from bench.targets import PROVIDER, GatewayRoute
from trunkline.catalog.v1 import catalog_service_pb2_grpc, provider_pb2
from trunkline.credential.v1 import credential_service_pb2_grpc, save_pb2
from trunkline.inference.v1 import chat_pb2, inference_service_pb2_grpc, message_pb2

_LOOK_SECONDS: Final = 0.002
_CALL_LIMIT_SECONDS: Final = 10.0
_STOP_LIMIT_SECONDS: Final = 25.0
_TOLD_CHARACTERS: Final = 2_000


@dataclass(frozen=True, slots=True)
class Up:
    """The command that starts Trunkline, and how to read what it prints.

    Attributes:
        command: the command line.
        environment: variables besides this process's own, from which every setting of Trunkline
            is taken away; `{home}` in them is replaced by a directory of the bench's, so that
            nothing of the user's is read or written.
        serving: finds, in the line that says it serves, the group `address`.
        token: finds, in the line that names the admin token's file, the group `path`.
    """

    command: tuple[str, ...] = (str(Path(sys.executable).with_name("trunkline")), "up")
    environment: dict[str, str] = field(
        default_factory=lambda: {
            "HOME": "{home}",
            "TRUNKLINE_DATA_DIR": "{home}/data",
            "TRUNKLINE_CONFIG_DIR": "{home}/config",
            "TRUNKLINE_LISTEN": "127.0.0.1:0",
            "PYTHON_KEYRING_BACKEND": "keyring.backends.fail.Keyring",
            "PYTHONUNBUFFERED": "1",
            "NO_COLOR": "1",
        }
    )
    serving: re.Pattern[str] = re.compile(r"(?m)^Trunkline is serving on (?P<address>\S+?)\.$")
    token: re.Pattern[str] = re.compile(r"(?m)^ +admin token +(?P<path>/\S+)$")


class Gateway:
    """One run of `trunkline up`, from its command to its end.

    Args:
        home: a directory of its own, which exists; a second run over the same one finds what the
            first left.
        cpu: the core it is pinned to; None: any.
        up: how to start it.
        start_limit_seconds: how long it may take until it serves.

    Attributes:
        address: where it serves, `host:port`.
        token_file: holds the admin token.
        serving_seconds: from the command to the line that says it serves.

    Raises:
        ChildFailed: it did not come to serve; the text ends with what it printed.
    """

    def __init__(
        self, home: Path, *, cpu: int | None, up: Up, start_limit_seconds: float = 15.0
    ) -> None:
        inherited = {
            name: value for name, value in os.environ.items() if not name.startswith("TRUNKLINE_")
        }
        own = {name: value.format(home=home) for name, value in up.environment.items()}
        # A file and no pipe: nobody has to keep reading what it prints while it is measured.
        with tempfile.NamedTemporaryFile(dir=home, suffix=".out", delete=False) as output:
            self._output = Path(output.name)
            begin = time.monotonic()
            try:
                self._process = start(
                    up.command,
                    {**inherited, **own},
                    cpu=cpu,
                    stdin=subprocess.DEVNULL,
                    stdout=output,
                    stderr=subprocess.STDOUT,
                )
            except OSError as error:
                raise ChildFailed(f"{up.command[0]}: {error.strerror}") from None
        try:
            self.address = self._find(up.serving, "address", begin + start_limit_seconds)
            self.serving_seconds = time.monotonic() - begin
            self.token_file = self._find(up.token, "path", begin + start_limit_seconds)
        except BaseException:
            self.close()
            raise

    @property
    def pid(self) -> int:
        """Return the process's id."""
        return self._process.pid

    @property
    def route(self) -> GatewayRoute:
        """Return the load's route through it."""
        return GatewayRoute(address=self.address, token_file=self.token_file)

    def _find(self, pattern: re.Pattern[str], group: str, deadline: float) -> str:
        while True:
            printed = self._output.read_text(errors="replace")
            # A line counts when it is whole.
            match = pattern.search(printed[: printed.rfind("\n") + 1])
            if match is not None:
                return match[group]
            if self._process.poll() is not None or time.monotonic() > deadline:
                raise ChildFailed(
                    f"trunkline up printed no {group} in time:\n{printed[-_TOLD_CHARACTERS:]}"
                )
            time.sleep(_LOOK_SECONDS)

    def connect_standin(self, address: str) -> None:
        """Make the stand-in its provider, key and models included, and have it answer once.

        Args:
            address: the stand-in's, `host:port`.

        Raises:
            ChildFailed: it was refused, or the first chat did not succeed in time.
        """
        metadata = self._read_metadata()
        try:
            with grpc.insecure_channel(self.address) as channel:
                catalog_service_pb2_grpc.CatalogServiceStub(channel).CreateProvider(
                    provider_pb2.CreateProviderRequest(
                        provider=provider_pb2.Provider(
                            name=PROVIDER,
                            type="openai-compatible",
                            endpoint=provider_pb2.ProviderEndpoint(base_url=f"http://{address}/v1"),
                        ),
                        models=MODELS,
                    ),
                    metadata=metadata,
                    timeout=_CALL_LIMIT_SECONDS,
                )
                credential_service_pb2_grpc.CredentialServiceStub(channel).SaveApiKey(
                    save_pb2.SaveApiKeyRequest(provider=PROVIDER, api_key=KEY),
                    metadata=metadata,
                    timeout=_CALL_LIMIT_SECONDS,
                )
        except grpc.RpcError as error:
            raise ChildFailed(f"trunkline up refused the stand-in: {_tell(error)}") from None
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
        with grpc.insecure_channel(self.address) as channel:
            inference = inference_service_pb2_grpc.InferenceServiceStub(channel)
            deadline = time.monotonic() + _CALL_LIMIT_SECONDS
            while True:
                try:
                    inference.Chat(request, metadata=metadata, timeout=_CALL_LIMIT_SECONDS)
                    return
                except grpc.RpcError as error:
                    if time.monotonic() > deadline:
                        raise ChildFailed(f"trunkline up answers no chat: {_tell(error)}") from None
                time.sleep(_LOOK_SECONDS * 10)

    def _read_metadata(self) -> tuple[tuple[str, str], ...]:
        token = Path(self.token_file).read_text().strip()
        return (("authorization", f"Bearer {token}"),)

    def close(self) -> None:
        """Stop it. Doing it twice does nothing."""
        stop(self._process, _STOP_LIMIT_SECONDS)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()


def _tell(error: grpc.RpcError) -> str:
    # What a call raises is a call as well, though its type does not say so.
    call = cast("grpc.Call", error)
    return f"{call.code().name}: {call.details()}"
