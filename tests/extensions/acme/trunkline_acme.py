"""Acme's wire format: lines of JSON, each a piece of the answer, its end, or a failure."""

from typing import TypeAlias

import msgspec

from trunkline.inference.adapters import public as tl
from trunkline.inference.v1 import chat_pb2, failure_pb2, message_pb2, provider_pb2, result_pb2

Question: TypeAlias = chat_pb2.ChatRequest
Purpose: TypeAlias = provider_pb2.ProbePurpose.ValueType
Verification: TypeAlias = provider_pb2.Verification

ENDS = {"stop": result_pb2.FINISH_REASON_STOP, "length": result_pb2.FINISH_REASON_LENGTH}
TABLE = tl.FailureTable(codes={"busy": failure_pb2.ERROR_KIND_SERVER_ERROR})


class Line(msgspec.Struct):
    text: str = ""
    end: str = ""
    tokens: tuple[int, int] = (0, 0)
    oops: tuple[str, str] = ("", "")  # a code, and a sentence


class AcmeAdapter:
    format: str = "acme"

    def build_chat(self, target: tl.Target, request: Question, *, stream: bool) -> tl.BuiltChat:
        losses, lines = tl.Losses(), []
        for number, message in enumerate(request.messages):
            for place, part in enumerate(message.content):
                if part.HasField("text"):
                    lines.append((message_pb2.Role.Name(message.role)[5:].lower(), part.text))
                else:
                    losses.dropped(f"messages[{number}].content[{place}]", "Acme takes text only.")
        body = {"model": target.model, "lines": lines, "limit": request.max_output_tokens or None}
        path, key, content = "/answers", _key(target), msgspec.json.encode(body)
        sent = tl.build_request("POST", target, path, accept="*/*", own=key, content=content)
        return tl.BuiltChat(sent, losses.collected())

    def decoder(self, target: tl.Target, request: Question, *, stream: bool) -> tl.Decoder:
        return AcmeDecoder(target)

    def build_probe(self, target: tl.Target, purpose: Purpose) -> tl.Request:
        return tl.build_request("GET", target, "/models", accept=tl.JSON, own=_key(target))

    def read_models(self, body: bytes) -> list[provider_pb2.DiscoveredModel]:
        return [provider_pb2.DiscoveredModel(id=name) for name in tl.load(body)["models"]]

    def classify(self, target: tl.Target, reply: tl.Reply) -> failure_pb2.AttemptFailure:
        words, wait = _words(reply.body), tl.read_retry_after(reply.headers)
        return tl.refusal(target, reply, words, TABLE.refused(reply, words), wait=wait)

    def verify(self, target: tl.Target, purpose: Purpose, reply: tl.Reply) -> Verification:
        if reply.status == 200:
            return tl.verification(target, tl.accepted(target, purpose), None)
        failure = self.classify(target, reply)
        return tl.verification(target, tl.refused(reply, failure), failure)


class AcmeDecoder:
    def __init__(self, target: tl.Target) -> None:
        self.finished = self.complete = False
        self._target, self._frames, self._last = target, tl.NdjsonFrames(), Line()

    def feed(self, data: bytes, drafts: tl.Drafts) -> None:
        try:
            for frame in filter(bytes.strip, self._frames.feed(data)):
                if not self.finished:
                    self._read(frame, msgspec.json.decode(frame, type=Line), drafts)
        except (tl.FrameTooLong, ValueError):
            raise tl.broken(self._target, "is no line of JSON") from None

    def _read(self, frame: bytes, line: Line, drafts: tl.Drafts) -> None:
        if any(line.oops):
            words = _words(frame)
            raise tl.stream_failure(self._target, words, TABLE.kind(words, 0, words.message), frame)
        drafts.text(0, line.text)
        self._last, self.finished, self.complete = line, bool(line.end), bool(line.end)

    def end(self, drafts: tl.Drafts) -> tl.Ending:
        if not self.finished:
            raise tl.broken(self._target, "broke off before its end")
        (sent, said), reported = self._last.tokens, result_pb2.USAGE_SOURCE_REPORTED
        usage = result_pb2.Usage(input_tokens=sent, output_tokens=said, source=reported)
        reason = ENDS.get(self._last.end, result_pb2.FINISH_REASON_UNSPECIFIED)
        return tl.Ending(reason, self._last.end, usage=usage)


def _key(target: tl.Target) -> dict[str, str]:
    return {"x-acme-key": target.secret.api_key} if target.secret.api_key else {}


def _words(body: bytes) -> tl.Words:
    try:
        code, sentence = msgspec.json.decode(body, type=Line).oops
    except ValueError:
        return tl.Words()
    return tl.Words(sentence, (code,) if code else ())
