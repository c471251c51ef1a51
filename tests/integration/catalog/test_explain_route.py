"""ExplainRoute: where a request would go, with every step and every candidate."""

from __future__ import annotations

from typing import Any

import grpc
import pytest

from support.catalog_harness import CatalogHarness
from support.service_calls import DEVELOPER, NARROW, eventually, refused
from trunkline.catalog.v1 import chain_pb2, model_pb2, route_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.health.v1 import health_pb2
from trunkline.inference.v1 import failure_pb2
from trunkline.kernel.clock import duration

REQUEST, DEFAULT, BUILT_IN = (
    route_pb2.ROUTE_STEP_REQUEST,
    route_pb2.ROUTE_STEP_DEFAULT,
    route_pb2.ROUTE_STEP_BUILT_IN,
)
CENTRAL = failure_pb2.CREDENTIAL_SCOPE_CENTRAL


@pytest.fixture
async def catalog(catalog: CatalogHarness) -> CatalogHarness:
    """Give a catalog with two connected vendors, and one that has no key."""
    await catalog.create("openai", "openai", models=["gpt-5.2", "small"])
    await catalog.create("groq", "groq", models=["llama"])
    await catalog.create("keyless", "mistral", models=["large"])
    catalog.inference.answer("gpt-5.2", "small", "llama")
    for provider in ("openai", "groq"):
        await catalog.verify(provider)
    return catalog


def _chosen(response: route_pb2.ExplainRouteResponse) -> list[route_pb2.RouteStep.ValueType]:
    """Return the steps that are said to hold; all three are always told."""
    assert [step.step for step in response.steps] == [REQUEST, DEFAULT, BUILT_IN]
    assert all(step.detail.endswith(".") for step in response.steps)
    return [step.step for step in response.steps if step.chosen]


def _reasons(response: route_pb2.ExplainRouteResponse) -> list[tuple[str, str]]:
    """Return models with why they are skipped, in order."""
    return [
        (each.model, failure_pb2.SkipReason.Name(each.skip_reason).removeprefix("SKIP_REASON_"))
        for each in response.candidates
    ]


async def test_an_inline_list_is_asked_as_it_stands(catalog: CatalogHarness) -> None:
    """Each candidate with its key and why it stands there."""
    response = await catalog.explain(model="groq/llama", fallbacks=["openai/small", "groq/llama"])
    assert _chosen(response) == [REQUEST]
    assert response.steps[0].detail == "It names 2 models."
    assert response.chosen == "groq/llama"
    assert not response.warnings
    first, second = response.candidates
    assert (first.model, first.credential_id) == ("groq/llama", "cred_groq")
    assert first.detail == "It is asked first."
    assert (second.model, second.credential_id) == ("openai/small", "cred_openai")
    assert second.detail == "It is asked when those before fail."


async def test_a_chain_is_explained_at_once(catalog: CatalogHarness) -> None:
    """What was just made, changed or removed is in the answer to the next call."""
    await catalog.create_chain("main", "openai/gpt-5.2", "groq/llama")
    response = await catalog.explain(chain="main")
    assert response.steps[0].detail == "It names the chain main, of 2 models."
    assert [each.model for each in response.candidates] == ["openai/gpt-5.2", "groq/llama"]
    await catalog.update_chain("main", "groq/llama")
    assert (await catalog.explain(chain="main")).chosen == "groq/llama"
    await catalog.delete_chain("main")
    failure = await refused(catalog.explain(chain="main"))
    assert failure.code is grpc.StatusCode.NOT_FOUND
    assert failure.reason == "CHAIN_NOT_FOUND"
    assert failure.metadata == {"chain": "main"}


async def test_what_names_nothing_comes_to_the_first_step_that_does(
    catalog: CatalogHarness,
) -> None:
    """The deployment's default, while it is on, else the built-in order (decision 8)."""
    response = await catalog.explain()
    assert (_chosen(response), response.chosen) == ([BUILT_IN], "openai/gpt-5.2")
    assert "No model is the deployment's default." in response.steps[1].detail
    await catalog.update_model("groq/llama", deployment_default=True)
    response = await catalog.explain()
    assert (_chosen(response), response.chosen) == ([DEFAULT], "groq/llama")
    assert response.steps[1].detail == "It is groq/llama."
    await catalog.update_model("groq/llama", enabled=False)
    response = await catalog.explain()
    assert (_chosen(response), response.chosen) == ([BUILT_IN], "openai/gpt-5.2")
    assert "groq/llama, which is off" in response.steps[1].detail
    await catalog.update("openai", enabled=False)
    response = await catalog.explain()
    assert (_chosen(response), response.chosen) == ([], "")
    assert not response.candidates


