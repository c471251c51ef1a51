"""The wire format of AWS Bedrock's Converse."""

from __future__ import annotations

from trunkline.inference.adapters.adapter import BuiltChat, Decoder, Reply, Target
from trunkline.inference.adapters.bedrock.decoder import StreamDecoder, WholeDecoder
from trunkline.inference.adapters.bedrock.errors import classify
from trunkline.inference.adapters.bedrock.request import build_chat, build_probe
from trunkline.inference.adapters.bedrock.verification import verify
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, failure_pb2, provider_pb2


class BedrockAdapter:
    """Converse; see `Adapter`. It holds nothing: one serves all attempts."""

    format: str = "bedrock"

    def build_chat(
        self, target: Target, request: chat_pb2.ChatRequest, *, stream: bool
    ) -> BuiltChat:
        """Build the request for one answer; see `Adapter.build_chat`."""
        return build_chat(target, request, stream=stream)

    def decoder(self, target: Target, request: chat_pb2.ChatRequest, *, stream: bool) -> Decoder:
        """Return a fresh decoder; see `Adapter.decoder`."""
        return StreamDecoder(target, request) if stream else WholeDecoder(target, request)

    def build_probe(self, target: Target, purpose: provider_pb2.ProbePurpose.ValueType) -> Request:
        """Build the request that shows whether a key is known, which serves both purposes."""
        return build_probe(target)

    def read_models(self, body: bytes) -> list[provider_pb2.DiscoveredModel]:
        """Refuse to read a list of models: there is none at the address of the runtime.

        Raises:
            ValueError: always.
        """
        raise ValueError("the runtime of Bedrock has no list of models")

    def classify(self, target: Target, reply: Reply) -> failure_pb2.AttemptFailure:
        """Say what a refusal means; see `Adapter.classify`."""
        return classify(target, reply)

    def verify(
        self, target: Target, purpose: provider_pb2.ProbePurpose.ValueType, reply: Reply
    ) -> provider_pb2.Verification:
        """Say what the reply to a probe shows about the key; see `Adapter.verify`."""
        return verify(target, reply)
