"""What can be connected: the types of providers, read from the data of the release."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from enum import StrEnum
from importlib import resources
from typing import Any, Final

from google.protobuf.timestamp_pb2 import Timestamp

from trunkline.catalog.v1 import provider_pb2
from trunkline.kernel.extensions import installed_adapters

DATA_FILE: Final = "provider_types.toml"

# The wire formats that inference has an adapter for, beside those that others install.
SERVED_FORMATS: Final = frozenset(
    {"anthropic", "azure", "bedrock", "google", "ollama", "openai", "openai-responses"}
)

FALLBACK_TYPE: Final = "openai-compatible"

# The type of an address that nobody knows, where its format is known.
COMPATIBLE_TYPES: Final[Mapping[str, str]] = {
    "anthropic": "anthropic-compatible",
    "bedrock": "aws-bedrock",
    "ollama": "ollama",
    "openai": FALLBACK_TYPE,
}

# Formats whose addresses are pasted with the paths of another: these tell it no further.
SAME_PATHS: Final[Mapping[str, str]] = {"azure": "openai", "openai-responses": "openai"}

_AUTH_KINDS: Final[Mapping[str, provider_pb2.AuthKind.ValueType]] = {
    "api_key": provider_pb2.AUTH_KIND_API_KEY,
    "api_key_with_organization": provider_pb2.AUTH_KIND_API_KEY_WITH_ORGANIZATION,
    "aws_keys": provider_pb2.AUTH_KIND_AWS_KEYS,
    "bearer_token": provider_pb2.AUTH_KIND_BEARER_TOKEN,
    "local_endpoint": provider_pb2.AUTH_KIND_LOCAL_ENDPOINT,
}


def served_formats() -> frozenset[str]:
    """Return the wire formats that can be asked for."""
    return SERVED_FORMATS | installed_adapters().keys()


class ModelList(StrEnum):
    """Whether a type's providers can be asked for their models."""

    ALWAYS = "always"
    NEVER = "never"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class ProviderType:
    """One type; a row of the data file, where each field is explained.

    Attributes:
        name: a slug.
        display_name: its name for people.
        format: the wire format.
        auth_kinds: ways to authenticate, the usual one first.
        base_url: where it is; empty: that must be given.
        good_for: one line.
        hint: one line on how to get a key.
        default_models: ids to begin with, the preferred one first.
        key_variables: environment variables that usually hold its key.
        terms_note: a caution on the vendor's terms; empty: none.
        known_models: ids to have where there is no list.
        model_list: whether there is a list.
        default_route: it may be chosen for a request that names no model.
        price_list: its name in the price data; empty: they do not have it.
        free: what it answers costs nothing by the token.
    """

    name: str
    display_name: str
    format: str = "openai"
    auth_kinds: tuple[provider_pb2.AuthKind.ValueType, ...] = ()
    base_url: str = ""
    good_for: str = ""
    hint: str = ""
    default_models: tuple[str, ...] = ()
    key_variables: tuple[str, ...] = ()
    terms_note: str = ""
    known_models: tuple[str, ...] = ()
    model_list: ModelList = ModelList.ALWAYS
    default_route: bool = True
    price_list: str = ""
    free: bool = False


@dataclass(frozen=True, slots=True)
class ProviderTypes:
    """Every type of this release, by name.

    Attributes:
        check_time: when the data were checked.
    """

    check_time: Timestamp
    _by_name: Mapping[str, ProviderType] = field(repr=False)

    def __iter__(self) -> Iterator[ProviderType]:
        return iter(self._by_name.values())

    def find(self, name: str) -> ProviderType | None:
        """Return a type; None: this release has none of that name."""
        return self._by_name.get(name)

    def of_stored(self, name: str) -> ProviderType:
        """Return the type of a stored provider.

        A release that has dropped the type serves what the provider itself says.
        """
        return self._by_name.get(name) or ProviderType(name, name, model_list=ModelList.UNKNOWN)


def load_provider_types() -> ProviderTypes:
    """Read the types that this release knows, sorted by name; blocking, some milliseconds."""
    data = tomllib.loads(resources.files(__package__).joinpath(DATA_FILE).read_text("utf-8"))
    checked: date = data["check_date"]
    check_time = Timestamp()
    check_time.FromDatetime(datetime(checked.year, checked.month, checked.day, tzinfo=UTC))
    types = sorted((_read_row(row) for row in data["type"]), key=lambda row: row.name)
    return ProviderTypes(check_time, {row.name: row for row in types})


def _read_row(row: dict[str, Any]) -> ProviderType:
    """Return the type that a row of the file describes."""
    values: dict[str, Any] = {
        name: tuple(value) if isinstance(value, list) else value for name, value in row.items()
    }
    values["auth_kinds"] = tuple(_AUTH_KINDS[kind] for kind in row["auth_kinds"])
    values["model_list"] = ModelList(row["model_list"])
    return ProviderType(**values)