async def test_who_is_skipped_stands_in_his_place_with_the_reason(
    catalog: CatalogHarness,
) -> None:
    """No such model, one that is off, and one without a key."""
    await catalog.update_model("openai/small", enabled=False)
    response = await catalog.explain(
        model="openai/small",
        fallbacks=["nobody/x", "keyless/large", "groq/llama", "openai/gone"],
    )
    assert _reasons(response) == [
        ("openai/small", "UNKNOWN_MODEL"),
        ("nobody/x", "UNKNOWN_MODEL"),
        ("keyless/large", "NO_CREDENTIAL"),
        ("groq/llama", "UNSPECIFIED"),
        ("openai/gone", "UNKNOWN_MODEL"),
    ]
    assert response.chosen == "groq/llama"
    assert response.candidates[3].detail == "It is asked first."
    assert "keyless is not connected" in response.candidates[2].detail
    (warning,) = response.warnings
    assert warning.startswith("Only groq/llama can be asked")


async def test_needs_are_held_against_what_is_known(catalog: CatalogHarness) -> None:
    """What nobody states or is assumed skips nobody; figures are in the sentence."""
    facts = model_pb2.ModelFacts(
        context_window=model_pb2.IntegerFact(value=8_000),
        vision=model_pb2.BoolFact(value=False),
    )
    await catalog.update_model("openai/small", facts=facts)
    response = await catalog.explain(
        model="openai/small", fallbacks=["groq/llama"], needs=[route_pb2.NEED_VISION]
    )
    assert _reasons(response) == [("openai/small", "NO_VISION"), ("groq/llama", "UNSPECIFIED")]
    response = await catalog.explain(
        model="openai/small", fallbacks=["groq/llama"], input_tokens=500_000
    )
    assert _reasons(response) == [
        ("openai/small", "CONTEXT_TOO_SMALL"),
        ("groq/llama", "UNSPECIFIED"),
    ]
    assert "500,000" in response.candidates[0].detail
    assert "8,000" in response.candidates[0].detail
    needs = list(route_pb2.Need.values())[1:]
    response = await catalog.explain(model="groq/llama", needs=needs, input_tokens=8_000)
    assert response.chosen == "groq/llama"


async def test_a_token_of_narrow_reach_is_told_what_it_does_not_reach(
    catalog: CatalogHarness,
) -> None:
    """NOT_ALLOWED in its place; and only an admin is told which key."""
    await catalog.create_chain("main", "groq/llama", "openai/small")
    response = await catalog.explain(chain="main", metadata=NARROW)
    assert _reasons(response) == [("groq/llama", "NOT_ALLOWED"), ("openai/small", "UNSPECIFIED")]
    assert response.chosen == "openai/small"
    response = await catalog.explain(chain="main", metadata=DEVELOPER)
    assert [each.credential_id for each in response.candidates] == ["", ""]
    assert response.chosen == "groq/llama"


async def test_one_vendor_is_warned_of_and_two_are_not(catalog: CatalogHarness) -> None:
    """Whatever its providers are called (K22, decision 15)."""
    await catalog.create("work", "openai", models=["gpt-5.2"])
    await catalog.verify("work")
    response = await catalog.explain(model="openai/small", fallbacks=["work/gpt-5.2"])
    (warning,) = response.warnings
    assert "one vendor, OpenAI" in warning
    response = await catalog.explain(model="openai/small", fallbacks=["groq/llama"])
    assert not response.warnings
    response = await catalog.explain(model="keyless/large")
    assert list(response.warnings) == ["Nobody can be asked."]


async def test_equals_are_told_with_their_shares(catalog: CatalogHarness) -> None:
    """By weight one draw is shown; what is not known to the catalog is said."""
    equals = [
        chain_pb2.Candidate(model="openai/small", rank=1, weight=3),
        chain_pb2.Candidate(model="groq/llama", rank=1),
    ]
    await catalog.create_chain("main", *equals, balance=chain_pb2.BALANCE_WEIGHT)
    response = await catalog.explain(chain="main")
    details = {each.model: each.detail for each in response.candidates}
    assert "one of 2 equals, with 3 of 4 shares" in details["openai/small"]
    assert "one of 2 equals, with 1 of 4 shares" in details["groq/llama"]

    async def first() -> str:
        return (await catalog.explain(chain="main")).chosen

    for model in details:
        await eventually(first, lambda seen, model=model: seen == model)  # type: ignore[misc] # a default of a lambda has no type
    await catalog.update_chain("main", balance=chain_pb2.BALANCE_LATENCY)
    (warning,) = (await catalog.explain(chain="main")).warnings
    assert "time to the first token" in warning


