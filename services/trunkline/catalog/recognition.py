"""Recognise whose an address is, for a name and defaults (D25, D26)."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import Final

from trunkline.kernel.address import BaseUrl
from trunkline.kernel.base_url import Format
from trunkline.kernel.reach import Reach, classify_host


@dataclass(frozen=True, slots=True)
class Recognition:
    """What an address tells about the service behind it: a name and a default, never a limit (D28).

    Attributes:
        type: the slug of a provider type.
        display_name: its name for people.
        format: the format to begin with.
    """

    type: str
    display_name: str
    format: Format = Format.OPENAI


BEDROCK: Final = Recognition("aws-bedrock", "AWS Bedrock", Format.BEDROCK)

# By host, which stands for the names under it too, or by port on this machine (D25). A port is a
# hint and no more: whatever else listens there is asked in the same way. A star in the second
# place stands for the region of a host.
RECOGNISED: Final[Mapping[str, Recognition]] = MappingProxyType(
    {
        "anthropic.com": Recognition("anthropic", "Anthropic", Format.ANTHROPIC),
        # Azure's own, also of its sovereign clouds; a resource is a name under one of them.
        "openai.azure.com": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "openai.azure.us": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "openai.azure.cn": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "cognitiveservices.azure.com": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "services.ai.azure.com": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "models.ai.azure.com": Recognition("azure-openai", "Azure OpenAI", Format.AZURE),
        "bedrock-runtime.*.amazonaws.com": BEDROCK,
        "bedrock-runtime.*.amazonaws.com.cn": BEDROCK,
        "bedrock-runtime.*.api.aws": BEDROCK,
        "bedrock-runtime-fips.*.amazonaws.com": BEDROCK,
        "bedrock-runtime-fips.*.api.aws": BEDROCK,
        "generativelanguage.googleapis.com": Recognition("google", "Google Gemini", Format.GOOGLE),
        "ollama.com": Recognition("ollama", "Ollama", Format.OLLAMA),
        "openai.com": Recognition("openai", "OpenAI"),
        "openrouter.ai": Recognition("openrouter", "OpenRouter"),
        "groq.com": Recognition("groq", "Groq"),
        "together.xyz": Recognition("together", "Together AI"),
        "together.ai": Recognition("together", "Together AI"),
        "mistral.ai": Recognition("mistral", "Mistral AI"),
        "perplexity.ai": Recognition("perplexity", "Perplexity"),
        "fireworks.ai": Recognition("fireworks", "Fireworks AI"),
        "deepseek.com": Recognition("deepseek", "DeepSeek"),
        "minimax.io": Recognition("minimax", "MiniMax"),
        "minimaxi.com": Recognition("minimax-cn", "MiniMax (mainland China)"),
        "moonshot.ai": Recognition("moonshot", "Moonshot AI"),
        "moonshot.cn": Recognition("moonshot-cn", "Moonshot AI (mainland China)"),
        "x.ai": Recognition("xai", "xAI"),
        "ai-gateway.vercel.sh": Recognition("vercel", "Vercel AI Gateway"),
        "localhost:1234": Recognition("lm-studio", "LM Studio"),
        "localhost:4000": Recognition("litellm", "LiteLLM"),
        "localhost:11434": Recognition("ollama", "Ollama", Format.OLLAMA),
    }
)
UNRECOGNISED: Final = Recognition("openai-compatible", "OpenAI-compatible")

OTHER_FACE: Final = Recognition("anthropic-compatible", "Anthropic-compatible", Format.ANTHROPIC)

# Both have a second face in the format openai, below a path that says so.
_OPENAI_PATHS: Final[Mapping[str, str]] = MappingProxyType({"google": "/openai", "ollama": "/v1"})

# These have one in the format anthropic, likewise.
_SECOND_ANTHROPIC: Final = frozenset(
    {"azure-openai", "deepseek", "minimax", "minimax-cn", "moonshot", "moonshot-cn"}
)
_ANTHROPIC_PATHS: Final = ("/anthropic", "/anthropic/v1")


def recognise(url: BaseUrl) -> Recognition:
    """Tell whose address this is.

    A host is recognised by itself or by a domain that it lies in, at the boundary of a label:
    `api.groq.com` is Groq's, `notgroq.com` and `groq.com.example.net` are not. A path at which the
    service speaks another format than its own is that of an address that nobody knows. Never
    decide by this which key is sent; a key belongs to an origin.

    Args:
        url: a base URL.

    Returns:
        The row of `RECOGNISED`, or `UNRECOGNISED` (D26); `OTHER_FACE` for the face of a service
        in the format anthropic.
    """
    found, path = _find(url), url.path.lower()
    if found.type in _SECOND_ANTHROPIC and path.endswith(_ANTHROPIC_PATHS):
        return OTHER_FACE
    second = _OPENAI_PATHS.get(found.type)
    return UNRECOGNISED if second and path.endswith(second) else found


def _find(url: BaseUrl) -> Recognition:
    if classify_host(url.host) is Reach.LOOPBACK:
        return RECOGNISED.get(f"localhost:{url.port}", UNRECOGNISED)
    labels = url.host.split(".")
    regional = [".".join([labels[0], "*", *labels[2:]])] if len(labels) > 2 else []
    domains = [*regional, *(".".join(labels[start:]) for start in range(len(labels)))]
    return next((RECOGNISED[name] for name in domains if name in RECOGNISED), UNRECOGNISED)
