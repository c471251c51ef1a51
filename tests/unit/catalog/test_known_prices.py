"""Published prices as the catalog tells them, checked against the library that they are from."""

from __future__ import annotations

import subprocess
import sys
import threading
from datetime import UTC, datetime
from decimal import Decimal
from typing import Final

import pytest
from genai_prices import Usage, calc_price, data_snapshot
from genai_prices.types import ModelInfo

from support.attempts import attempt
from support.matrix import is_full
from trunkline.catalog.facts import MAX_PRICES
from trunkline.catalog.known_prices import look_up, prices_version
from trunkline.catalog.provider_types import load_provider_types
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.pricing import price_attempt
from trunkline.inference.v1 import result_pb2
from trunkline.kernel.clock import timestamp
from trunkline.planning.prices import read_prices

KNOWN: Final = model_pb2.FACT_SOURCE_KNOWN
LISTS: Final = sorted({kind.price_list for kind in load_provider_types()} - {""})
# Below every tier, at some of them, above all of them; each of the classes.
USAGES: Final = tuple(
    {
        "input_tokens": prompt + 300,
        "output_tokens": 7_000,
        "cache_read_tokens": 100,
        "cache_write_tokens": 200,
        "cache_write_1h_tokens": 50,
    }
    for prompt in (0, 127_700, 127_701, 199_698, 199_700, 199_701, 271_701, 5_000_000)
)
TIMES: Final = tuple(
    datetime(year, month, 20, 12, tzinfo=UTC)
    for year, month in ((2024, 1), (2025, 7), (2026, 5), (2026, 11), (2027, 3))
)


def models_of(price_list: str) -> list[ModelInfo]:
    """Return all models of a list."""
    providers = data_snapshot.get_snapshot().providers
    return next(each.models for each in providers if each.id == price_list)


def ours(prices: tuple[model_pb2.Price, ...], counts: dict[str, int], at: datetime) -> int | None:
    """Return what we say that an answer costs; None: we do not know."""
    usage = result_pb2.Usage(
        input_tokens=counts["input_tokens"]
        - counts["cache_read_tokens"]
        - counts["cache_write_tokens"],
        output_tokens=counts["output_tokens"],
        cache_read_tokens=counts["cache_read_tokens"],
        cache_write_tokens=counts["cache_write_tokens"],
        cache_write_long_tokens=counts["cache_write_1h_tokens"],
        source=result_pb2.USAGE_SOURCE_REPORTED,
    )
    row = attempt(usage=usage)
    row.start_time.CopyFrom(timestamp(int(at.timestamp()) * 10**9))
    price_attempt(row, read_prices(prices))
    return row.cost.nanodollars if row.HasField("cost") else None


@pytest.mark.parametrize("price_list", LISTS)
def test_a_published_price_is_that_of_the_library(price_list: str) -> None:
    """Of every model, class and time, and `make test-full` of every tier; what we cannot say we
    do not know.
    """
    models = models_of(price_list)
    # Fireworks writes a path before them.
    names = [f"{path}{model.id}" for model in models for path in ("", "accounts/fireworks/models/")]
    found = look_up(price_list, names)
    compared = 0
    for model_id, published in found.items():
        prices = published.prices
        assert len(prices) <= MAX_PRICES
        assert all(price.source == KNOWN for price in prices)
        for at in TIMES:
            for counts in USAGES if is_full() else USAGES[::3]:
                cost = ours(prices, counts, at)
                if cost is None:
                    continue
                theirs = calc_price(
                    Usage(**counts), model_id, provider_id=price_list, genai_request_timestamp=at
                )
                assert abs(Decimal(cost) - theirs.total_price * 10**9) <= 1, (model_id, at)
                compared += 1
    # Those of Perplexity have a price for each request.
    assert compared or price_list == "perplexity"


def test_what_a_price_cannot_say_is_unknown() -> None:
    """Rates by the hour, of a request, of thoughts; what it says of other times hides nothing."""
    assert not look_up("deepseek", ["deepseek-v4-pro"])["deepseek-v4-pro"].prices
    assert not look_up("perplexity", ["sonar"])["sonar"].prices
    assert look_up("perplexity", ["sonar"])["sonar"].context_window == 128_000


def test_who_is_not_found_is_left_out() -> None:
    """Neither free nor somebody else's."""
    assert look_up("openai", ["claude-sonnet-4-5", "nobody"]) == {}
    assert look_up("nobody", ["gpt-5.2"]) == {}
    assert set(look_up("google", ["models/gemini-2.5-pro"])) == {"models/gemini-2.5-pro"}


def test_every_price_list_is_in_the_data() -> None:
    """A type that names one of another name would never have a price."""
    listed = {each.id for each in data_snapshot.get_snapshot().providers}
    assert set(LISTS) <= listed


def test_a_price_names_its_release() -> None:
    """Costs can be computed again with the same."""
    (price,) = look_up("openai", ["gpt-5.2"])["gpt-5.2"].prices
    assert price == model_pb2.Price(
        input=1_750_000_000,
        output=14_000_000_000,
        cache_read=175_000_000,
        source=KNOWN,
        version=prices_version(),
    )


def test_nobody_is_asked_for_newer_prices() -> None:
    """No thread of the library runs."""
    look_up("openai", ["gpt-5.2"])
    assert not [each for each in threading.enumerate() if "price" in each.name.lower()]
    assert data_snapshot.get_snapshot().from_auto_update is False


def test_the_library_is_not_imported_before_a_price_is_wanted() -> None:
    """It would cost a sixth of a second of every start."""
    program = (
        "import sys, trunkline.suite, trunkline.catalog.app, trunkline.inference.app;"
        "print([name for name in sys.modules if name.startswith(('genai_prices', 'httpx2'))])"
    )
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True, timeout=50
    )
    assert done.stdout.strip() == "[]"
