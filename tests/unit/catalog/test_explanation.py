"""Why candidates stand where they do: cooldowns, vendors and steps, in sentences."""

from __future__ import annotations

from dataclasses import replace

import pytest

from trunkline.catalog.explanation import describe_candidates, list_warnings
from trunkline.catalog.provider_types import load_provider_types
from trunkline.catalog.v1 import chain_pb2, model_pb2, provider_pb2, route_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.health.v1 import health_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.call import Caller
from trunkline.options.v1 import options_pb2
from trunkline.planning.candidates import Candidate, Place
from trunkline.views.health import HALF_OPEN, OPEN, Cooldown

TYPES = load_provider_types()
ADMIN = Caller(options_pb2.CALLER_ROLE_ADMIN, "ann")


def _candidate(name: str) -> Candidate:
    """Return a model that can be asked with its provider's key."""
    provider = name.partition("/")[0]
    return Candidate(
        name,
        provider_pb2.Provider(name=provider),
        model_pb2.Model(name=name),
        credential_pb2.Credential(
            id=f"cred_{provider}", scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL
        ),
        Place("https://a.example", "https://a.example:443", is_local=False),
    )


def _route(*names: str) -> route_pb2.Route:
    """Return the route of models in order."""
    return route_pb2.Route(
        candidates=[
            chain_pb2.Candidate(model=name, rank=rank, weight=1) for rank, name in enumerate(names)
        ]
    )


def _cooling(
    state: health_pb2.CooldownState.ValueType = OPEN, *, provider_given: bool = False
) -> Cooldown:
    """Return a cooldown of 12.3 seconds after two rate limits."""
    return Cooldown(
        model="a/x",
        credential_id="",
        state=state,
        remaining_s=12.3,
        trial_remaining_s=0.0,
        kind=failure_pb2.ERROR_KIND_RATE_LIMITED,
        failures=2,
        generation=1,
        provider_given=provider_given,
    )


def _describe(cooldowns: dict[str, Cooldown], *names: str) -> list[route_pb2.ExplainedCandidate]:
    """Describe models of which some cool."""
    asked: list[tuple[str, str]] = []

    def find(candidate: Candidate) -> Cooldown | None:
        asked.append((candidate.name, candidate.credential.id))
        return cooldowns.get(candidate.name)

    described = describe_candidates(
        [_candidate(name) for name in names], _route(*names), find, ADMIN
    )
    assert asked == [(name, f"cred_{name.partition('/')[0]}") for name in names]
    return described


def test_one_that_cools_by_our_guess_stands_last() -> None:
    """It is not skipped, and who is asked first is somebody else."""
    described = _describe({"a/x": _cooling()}, "a/x", "b/y", "c/z")
    assert [each.model for each in described] == ["b/y", "c/z", "a/x"]
    assert not any(each.skip_reason for each in described)
    assert described[0].detail == "It is asked first."
    assert described[2].detail == (
        "It is asked when those before fail. It cools for 12.3 s more, by our own guess:"
        " rate limited, 2 failures in a row."
    )


def test_one_whose_provider_gave_a_wait_is_skipped_in_its_place() -> None:
    """It is never asked before its time."""
    described = _describe({"a/x": _cooling(provider_given=True)}, "a/x", "b/y")
    assert [each.model for each in described] == ["a/x", "b/y"]
    assert described[0].skip_reason == failure_pb2.SKIP_REASON_COOLING
    assert described[0].detail == (
        "It cools for 12.3 s more, as its provider asked: rate limited, 2 failures in a row."
    )
    assert described[1].detail == "It is asked first."


def test_a_half_open_one_keeps_its_place() -> None:
    """Whoever gave the wait: it is over."""
    for cooldown in (_cooling(HALF_OPEN), _cooling(HALF_OPEN, provider_given=True)):
        described = _describe({"a/x": cooldown}, "a/x", "b/y")
        assert [each.model for each in described] == ["a/x", "b/y"]
        assert not described[0].skip_reason
        assert "the next chat tries it" in described[0].detail


