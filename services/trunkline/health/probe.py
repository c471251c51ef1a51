"""One probe: ask inference to list a provider's models, with its central key or none.

Never a completion, never a personal key: what is asked costs nothing and is nobody's.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

from google.protobuf.duration_pb2 import Duration

from trunkline.catalog.v1 import provider_pb2 as catalog_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.health.state import Finding, read_finding
from trunkline.inference.v1 import provider_pb2, provider_pb2_grpc
from trunkline.kernel.channel import PeerRefused, ask
from trunkline.kernel.errors import Unavailable

TIMEOUT_S: Final = 10
# What the way to inference and back may take on top of the probe.
_HOP_S: Final = 2.0


@dataclass(frozen=True, slots=True)
class Subject:
    """What a probe's answer depends on; after a change of it an answer says nothing any more.

    Attributes:
        provider: its name.
        address: its base address, format and headers.
        credential_id: its central key, `cred_…`; empty: it has none.
        version: of the key, and the address that comes with it.
    """

    provider: str
    address: tuple[str, str, tuple[tuple[str, str], ...]]
    credential_id: str
    version: tuple[int, str]


def subject_of(
    provider: catalog_pb2.Provider, credential: credential_pb2.Credential | None
) -> Subject:
    """Return what is probed of a provider.

    Args:
        provider: as the catalog tells of it.
        credential: its central one; None: it has none.
    """
    endpoint = provider.endpoint
    address = (endpoint.base_url, endpoint.format, tuple(sorted(endpoint.headers.items())))
    if credential is None:
        return Subject(provider.name, address, "", (0, ""))
    version = (credential.version, credential.base_url)
    return Subject(provider.name, address, credential.id, version)


async def probe(stub: provider_pb2_grpc.ProviderServiceAsyncStub, subject: Subject) -> Finding:
    """Probe a provider, and return what was found.

    Args:
        stub: of inference.
        subject: what is asked, and with which key.

    Raises:
        Unavailable: PROBE_UNAVAILABLE: nobody was asked, and nothing can be said.
    """
    try:
        return await _ask(stub, subject.provider, subject.credential_id)
    except PeerRefused as refused:
        if refused.reason != "NO_CREDENTIAL":
            raise _impossible(subject.provider, refused.message) from None
    # It was saved for another address, or is gone: whether the provider answers shows without.
    try:
        return await _ask(stub, subject.provider, "")
    except PeerRefused as refused:
        raise _impossible(subject.provider, refused.message) from None


async def _ask(
    stub: provider_pb2_grpc.ProviderServiceAsyncStub, provider: str, credential_id: str
) -> Finding:
    """Ask once.

    Raises:
        Unavailable: PROBE_UNAVAILABLE.
        PeerRefused: inference cannot ask this provider, or not with this key.
    """
    request = provider_pb2.ProbeProviderRequest(
        name=provider,
        purpose=provider_pb2.PROBE_PURPOSE_LIST_MODELS,
        timeout=Duration(seconds=TIMEOUT_S),
    )
    if credential_id:
        request.credential_id = credential_id
    try:
        response: provider_pb2.ProbeProviderResponse = await ask(
            "inference", stub.ProbeProvider, request, timeout=TIMEOUT_S + _HOP_S
        )
    except Unavailable as error:
        raise _impossible(provider, error.message) from None
    except PeerRefused as refused:
        if refused.reason != "ADDRESS_REFUSED":
            raise
        # No chat gets there either.
        response = provider_pb2.ProbeProviderResponse(
            verification=provider_pb2.Verification(
                verdict=provider_pb2.VERDICT_UNREACHABLE, message=refused.message
            )
        )
    finding = read_finding(provider, credential_id, response)
    if finding is None:
        raise _impossible(provider, "Inference tells of a verdict that is not known here.")
    return finding


def _impossible(provider: str, why: str) -> Unavailable:
    """Return the error for a probe that could not be made."""
    return Unavailable("PROBE_UNAVAILABLE", f"{provider} could not be probed. {why}".rstrip())
