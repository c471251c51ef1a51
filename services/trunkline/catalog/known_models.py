"""What is known of well-known models, read from the data of the release.

The file says how its rows are found, and where each is from.
"""

from __future__ import annotations

import re
import tomllib
from dataclasses import dataclass
from datetime import UTC, date, datetime
from importlib import resources
from typing import Any, Final

from trunkline.catalog.v1 import model_pb2

DATA_FILE: Final = "known_models.toml"

_KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
# What vendors add to a model's name for one of its releases.
_RELEASE: Final = re.compile(r"(-latest|[-@]\d{8}|-\d{4}-\d{2}-\d{2})?")
_ABOUT_THE_ROW: Final = frozenset({"type", "id", "prefix", "checked", "source", "priced"})


@dataclass(frozen=True, slots=True)
class KnownRow:
    """One row of the file.

    Attributes:
        type: of the provider.
        id: of the model, which stands for its dated releases too; empty: `prefix` counts.
        prefix: what ids begin with.
        checked: when it was.
        source: where it is from.
        facts: the facts that it states.
        priced: False: what the price data find for this name is another model's.
    """

    type: str
    id: str
    prefix: str
    checked: date
    source: str
    facts: model_pb2.ModelFacts
    priced: bool

    def fits(self, model_id: str) -> bool:
        """Tell whether the row is about a model."""
        if not self.id:
            return model_id.startswith(self.prefix)
        return model_id.startswith(self.id) and bool(_RELEASE.fullmatch(model_id[len(self.id) :]))


@dataclass(frozen=True, slots=True)
class KnownModels:
    """The rows of the file, those of whole names first, then the longest prefixes.

    Attributes:
        rows: in that order.
    """

    rows: tuple[KnownRow, ...]

    def find(self, type_: str, model_id: str) -> tuple[model_pb2.ModelFacts, bool]:
        """Return what is known of a model, and whether price data may speak of it.

        Each fact is the first row's that states it.

        Args:
            type_: of its provider.
            model_id: as the provider calls it.
        """
        facts, is_priced = model_pb2.ModelFacts(), True
        for row in self.rows:
            if row.type == type_ and row.fits(model_id.removeprefix("models/")):
                is_priced = is_priced and row.priced
                for field, fact in row.facts.ListFields():
                    if not facts.HasField(field.name):  # type: ignore[arg-type] # of the same message
                        getattr(facts, field.name).CopyFrom(fact)
        return facts, is_priced


def load_known_models() -> KnownModels:
    """Read the file; blocking, some milliseconds."""
    data = tomllib.loads(resources.files(__package__).joinpath(DATA_FILE).read_text("utf-8"))
    rows = sorted(map(_read_row, data["model"]), key=lambda row: (not row.id, -len(row.prefix)))
    return KnownModels(tuple(rows))


def _read_row(row: dict[str, Any]) -> KnownRow:
    """Return what a row of the file says."""
    facts = model_pb2.ModelFacts()
    for name, value in row.items():
        if name not in _ABOUT_THE_ROW:
            _state(facts, name, value)
    return KnownRow(
        type=row["type"],
        id=row.get("id", ""),
        prefix=row.get("prefix", ""),
        checked=row["checked"],
        source=row["source"],
        facts=facts,
        priced=row.get("priced", True),
    )


def _state(facts: model_pb2.ModelFacts, name: str, value: Any) -> None:
    """Write one fact."""
    fact = getattr(facts, name)
    fact.source = _KNOWN
    if isinstance(value, list):
        fact.values.extend(value)
    elif isinstance(value, date):
        fact.value.FromDatetime(datetime(value.year, value.month, value.day, tzinfo=UTC))
    else:
        fact.value = value
