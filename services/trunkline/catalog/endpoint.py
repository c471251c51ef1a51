"""Check what is said about how to reach a provider."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

from trunkline.catalog.provider_types import served_formats
from trunkline.catalog.recognition import recognise
from trunkline.kernel.address import AddressRefused, BaseUrl
from trunkline.kernel.base_url import clean_base_url
from trunkline.kernel.errors import InvalidArgument, Violation

BASE_URL_FIELD: Final = "provider.endpoint.base_url"
FORMAT_FIELD: Final = "provider.endpoint.format"
HEADERS_FIELD: Final = "provider.endpoint.headers"

# They authenticate: a secret, which belongs to the credential and is never read back.
_SECRET_HEADERS: Final = frozenset(
    {"api-key", "authorization", "cookie", "proxy-authorization", "x-api-key", "x-goog-api-key"}
)
# They frame the request: another value would tear it apart (RFC 9112).
_FRAMING_HEADERS: Final = frozenset(
    {
        "connection",
        "content-length",
        "expect",
        "host",
        "keep-alive",
        "te",
        "trailer",
        "transfer-encoding",
        "upgrade",
    }
)


def clean_address(text: str) -> tuple[BaseUrl, str]:
    """Return the base address that a text means, and the format that it tells of.

    Args:
        text: as somebody pasted it.

    Returns:
        The address; the format, empty when the text does not tell.

    Raises:
        InvalidArgument: ADDRESS_REFUSED, with the rule and what to do.
    """
    try:
        cleaned = clean_base_url(text)
    except AddressRefused as refusal:
        raise address_refused(refusal.rule, refusal.message, refusal.advice) from None
    return cleaned.base_url, str(cleaned.format_hint or "")


def address_refused(rule: str, message: str, advice: str) -> InvalidArgument:
    """Return the error for an address that may not be used."""
    return InvalidArgument(
        "ADDRESS_REFUSED",
        f"{message} {advice}",
        metadata={"rule": str(rule), "advice": advice},
        violations=(Violation(BASE_URL_FIELD, message),),
    )


def recognise_type(address: BaseUrl) -> str:
    """Return the type that an address belongs to, `openai-compatible` if to none (D26)."""
    return recognise(address).type


def check_format(wire_format: str) -> None:
    """Refuse a wire format that is not served.

    Raises:
        InvalidArgument: INVALID_REQUEST naming the format.
    """
    if wire_format not in served_formats():
        served = ", ".join(sorted(served_formats()))
        raise InvalidArgument.of(
            Violation(FORMAT_FIELD, f"{wire_format} is not served; there are {served}")
        )


def check_headers(headers: Mapping[str, str]) -> None:
    """Refuse headers that hold a secret, or that are not the provider's business.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each of them.
    """
    violations = []
    for name in sorted(headers):
        if name.lower() in _SECRET_HEADERS:
            said = "authenticates: save it with the key, where it is encrypted"
        elif name.lower() in _FRAMING_HEADERS:
            said = "is set for each request by what sends it"
        else:
            continue
        violations.append(Violation(f'{HEADERS_FIELD}["{name}"]', said))
    if violations:
        raise InvalidArgument.of(*violations)
