"""Records as the contract shows them: with what follows from types, keys and models."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from enum import Enum

from trunkline.catalog.facts import layer_facts, layer_prices
from trunkline.catalog.provider_types import ModelList, ProviderType, ProviderTypes
from trunkline.catalog.records import (
    Glance,
    ModelCount,
    StoredChain,
    StoredModel,
    StoredProvider,
)
from trunkline.catalog.v1 import chain_pb2, model_pb2, provider_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.kernel.clock import timestamp
from trunkline.planning.options import options_of


class Standing(Enum):
    """How far the keys of a provider have come."""

    NO_CREDENTIAL = "there is none"
    UNVERIFIED = "there is one that is not verified"
    VERIFIED = "one is verified"


def choose_credential(
    keys: Sequence[credential_pb2.Credential],
) -> credential_pb2.Credential | None:
    """Return the central credential that a provider stands by; None: it has none.

    Args:
        keys: in the order of their use; the first that is verified is chosen, else the first.
    """
    for credential in keys:
        if credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED:
            return credential
    return keys[0] if keys else None


def judge_credential(credential: credential_pb2.Credential | None) -> Standing:
    """Tell a provider's standing by the credential that it stands by; None: it has none."""
    if credential is None:
        return Standing.NO_CREDENTIAL
    if credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED:
        return Standing.VERIFIED
    return Standing.UNVERIFIED


def recall_standing(state: provider_pb2.ConnectionState.ValueType) -> Standing:
    """Return the standing that a provider's state was told from."""
    match state:
        case provider_pb2.CONNECTION_STATE_VERIFIED | provider_pb2.CONNECTION_STATE_DEFAULTS_SET:
            return Standing.VERIFIED
        case provider_pb2.CONNECTION_STATE_CONFIGURED:
            return Standing.UNVERIFIED
        case _:
            return Standing.NO_CREDENTIAL


def describe_provider(
    stored: StoredProvider,
    kind: ProviderType,
    standing: Standing,
    count: ModelCount,
    default: Glance | None,
) -> provider_pb2.Provider:
    """Return a provider as it is answered, its type's values filled in.

    Args:
        stored: its record.
        kind: its type.
        standing: of its central credentials.
        count: of its models.
        default: its default model; None: it names none, or one that is not there.
    """
    provider = provider_pb2.Provider(
        name=stored.name,
        type=stored.type,
        display_name=stored.display_name or kind.display_name,
        endpoint=provider_pb2.ProviderEndpoint(
            base_url=stored.base_url or kind.base_url,
            format=stored.format or kind.format,
            headers=stored.headers,
            streaming=stored.streaming is not False,
        ),
        state=_state(standing, stored.default_model),
        default_model=stored.default_model,
        enabled=stored.enabled,
        model_count=count.enabled,
        notes=_notes(stored, count, default),
        etag=stored.etag,
        create_time=timestamp(stored.create_time_ns),
        update_time=timestamp(stored.update_time_ns),
    )
    if stored.refresh_time_ns is not None:
        provider.refresh_time.CopyFrom(timestamp(stored.refresh_time_ns))
    return provider


def describe_model(stored: StoredModel) -> model_pb2.Model:
    """Return a model as it is answered."""
    model = model_pb2.Model(
        name=stored.name,
        display_name=stored.manual.display_name or stored.reported.display_name or stored.id,
        description=stored.manual.description or stored.reported.description,
        facts=layer_facts(stored.manual.facts, stored.reported.facts, stored.known.facts),
        prices=layer_prices(stored.manual.prices, stored.reported.prices, stored.known.prices),
        enabled=stored.enabled,
        deployment_default=stored.deployment_default,
        listed=stored.listed,
        etag=stored.etag,
        create_time=timestamp(stored.create_time_ns),
        update_time=timestamp(stored.update_time_ns),
    )
    if stored.manual.HasField("settings"):
        model.settings.CopyFrom(stored.manual.settings)
    return model


def describe_chain(stored: StoredChain) -> chain_pb2.Chain:
    """Return a chain as it is answered: its candidates as they were given."""
    return chain_pb2.Chain(
        name=stored.name,
        candidates=stored.candidates,
        balance=stored.balance,
        fall_back_on_credential_failure=stored.fall_back_on_credential_failure,
        description=stored.description,
        etag=stored.etag,
        update_time=timestamp(stored.update_time_ns),
    )


def describe_types(
    types: ProviderTypes, providers: Iterable[provider_pb2.Provider]
) -> list[provider_pb2.ProviderType]:
    """Return every type with the providers that are of it."""
    described = {
        kind.name: provider_pb2.ProviderType(
            name=kind.name,
            display_name=kind.display_name,
            format=kind.format,
            auth_kinds=kind.auth_kinds,
            base_url=kind.base_url,
            good_for=kind.good_for,
            hint=kind.hint,
            default_model=kind.default_models[0] if kind.default_models else "",
            key_variables=kind.key_variables,
            terms_note=kind.terms_note,
            check_time=types.check_time,
            known_models=kind.known_models,
            no_model_list=kind.model_list is ModelList.NEVER,
            options=(option.describe() for option in options_of(kind.name, kind.format)),
        )
        for kind in types
    }
    for provider in providers:
        if provider.type in described:
            described[provider.type].providers.append(provider)
    return list(described.values())


def _state(standing: Standing, default_model: str) -> provider_pb2.ConnectionState.ValueType:
    """Return how far a connection has come (K5)."""
    match standing:
        case Standing.NO_CREDENTIAL:
            return provider_pb2.CONNECTION_STATE_NOT_CONNECTED
        case Standing.UNVERIFIED:
            return provider_pb2.CONNECTION_STATE_CONFIGURED
        case Standing.VERIFIED if default_model:
            return provider_pb2.CONNECTION_STATE_DEFAULTS_SET
        case Standing.VERIFIED:
            return provider_pb2.CONNECTION_STATE_VERIFIED


def _notes(stored: StoredProvider, count: ModelCount, default: Glance | None) -> list[str]:
    """Return what is not as it should be, each in one sentence."""
    notes = []
    if stored.list_trouble:
        notes.append(f"Its list of models could not be read: {stored.list_trouble}")
    if not count.total:
        notes.append("It has no model yet.")
    elif not count.enabled:
        notes.append("None of its models is on.")
    if stored.default_model:
        model = f"Its default model {stored.default_model}"
        if default is None:
            notes.append(f"{model} is gone.")
        elif not default.enabled:
            notes.append(f"{model} is off.")
        elif not default.listed and stored.refresh_time_ns is not None:
            notes.append(f"{model} is not in the provider's list.")
    return notes
