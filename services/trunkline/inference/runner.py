"""Carry a run to its end: choose, ask, decode, and say how it went."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from trunkline.inference.adapters.adapter import (
    Adapter,
    BuiltChat,
    Decoder,
    ProviderFailed,
    Reply,
    Target,
)
from trunkline.inference.attempt import Attempt
from trunkline.inference.endings import broken, from_fault, to_error, to_limit, usage_of_failed
from trunkline.inference.keys import Keys
from trunkline.inference.outcomes import Outcomes
from trunkline.inference.plan import Candidate, choose
from trunkline.inference.run import Run
from trunkline.inference.settings import InferenceSettings
from trunkline.inference.transport import Exchange, NoPlace, Transport, TransportFault
from trunkline.inference.v1 import event_pb2, failure_pb2, result_pb2
from trunkline.inference.waits import Deadlines, settle_waits
from trunkline.kernel.clock import Clock
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

MAX_REFUSAL_BYTES = 64 * 1024
# In characters, as for a provider's whole answer in one piece.
MAX_ANSWER = 32 * 1024 * 1024


class Runner:
    """Asks providers for the answers of runs.

    Args:
        settings: waits.
        adapters: by wire format.
        transport: sends.
        catalog, credentials: who can be asked.
        keys: what authenticates.
        outcomes: is told how attempts went.
        clock: the time.
    """

    def __init__(
        self,
        settings: InferenceSettings,
        adapters: Mapping[str, Adapter],
        transport: Transport,
        catalog: CatalogView,
        credentials: CredentialView,
        keys: Keys,
        outcomes: Outcomes,
        clock: Clock,
    ) -> None:
        self._settings = settings
        self._adapters = adapters
        self._transport = transport
        self._catalog = catalog
        self._credentials = credentials
        self._keys = keys
        self._outcomes = outcomes
        self._clock = clock

    async def check_ready(self) -> None:
        """Wait for the views that every chat needs.

        Raises:
            Unavailable: PEER_UNAVAILABLE, SECURITY_VIEW_STALE.
        """
        if not (self._catalog.follower.is_ready and self._credentials.follower.is_ready):
            await self._catalog.follower.wait_ready()
            await self._credentials.follower.wait_ready()
        self._credentials.check_fresh()

    async def carry(self, run: Run) -> None:
        """Ask until the run has its answer, and end it.

        Raises:
            TrunklineError: what the run ends with otherwise.
        """
        terms = run.terms
        candidate = choose(terms.request, terms.caller, self._catalog, self._credentials)
        attempt = Attempt(
            number=1,
            candidate=candidate,
            waits=settle_waits(terms, candidate, self._settings),
            caller=terms.caller,
            clock=self._clock,
        )
        run.under_way = attempt
        try:
            completed = await self._ask(run, attempt)
        except ProviderFailed as failed:
            failed.failure.mid_stream = attempt.first_token is not None
            failure = attempt.show(failed.failure)
            attempt.drafts.abort_open_calls()
            self._append(run, attempt)
            run.note(
                event_pb2.ChatEvent(
                    attempt=attempt.number,
                    attempt_failed=event_pb2.AttemptFailed(failure=failure),
                )
            )
            self._note(attempt, failed.failure)
            record = attempt.record(result_pb2.ATTEMPT_OUTCOME_FAILED)
            record.failure.CopyFrom(failure)
            record.usage.CopyFrom(usage_of_failed(failure))
            raise to_error(
                failure,
                model=candidate.name,
                scope=candidate.scope,
                attempts=[record],
            ) from None
        self._note(attempt, None)
        run.finish(completed)

    async def _ask(self, run: Run, attempt: Attempt) -> result_pb2.Completed:
        """Make one attempt, its events going into the run.

        Raises:
            ProviderFailed: it did not come to a whole answer.
            TrunklineError: it could not be made.
        """
        candidate = attempt.candidate
        request = run.terms.request
        run.note(
            event_pb2.ChatEvent(
                attempt=attempt.number,
                attempt_started=event_pb2.AttemptStarted(
                    model=candidate.name, credential_scope=candidate.scope
                ),
            )
        )
        target = await self._target(run, candidate)
        adapter = self._adapters[candidate.provider.endpoint.format]
        streams = run.terms.in_parts and _streams(candidate)
        built: BuiltChat = adapter.build_chat(target, request, stream=streams)
        attempt.losses = built.losses
        decoder = adapter.decoder(target, request, stream=streams)
        attempt.begin()
        sent_at = asyncio.get_running_loop().time()
        try:
            exchange = await self._transport.open(
                built.request,
                connect_s=attempt.waits.connect,
                deadline=Deadlines(attempt.waits, sent_at).next(
                    sent_at, spoken=False, finished=False
                ),
            )
            try:
                if exchange.status != 200:
                    reply = await self._read_refusal(exchange)
                    raise ProviderFailed(adapter.classify(target, reply))
                completed = await self._decode(run, attempt, decoder, exchange, sent_at)
            except BaseException:
                exchange.close()
                raise
            if decoder.complete:
                exchange.finish()
            else:
                exchange.close()
            return completed
        except NoPlace as fault:
            raise to_limit(fault) from None
        except TransportFault as fault:
            raise ProviderFailed(from_fault(fault)) from None

    async def _target(self, run: Run, candidate: Candidate) -> Target:
        """Put together where the request goes, with the key."""
        secret = await self._keys.resolve(
            candidate.credential, run.terms.owner, candidate.place.origin
        )
        provider = candidate.provider
        return Target(
            provider=provider.name,
            model=candidate.model_id,
            base_url=candidate.place.url,
            headers=dict(provider.endpoint.headers),
            secret=secret,
            # The type that gives a format its name is the vendor's own.
            first_party=provider.type == provider.endpoint.format,
        )

    async def _decode(
        self, run: Run, attempt: Attempt, decoder: Decoder, exchange: Exchange, sent_at: float
    ) -> result_pb2.Completed:
        """Read the answer to its end.

        Args:
            run: takes the events.
            attempt: under way.
            decoder: of the provider's format.
            exchange: with status 200.
            sent_at: the loop's time at which the request was sent.

        Raises:
            ProviderFailed: the stream broke, or reports an error.
            TransportFault: the connection broke, or was silent for too long.
        """
        loop = asyncio.get_running_loop()
        waits = attempt.waits
        drafts = attempt.drafts
        by = Deadlines(waits, sent_at)
        while not decoder.complete:
            exchange.deadline = by.next(
                loop.time(), spoken=attempt.first_token is not None, finished=decoder.finished
            )
            try:
                data = await exchange.read()
            except TransportFault:
                if decoder.finished:
                    break  # the answer is whole; only its usage did not come
                raise
            if not data:
                break
            try:
                decoder.feed(data, drafts)
            finally:
                self._append(run, attempt)
            if run.fold.size > MAX_ANSWER:
                raise ProviderFailed(broken("The answer is too long."))
            if not run.journal.has_room():
                await run.journal.wait_room()
        ending = decoder.end(drafts)
        self._append(run, attempt)
        if attempt.first_token is None and ending.finish_reason == result_pb2.FINISH_REASON_STOP:
            raise ProviderFailed(broken("The provider ended its answer without a word."))
        record = attempt.record(result_pb2.ATTEMPT_OUTCOME_COMPLETED)
        usage = ending.usage or record.usage
        record.usage.CopyFrom(usage)
        losses = [*attempt.losses, *ending.losses]
        for loss in losses:
            loss.attempt = attempt.number
        return result_pb2.Completed(
            finish_reason=ending.finish_reason,
            usage=usage,
            model=attempt.candidate.name,
            attempts=[record],
            losses=losses,
            raw_finish_reason=ending.raw,
            stop_sequence=ending.stop_sequence,
            context_used=usage.input_tokens
            + usage.cache_read_tokens
            + usage.cache_write_tokens
            + usage.output_tokens,
        )

    def _append(self, run: Run, attempt: Attempt) -> None:
        """Give the drafts of a read their numbers."""
        drafts = attempt.drafts.take()
        if drafts and attempt.first_token is None:
            attempt.first_token = self._clock.monotonic()
        for draft in drafts:
            draft.attempt = attempt.number
            run.append(draft)

    async def _read_refusal(self, exchange: Exchange) -> Reply:
        """Read the start of a refusal's body; a body that breaks off says enough."""
        exchange.deadline = asyncio.get_running_loop().time() + self._settings.connect_s
        body = bytearray()
        try:
            while len(body) < MAX_REFUSAL_BYTES:
                data = await exchange.read()
                if not data:
                    break
                body += data
        except TransportFault as fault:
            del fault
        return Reply(exchange.status, exchange.headers, bytes(body[:MAX_REFUSAL_BYTES]))

    def _note(self, attempt: Attempt, failure: failure_pb2.AttemptFailure | None) -> None:
        """Let health know how an attempt ended."""
        candidate = attempt.candidate
        self._outcomes.add(
            model=candidate.name,
            credential_id=candidate.credential.id,
            began=attempt.began,
            first_token=attempt.first_token,
            failure=failure,
        )


def _streams(candidate: Candidate) -> bool:
    """Tell whether a provider is asked for a stream; absent means yes."""
    endpoint = candidate.provider.endpoint
    return endpoint.streaming if endpoint.HasField("streaming") else True