def test_one_that_somebody_else_tries_stands_last() -> None:
    """Another is asked first, until that trial has ended."""
    tried = replace(_cooling(HALF_OPEN), trial_remaining_s=9.0)
    described = _describe({"a/x": tried}, "a/x", "b/y")
    assert [each.model for each in described] == ["b/y", "a/x"]
    assert described[1].detail == (
        "It is asked when those before fail. It has cooled after rate limited, 2 failures in a"
        " row: one chat tries it now, others ask it last."
    )


def _warnings(
    *providers: provider_pb2.Provider,
    skips: dict[str, failure_pb2.SkipReason.ValueType] | None = None,
) -> list[str]:
    """Return the warnings of a chain with a model of each provider."""
    names = [f"{provider.name}/m" for provider in providers]
    candidates = [
        route_pb2.ExplainedCandidate(
            model=name,
            skip_reason=(skips or {}).get(name, failure_pb2.SKIP_REASON_UNSPECIFIED),
        )
        for name in names
    ]
    return list_warnings(candidates, _route(*names), providers, TYPES, lambda _: None)


def _provider(name: str, kind: str, address: str = "") -> provider_pb2.Provider:
    return provider_pb2.Provider(
        name=name, type=kind, endpoint=provider_pb2.ProviderEndpoint(base_url=address)
    )


@pytest.mark.parametrize(
    ("first", "second", "is_one"),
    [
        (("a", "openai"), ("b", "openai"), True),
        (("a", "openai"), ("b", "anthropic"), False),
        (("a", "openai-compatible", "https://x"), ("b", "openai-compatible", "https://x"), True),
        (("a", "openai-compatible", "https://x"), ("b", "openai-compatible", "https://y"), False),
        (("a", "ollama", "http://one:11434"), ("b", "ollama", "http://two:11434"), False),
    ],
)
def test_vendors_are_told_apart(
    first: tuple[str, ...], second: tuple[str, ...], is_one: bool
) -> None:
    """By type, and by address where the type says only which language is spoken there."""
    warnings = _warnings(_provider(*first), _provider(*second))
    assert bool(warnings) == is_one
    assert all("one vendor" in warning for warning in warnings)


def test_what_cools_still_counts_and_what_cannot_be_asked_does_not() -> None:
    """A cooldown ends; a key that is missing stays away."""
    providers = (_provider("a", "openai"), _provider("b", "anthropic"))
    cooling = {"b/m": failure_pb2.SKIP_REASON_COOLING}
    assert not _warnings(*providers, skips=cooling)
    keyless = {"b/m": failure_pb2.SKIP_REASON_NO_CREDENTIAL}
    (warning,) = _warnings(*providers, skips=keyless)
    assert warning.startswith("Only a/m can be asked")
    assert _warnings(*providers, skips={**keyless, "a/m": failure_pb2.SKIP_REASON_NO_TOOLS}) == [
        "Nobody can be asked."
    ]


def test_equals_without_a_price_are_named() -> None:
    """Where equals go by price, and only there."""
    route = route_pb2.Route(
        balance=chain_pb2.BALANCE_PRICE,
        candidates=[
            chain_pb2.Candidate(model="a/x"),
            chain_pb2.Candidate(model="b/y"),
            chain_pb2.Candidate(model="c/z", rank=1),
        ],
    )
    providers = [_provider("a", "openai"), _provider("b", "anthropic"), _provider("c", "groq")]
    candidates = [route_pb2.ExplainedCandidate(model=each.model) for each in route.candidates]
    prices = {"a/x": 5}
    assert list_warnings(candidates, route, providers, TYPES, prices.get) == [
        "The price of b/y is not known: it stands after its equals."
    ]
    route.balance = chain_pb2.BALANCE_WEIGHT
    assert not list_warnings(candidates, route, providers, TYPES, prices.get)
