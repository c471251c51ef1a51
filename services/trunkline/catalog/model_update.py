"""Change a model by a request. Pure: nothing is read or written."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Final

from trunkline.catalog.facts import FACT_NAMES, is_by_hand, set_by_hand
from trunkline.catalog.field_mask import read_mask
from trunkline.catalog.provider_types import SERVED_FORMATS
from trunkline.catalog.records import StoredModel
from trunkline.catalog.v1 import model_pb2
from trunkline.kernel.clock import is_time
from trunkline.kernel.errors import InvalidArgument, Violation

_FACT_PATHS: Final = tuple(f"facts.{name}" for name in FACT_NAMES)
PATHS: Final = (
    "display_name",
    "description",
    "enabled",
    "deployment_default",
    "facts",
    *_FACT_PATHS,
)

# Without at least one, there is nothing that the model could do.
_POSITIVE_FACTS: Final = ("context_window", "max_output_tokens", "embedding_dimensions")
_MAX_WORD: Final = 256


def apply_update(
    stored: StoredModel, shown: model_pb2.Model, request: model_pb2.UpdateModelRequest
) -> StoredModel:
    """Return a model as a request changes it, with its etag and times as they were.

    Without a mask, a value that is the one shown changes nothing, and of the facts only
    those count that are marked as set by hand, or not marked: what was read of the
    provider and is sent back does not become manual.

    Args:
        stored: its record.
        shown: as it is answered now.
        request: what to change.

    Raises:
        InvalidArgument: INVALID_REQUEST naming `update_mask`, or a fact that cannot be so.
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
    _check_facts(given.facts, paths)
    for name in FACT_NAMES:
        if f"facts.{name}" in paths:
            manual.facts.CopyFrom(set_by_hand(manual.facts, given.facts, name))
    changes: dict[str, Any] = {"manual": manual}
    if "display_name" in paths:
        manual.display_name = given.display_name
    if "description" in paths:
        manual.description = given.description
    if "enabled" in paths:
        changes["enabled"] = not given.HasField("enabled") or given.enabled
    if "deployment_default" in paths:
        changes["deployment_default"] = given.deployment_default
    return replace(stored, **changes)


def _list_different(given: model_pb2.Model, shown: model_pb2.Model) -> frozenset[str]:
    """Return the paths of the fields that are set and differ from what is shown."""
    paths = {f"facts.{name}" for name in FACT_NAMES if is_by_hand(given.facts, name)}
    if given.display_name not in ("", shown.display_name):
        paths.add("display_name")
    if given.description not in ("", shown.description):
        paths.add("description")
    if given.HasField("enabled") and given.enabled != shown.enabled:
        paths.add("enabled")
    if given.deployment_default and not shown.deployment_default:
        paths.add("deployment_default")
    return frozenset(paths)


def _keep_by_hand(given: model_pb2.Model) -> model_pb2.Model:
    """Return a model without the facts that come from elsewhere than from a hand."""
    kept = model_pb2.Model()
    kept.CopyFrom(given)
    for name in FACT_NAMES:
        if not is_by_hand(given.facts, name):
            kept.facts.ClearField(name)  # type: ignore[arg-type] # a name of the descriptor
    return kept


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
        elif name == "format" and fact.value not in SERVED_FORMATS:
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
