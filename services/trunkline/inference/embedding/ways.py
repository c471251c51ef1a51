"""Who may be asked for the vectors of one embedding: one model, wherever it is served."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Final

from trunkline.catalog.v1 import model_pb2
from trunkline.inference.adapters.embedder import Embedder, EmbeddingLimits
from trunkline.inference.embedding.split import narrow
from trunkline.inference.plan import Plan, unusable
from trunkline.inference.v1 import embedding_pb2, failure_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import FailedPrecondition
from trunkline.planning.candidates import Candidate, expand
from trunkline.planning.needs import DeclaredNeeds
from trunkline.planning.preflight import is_known, known_window
from trunkline.views.catalog import CatalogView
from trunkline.views.credentials import CredentialView

_CAPABLE: Final = 3
_NEEDS: Final = DeclaredNeeds()
_NONE: Final = failure_pb2.SKIP_REASON_NO_EMBEDDINGS
_OTHER_SPACE: Final = failure_pb2.SKIP_REASON_OTHER_VECTOR_SPACE
# Where nobody states what a model makes, its name does.
_NAMED: Final = "embed"


class Ways:
    """The candidates of one embedding.

    Args:
        candidates: that may be asked, in order; at least one.
        skipped: that may not, with the reasons.
        limits: that hold for each of them.

    Attributes:
        limits: see above.
        dimensions: length of the vectors, as far as it is known before the first; 0: it is not.
    """

    def __init__(
        self,
        candidates: Sequence[Candidate],
        skipped: Sequence[failure_pb2.SkippedCandidate],
        limits: EmbeddingLimits,
        dimensions: int,
    ) -> None:
        self.limits = limits
        self.dimensions = dimensions
        self._open = list(candidates)
        self._is_alone = len(candidates) == 1
        self._skipped = skipped

    def plan(self) -> Plan:
        """Return the plan of one batch: what another batch ruled out is not asked again."""
        plan = Plan(self._open, self._skipped, chain_allows=False)
        plan.is_alone = self._is_alone
        return plan

    def rule_out(self, plan: Plan) -> None:
        """Take over what a failure of one batch ruled out, for those that come."""
        self._open = [each for each in self._open if each in plan.open] or self._open


def draw_up(
    request: embedding_pb2.EmbedRequest,
    caller: Caller,
    catalog: CatalogView,
    credentials: CredentialView,
    embedders: Mapping[str, Embedder],
) -> Ways:
    """Return who may be asked, from what catalog and credentials say, asking nobody.

    Args:
        request: that passed its checks.
        caller: who asks.
        catalog, credentials: what there is.
        embedders: by wire format.

    Raises:
        NotFound: MODEL_NOT_FOUND.
        FailedPrecondition: NO_EMBEDDINGS, NO_CREDENTIAL.
        PermissionDenied: OUT_OF_SCOPE.
    """
    candidates: list[Candidate] = []
    skipped: list[failure_pb2.SkippedCandidate] = []
    limits: list[EmbeddingLimits] = []
    first = catalog.models.get(request.model, model_pb2.Model(name=request.model))
    for name in dict.fromkeys((request.model, *request.fallbacks)):
        for entry in expand(name, _NEEDS, caller, catalog, credentials):
            if isinstance(entry, failure_pb2.SkippedCandidate):
                skipped.append(entry)
                continue
            limit = _limits_of(entry, embedders)
            if limit is None:
                skipped.append(_skip(name, _NONE, "It makes no embeddings."))
            elif name != request.model and not _shares_space(first, entry.model, request):
                detail = f"Its vectors are not known to lie in the space of {request.model}."
                skipped.append(_skip(name, _OTHER_SPACE, detail))
            else:
                candidates.append(entry)
                limits.append(limit)
    if not candidates:
        if skipped[0].reason == _NONE:
            raise _no_embeddings(request.model, caller, catalog, credentials, embedders)
        raise unusable(skipped[0], caller, catalog)
    dimensions = request.dimensions or _dimensions(candidates[0].model.facts)
    return Ways(candidates, skipped, narrow(limits), dimensions)


def _limits_of(candidate: Candidate, embedders: Mapping[str, Embedder]) -> EmbeddingLimits | None:
    """Return what a candidate takes at once; None: it makes no embeddings."""
    facts = candidate.model.facts
    embedder = embedders.get(candidate.provider.endpoint.format)
    if embedder is None or (is_known(facts.embeddings.source) and not facts.embeddings.value):
        return None
    limits = embedder.limits(
        candidate.place.url,
        candidate.model_id,
        provider_type=candidate.provider.type,
    )
    if limits is None or limits.item_tokens:
        return limits
    return EmbeddingLimits(
        limits.items, known_window(facts), limits.request_tokens, limits.truncates
    )


def _shares_space(
    first: model_pb2.Model, other: model_pb2.Model, request: embedding_pb2.EmbedRequest
) -> bool:
    """Tell whether two models' vectors lie in one space: it is one model, or somebody says so."""
    space = first.facts.vector_space.value
    is_same = first.name.partition("/")[2] == other.name.partition("/")[2]
    if not is_same and (not space or space != other.facts.vector_space.value):
        return False
    if request.dimensions:
        return True
    mine, theirs = _dimensions(first.facts), _dimensions(other.facts)
    return not mine or not theirs or mine == theirs


def _dimensions(facts: model_pb2.ModelFacts) -> int:
    """Return the length of a model's vectors; 0: it is not known."""
    dimensions = facts.embedding_dimensions
    return dimensions.value if is_known(dimensions.source) else 0


def _no_embeddings(
    name: str,
    caller: Caller,
    catalog: CatalogView,
    credentials: CredentialView,
    embedders: Mapping[str, Embedder],
) -> FailedPrecondition:
    """Return the error for a model that makes no embeddings, with models that do."""
    found = _capable(caller, catalog, credentials, embedders)
    capable = [each for _, each in zip(range(_CAPABLE), found, strict=False)]
    hint = (
        f" These do: {', '.join(capable)}."
        if capable
        else " No connected provider has a model that does."
    )
    return FailedPrecondition(
        "NO_EMBEDDINGS",
        f"{name} cannot be the embedder: it makes no embeddings.{hint}",
        metadata={"model": name, "role": "embedder", "capable": ",".join(capable)},
    )


def _capable(
    caller: Caller,
    catalog: CatalogView,
    credentials: CredentialView,
    embedders: Mapping[str, Embedder],
) -> Iterator[str]:
    """Yield models that make embeddings and could be asked now, by name."""
    for name, model in sorted(catalog.models.items()):
        facts = model.facts.embeddings
        if not (facts.value if is_known(facts.source) else _NAMED in name):
            continue
        entries = expand(name, _NEEDS, caller, catalog, credentials)
        first = next(iter(entries), None)
        if isinstance(first, Candidate) and _limits_of(first, embedders) is not None:
            yield name


def _skip(
    name: str, reason: failure_pb2.SkipReason.ValueType, detail: str
) -> failure_pb2.SkippedCandidate:
    """Return a model that is not asked."""
    return failure_pb2.SkippedCandidate(model=name, reason=reason, detail=detail)
