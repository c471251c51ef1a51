"""Change a model by a request. Pure: nothing is read or written."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any, Final

from trunkline.catalog.facts import FACT_NAMES, MAX_RATE, is_by_hand, set_by_hand, version_of
from trunkline.catalog.field_mask import read_mask
from trunkline.catalog.provider_types import served_formats
from trunkline.catalog.records import StoredModel
from trunkline.catalog.v1 import model_pb2
from trunkline.kernel.clock import is_time
from trunkline.kernel.errors import InvalidArgument, Violation
from trunkline.planning.options import Option, list_faults

_FACT_PATHS: Final = tuple(f"facts.{name}" for name in FACT_NAMES)
_SETTING_NAMES: Final = tuple(field.name for field in model_pb2.ModelSettings.DESCRIPTOR.fields)
_SETTING_PATHS: Final = tuple(f"settings.{name}" for name in _SETTING_NAMES)
PATHS: Final = (
    "display_name",
    "description",
    "enabled",
    "deployment_default",
    "prices",
    "facts",
    *_FACT_PATHS,
    "settings",
    *_SETTING_PATHS,
)

_RATES: Final = ("input", "output", "cache_read", "cache_write", "cache_write_long")

# Without at least one, there is nothing that the model could do.
_POSITIVE_FACTS: Final = ("context_window", "max_output_tokens", "embedding_dimensions")
_MAX_WORD: Final = 256


def apply_update(
    stored: StoredModel,
    shown: model_pb2.Model,
    request: model_pb2.UpdateModelRequest,
    options: tuple[Option, ...] = (),
) -> StoredModel:
    """Return a model as a request changes it, with its etag and times as they were.

    A price that is new has no version yet.

    Without a mask, a value that is the one shown changes nothing, and of the facts only
    those count that are marked as set by hand, or not marked: what was read of the
    provider and is sent back does not become manual.

    Args:
        stored: its record.
        shown: as it is answered now.
        request: what to change.
        options: that its provider's type has.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `update_mask`, a fact or price that cannot be so,
            or an option that is none.
    """
    given = request.model
    paths = read_mask(request.update_mask, PATHS)
    manual = model_pb2.Model()
    manual.CopyFrom(stored.manual)
    if paths is None:
        paths = _list_different(given, shown)
    elif "facts" in paths:
        paths = paths.union(_FACT_PATHS)
        given = _keep_by_hand(given)
    if "settings" in paths:
        paths = paths.union(_SETTING_PATHS)
    _check_facts(given.facts, paths)
    _check_options(given.settings, paths, options)
    _set_settings(manual, given.settings, paths)
    for name in FACT_NAMES:
        if f"facts.{name}" in paths:
            manual.facts.CopyFrom(set_by_hand(manual.facts, given.facts, name))
    changes: dict[str, Any] = {"manual": manual}
    if "display_name" in paths:
        manual.display_name = given.display_name
    if "description" in paths:
        manual.description = given.description
    if "prices" in paths:
        prices = _read_prices(given.prices, stored.manual.prices)
        del manual.prices[:]
        manual.prices.extend(prices)
    if "enabled" in paths:
        changes["enabled"] = not given.HasField("enabled") or given.enabled
    if "deployment_default" in paths:
        changes["deployment_default"] = given.deployment_default
    return replace(stored, **changes)


def _list_different(given: model_pb2.Model, shown: model_pb2.Model) -> frozenset[str]:
    """Return the paths of the fields that are set and differ from what is shown."""
    paths = {f"facts.{name}" for name in FACT_NAMES if is_by_hand(given.facts, name)}
    paths |= {
        f"settings.{field.name}"
        for field, value in given.settings.ListFields()
        if value != getattr(shown.settings, field.name)
    }
    if given.display_name not in ("", shown.display_name):
        paths.add("display_name")
    if given.description not in ("", shown.description):
        paths.add("description")
    if given.HasField("enabled") and given.enabled != shown.enabled:
        paths.add("enabled")
    if given.deployment_default and not shown.deployment_default:
        paths.add("deployment_default")
    if any(map(_is_ours, given.prices)):
        paths.add("prices")
    return frozenset(paths)


def _keep_by_hand(given: model_pb2.Model) -> model_pb2.Model:
    """Return a model without the facts that come from elsewhere than from a hand."""
    kept = model_pb2.Model()
    kept.CopyFrom(given)
    for name in FACT_NAMES:
        if not is_by_hand(given.facts, name):
            kept.facts.ClearField(name)  # type: ignore[arg-type] # a name of the descriptor
    return kept


def _set_settings(
    manual: model_pb2.Model, given: model_pb2.ModelSettings, paths: frozenset[str]
) -> None:
    """Set the settings that are named as they are given; one that is left out is cleared."""
    named = [name for name in _SETTING_NAMES if f"settings.{name}" in paths]
    if not named:
        return
    kept = model_pb2.ModelSettings()
    kept.CopyFrom(given)
    for name in _SETTING_NAMES:
        if name in named:
            manual.settings.ClearField(name)  # type: ignore[arg-type] # a name of the descriptor
        else:
            kept.ClearField(name)  # type: ignore[arg-type] # a name of the descriptor
    manual.settings.MergeFrom(kept)
    if not manual.settings.ListFields():
        manual.ClearField("settings")


def _check_options(
    settings: model_pb2.ModelSettings, paths: frozenset[str], options: tuple[Option, ...]
) -> None:
    """Refuse options that the model's provider does not have.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each of them.
    """
    if "settings.provider_options" not in paths:
        return
    path = "model.settings.provider_options"
    violations = list(list_faults(settings.provider_options, options, path))
    if violations:
        raise InvalidArgument.of(*violations)


def _check_facts(facts: model_pb2.ModelFacts, paths: frozenset[str]) -> None:
    """Refuse facts that no model can have.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each of them.
    """
    violations = []
    for name in FACT_NAMES:
        if f"facts.{name}" not in paths or not facts.HasField(name):  # type: ignore[arg-type] # a name of the descriptor
            continue
        fact = getattr(facts, name)
        path = f"model.facts.{name}"
        if name in _POSITIVE_FACTS and fact.value < 1:
            violations.append(
                Violation(
                    f"{path}.value",
                    "must be at least 1; to clear it, name it in the mask and leave it out",
                )
            )
        elif name == "format" and fact.value not in served_formats():
            violations.append(Violation(f"{path}.value", "is not a format that is served"))
        elif isinstance(fact, model_pb2.TextListFact):
            violations.extend(
                Violation(f"{path}.values[{index}]", f"must have 1 to {_MAX_WORD} characters")
                for index, word in enumerate(fact.values)
                if not 0 < len(word) <= _MAX_WORD
            )
        elif isinstance(fact, model_pb2.TimeFact) and not is_time(fact.value):
            violations.append(Violation(f"{path}.value", "is not a time of the years 1 to 9999"))
    if violations:
        raise InvalidArgument.of(*violations)


def _is_ours(price: model_pb2.Price) -> bool:
    """Tell whether a request gives a price as one set by hand."""
    return price.source in (model_pb2.FACT_SOURCE_UNSPECIFIED, model_pb2.FACT_SOURCE_MANUAL)


def _read_prices(
    given: Sequence[model_pb2.Price], before: Sequence[model_pb2.Price]
) -> list[model_pb2.Price]:
    """Return the prices that a request sets by hand, the others left out.

    Args:
        given: of the request.
        before: that were set; one that stays keeps its version.

    Raises:
        InvalidArgument: INVALID_REQUEST naming each that cannot be.
    """
    prices, violations = [], []
    seen: dict[tuple[int, int, int], int] = {}
    for index, price in enumerate(given):
        if not _is_ours(price):
            continue
        violations += _check_price(price, f"model.prices[{index}]")
        place = (price.start_time.seconds, price.start_time.nanos, price.above_prompt_tokens)
        first = seen.setdefault(place, index)
        if first != index:
            violations.append(
                Violation(
                    f"model.prices[{index}]", f"begins when prices[{first}] does, for as much"
                )
            )
        ours = model_pb2.Price()
        ours.CopyFrom(price)
        ours.source = model_pb2.FACT_SOURCE_MANUAL
        ours.version = ""
        prices.append(ours)
    if violations:
        raise InvalidArgument.of(*violations)
    for ours in prices:
        ours.version = version_of(ours, before)
    return prices


def _check_price(price: model_pb2.Price, path: str) -> list[Violation]:
    """Return what a price cannot be."""
    violations = []
    rates = {name: getattr(price, name) for name in _RATES if price.HasField(name)}
    if not rates:
        violations.append(Violation(path, "names no price; to clear it, leave it out"))
    violations += (
        Violation(f"{path}.{name}", f"must be at most {MAX_RATE:,}: it is for a million tokens")
        for name, rate in rates.items()
        if rate > MAX_RATE
    )
    times = [name for name in ("start_time", "end_time") if price.HasField(name)]
    wrong = [name for name in times if not is_time(getattr(price, name))]
    violations += (
        Violation(f"{path}.{name}", "is not a time of the years 1 to 9999") for name in wrong
    )
    if len(times) == 2 and not wrong and _ends_first(price):
        violations.append(Violation(f"{path}.end_time", "must be after start_time"))
    return violations


def _ends_first(price: model_pb2.Price) -> bool:
    """Tell whether a price never holds."""
    return price.end_time.ToNanoseconds() <= price.start_time.ToNanoseconds()
