"""What cooled before an upgrade cools after it as it did."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from pydantic import SecretStr

import trunkline
from support.health_harness import HealthHarness
from support.service_calls import eventually
from support.stores import Store
from trunkline.kernel.database import DatabaseSettings, choose_database

pytestmark = pytest.mark.both_stores

_BEFORE = ("0001", "0002", "0003", "0004")
_HOUR_NS = 3600 * 1_000_000_000


async def test_a_providers_wait_stays_its_own_word(tmp_path: Path, store_url: str) -> None:
    """And our guess stays a guess."""
    old = tmp_path / "old"
    old.mkdir()
    for path in (Path(trunkline.__path__[0]) / "health" / "migrations").glob("*.py"):
        if path.name.startswith(_BEFORE):
            shutil.copy(path, old)
    harness = HealthHarness(tmp_path, store_url)
    settings = DatabaseSettings(database_url=SecretStr(store_url) if store_url else None)
    database = choose_database("health", harness.data_dir, settings, old)
    await database.open()
    await database.close()
    store = Store("health", harness.data_dir, store_url)
    deadline_ns = harness.clock.time_ns() + _HOUR_NS
    for model, given in (("openai/a", "true"), ("openai/b", "false")):
        await store.run(
            "INSERT INTO cooldown (model, credential_id, kind, failures, generation,"
            " deadline_ns, provider_given, trial_id, trial_end_ns, key_version, key_proof_ns,"
            f" list_ns) VALUES (?, '', 1, 1, 1, ?, {given}, '', 0, 0, 0, 0)",
            model,
            deadline_ns,
        )
    harness.catalog.put("openai")
    try:
        await harness.start_peers("catalog", "credential")
        await harness.start()
        shown = await eventually(harness.get, lambda seen: len(seen.cooldowns) == 2)
        assert [each.provider_given for each in shown.cooldowns] == [True, False]
    finally:
        await harness.close()
