"""The adapters and embedders of this release, and when they are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trunkline.catalog.provider_types import SERVED_FORMATS
from trunkline.inference.adapter_table import Adapters
from trunkline.inference.embedder_table import Embedders

_IMPORTS = """
import sys
from trunkline.suite import SERVICES
from trunkline.inference.app import InferenceService
from trunkline.inference.adapter_table import Adapters
from trunkline.inference.embedder_table import Embedders
adapters = Adapters()
embedders = Embedders()
assert "bedrock" in list(embedders)
assert embedders.get("openai") is not None
assert embedders.get("anthropic") is None
assert "bedrock" in list(adapters)
assert adapters.get("openai") is not None
print(any(name.partition(".")[0] == "botocore" for name in sys.modules))
TABLE["bedrock"]
print("botocore.auth" in sys.modules)
"""


def test_there_is_an_adapter_for_every_format_that_is_served() -> None:
    """The catalog promises no other, and each has the name that it is found by."""
    adapters = Adapters()
    assert set(adapters) == SERVED_FORMATS
    assert len(adapters) == len(SERVED_FORMATS)
    assert all(adapter.format == name for name, adapter in adapters.items())
    assert adapters["bedrock"] is adapters["bedrock"]


def test_a_format_that_there_is_not() -> None:
    """It is missing, as in any mapping."""
    assert Adapters().get("gopher") is None
    with pytest.raises(KeyError):
        Adapters()["gopher"]


def test_an_embedder_is_beside_an_adapter() -> None:
    """Which says what its refusals mean; not every format makes embeddings."""
    embedders = Embedders()
    assert len(embedders) == len(set(embedders))
    assert set(embedders) < set(Adapters())
    assert embedders["bedrock"] is embedders["bedrock"]
    with pytest.raises(KeyError):
        embedders["anthropic"]


@pytest.mark.parametrize("table", ["adapters", "embedders"])
def test_botocore_is_imported_when_it_is_needed(table: str) -> None:
    """A process that asks nobody at AWS does not pay for it when it starts."""
    program = _IMPORTS.replace("TABLE", table)
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]
