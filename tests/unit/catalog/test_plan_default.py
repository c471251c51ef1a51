"""Where a request without a model goes, by providers, keys and models."""

from __future__ import annotations

import pytest

from trunkline.catalog.answers import Standing
from trunkline.catalog.provider_types import load_provider_types
from trunkline.catalog.records import Glance, StoredProvider
from trunkline.catalog.routes import Connected, candidates_of, plan_default
from trunkline.catalog.v1 import route_pb2

TYPES = load_provider_types()
ON = Glance(enabled=True, listed=True)
OFF = Glance(enabled=False, listed=True)
UNLISTED = Glance(enabled=True, listed=False)


def _connected(
    name: str,
    kind: str,
    standing: Standing = Standing.VERIFIED,
    *,
    default: str = "",
    enabled: bool = True,
    was_read: bool = False,
) -> Connected:
    stored = StoredProvider(
        name,
        kind,
        1,
        1,
        "etag",
        default_model=default,
        enabled=enabled,
        refresh_time_ns=1 if was_read else None,
    )
    return Connected(stored, TYPES.of_stored(kind), standing)


def _plan(providers: list[Connected], default: str = "", **glances: Glance) -> tuple[str, int]:
    """Plan with glances given as `provider__model`; return model and step, or nothing."""
    named = {name.replace("__", "/"): glance for name, glance in glances.items()}
    route = plan_default(providers, default, named)
    if route is None:
        return "", 0
    assert route.target == "default"
    (candidate,) = route.candidates
    return candidate.model, route.step


def test_nothing_connected_is_no_route() -> None:
    """There is nothing to ask."""
    assert _plan([]) == ("", 0)
    assert _plan([_connected("a", "openai", Standing.NO_CREDENTIAL, default="x")], a__x=ON) == (
        "",
        0,
    )


@pytest.mark.parametrize("standing", Standing)
def test_only_a_verified_provider_is_built_in(standing: Standing) -> None:
    """One that is not verified may be asked by name, and is no default."""
    planned = _plan([_connected("a", "openai", standing, default="x")], a__x=ON)
    assert bool(planned[0]) == (standing is Standing.VERIFIED)


def test_the_great_vendors_come_first() -> None:
    """Anthropic, OpenAI, Google and Ollama in this order (O24), whatever they are called."""
    kinds = {"d": "anthropic", "c": "openai", "b": "google", "a": "ollama"}
    providers = [_connected(name, kind, default="x") for name, kind in kinds.items()]
    glances = {f"{name}/x": ON for name in kinds}
    order = []
    while providers:
        route = plan_default(providers[::-1], "", glances)
        assert route is not None
        order.append(route.candidates[0].model[0])
        providers = [entry for entry in providers if entry.stored.name != order[-1]]
    assert order == ["d", "c", "b", "a"]


def test_openai_comes_before_others_by_name() -> None:
    """The built-in order, whatever the providers are called."""
    a, b, z = (
        _connected("a", "groq", default="x"),
        _connected("b", "deepseek", default="x"),
        _connected("z", "openai", default="x"),
    )
    step = route_pb2.ROUTE_STEP_BUILT_IN
    assert _plan([a, b, z], a__x=ON, b__x=ON, z__x=ON) == ("z/x", step)
    assert _plan([b, a], a__x=ON, b__x=ON, z__x=ON) == ("a/x", step)


@pytest.mark.parametrize(
    "kind", ["sandbox", "sandbox-anthropic", "sandbox-google", "sandbox-ollama"]
)
def test_the_sandbox_is_never_chosen(kind: str) -> None:
    """Neither with an own default nor with nothing else there."""
    assert _plan([_connected("s", kind, default="ok")], s__ok=ON) == ("", 0)


def test_the_deployments_default_goes_before_all() -> None:
    """Also at a provider whose key is not verified any more: it is somebody's word."""
    providers = [
        _connected("a", "openai", default="x"),
        _connected("b", "groq", Standing.NO_CREDENTIAL),
    ]
    planned = _plan(providers, "b/y", a__x=ON, b__y=ON)
    assert planned == ("b/y", route_pb2.ROUTE_STEP_DEFAULT)


def test_a_default_that_is_off_is_passed_over() -> None:
    """Whether the model is off or its provider."""
    on, off = _connected("b", "groq"), _connected("b", "groq", enabled=False)
    first = _connected("a", "openai", default="x")
    assert _plan([first, on], "b/y", a__x=ON, b__y=OFF)[0] == "a/x"
    assert _plan([first, off], "b/y", a__x=ON, b__y=ON)[0] == "a/x"
    assert _plan([_connected("a", "openai", default="x", enabled=False)], a__x=ON) == ("", 0)


def test_an_own_default_goes_before_the_types() -> None:
    """The type's follow in their order, as far as they exist and are on."""
    own, none = _connected("a", "openai", default="x"), _connected("a", "openai")
    glances = {"a/x": ON, "a/gpt-5.2": ON, "a/gpt-5.1": ON}

    def first(entry: Connected) -> str:
        route = plan_default([entry], "", glances)
        return "" if route is None else route.candidates[0].model

    assert first(own) == "a/x"
    assert first(none) == "a/gpt-5.2"
    glances["a/gpt-5.2"] = OFF
    assert first(none) == "a/gpt-5.1"
    del glances["a/gpt-5.1"]
    assert first(none) == ""


def test_a_list_that_was_read_refutes_the_types_default_and_not_the_own() -> None:
    """A guess of the release gives way to the provider's list (decision 12)."""
    glances = {"a/gpt-5.2": UNLISTED, "a/gpt-5.1": ON, "a/x": UNLISTED}
    route = plan_default([_connected("a", "openai", was_read=True)], "", glances)
    assert route is not None
    assert route.candidates[0].model == "a/gpt-5.1"
    route = plan_default([_connected("a", "openai")], "", glances)
    assert route is not None
    assert route.candidates[0].model == "a/gpt-5.2"
    route = plan_default([_connected("a", "openai", default="x", was_read=True)], "", glances)
    assert route is not None
    assert route.candidates[0].model == "a/x"


def test_every_model_that_could_be_chosen_is_looked_at() -> None:
    """The own default, the type's, and the deployment's."""
    providers = [_connected("a", "openai", default="x"), _connected("s", "sandbox")]
    assert candidates_of(providers, "b/y") == {"a/x", "a/gpt-5.2", "a/gpt-5.1", "s/ok", "b/y"}
    assert candidates_of([], "") == set()
