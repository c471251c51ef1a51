"""How services that speak OpenAI's format make embeddings, as data.

Sources: https://platform.openai.com/docs/api-reference/embeddings/create (limits, base64), and
each service's own reference. What nobody documents is left to the service: it answers by itself.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from typing import Final
from urllib.parse import urlsplit

from trunkline.inference.adapters.embedder import EmbeddingLimits


@dataclass(frozen=True, slots=True)
class Service:
    """How a service makes embeddings.

    Attributes:
        host: of its address; others end with it after a dot.
        limits: of one request; None: it makes no embeddings.
        path: what follows the base address.
        dimensions: the field with the length of the vectors.
        base64: vectors are asked for in base64, which is a quarter of their size as numbers and
            takes no parsing; one that ignores that gives numbers.
    """

    host: str
    limits: EmbeddingLimits | None
    path: str = "/embeddings"
    dimensions: str = "dimensions"
    base64: bool = False


# In one request every service seems to take a hundred texts.
_FEW: Final = EmbeddingLimits(items=100)

OPENAI: Final = Service(
    "api.openai.com",
    EmbeddingLimits(items=2048, item_tokens=8192, request_tokens=300_000),
    base64=True,
)
_SERVICES: Final = (
    OPENAI,
    Service("openrouter.ai", _FEW, base64=True),
    Service(
        "api.mistral.ai",
        EmbeddingLimits(items=100, item_tokens=8192, request_tokens=16_384),
        dimensions="output_dimension",
    ),
    Service("api.perplexity.ai", _FEW, path="/v1/embeddings"),
    Service("api.groq.com", None),
    Service("api.deepseek.com", None),
    # Its own embeddings have another form.
    Service("api.minimax.io", None),
    Service("api.minimaxi.com", None),
)

# Of a service of which nothing is known.
_UNKNOWN: Final = Service("", _FEW)


@lru_cache(maxsize=256)
def service_at(base_url: str, *, provider_type: str) -> Service:
    """Return the service at an address.

    Args:
        base_url: the address.
        provider_type: in the catalog; the vendor's own may stand behind any host.
    """
    host = urlsplit(base_url).hostname or ""
    for service in _SERVICES:
        if host == service.host or host.endswith(f".{service.host}"):
            return service
    return OPENAI if provider_type == "openai" else _UNKNOWN
