"""The formats of the matrix: one row each."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from types import ModuleType
from typing import Final

from msgspec.structs import replace

from fidelity.reading import Json, Reading, Said
from fidelity.wire import anthropic, bedrock, google, ollama, openai
from support.folding import fold
from trunkline.inference.adapters.adapter import Adapter, Target
from trunkline.inference.adapters.anthropic import AnthropicAdapter
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.google import GoogleAdapter
from trunkline.inference.adapters.ollama import OllamaAdapter
from trunkline.inference.adapters.openai import OpenAIAdapter
from trunkline.inference.drafts import Drafts
from trunkline.inference.v1 import chat_pb2, message_pb2


@dataclass(frozen=True, slots=True, eq=False)
class Format:
    """Somebody whom a transcript comes from, and goes to.

    Attributes:
        adapter: under test.
        target: a model of the vendor's, at its own address.
        says: what an answer may hold, in the words of `Said.needs`.
        write: an answer as the vendor gives it.
        read: a request as the vendor reads it.
    """

    adapter: Adapter
    target: Target
    says: frozenset[str]
    write: Callable[[Sequence[Said]], bytes]
    read: Callable[[Json], Reading]

    @property
    def name(self) -> str:
        """Return the format's name."""
        return self.adapter.format

    def turn(self, said: Sequence[Said], *, model: str = "") -> message_pb2.Message:
        """Return an answer as a chat gets it, decoded by the adapter.

        Args:
            said: what the vendor says.
            model: says it instead of the target's.
        """
        target = replace(self.target, model=model) if model else self.target
        decoder = self.adapter.decoder(target, chat_pb2.ChatRequest(), stream=False)
        drafts = Drafts()
        decoder.feed(self.write(said), drafts)
        decoder.end(drafts)
        return fold(drafts.take())


def _row(adapter: Adapter, model: str, wire: ModuleType, *, type_: str = "") -> Format:
    """Return a format, with an account of its vendor's.

    Args:
        adapter: under test.
        model: that is asked.
        wire: how the vendor writes and reads.
        type_: of the account; empty: it is called like the format.
    """
    target = Target(
        provider=adapter.format,
        model=model,
        base_url="https://a.example/v1",
        credential_id="cred_1",
        type=type_ or adapter.format,
    )
    return Format(adapter, target, wire.SAYS, wire.answer, wire.read)


FORMATS: Final = (
    _row(OpenAIAdapter(), "gpt-1", openai),
    _row(AnthropicAdapter(), "claude-opus-4-5", anthropic),
    _row(GoogleAdapter(), "gemini-3-pro-preview", google),
    _row(OllamaAdapter(), "qwen3", ollama),
    _row(
        BedrockAdapter(),
        "anthropic.claude-sonnet-4-5-20250929-v1:0",
        bedrock,
        type_="aws-bedrock",
    ),
)