async def test_what_cools_is_told_as_health_tells_it(catalog: CatalogHarness) -> None:
    """A wait that the provider gave skips its route, our own guess puts it last."""
    route = health_pb2.RouteKey(model="openai/small", credential_id="cred_openai")
    cooldown = health_pb2.Cooldown(
        route=route,
        state=health_pb2.COOLDOWN_STATE_OPEN,
        remaining=duration(3000),
        kind=failure_pb2.ERROR_KIND_RATE_LIMITED,
        failures=1,
        generation=1,
        provider_given=True,
    )
    names = ("openai/small", "groq/llama")

    async def explain() -> route_pb2.ExplainRouteResponse:
        return await catalog.explain(model=names[0], fallbacks=names[1:])

    catalog.health.cool(cooldown)
    response = await eventually(explain, lambda seen: seen.chosen == names[1])
    assert _reasons(response) == [(names[0], "COOLING"), (names[1], "UNSPECIFIED")]
    assert (
        "as its provider asked: rate limited, 1 failure in a row" in response.candidates[0].detail
    )
    assert not response.warnings
    cooldown.provider_given = False
    catalog.health.cool(cooldown)
    response = await eventually(explain, lambda seen: not seen.candidates[0].skip_reason)
    assert [each.model for each in response.candidates] == [*reversed(names)]
    cooldown.ClearField("remaining")
    catalog.health.cool(cooldown)
    response = await eventually(explain, lambda seen: seen.chosen == names[0])
    assert "the next chat tries it" in response.candidates[0].detail
    cooldown.trial_remaining.CopyFrom(duration(3000))
    catalog.health.cool(cooldown)
    response = await eventually(explain, lambda seen: seen.chosen == names[1])
    assert "one chat tries it now" in response.candidates[1].detail


async def test_several_keys_of_a_provider_are_candidates_each(catalog: CatalogHarness) -> None:
    """In the order of the keys; a person's own key is none of them."""
    second = catalog.credentials.put("openai", label="second", rank=-1)
    catalog.credentials.put("openai", owner="dora")
    response = await eventually(
        lambda: catalog.explain(model="openai/small", fallbacks=["groq/llama"]),
        lambda seen: len(seen.candidates) > 2,
    )
    asked = [
        (each.model, each.credential_id, each.credential_scope) for each in response.candidates
    ]
    assert asked == [
        ("openai/small", second, CENTRAL),
        ("openai/small", "cred_openai", CENTRAL),
        ("groq/llama", "cred_groq", CENTRAL),
    ]


async def test_a_provider_that_takes_no_key_names_none(catalog: CatalogHarness) -> None:
    """Neither a scope nor an id, also for an admin."""
    await catalog.create("box", "lm-studio", models=["gemma"])
    catalog.credentials.put("box", kind=credential_pb2.CREDENTIAL_KIND_LOCAL_ENDPOINT)
    response = await eventually(
        lambda: catalog.explain(model="box/gemma"), lambda seen: bool(seen.chosen)
    )
    (candidate,) = response.candidates
    assert not candidate.credential_scope
    assert candidate.credential_id == ""


@pytest.mark.parametrize(
    ("fields", "wrong"),
    [
        ({"model": "openai/small", "chain": "main"}, ""),
        ({"fallbacks": ["openai/small"]}, ""),
        ({"model": "small"}, "model"),
        ({"chain": "Main"}, "chain"),
        ({"needs": [0]}, "needs[0]"),
        ({"input_tokens": -1}, "input_tokens"),
    ],
)
async def test_a_request_that_cannot_be_is_refused(
    catalog: CatalogHarness, fields: dict[str, Any], wrong: str
) -> None:
    """The bounds that the contract declares hold."""
    failure = await refused(catalog.explain(**fields))
    assert failure.reason == "INVALID_REQUEST"
    assert failure.fields == [wrong]


async def test_keys_that_are_not_known_are_not_guessed(catalog: CatalogHarness) -> None:
    """Where a chat would be refused for an old view of keys, its explanation is, too."""
    catalog.clock.turn(31)
    failure = await refused(catalog.explain(model="openai/small"))
    assert failure.code is grpc.StatusCode.UNAVAILABLE
    assert failure.reason == "SECURITY_VIEW_STALE"


async def test_a_stranger_is_told_nothing(catalog: CatalogHarness) -> None:
    """TOKEN_MISSING."""
    assert (await refused(catalog.explain(metadata=()))).reason == "TOKEN_MISSING"
