"""What all runs of a process share."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from trunkline.inference.adapters.adapter import Adapter
from trunkline.inference.aws_chain import AwsChain
from trunkline.inference.cooling import Cooling
from trunkline.inference.keys import Keys
from trunkline.inference.latencies import Latencies
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.transport import Transport
from trunkline.kernel.clock import Clock
from trunkline.planning.prices import PriceBook


@dataclass(frozen=True, slots=True)
class Means:
    """Shared by all runs.

    Attributes:
        settings: waits.
        adapters: by wire format.
        transport: sends.
        keys: what authenticates.
        cooling: who cools down.
        outcomes: is told how attempts went.
        budget: for requests beyond the first ones.
        latencies: how soon models spoke.
        prices: what models cost.
        clock: the time.
        aws_chain: the machine's own keys; None: they are not asked for.
    """

    settings: InferenceSettings
    adapters: Mapping[str, Adapter]
    transport: Transport
    keys: Keys
    cooling: Cooling
    outcomes: Outcomes
    budget: RetryBudget
    latencies: Latencies
    prices: PriceBook
    clock: Clock
    aws_chain: AwsChain | None = None
