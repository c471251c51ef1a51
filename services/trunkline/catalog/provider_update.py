"""Make a provider of a request, or change one by it. Pure: nothing is read or written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Final

from trunkline.catalog.endpoint import (
    BASE_URL_FIELD,
    check_format,
    check_headers,
    clean_address,
    recognise_type,
)
from trunkline.catalog.field_mask import read_mask
from trunkline.catalog.provider_types import (
    COMPATIBLE_TYPES,
    FALLBACK_TYPE,
    SAME_PATHS,
    ProviderType,
    ProviderTypes,
)
from trunkline.catalog.records import StoredProvider
from trunkline.catalog.v1 import provider_pb2
from trunkline.kernel.errors import InvalidArgument, NotFound, Violation

_ENDPOINT_PATHS: Final = (
    "endpoint.base_url",
    "endpoint.format",
    "endpoint.headers",
    "endpoint.streaming",
)
PATHS: Final = ("display_name", "endpoint", *_ENDPOINT_PATHS, "default_model", "enabled")


@dataclass(frozen=True, slots=True)
class Given:
    """A provider as a request describes it, checked.

    Attributes:
        name: its slug.
        kind: its type.
        display_name: empty: the type's.
        base_url: cleaned; empty: the type's.
        format: empty: the type's.
        headers: as given.
        streaming: as given; None: absent.
        enabled: as given; absent: on.
    """

    name: str
    kind: ProviderType
    display_name: str
    base_url: str
    format: str
    headers: Mapping[str, str]
    streaming: bool | None
    enabled: bool

    def stored(self, now_ns: int, etag: str) -> StoredProvider:
        """Return the record of the new provider.

        Args:
            now_ns: nanoseconds since 1970.
            etag: of its first version.
        """
        return StoredProvider(
            name=self.name,
            type=self.kind.name,
            create_time_ns=now_ns,
            update_time_ns=now_ns,
            etag=etag,
            display_name=self.display_name,
            base_url=self.base_url,
            format=self.format,
            headers=self.headers,
            streaming=self.streaming,
            enabled=self.enabled,
        )


def read_new(provider: provider_pb2.Provider, types: ProviderTypes) -> Given:
    """Check a provider that is to be made.

    Args:
        provider: of the request.
        types: that there are.

    Raises:
        NotFound: TYPE_NOT_FOUND.
        InvalidArgument: ADDRESS_REFUSED; INVALID_REQUEST for a format that is not served,
            headers that do not belong there, no address, or a default model, which a new
            provider cannot have yet (K14).
    """
    endpoint = provider.endpoint
    base_url = hint = recognised = ""
    if endpoint.base_url:
        address, hint = clean_address(endpoint.base_url)
        base_url, recognised = address.url, recognise_type(address)
    if recognised == FALLBACK_TYPE:
        recognised = COMPATIBLE_TYPES.get(endpoint.format or hint, FALLBACK_TYPE)
    name = provider.type or recognised or FALLBACK_TYPE
    kind = types.find(name)
    if kind is None:
        raise NotFound(
            "TYPE_NOT_FOUND",
            f"There is no provider type {name}; `trunkline connect` lists those that there are.",
            metadata={"type": name},
        )
    _require_address(base_url or kind.base_url, kind)
    wire_format = _settle_format(endpoint.format, hint, kind)
    check_headers(endpoint.headers)
    if provider.default_model:
        raise InvalidArgument.of(
            Violation("provider.default_model", "can be set once a credential is verified")
        )
    return Given(
        name=provider.name,
        kind=kind,
        display_name=provider.display_name,
        base_url=base_url,
        format=wire_format,
        headers=dict(endpoint.headers),
        streaming=endpoint.streaming if endpoint.HasField("streaming") else None,
        enabled=not provider.HasField("enabled") or provider.enabled,
    )


def apply_update(
    stored: StoredProvider,
    shown: provider_pb2.Provider,
    request: provider_pb2.UpdateProviderRequest,
    kind: ProviderType,
) -> StoredProvider:
    """Return a provider as a request changes it, with its etag and times as they were.

    Without a mask, a value that is the one shown changes nothing: what was read and is
    sent back goes on following the type.

    Args:
        stored: its record.
        shown: as it is answered now.
        request: what to change.
        kind: its type.

    Raises:
        InvalidArgument: as `read_new`; INVALID_REQUEST naming `update_mask` or a field
            that is fixed.
    """
    given, endpoint = request.provider, request.provider.endpoint
    if given.type and given.type != stored.type:
        raise InvalidArgument.of(Violation("provider.type", f"is {stored.type} for good"))
    paths = read_mask(request.update_mask, PATHS)
    if paths is None:
        paths = _list_different(given, shown)
    elif "endpoint" in paths:
        paths = paths.union(_ENDPOINT_PATHS)
    changes: dict[str, Any] = {}
    hint = ""
    if "display_name" in paths:
        changes["display_name"] = given.display_name
    if "endpoint.base_url" in paths:
        changes["base_url"] = ""
        if endpoint.base_url:
            address, hint = clean_address(endpoint.base_url)
            changes["base_url"] = address.url
        _require_address(changes["base_url"] or kind.base_url, kind)
    if "endpoint.format" in paths or hint:
        chosen = endpoint.format if "endpoint.format" in paths else stored.format
        changes["format"] = _settle_format(chosen, hint, kind)
    if "endpoint.headers" in paths:
        check_headers(endpoint.headers)
        changes["headers"] = dict(endpoint.headers)
    if "endpoint.streaming" in paths:
        changes["streaming"] = endpoint.streaming if endpoint.HasField("streaming") else None
    if "default_model" in paths:
        changes["default_model"] = given.default_model
    if "enabled" in paths:
        changes["enabled"] = not given.HasField("enabled") or given.enabled
    return replace(stored, **changes)


def _list_different(given: provider_pb2.Provider, shown: provider_pb2.Provider) -> frozenset[str]:
    """Return the paths of the fields that are set and differ from what is shown."""
    paths = set()
    if given.display_name not in ("", shown.display_name):
        paths.add("display_name")
    if given.endpoint.base_url not in ("", shown.endpoint.base_url):
        paths.add("endpoint.base_url")
    if given.endpoint.format not in ("", shown.endpoint.format):
        paths.add("endpoint.format")
    if given.endpoint.headers and given.endpoint.headers != shown.endpoint.headers:
        paths.add("endpoint.headers")
    if (
        given.endpoint.HasField("streaming")
        and given.endpoint.streaming != shown.endpoint.streaming
    ):
        paths.add("endpoint.streaming")
    if given.default_model not in ("", shown.default_model):
        paths.add("default_model")
    if given.HasField("enabled") and given.enabled != shown.enabled:
        paths.add("enabled")
    return frozenset(paths)


def _require_address(base_url: str, kind: ProviderType) -> None:
    """Refuse a provider that has no address.

    Raises:
        InvalidArgument: INVALID_REQUEST naming the address.
    """
    if not base_url:
        raise InvalidArgument.of(
            Violation(
                BASE_URL_FIELD, f"must be given: the type {kind.name} has no address of its own"
            )
        )


def _settle_format(chosen: str, hint: str, kind: ProviderType) -> str:
    """Return the format to store: what was chosen, else what the address tells (D27).

    Args:
        chosen: by somebody; empty: nobody did.
        hint: what the address tells; empty: nothing.
        kind: the provider's type.

    Returns:
        Empty when it is the type's.

    Raises:
        InvalidArgument: INVALID_REQUEST: the format is not served.
    """
    if hint == SAME_PATHS.get(kind.format):
        hint = ""
    check_format(chosen or hint or kind.format)
    return chosen or ("" if hint == kind.format else hint)
