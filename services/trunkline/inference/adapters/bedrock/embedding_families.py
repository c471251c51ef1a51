"""What each family of embedding models takes through InvokeModel, as data.

Sources: https://docs.aws.amazon.com/bedrock/latest/userguide/model-parameters-titan-embed-text.html,
…/model-parameters-embed.html, …/model-parameters-embed-v4.html and
https://docs.aws.amazon.com/nova/latest/userguide/embeddings-schema.html. A model that is not in the
table, or whose name hides behind an ARN, makes no embeddings: each family has a form of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import Enum, auto
from functools import lru_cache
from typing import Final

from trunkline.inference.adapters.bedrock.families import find_part
from trunkline.inference.adapters.embedder import EmbeddingLimits
from trunkline.inference.v1 import embedding_pb2


class Form(Enum):
    """Name what requests and answers look like."""

    TITAN = auto()
    COHERE = auto()
    NOVA = auto()


@dataclass(frozen=True, slots=True)
class EmbeddingFamily:
    """What the models of a family take.

    Attributes:
        form: of requests and answers.
        limits: of one request.
        characters: of one text; a longer one is refused even where the model is told to cut;
            0: not known, or no tighter than the limits.
        length: of the vectors, where it cannot be chosen; 0: it can.
        normalizes: takes whether the vectors are to be of length 1.
        tasks: what vectors may be for, in the family's words; empty: it takes none.
        plain: the same where nobody says, or what the family has no word for.
    """

    form: Form
    limits: EmbeddingLimits
    characters: int = 0
    length: int = 0
    normalizes: bool = False
    tasks: Mapping[embedding_pb2.EmbeddingTask.ValueType, str] = field(default_factory=dict)
    plain: str = ""


_COHERE_TASKS: Final = {
    embedding_pb2.EMBEDDING_TASK_DOCUMENT: "search_document",
    embedding_pb2.EMBEDDING_TASK_QUERY: "search_query",
    embedding_pb2.EMBEDDING_TASK_CLASSIFICATION: "classification",
    embedding_pb2.EMBEDDING_TASK_CLUSTERING: "clustering",
}
_NOVA_TASKS: Final = {
    embedding_pb2.EMBEDDING_TASK_DOCUMENT: "GENERIC_INDEX",
    # Among texts; other words of it are for a search among pictures and films.
    embedding_pb2.EMBEDDING_TASK_QUERY: "TEXT_RETRIEVAL",
    embedding_pb2.EMBEDDING_TASK_CLASSIFICATION: "CLASSIFICATION",
    embedding_pb2.EMBEDDING_TASK_CLUSTERING: "CLUSTERING",
}

_COHERE_V3: Final = EmbeddingFamily(
    Form.COHERE,
    EmbeddingLimits(items=96, item_tokens=512, truncates=True),
    # https://github.com/langgenius/dify/issues/3942
    characters=2048,
    length=1024,
    tasks=_COHERE_TASKS,
    plain="search_document",
)

# What stands in a model's name where a word begins; the longest one counts.
_FAMILIES: Final[dict[str, EmbeddingFamily]] = {
    # 50,000 characters too, which is more than its tokens are cut to.
    "amazon.titan-embed-text-v1": EmbeddingFamily(
        Form.TITAN, EmbeddingLimits(items=1, item_tokens=8192), length=1536
    ),
    # Its lengths are 256, 512 and 1,024; that there is one of 384, as a library has it, is not
    # confirmed. Which are taken is left to the service.
    "amazon.titan-embed-text-v2": EmbeddingFamily(
        Form.TITAN, EmbeddingLimits(items=1, item_tokens=8192), normalizes=True
    ),
    "cohere.embed-english-v3": _COHERE_V3,
    "cohere.embed-multilingual-v3": _COHERE_V3,
    # Whether a text of this one has a limit of characters is not confirmed.
    "cohere.embed-v4": EmbeddingFamily(
        Form.COHERE,
        EmbeddingLimits(items=96, item_tokens=128_000, truncates=True),
        tasks=_COHERE_TASKS,
        plain="search_document",
    ),
    "amazon.nova-2-multimodal-embeddings": EmbeddingFamily(
        Form.NOVA,
        EmbeddingLimits(items=1, item_tokens=8192, truncates=True),
        # Users report it (`expected maxLength: 50000`); no page of AWS confirms it.
        characters=50_000,
        tasks=_NOVA_TASKS,
        plain="GENERIC_INDEX",
    ),
}


@lru_cache(maxsize=1024)
def embedding_family_of(model: str) -> EmbeddingFamily | None:
    """Return what an embedding model takes; None: it is not known to be one.

    Args:
        model: an id, with the area of an inference profile before it or not, or an ARN.
    """
    part = find_part(model, _FAMILIES)
    return _FAMILIES[part] if part else None
