"""The adapters of this release, and when they are imported."""

from __future__ import annotations

import subprocess
import sys

import pytest

from trunkline.catalog.provider_types import SERVED_FORMATS
from trunkline.inference.adapter_table import Adapters

_IMPORTS = """
import sys
from trunkline.suite import SERVICES
from trunkline.inference.app import InferenceService
from trunkline.inference.adapter_table import Adapters
adapters = Adapters()
assert "bedrock" in list(adapters)
assert adapters.get("openai") is not None
print(any(name.partition(".")[0] == "botocore" for name in sys.modules))
adapters["bedrock"]
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


def test_botocore_is_imported_when_it_is_needed() -> None:
    """A process that asks nobody at AWS does not pay for it when it starts."""
    done = subprocess.run(
        [sys.executable, "-c", _IMPORTS], capture_output=True, check=True, text=True, timeout=60
    )
    assert done.stdout.split() == ["False", "True"]
