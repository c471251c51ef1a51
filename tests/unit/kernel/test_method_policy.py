"""Who may call which method: read from the contract."""

from __future__ import annotations

import pytest

from trunkline.credential.v1 import access_pb2, credential_service_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.policy import MethodPolicy, foreign_policy, read_policy
from trunkline.options.v1 import options_pb2

ADMIN = options_pb2.CALLER_ROLE_ADMIN
DEVELOPER = options_pb2.CALLER_ROLE_DEVELOPER
SERVICE = options_pb2.CALLER_ROLE_SERVICE
NOBODY = options_pb2.CALLER_ROLE_UNSPECIFIED


def declared(service: str, method: str) -> MethodPolicy:
    """Return the policy of a method of the credential package."""
    for file in (access_pb2.DESCRIPTOR, credential_service_pb2.DESCRIPTOR):
        if service in file.services_by_name:
            return read_policy(file.services_by_name[service].methods_by_name[method])
    raise LookupError(service)


@pytest.mark.parametrize(
    ("method", "public", "internal", "allowed"),
    [
        ("IssueAccessToken", True, False, {ADMIN}),
        ("ListAccessTokens", True, False, {ADMIN, DEVELOPER}),
        ("WatchAccess", False, True, {SERVICE}),
    ],
)
def test_a_method_says_who_may_call_it(
    method: str, public: bool, internal: bool, allowed: set[int]
) -> None:
    """No role implies another, and the listener follows from the roles."""
    policy = declared("AccessService", method)
    assert policy.method == f"trunkline.credential.v1.AccessService/{method}"
    assert policy.domain == "trunkline.credential"
    assert policy.has_bounds
    assert (policy.is_public, policy.is_internal) == (public, internal)
    roles = (NOBODY, ADMIN, DEVELOPER, SERVICE)
    assert {role for role in roles if policy.allows(Caller(role, "x"))} == allowed


def test_only_the_services_that_a_method_names_may_call_it() -> None:
    """A stored key leaves only to inference."""
    resolve = declared("CredentialService", "ResolveCredential")
    assert resolve.allows(Caller(SERVICE, "inference"))
    assert not resolve.allows(Caller(SERVICE, "catalog"))
    assert not resolve.allows(Caller(ADMIN, "inference"))


def test_a_method_that_declares_nobody_is_for_nobody() -> None:
    """It stands on no listener, and a role without a name opens nothing."""
    silent = MethodPolicy("p.S/M", "p", frozenset())
    assert not silent.is_public
    assert not silent.is_internal
    unnamed = MethodPolicy("p.S/M", "p", frozenset({NOBODY}))
    for policy in (silent, unnamed):
        assert not any(
            policy.allows(Caller(role, "x")) for role in (NOBODY, ADMIN, DEVELOPER, SERVICE)
        )


def test_a_method_of_another_contract_is_open_or_for_roles() -> None:
    """Health is open to all, channelz is for ADMIN; neither has bounds of ours."""
    health = foreign_policy("grpc.health.v1.Health/Check", None)
    assert health.is_public
    assert not health.is_internal
    assert not health.has_bounds
    channelz = foreign_policy("grpc.channelz.v1.Channelz/GetServers", frozenset({ADMIN}))
    assert channelz.allows(Caller(ADMIN, "x"))
    assert not channelz.allows(Caller(DEVELOPER, "x"))
