"""Put attempts together, up to the moment where a request is sent."""

from __future__ import annotations

from trunkline.inference.asking import Asking
from trunkline.inference.attempt import Attempt
from trunkline.inference.continuation import carry_on
from trunkline.inference.drafts import Drafts
from trunkline.inference.endings import would_lose
from trunkline.inference.formats import format_of
from trunkline.inference.means import Means
from trunkline.inference.model_settings import settle_question
from trunkline.inference.plan import Plan
from trunkline.inference.run import Run
from trunkline.inference.selection import Choice
from trunkline.inference.targets import make_target
from trunkline.inference.v1 import failure_pb2, result_pb2
from trunkline.inference.waits import settle_waits
from trunkline.kernel.errors import FailedPrecondition, TrunklineError, Unavailable
from trunkline.planning.candidates import Candidate


class Preparation:
    """Prepares the attempts of one run.

    Args:
        run: that goes on.
        plan: who may be asked.
        means: shared by all runs.

    Attributes:
        streams: its providers are asked for streams.
        obstacle: why the last one that was passed over here could not be asked; None: there
            was none.
    """

    def __init__(self, run: Run, plan: Plan, means: Means) -> None:
        self._run = run
        self._plan = plan
        self._means = means
        # Where somebody else could be asked, a stream shows early that the first is silent.
        self.streams = run.terms.in_parts or not plan.is_alone
        self.obstacle: TrunklineError | None = None

    async def prepare(self, choice: Choice) -> Asking | None:
        """Put an attempt together, up to the moment where its request is sent.

        Returns:
            None: the candidate cannot be asked; it is closed, and why is noted.
        """
        run, plan, candidate = self._run, self._plan, choice.candidate
        question = settle_question(run.question, candidate)
        continuation = carry_on(
            question, run.progress.fold.delivered(), prefills=plan.prefills(candidate)
        )
        if continuation is None:
            sentence = "It does not go on from a partial answer, and nothing else is allowed."
            self._pass_over(candidate, failure_pb2.SKIP_REASON_FALLBACK_NOT_ALLOWED, sentence)
            return None
        try:
            target = await make_target(candidate, run.terms.owner, self._means)
        except (FailedPrecondition, Unavailable) as error:
            self.obstacle = error
            self._pass_over(candidate, failure_pb2.SKIP_REASON_NO_CREDENTIAL, error.message)
            return None
        streams = self.streams and _streams(candidate)
        attempt = Attempt(
            number=run.progress.attempt_count + 1,
            candidate=candidate,
            waits=settle_waits(
                run.terms,
                question,
                candidate,
                self._means.settings,
                streams=streams,
                has_other=plan.has_other(candidate),
            ),
            caller=run.terms.caller,
            clock=self._means.clock,
            continuation=continuation,
            drafts=Drafts(run.progress.call_ids),
            trial_id=choice.trial_id,
            is_hedge=choice.is_hedge,
            prices=self._means.prices.of(candidate.name),
        )
        adapter = self._means.adapters[format_of(candidate)]
        asking = Asking(attempt, adapter, target, self._means.transport, streams=streams)
        loss = next(filter(_matters, attempt.losses), None)
        if run.question.strict and loss is not None:
            self.obstacle = would_lose(candidate.name, loss)
            self._pass_over(candidate, failure_pb2.SKIP_REASON_WOULD_LOSE, self.obstacle.message)
            return None
        return asking

    def _pass_over(
        self, candidate: Candidate, reason: failure_pb2.SkipReason.ValueType, detail: str
    ) -> None:
        """Ask a candidate no more, and note why."""
        self._plan.skip(candidate, reason, detail)
        self._plan.close(candidate)


def _streams(candidate: Candidate) -> bool:
    """Tell whether a provider is asked for a stream; absent means yes."""
    endpoint = candidate.provider.endpoint
    return endpoint.streaming if endpoint.HasField("streaming") else True


def _matters(loss: result_pb2.Loss) -> bool:
    """Tell whether a strict request is refused for a loss; a cache mark is never the reason."""
    return not loss.path.endswith((".cache", ".cache.ttl"))
