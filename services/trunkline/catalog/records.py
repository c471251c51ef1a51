"""Providers, models and chains as they are kept: what was given, not what follows from it."""

from __future__ import annotations

import secrets
from collections.abc import Mapping
from dataclasses import dataclass, field

from trunkline.catalog.v1 import chain_pb2, model_pb2


def mint_etag() -> str:
    """Return a new etag; no two versions of anything ever share one."""
    return secrets.token_urlsafe(12)


@dataclass(frozen=True, slots=True)
class StoredProvider:
    """One provider; what is empty falls to its type.

    Attributes:
        name: its slug.
        type: name of its type.
        create_time_ns: nanoseconds since 1970, as all its times.
        update_time_ns: when somebody last changed it.
        etag: of this version.
        display_name: empty: the type's.
        base_url: empty: the type's.
        format: empty: the type's.
        headers: for every request, none of them secret.
        streaming: None: as if it were true.
        default_model: as the provider calls it; empty: none.
        enabled: it may be asked.
        refresh_time_ns: when its list was last read; None: never.
        list_trouble: why the list could not be read, in one sentence; empty: it could.
        list_key: what the list was last read with; see `discovery`.
    """

    name: str
    type: str
    create_time_ns: int
    update_time_ns: int
    etag: str
    display_name: str = ""
    base_url: str = ""
    format: str = ""
    headers: Mapping[str, str] = field(default_factory=dict)
    streaming: bool | None = None
    default_model: str = ""
    enabled: bool = True
    refresh_time_ns: int | None = None
    list_trouble: str = ""
    list_key: str = ""


@dataclass(frozen=True, slots=True)
class StoredModel:
    """One model, in three layers that are never mixed.

    Attributes:
        provider: its provider's name.
        id: as the provider calls it.
        create_time_ns: nanoseconds since 1970, as all its times.
        update_time_ns: when it last changed.
        etag: of this version.
        manual: display name, description, facts, prices and settings that were set here.
        reported: those that the provider says.
        known: those that packaged data say.
        known_version: of the data that were asked; empty: none were.
        enabled: it may be asked.
        deployment_default: it is the deployment's default.
        listed: the provider's list had it when it was last read.
    """

    provider: str
    id: str
    create_time_ns: int
    update_time_ns: int
    etag: str
    manual: model_pb2.Model = field(default_factory=model_pb2.Model)
    reported: model_pb2.Model = field(default_factory=model_pb2.Model)
    known: model_pb2.Model = field(default_factory=model_pb2.Model)
    known_version: str = ""
    enabled: bool = True
    deployment_default: bool = False
    listed: bool = False

    @property
    def name(self) -> str:
        """Return `provider/model`."""
        return f"{self.provider}/{self.id}"


@dataclass(frozen=True, slots=True)
class StoredChain:
    """One fallback chain.

    Attributes:
        name: its slug.
        update_time_ns: nanoseconds since 1970, when it was last changed.
        etag: of this version.
        candidates: as they were given, first choice first.
        balance: how to choose among candidates of one rank.
        fall_back_on_credential_failure: also when a central key is refused or used up.
        description: what it is for; empty: not said.
    """

    name: str
    update_time_ns: int
    etag: str
    candidates: tuple[chain_pb2.Candidate, ...]
    balance: chain_pb2.Balance.ValueType = chain_pb2.BALANCE_UNSPECIFIED
    fall_back_on_credential_failure: bool = False
    description: str = ""


@dataclass(frozen=True, slots=True)
class ModelCount:
    """How many models a provider has.

    Attributes:
        total: all of them.
        enabled: those that may be asked.
    """

    total: int = 0
    enabled: int = 0


@dataclass(frozen=True, slots=True)
class Glance:
    """What a default's choice needs to know of a model.

    Attributes:
        enabled: it may be asked.
        listed: the provider's list had it when it was last read.
    """

    enabled: bool
    listed: bool
