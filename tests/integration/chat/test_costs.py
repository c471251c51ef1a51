"""What runs cost: in their answers, on the rows of their attempts, and in sums of these."""

from __future__ import annotations

from typing import Final

import pytest
import pytest_asyncio

from support.chats import Reading, ask, read, stream
from support.deployment import Deployment, eventually
from trunkline.catalog.v1 import model_pb2
from trunkline.inference.v1 import chat_pb2, result_pb2, usage_pb2, usage_pb2_grpc

pytestmark = pytest.mark.asyncio(loop_scope="module")

INPUT: Final = 3_000_000_000
OUTPUT: Final = 15_000_000_000
PRICED: Final = ("sandbox/ok", "sandbox/paid@cut-after-40", "sandbox/summed@cut-after-40")
UNPRICED: Final = "sandbox/unicode"


@pytest_asyncio.fixture(scope="module", loop_scope="module", autouse=True)
async def priced(deployment: Deployment) -> None:
    """Have a price for some models, which inference knows of."""
    for name in PRICED:
        price = model_pb2.Price(input=INPUT, output=OUTPUT)
        await deployment.catalog.UpdateModel(
            model_pb2.UpdateModelRequest(model=model_pb2.Model(name=name, prices=[price])),
            metadata=deployment.admin,
        )

    async def is_known() -> bool:
        answer = await deployment.inference.Chat(ask(PRICED[0]), metadata=deployment.admin)
        return answer.completed.HasField("cost")

    await eventually(is_known)


def charge(usage: result_pb2.Usage) -> int:
    """Return what usage costs by the price above, exact as it is."""
    return (usage.input_tokens * INPUT + usage.output_tokens * OUTPUT) // 1_000_000


async def _read(deployment: Deployment, request: chat_pb2.ChatRequest) -> Reading:
    """Read a run to its end."""
    return await read(stream(deployment.channel, "StreamChat", request, deployment.admin))


async def rows_of(deployment: Deployment, run_id: str, count: int) -> list[result_pb2.Attempt]:
    """Return the attempts of a run as the ledger has them, when it has them."""
    usage = usage_pb2_grpc.UsageServiceStub(deployment.channel)
    rows: list[result_pb2.Attempt] = []

    async def are_entered() -> bool:
        page = await usage.ListAttempts(
            usage_pb2.ListAttemptsRequest(filter=usage_pb2.UsageFilter(run_id=run_id)),
            metadata=deployment.admin,
        )
        rows[:] = sorted((entry.attempt for entry in page.entries), key=lambda row: row.number)
        return len(rows) == count and all(row.outcome for row in rows)

    await eventually(are_entered)
    return rows


async def sum_of(deployment: Deployment, run_id: str) -> usage_pb2.UsageSum:
    """Return the sum of a run's attempts."""
    usage = usage_pb2_grpc.UsageServiceStub(deployment.channel)
    answer = await usage.QueryUsage(
        usage_pb2.QueryUsageRequest(filter=usage_pb2.UsageFilter(run_id=run_id)),
        metadata=deployment.admin,
    )
    (found,) = answer.sums
    return found


@pytest.mark.parametrize("durability", [chat_pb2.DURABILITY_MEMORY, chat_pb2.DURABILITY_DURABLE])
async def test_an_answer_tells_what_it_cost(
    deployment: Deployment, durability: chat_pb2.Durability.ValueType
) -> None:
    """By the price that was set; the ledger has it too, whoever keeps the run."""
    request = ask(PRICED[0], durability=durability)
    answer = await deployment.inference.Chat(request, metadata=deployment.admin)
    completed = answer.completed
    (attempt,) = completed.attempts
    assert completed.usage.source == result_pb2.USAGE_SOURCE_REPORTED
    assert completed.cost.nanodollars == charge(completed.usage) > 0
    assert completed.cost.price_version.startswith("manual 20")
    assert not completed.cost.estimated
    assert attempt.cost == completed.cost
    (row,) = await rows_of(deployment, answer.run_id, 1)
    assert row.cost == completed.cost
    found = await sum_of(deployment, answer.run_id)
    assert found.nanodollars == completed.cost.nanodollars
    assert (found.attempts, found.unpriced_attempts, found.estimated_attempts) == (1, 0, 0)


async def test_an_unknown_price_is_no_cost(deployment: Deployment) -> None:
    """Neither zero, nor left out of what is counted."""
    answer = await deployment.inference.Chat(ask(UNPRICED), metadata=deployment.admin)
    assert not answer.completed.HasField("cost")
    assert not answer.completed.attempts[0].HasField("cost")
    (row,) = await rows_of(deployment, answer.run_id, 1)
    assert not row.HasField("cost")
    assert (await sum_of(deployment, answer.run_id)).unpriced_attempts == 1


async def test_what_broke_off_is_paid_as_well(deployment: Deployment) -> None:
    """Estimated by what it said, which marks the whole."""
    request = ask(PRICED[1], fallbacks=[PRICED[0]])
    reading = await _read(deployment, request)
    completed = reading.completed
    *broken, whole = completed.attempts
    assert broken
    for attempt in broken:
        assert attempt.usage.source == result_pb2.USAGE_SOURCE_ESTIMATED
        assert attempt.cost.nanodollars == charge(attempt.usage) > 0
        assert attempt.cost.estimated
    assert not whole.cost.estimated
    assert completed.cost.nanodollars == sum(each.cost.nanodollars for each in completed.attempts)
    assert completed.cost.estimated
    run_id = reading.events[0].run_started.run_id
    rows = await rows_of(deployment, run_id, len(completed.attempts))
    assert [row.cost for row in rows] == [each.cost for each in completed.attempts]
    found = await sum_of(deployment, run_id)
    assert found.nanodollars == completed.cost.nanodollars
    assert found.estimated_attempts == len(broken)


async def test_a_sum_with_an_unknown_price_is_marked(deployment: Deployment) -> None:
    """It holds what is known, and says that something is missing."""
    reading = await _read(deployment, ask(PRICED[2], fallbacks=[UNPRICED]))
    completed = reading.completed
    known = [each.cost.nanodollars for each in completed.attempts if each.HasField("cost")]
    assert 0 < len(known) < len(completed.attempts)
    assert completed.cost.nanodollars == sum(known)
    assert completed.cost.estimated
