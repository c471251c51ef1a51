"""Merge a provider's list of models into what is known of them.

What was set by hand stays. A model that the list lacks stays too, marked as not listed:
a default or a chat may name it (D14, decision 4).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Final

from trunkline.catalog.answers import describe_model
from trunkline.catalog.facts import MAX_PRICES, MAX_RATE, list_changed_facts, version_of
from trunkline.catalog.knowledge import NOTHING_LEARNED, Learned
from trunkline.catalog.records import StoredModel
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import provider_pb2 as inference_pb2
from trunkline.kernel.clock import to_datetime

# Of one provider, listed or not: what grows by a stranger's list has a bound.
MAX_MODELS: Final = 20_000

_MAX_ID: Final = 256
_MAX_DISPLAY_NAME: Final = 256
_MAX_DESCRIPTION: Final = 4096
_MAX_WORD: Final = 256
_MAX_WORDS: Final = 64

_INTEGERS: Final = ("context_window", "max_output_tokens")
_RATES: Final = ("input", "output", "cache_read", "cache_write")
_BOOLS: Final = ("vision", "tools", "thinking", "structured_output", "embeddings")


@dataclass(frozen=True, slots=True)
class MergedModel:
    """One model that a list changes.

    Attributes:
        before: None: it is new.
        after: with the etag and time of the merge.
    """

    before: StoredModel | None
    after: StoredModel


def is_model_id(text: str) -> bool:
    """Tell whether a text can be the second part of `provider/model`."""
    return 0 < len(text) <= _MAX_ID and text.isprintable() and not any(map(str.isspace, text))


def merge_list(
    provider: str,
    known: Mapping[str, StoredModel],
    listed: Sequence[inference_pb2.DiscoveredModel],
    *,
    now_ns: int,
    mint_etag: Callable[[], str],
    learned: Learned = NOTHING_LEARNED,
    most: int = MAX_MODELS,
) -> list[MergedModel]:
    """Return the models that a list changes, in the order of their ids.

    Args:
        provider: whose list it is.
        known: its models by id.
        listed: the list; what is no model's id, or comes twice, is passed over.
        now_ns: nanoseconds since 1970.
        mint_etag: makes the etag of a changed model.
        learned: what packaged data say of the models listed.
        most: so many models are kept of one provider; new ones beyond are passed over.
    """
    found = {model.id: model for model in reversed(listed) if is_model_id(model.id)}
    room = most - len(known)
    merged = []
    for model_id in sorted(known.keys() | found.keys()):
        before, model = known.get(model_id), found.get(model_id)
        if before is None:
            room -= 1
            if room < 0:
                continue
            base = StoredModel(provider, model_id, now_ns, now_ns, mint_etag())
        else:
            base = before
        # What a list that lacks the model said of it before is still the best that is known.
        reported = base.reported if model is None else read_reported(model)
        if model is not None:
            reported.prices.extend(_read_prices(model, base.reported.prices, now_ns))
        after = learned.teach(replace(base, reported=reported, listed=model is not None))
        if before is None:
            merged.append(MergedModel(None, after))
        elif after != before:
            merged.append(MergedModel(before, _stamp(before, after, now_ns, mint_etag)))
    return merged


def read_reported(model: inference_pb2.DiscoveredModel) -> model_pb2.Model:
    """Return what a provider's list says of a model, within the contract's bounds."""
    reported = model_pb2.Model(
        display_name=_clean(model.display_name, _MAX_DISPLAY_NAME),
        description=_clean(model.description, _MAX_DESCRIPTION),
    )
    facts, source = reported.facts, model_pb2.FACT_SOURCE_PROVIDER
    for name in _INTEGERS:
        # Some lists write 0 where they do not know.
        if model.HasField(name) and getattr(model, name) > 0:
            getattr(facts, name).CopyFrom(
                model_pb2.IntegerFact(value=getattr(model, name), source=source)
            )
    for name in _BOOLS:
        if model.HasField(name):  # type: ignore[arg-type] # a name of both
            getattr(facts, name).CopyFrom(
                model_pb2.BoolFact(value=getattr(model, name), source=source)
            )
    modes = [mode for mode in model.reasoning_modes if 0 < len(mode) <= _MAX_WORD]
    if modes:
        facts.reasoning_modes.CopyFrom(
            model_pb2.TextListFact(values=modes[:_MAX_WORDS], source=source)
        )
    if 0 < len(model.default_reasoning_mode) <= _MAX_WORD:
        facts.default_reasoning_mode.CopyFrom(
            model_pb2.TextFact(value=model.default_reasoning_mode, source=source)
        )
    if model.HasField("deprecation_time"):
        facts.deprecation_time.CopyFrom(
            model_pb2.TimeFact(value=model.deprecation_time, source=source)
        )
    return reported


def _read_prices(
    model: inference_pb2.DiscoveredModel, before: Sequence[model_pb2.Price], now_ns: int
) -> list[model_pb2.Price]:
    """Return what a list says that a model costs; empty: nothing that can be believed.

    Args:
        model: of the list.
        before: what the list said before; what it says again keeps its version.
        now_ns: when the list was read, nanoseconds since 1970.
    """
    prices = []
    for said in model.prices[:MAX_PRICES]:
        rates = {name: getattr(said, name) for name in _RATES if said.HasField(name)}
        if not all(0 <= rate <= MAX_RATE for rate in rates.values()):
            return []
        price = model_pb2.Price(
            above_prompt_tokens=said.above_prompt_tokens,
            source=model_pb2.FACT_SOURCE_PROVIDER,
            **rates,
        )
        # What costs were computed with can be found again by it.
        price.version = (
            version_of(price, before) or f"list {to_datetime(now_ns):%Y-%m-%dT%H:%M:%SZ}"
        )
        prices.append(price)
    return prices


def describe_change(merged: MergedModel) -> model_pb2.ModelChange | None:
    """Return what a merge changed in a model, as it is answered; None: nothing that shows."""
    after = describe_model(merged.after)
    if merged.before is None:
        return model_pb2.ModelChange(model=after.name, listed=merged.after.listed, after=after)
    before = describe_model(merged.before)
    fields = [
        name
        for name in ("display_name", "description")
        if getattr(before, name) != getattr(after, name)
    ]
    fields += list_changed_facts(before.facts, after.facts)
    if list(before.prices) != list(after.prices):
        fields.append("prices")
    if not fields and before.listed == after.listed:
        return None
    return model_pb2.ModelChange(
        model=after.name,
        fields=fields,
        listed=after.listed,
        was_listed=before.listed,
        after=after,
    )


def _stamp(
    before: StoredModel, after: StoredModel, now_ns: int, mint_etag: Callable[[], str]
) -> StoredModel:
    """Return a changed model with the time of its change, and an etag where that is due.

    What lies covered by a manual fact changes neither. `listed` is output only, and so
    leaves the etag as it was.
    """
    shown, relisted = describe_model(after), describe_model(before)
    if shown == relisted:
        return after
    relisted.listed = after.listed
    etag = before.etag if shown == relisted else mint_etag()
    return replace(after, update_time_ns=now_ns, etag=etag)


def _clean(text: str, most: int) -> str:
    """Return a stranger's text cut to its bound, without what could steer a terminal."""
    return "".join(mark if mark.isprintable() else " " for mark in text[:most]).strip()
