"""Who may call a method: read from the contract, and for the few that are not ours, said here."""

from __future__ import annotations

from dataclasses import dataclass

from google.protobuf.descriptor import MethodDescriptor

from trunkline.kernel.call import Caller
from trunkline.options.v1 import options_pb2

_TOKEN_ROLES = frozenset({options_pb2.CALLER_ROLE_ADMIN, options_pb2.CALLER_ROLE_DEVELOPER})


@dataclass(frozen=True, slots=True)
class MethodPolicy:
    """What is asked of a method's callers and requests.

    Attributes:
        method: full name, such as `trunkline.inference.v1.InferenceService/Chat`.
        domain: of its errors: the package without version.
        callers: roles that may call; None: everybody, known or not.
        peers: services that may call when the caller is one; empty: any of them.
        has_bounds: its request is checked against the bounds that it declares.
    """

    method: str
    domain: str
    callers: frozenset[options_pb2.CallerRole.ValueType] | None
    peers: frozenset[str] = frozenset()
    has_bounds: bool = False

    @property
    def is_public(self) -> bool:
        """Tell whether the method stands on the public listener."""
        return self.callers is None or bool(self.callers & _TOKEN_ROLES)

    @property
    def is_internal(self) -> bool:
        """Tell whether the method stands on the internal listener."""
        return self.callers is not None and options_pb2.CALLER_ROLE_SERVICE in self.callers

    def allows(self, caller: Caller) -> bool:
        """Tell whether a caller may call the method."""
        if self.callers is None:
            return True
        # The value that is not a role allows nothing, whoever has it.
        if caller.role not in self.callers or not caller.role:
            return False
        if caller.role != options_pb2.CALLER_ROLE_SERVICE:
            return True
        return not self.peers or caller.principal in self.peers


def read_policy(method: MethodDescriptor) -> MethodPolicy:
    """Return the policy that a method of the contract declares.

    A method that declares no callers can be called by nobody.
    """
    service = method.containing_service
    options = method.GetOptions()
    return MethodPolicy(
        method=f"{service.full_name}/{method.name}",
        domain=service.file.package.rpartition(".")[0],
        callers=frozenset(options.Extensions[options_pb2.callers]),
        peers=frozenset(options.Extensions[options_pb2.peers]),
        has_bounds=True,
    )


def foreign_policy(
    method: str, callers: frozenset[options_pb2.CallerRole.ValueType] | None
) -> MethodPolicy:
    """Return the policy of a method that is not of the contract, such as reflection's."""
    return MethodPolicy(method=method, domain="trunkline", callers=callers)
