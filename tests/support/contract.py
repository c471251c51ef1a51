"""Every method of the contract, as its descriptors have it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import import_module
from pathlib import Path
from typing import Any, Final

from google.protobuf.descriptor import MethodDescriptor
from google.protobuf.message_factory import GetMessageClass

import trunkline
from trunkline.kernel.policy import MethodPolicy, read_policy

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
    def reasons(self) -> frozenset[str]:
        """Return the reasons that its errors may have."""
        package = self.descriptor.containing_service.file.package
        values = import_module(f"{package}.error_pb2").ErrorReason.keys()
        return frozenset(name.removeprefix("ERROR_REASON_") for name in values)


@cache
def list_methods() -> Sequence[Method]:
    """Return all methods, by name."""
    found = []
    for path in _ROOT.glob("*/v1/*_pb2.py"):
        module = import_module(
            ".".join(("trunkline", *path.relative_to(_ROOT).with_suffix("").parts))
        )
        for service in module.DESCRIPTOR.services_by_name.values():
            found += [Method(each, read_policy(each)) for each in service.methods]
    return sorted(found, key=str)
