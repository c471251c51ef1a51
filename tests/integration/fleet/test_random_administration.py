"""Administration in any order, with chats in between, has no end but those of the contract."""

from __future__ import annotations

import itertools
from collections.abc import Iterator

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import (
    Bundle,
    RuleBasedStateMachine,
    invariant,
    precondition,
    rule,
    run_state_machine_as_test,
)

from support import matrix
from support.chats import ask
from support.deployment import bearer
from support.oracle import nothing_unexpected
from support.siege import Siege
from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.credential.v1 import access_pb2, save_pb2
from trunkline.health.v1 import health_service_pb2
from trunkline.options.v1 import options_pb2
from trunkline.sandbox.server import Sandbox

_MACHINES, _STEPS = (40, 30) if matrix.is_full() else (3, 15)
_NUMBERS = itertools.count()
_PLACES = st.integers(0, 2)
_DEAD = "http://127.0.0.1:1/v1"


class Administration(RuleBasedStateMachine):
    """An administrator who does this and that.

    Args:
        siege: where; what other machines did there has other names.
    """

    tokens = Bundle("tokens")

    def __init__(self, siege: Siege) -> None:
        super().__init__()
        self._siege = siege
        self._names = [f"provider-{next(_NUMBERS)}" for _ in range(3)]
        self._there: set[str] = set()

    @rule(place=_PLACES, enabled=st.booleans(), models=st.booleans())
    def create_provider(self, place: int, enabled: bool, models: bool) -> None:
        """Make a provider, unless there is one."""
        name = self._names[place]
        endpoint = provider_pb2.ProviderEndpoint(base_url=self._siege.around.base_url)
        reason = self._call(
            provider_pb2.CreateProviderRequest(
                provider=provider_pb2.Provider(name=name, endpoint=endpoint, enabled=enabled),
                models=["ok"] if models else [],
            )
        )
        assert reason == ("NAME_TAKEN" if name in self._there else "")
        self._there.add(name)

    @rule(
        place=_PLACES,
        is_dead=st.booleans(),
        enabled=st.booleans(),
        default_model=st.sampled_from(("", "ok", "none")),
    )
    def update_provider(self, place: int, is_dead: bool, enabled: bool, default_model: str) -> None:
        """Change a provider."""
        address = _DEAD if is_dead else self._siege.around.base_url
        provider = provider_pb2.Provider(
            name=self._names[place],
            endpoint=provider_pb2.ProviderEndpoint(base_url=address),
            enabled=enabled,
            default_model=default_model,
        )
        reason = self._call(provider_pb2.UpdateProviderRequest(provider=provider))
        self._check_there(place, reason)

    @rule(place=_PLACES)
    def delete_provider(self, place: int) -> None:
        """Remove a provider."""
        reason = self._call(provider_pb2.DeleteProviderRequest(name=self._names[place]))
        self._check_there(place, reason)
        if not reason:
            self._there.remove(self._names[place])

    @rule(place=_PLACES, enabled=st.booleans(), default=st.booleans())
    def update_model(self, place: int, enabled: bool, default: bool) -> None:
        """Change a model."""
        model = model_pb2.Model(
            name=f"{self._names[place]}/ok", enabled=enabled, deployment_default=default
        )
        self._call(model_pb2.UpdateModelRequest(model=model))

    @rule(place=_PLACES, dry_run=st.booleans())
    def refresh_models(self, place: int, dry_run: bool) -> None:
        """Read a provider's list anew."""
        request = model_pb2.RefreshModelsRequest(provider=self._names[place], dry_run=dry_run)
        self._check_there(place, self._call(request))

    @rule(place=_PLACES)
    def check_health(self, place: int) -> None:
        """Probe a provider."""
        self._call(health_service_pb2.CheckNowRequest(provider=self._names[place]))

    # Of a provider that is not there, it is waited for a while whether it comes.
    @precondition(lambda self: self._there)
    @rule(place=_PLACES, good=st.booleans(), allow_unverified=st.booleans())
    def save_key(self, place: int, good: bool, allow_unverified: bool) -> None:
        """Save a key, or one that is refused."""
        there = sorted(self._there)
        key = self._siege.around.api_key if good else Sandbox.REVOKED_KEY
        self._call(
            save_pb2.SaveApiKeyRequest(
                provider=there[place % len(there)], api_key=key, allow_unverified=allow_unverified
            )
        )

    @rule(place=_PLACES)
    def delete_keys(self, place: int) -> None:
        """Delete a provider's keys."""
        answer = self._siege.ask(save_pb2.ListCredentialsRequest(provider=self._names[place]))
        listed = save_pb2.ListCredentialsResponse.FromString(answer.messages[0])
        for credential in listed.credentials:
            assert self._call(save_pb2.DeleteCredentialRequest(id=credential.id)) == ""

    @rule(target=tokens, is_admin=st.booleans(), impersonate=st.booleans())
    def issue_token(self, is_admin: bool, impersonate: bool) -> tuple[str, str]:
        """Issue an access token."""
        role = options_pb2.CALLER_ROLE_ADMIN if is_admin else options_pb2.CALLER_ROLE_DEVELOPER
        answer = self._siege.ask(
            access_pb2.IssueAccessTokenRequest(
                principal=f"somebody-{next(_NUMBERS)}",
                role=role,
                scope=access_pb2.AccessScope(impersonate=impersonate),
            )
        )
        issued = access_pb2.IssueAccessTokenResponse.FromString(answer.messages[0])
        return issued.access_token.id, issued.token

    @rule(token=tokens)
    def revoke_token(self, token: tuple[str, str]) -> None:
        """Revoke an access token; again is no error."""
        assert self._call(access_pb2.RevokeAccessTokenRequest(id=token[0])) == ""

    @rule(place=_PLACES, token=tokens)
    def chat(self, place: int, token: tuple[str, str]) -> None:
        """Chat with whatever is there by now, by a token that may hold."""
        request = ask(f"{self._names[place]}/ok")
        self._siege.ask(request, "InferenceService/Chat", bearer(token[1]))

    @invariant()
    def others_chat_on(self) -> None:
        """Who has nothing to do with it chats."""
        self._siege.chat()

    def _call(self, request: Message) -> str:
        """Make a call as ADMIN; return the reason for which it failed, empty when it did not."""
        return self._siege.ask(request).reason

    def _check_there(self, place: int, reason: str) -> None:
        """Fail when a provider is missed that is there, or the other way round."""
        assert (reason == "PROVIDER_NOT_FOUND") is (self._names[place] not in self._there)


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    """Yield a deployment for the tests of this file."""
    with Siege() as made:
        yield made


@pytest.mark.timeout(600 if matrix.is_full() else 120)
def test_administration_in_any_order_ends_as_the_contract_says(siege: Siege) -> None:
    """Providers, keys, models and tokens come and go while others chat."""

    class Here(Administration):
        def __init__(self) -> None:
            super().__init__(siege)

    with nothing_unexpected():
        run_state_machine_as_test(
            Here,
            settings=settings(
                max_examples=_MACHINES,
                stateful_step_count=_STEPS,
                deadline=None,
                database=None,
                print_blob=True,
                suppress_health_check=list(HealthCheck),
            ),
        )
