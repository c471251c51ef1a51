"""Settings of where services listen for each other, find each other, and what they show."""

from __future__ import annotations

from pathlib import Path
from typing import Final

from pydantic import Field, field_validator

from trunkline.kernel.settings import Settings, check_port

_ADDRESS: Final = r"^$|^(\[[0-9a-fA-F:]+\]|[^:\s\[\]]+):\d{1,5}$"


class NetworkSettings(Settings):
    """What a process needs whose services, or callers, are on other machines."""

    public_certificate_file: Path | None = Field(
        default=None,
        description="PEM certificate of the public listener, which then speaks TLS alone.",
    )
    public_key_file: Path | None = Field(
        default=None, description="PEM private key of that certificate."
    )
    internal_listen: str = Field(
        default="",
        pattern=_ADDRESS,
        description="Address for the other services, `host:port`, on mutual TLS. Empty: they"
        " are on this machine, and come by a socket in the data directory.",
    )
    internal_certificate_file: Path | None = Field(
        default=None,
        description="PEM certificate that this service shows to the other services.",
    )
    internal_key_file: Path | None = Field(
        default=None, description="PEM private key of that certificate."
    )
    internal_ca_file: Path | None = Field(
        default=None,
        description="PEM certificates of the authority that the services' certificates are of.",
    )
    trust_domain: str = Field(
        default="trunkline",
        pattern=r"^[a-z0-9][a-z0-9.-]{0,254}$",
        description="Certificates are for spiffe://{trust domain}/{service}, and for the DNS"
        " name {service}.{trust domain}.",
    )
    credential_address: str = Field(
        default="",
        pattern=_ADDRESS,
        description="Where the credential service listens for the others. Empty: in this"
        " process, or at its socket in the data directory.",
    )
    catalog_address: str = Field(
        default="", pattern=_ADDRESS, description="Likewise, of the catalog service."
    )
    health_address: str = Field(
        default="", pattern=_ADDRESS, description="Likewise, of the health service."
    )
    inference_address: str = Field(
        default="", pattern=_ADDRESS, description="Likewise, of the inference service."
    )

    @field_validator(
        "internal_listen",
        "credential_address",
        "catalog_address",
        "health_address",
        "inference_address",
    )
    @classmethod
    def _check_port(cls, value: str) -> str:
        """Refuse a port that there is not."""
        return check_port(value)

    def address_of(self, service: str) -> str:
        """Return where a service listens for the others; empty: on this machine."""
        address: str = getattr(self, f"{service}_address")
        return address
