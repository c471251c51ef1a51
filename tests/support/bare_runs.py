"""Runs without the services around them: a plan, a transport that a test gives, and a reader."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any, Final, cast

import grpc
from google.rpc import error_details_pb2

from support.chats import Failure, Reading
from support.cut_cells import FACES
from support.models import no_prices
from support.taped_provider import ADDRESSES, ORIGIN
from trunkline.catalog.v1 import model_pb2
from trunkline.catalog.v1 import provider_pb2 as catalog_pb2
from trunkline.credential.v1 import credential_pb2
from trunkline.inference.adapters.anthropic.adapter import AnthropicAdapter
from trunkline.inference.adapters.google.adapter import GoogleAdapter
from trunkline.inference.adapters.ollama.adapter import OllamaAdapter
from trunkline.inference.adapters.openai.adapter import OpenAIAdapter
from trunkline.inference.adapters.responses.adapter import ResponsesAdapter
from trunkline.inference.attempt import Attempt
from trunkline.inference.continuation import Continuation
from trunkline.inference.cooling import Cooling
from trunkline.inference.drafts import Drafts
from trunkline.inference.journal.memory import Allowance, MemoryJournal
from trunkline.inference.keys import Keys
from trunkline.inference.latencies import Latencies
from trunkline.inference.means import Means
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.plan import Plan
from trunkline.inference.pursuit import Pursuit
from trunkline.inference.retry_budget import RetryBudget
from trunkline.inference.run import Run
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.terms import Owner, Terms
from trunkline.inference.transport import Transport
from trunkline.inference.v1 import chat_pb2, event_pb2, failure_pb2, provider_pb2
from trunkline.inference.waits import Waits
from trunkline.kernel.call import Caller
from trunkline.kernel.clock import Clock, SystemClock
from trunkline.kernel.errors import TrunklineError
from trunkline.kernel.status import find_detail
from trunkline.options.v1 import options_pb2
from trunkline.planning.candidates import Candidate, Place
from trunkline.planning.prices import PriceBook

_CLOCK: Final = SystemClock()
_CALLER: Final = Caller(options_pb2.CALLER_ROLE_ADMIN, "tester")
_ADAPTERS: Final = {
    each.format: each
    for each in (
        AnthropicAdapter(),
        GoogleAdapter(),
        OllamaAdapter(),
        OpenAIAdapter(),
        ResponsesAdapter(),
    )
}
_ROOM: Final = 1 << 30
_TOTAL_S: Final = 30.0
_CODES: Final = {code.value[0]: code for code in grpc.StatusCode}
SETTINGS: Final = InferenceSettings(retry_pause_s=0.0)


def candidate(
    format_: str, model: str, *, provider: str = "", prefills: bool = False, key: str = "cred_1"
) -> Candidate:
    """Return a model that may be asked.

    Args:
        format_: of the wire.
        model: as its provider calls it.
        provider: its name; empty: that of the format.
        prefills: it is known to go on from a partial answer.
        key: the id of its credential.
    """
    provider = provider or format_
    named = catalog_pb2.Provider(name=provider, type=f"sandbox-{format_}")
    named.endpoint.format = format_
    facts = model_pb2.ModelFacts()
    facts.prefill.value = prefills
    credential = credential_pb2.Credential(
        id=key, provider=provider, scope=failure_pb2.CREDENTIAL_SCOPE_CENTRAL
    )
    place = Place(ADDRESSES[FACES.get(format_, format_)], ORIGIN, is_local=False)
    name = f"{provider}/{model}"
    return Candidate(name, named, model_pb2.Model(name=name, facts=facts), credential, place)


def attempt_of(candidate: Candidate, continuation: Continuation, *, number: int = 1) -> Attempt:
    """Return an attempt that begins now."""
    return Attempt(
        number=number,
        candidate=candidate,
        waits=Waits(connect=1.0, first_token=None, idle=1.0, attempt=None, usage=1.0),
        caller=_CALLER,
        clock=_CLOCK,
        continuation=continuation,
        drafts=Drafts(),
    )


class _OneKey:
    """Has the same key for everybody."""

    async def resolve(self, *_: object) -> provider_pb2.ProviderSecret:
        """Return it."""
        return provider_pb2.ProviderSecret(api_key="sandbox-key")


class _NoneCools:
    """Knows of no route that cools."""

    def find(self, _: Candidate) -> None:
        """Return nothing."""


class KeptOutcomes:
    """Keeps what health would be told.

    Attributes:
        told: as `Outcomes.add` is.
    """

    def __init__(self) -> None:
        self.told: list[dict[str, Any]] = []

    def add(self, **outcome: Any) -> None:
        """Keep an outcome."""
        self.told.append(outcome)


class _WatchedJournal(MemoryJournal):
    """A journal that somebody watches.

    Args:
        watch: is told of each event.
        clock: stamps events.
    """

    def __init__(self, watch: Callable[[event_pb2.ChatEvent], None], clock: Clock) -> None:
        allowance = Allowance(_ROOM)
        super().__init__(clock, allowance=allowance, kept_bytes=_ROOM, count=lambda _: None)
        self._watch = watch

    def append(self, event: event_pb2.ChatEvent) -> bytes:
        """Keep an event, and tell of it."""
        data = super().append(event)
        self._watch(event)
        return data


@dataclass(frozen=True, slots=True)
class Carried:
    """A run that came to its end.

    Attributes:
        run: the run.
        reading: what its reader got.
        outcomes: what health was told.
    """

    run: Run
    reading: Reading
    outcomes: list[dict[str, Any]]


async def carry(
    request: chat_pb2.ChatRequest,
    candidates: Sequence[Candidate],
    transport: object,
    *,
    settings: InferenceSettings = SETTINGS,
    watch: Callable[[event_pb2.ChatEvent], None] | None = None,
    prices: PriceBook | None = None,
) -> Carried:
    """Carry a MEMORY run to its end, and read it.

    Args:
        request: the question.
        candidates: who may be asked, in order.
        transport: opens exchanges as `Transport` does.
        settings: waits.
        watch: is told of each event as it gets its number; None: nobody is.
        prices: of models; None: none is known.
    """
    outcomes = KeptOutcomes()
    means = Means(
        settings=settings,
        adapters=_ADAPTERS,
        transport=cast(Transport, transport),
        keys=cast(Keys, _OneKey()),
        cooling=cast(Cooling, _NoneCools()),
        outcomes=cast(Outcomes, outcomes),
        budget=RetryBudget(settings.retry_budget),
        latencies=Latencies(_CLOCK),
        prices=prices or no_prices(),
        clock=_CLOCK,
    )
    journal = _WatchedJournal(watch or (lambda _: None), _CLOCK)
    terms = Terms(
        owner=Owner("tester"),
        caller=_CALLER,
        request_id="req_1",
        target=request.model,
        request=request,
        grace_s=_TOTAL_S,
        total_s=_TOTAL_S,
        retention_s=_TOTAL_S,
    )
    run = Run("run_1", terms, journal, _CLOCK, lambda _: None)
    run.begin()
    try:
        async with asyncio.timeout(_TOTAL_S):
            plan = Plan(candidates, (), chain_allows=False)
            run.finish(await Pursuit(run, plan, means).answer())
    except TrunklineError as error:
        run.fail(error)
    return Carried(run, _read(run), outcomes.told)


def _read(run: Run) -> Reading:
    """Return what a reader gets of a run that has ended."""
    raw = [run.journal.get(number) for number in range(1, run.journal.last_sequence + 1)]
    events = [event_pb2.ChatEvent.FromString(data) for data in raw]
    return Reading(events, raw, _failure(run))


def _failure(run: Run) -> Failure | None:
    """Return how a run failed; None: it did not."""
    status = run.status
    if status is None:
        return None
    info = find_detail(status.details, error_details_pb2.ErrorInfo())
    assert info is not None
    code = _CODES[status.code]
    return Failure(code, status.message, info.reason, dict(info.metadata), status)


def names(candidates: Iterable[Candidate]) -> list[str]:
    """Return the names of candidates, in order."""
    return [each.name for each in candidates]
