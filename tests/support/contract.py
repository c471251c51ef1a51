"""Every method that is served, as its descriptors have it: the contract's, and grpc's own."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass
from grpc_channelz.v1 import channelz_pb2
from grpc_health.v1 import health_pb2
from grpc_reflection.v1alpha import reflection_pb2

import trunkline
from trunkline.kernel.policy import MethodPolicy, foreign_policy, read_policy
from trunkline.options.v1 import options_pb2

_ROOT: Final = Path(next(iter(trunkline.__path__)))


@dataclass(frozen=True, slots=True)
class Method:
    """One RPC.

    Attributes:
        descriptor: of the method.
        policy: who may call it.
    """

    descriptor: MethodDescriptor
    policy: MethodPolicy

    def __str__(self) -> str:
        return f"{self.descriptor.containing_service.name}/{self.descriptor.name}"

    @property
    def path(self) -> str:
        """Return what it is called by on the wire."""
        return f"/{self.policy.method}"

    @property
    def request(self) -> type[Any]:
        """Return the class of its requests."""
        return GetMessageClass(self.descriptor.input_type)

    @property
    def response(self) -> type[Any]:
        """Return the class of its responses."""
        return GetMessageClass(self.descriptor.output_type)

    @property
    def is_ours(self) -> bool:
        """Tell whether the contract has it."""
        return self.descriptor.containing_service.full_name.startswith("trunkline.")

    @property
    def reasons(self) -> frozenset[str]:
        """Return the reasons that its errors may have."""
        package = self.descriptor.containing_service.file.package
        values = import_module(f"{package}.error_pb2").ErrorReason.keys()
        return frozenset(name.removeprefix("ERROR_REASON_") for name in values)


@cache
def list_tools() -> Sequence[Method]:
    """Return the methods that stand on every public listener and are not of the contract."""
    found = []
    for module, callers in (
        (health_pb2, None),
        (reflection_pb2, None),
        (channelz_pb2, frozenset({options_pb2.CALLER_ROLE_ADMIN})),
    ):
        for service in module.DESCRIPTOR.services_by_name.values():
            for each in service.methods:
                name = f"{service.full_name}/{each.name}"
                found.append(Method(each, foreign_policy(name, callers)))
    return found


@cache
def list_methods() -> Sequence[Method]:
    """Return all methods of the contract, by name."""
    found = []
    for path in _ROOT.glob("*/v1/*_pb2.py"):
        module = import_module(
            ".".join(("trunkline", *path.relative_to(_ROOT).with_suffix("").parts))
        )
        for service in module.DESCRIPTOR.services_by_name.values():
            found += [Method(each, read_policy(each)) for each in service.methods]
    return sorted(found, key=str)
