"""Connect a provider: make it, save its key, wait for its models, choose a default."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import replace
from typing import Final

from google.protobuf.field_mask_pb2 import FieldMask

from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.cli.aws import address_in
from trunkline.cli.client import PROVIDER_CALL_S, Client
from trunkline.cli.failures import Failure
from trunkline.cli.keys import DEFAULT_LABEL, find_labelled, is_leading, list_keys, name_place
from trunkline.cli.output import name_value, note, print_json, say, to_json
from trunkline.cli.waiting import retry_while, wait_until
from trunkline.cli.wish import (
    Entered,
    Wish,
    check_existing,
    choose_type,
    pick_provider,
    read_key,
)
from trunkline.credential.v1 import credential_pb2, save_pb2

# A list of models is read by one request to the provider.
_DISCOVERY_S: Final = 15.0


class Connector:
    """Connects providers.

    Args:
        client: of an admin.
        as_json: the result is printed as JSON.
    """

    def __init__(self, client: Client, *, as_json: bool) -> None:
        self._client = client
        self._as_json = as_json

    def connect(self, wish: Wish) -> None:
        """Connect a provider, and print how it stands; what fails leaves nothing behind.

        Raises:
            Failure: it cannot be connected.
        """
        types = self._list_types()
        if not wish.provider:
            wish = pick_provider(wish, types)
        existing = self._find(wish.provider)
        kind = choose_type(wish, types, existing)
        if existing is not None:
            check_existing(wish, existing)
        # Nothing is made before the key is there: who changes their mind has changed nothing.
        entered = read_key(wish, kind)
        if entered.aws_keys is not None and not wish.base_url:
            wish = replace(wish, base_url=_choose_region(entered.aws_keys.region, kind, existing))
        if wish.rank is None and existing is not None:
            wish = self._keep_rank(wish)
        with self._made(wish, kind, existing):
            credential = self._save(wish, entered, is_new=existing is None)
        provider = self._settle(wish, kind, credential, existing)
        provider = self._choose_default(provider, kind)
        self._report(provider, credential)

    def _keep_rank(self, wish: Wish) -> Wish:
        """Return a wish with the rank that the key of its label has."""
        keys = list_keys(self._client, wish.provider)
        before = find_labelled(keys, wish.label or DEFAULT_LABEL)
        return wish if before is None else replace(wish, rank=before.rank)

    def _list_types(self) -> dict[str, provider_pb2.ProviderType]:
        """Return everything that can be connected, by name."""
        listed = self._client.ask(
            self._client.catalog.ListProviderTypes, provider_pb2.ListProviderTypesRequest()
        )
        return {each.name: each for each in listed.provider_types}

    def _find(self, name: str) -> provider_pb2.Provider | None:
        """Return the provider of a name; None: there is none."""
        try:
            return self._get(name)
        except Failure as failure:
            if failure.reason == "PROVIDER_NOT_FOUND":
                return None
            raise

    def _get(self, name: str) -> provider_pb2.Provider:
        """Return the provider of a name."""
        return self._client.ask(
            self._client.catalog.GetProvider, provider_pb2.GetProviderRequest(name=name)
        ).provider

    @contextlib.contextmanager
    def _made(
        self,
        wish: Wish,
        kind: provider_pb2.ProviderType | None,
        existing: provider_pb2.Provider | None,
    ) -> Iterator[None]:
        """Make the provider unless it exists; remove it again when what follows fails."""
        if existing is not None:
            yield
            return
        self._client.ask(
            self._client.catalog.CreateProvider,
            provider_pb2.CreateProviderRequest(
                provider=provider_pb2.Provider(
                    name=wish.provider,
                    type=kind.name if kind is not None else "",
                    endpoint=provider_pb2.ProviderEndpoint(base_url=wish.base_url),
                ),
                models=wish.models,
            ),
        )
        try:
            yield
        except BaseException:
            try:
                self._client.ask(
                    self._client.catalog.DeleteProvider,
                    provider_pb2.DeleteProviderRequest(name=wish.provider),
                )
            except Failure:
                note(
                    f"The provider {wish.provider} was made and could not be removed again;"
                    f" `trunkline disconnect {wish.provider}` does it."
                )
            raise

    def _save(self, wish: Wish, entered: Entered, *, is_new: bool) -> credential_pb2.Credential:
        """Save the key or the address, after the provider accepted it."""
        # A provider that was just made has its address already; for one that was there
        # before, the address counts with this key.
        base_url = "" if is_new else wish.base_url

        def save() -> credential_pb2.Credential:
            if entered.is_local:
                return self._client.ask(
                    self._client.credentials.SaveLocalEndpoint,
                    save_pb2.SaveLocalEndpointRequest(
                        provider=wish.provider,
                        base_url=base_url,
                        api_key=entered.key,
                        allow_unverified=wish.allow_unverified,
                    ),
                    timeout=PROVIDER_CALL_S,
                ).credential
            request = save_pb2.SaveApiKeyRequest(
                provider=wish.provider,
                headers=entered.headers,
                base_url=base_url,
                organization=wish.organization,
                project=wish.project,
                label=wish.label,
                rank=wish.rank or 0,
                allow_unverified=wish.allow_unverified,
            )
            if entered.key:
                request.api_key = entered.key
            elif entered.aws_keys is not None:
                request.aws_keys.CopyFrom(entered.aws_keys)
            return self._client.ask(
                self._client.credentials.SaveApiKey, request, timeout=PROVIDER_CALL_S
            ).credential

        # The credential service hears of a new provider a moment after it was made.
        return retry_while(save, lambda failure: is_new and failure.reason == "PROVIDER_NOT_FOUND")

    def _settle(
        self,
        wish: Wish,
        kind: provider_pb2.ProviderType | None,
        credential: credential_pb2.Credential,
        before: provider_pb2.Provider | None,
    ) -> provider_pb2.Provider:
        """Wait until the catalog has heard of the key and read the provider's models."""
        name = wish.provider
        is_verified = credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
        if is_verified and before is not None:
            # With a key that comes after another that is verified nothing is read anew.
            is_verified = is_leading(credential, list_keys(self._client, name))
        # Models named by hand are there already, and may be all that can be known.
        has_models = bool(wish.models) or (kind is not None and kind.no_model_list)
        read_before = before.refresh_time.ToNanoseconds() if before is not None else 0

        def is_settled(provider: provider_pb2.Provider) -> bool:
            if not is_verified:
                return provider.state >= provider_pb2.CONNECTION_STATE_CONFIGURED
            is_read = has_models or provider.refresh_time.ToNanoseconds() > read_before
            return provider.state >= provider_pb2.CONNECTION_STATE_VERIFIED and is_read

        provider = wait_until(lambda: self._get(name), is_settled, _DISCOVERY_S)
        if is_verified and not is_settled(provider):
            note(
                f"The models of {name} were not read within {_DISCOVERY_S:.0f} s;"
                f" `trunkline models --refresh --provider {name}` reads them."
            )
        return provider

    def _choose_default(
        self, provider: provider_pb2.Provider, kind: provider_pb2.ProviderType | None
    ) -> provider_pb2.Provider:
        """Set the provider's default model where it is plain which one that is."""
        if provider.default_model or provider.state != provider_pb2.CONNECTION_STATE_VERIFIED:
            return provider
        models = self._client.list_all(
            self._client.catalog.ListModels,
            model_pb2.ListModelsRequest(provider=provider.name),
            lambda page: page.models,
        )
        ids = [model.name.partition("/")[2] for model in models]
        if kind is not None and kind.default_model in ids:
            chosen = kind.default_model
        elif len(ids) == 1:
            chosen = ids[0]
        else:
            return provider
        return self._client.ask(
            self._client.catalog.UpdateProvider,
            provider_pb2.UpdateProviderRequest(
                provider=provider_pb2.Provider(name=provider.name, default_model=chosen),
                update_mask=FieldMask(paths=["default_model"]),
            ),
        ).provider

    def _report(
        self, provider: provider_pb2.Provider, credential: credential_pb2.Credential
    ) -> None:
        """Print how the provider stands now."""
        if self._as_json:
            print_json({"provider": to_json(provider), "credential": to_json(credential)})
            return
        state = provider_pb2.ConnectionState.Name(provider.state)
        say(f"{provider.name} is connected.")
        say(f"  state    {name_value(state, 'CONNECTION_STATE_')}")
        say(f"  address  {credential.base_url or provider.endpoint.base_url}")
        if credential.label not in ("", DEFAULT_LABEL) or credential.rank:
            say(f"  key      {name_place(credential)}")
        say(f"  models   {provider.model_count}")
        default = f"{provider.name}/{provider.default_model}" if provider.default_model else "none"
        say(f"  default  {default}")
        if credential.state == credential_pb2.CREDENTIAL_STATE_UNVERIFIED:
            note("The key was saved without having been tried at the provider.")
        for line in provider.notes:
            note(line)
        if provider.default_model:
            note(f"Chat with it: trunkline chat --model {default} Hello")
        elif provider.model_count:
            note(f"Choose a model: trunkline models --provider {provider.name}")


def _choose_region(
    region: str,
    kind: provider_pb2.ProviderType | None,
    existing: provider_pb2.Provider | None,
) -> str:
    """Return the address in the region of AWS keys; empty: it is in that one already."""
    usual = kind.base_url if kind is not None else ""
    address = existing.endpoint.base_url if existing is not None else usual
    there = address_in(region, address)
    return "" if there == address else there
