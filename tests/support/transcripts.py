"""Random transcripts that pass all checks, and what must be found of them wherever they go."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Final

from hypothesis import strategies as st

from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline.sandbox.signatures import sign

_PNG: Final = b"\x89PNG\r\n\x1a\n"
_TAILS: Final = ("", "", " ", " \n", "\u2028", ' "x"', "é 👩‍🚀", "{}[]\\")
_NAMES: Final = ("f", "g")
# A model may call what it has made up; no vendor signs that.
_MADE_UP: Final = ("run me.now", "9-lives")
# As vendors issue them, as clients make them, and the longest.
_IDS: Final = ("call_{}", "toolu_01{}", "functions.f:{}", "an id, é {}", "{:x>256}", "{}")


@dataclass(frozen=True, slots=True)
class Mark:
    """Something that may be found in a request again.

    Attributes:
        path: where it stands in the transcript.
        forms: what it looks like; one of them is there once.
        is_speech: it is text that somebody says; the order of these stays.
    """

    path: str
    forms: tuple[str, ...]
    is_speech: bool = False


@dataclass(slots=True)
class Transcript:
    """A transcript and its marks.

    Attributes:
        request: that holds it.
        marks: all of them, in order.
        calls: the mark of each call, in its arguments.
        results: the texts of the result of each call that has one.
        signatures: path and value of each signature, with its issuer.
    """

    request: chat_pb2.ChatRequest = field(default_factory=chat_pb2.ChatRequest)
    marks: list[Mark] = field(default_factory=list)
    calls: dict[str, Mark] = field(default_factory=dict)
    results: dict[str, list[Mark]] = field(default_factory=dict)
    signatures: list[tuple[str, message_pb2.Signature]] = field(default_factory=list)


class _Author:
    """Writes one transcript.

    Args:
        draw: draws what is left to chance.
        issuers: who may have issued what only its maker can read.
    """

    def __init__(self, draw: st.DrawFn, issuers: Sequence[message_pb2.Provenance]) -> None:
        self.written = Transcript()
        self._draw = draw
        self._issuers = issuers
        self._open: list[str] = []

    def write(self) -> Transcript:
        """Write messages of all kinds, one of the user among them."""
        draw = self._draw
        begins = draw(st.booleans())
        if begins:
            self._speak(message_pb2.ROLE_USER)
        for _ in range(draw(st.integers(0, 8))):
            kinds = [message_pb2.ROLE_SYSTEM, message_pb2.ROLE_USER, message_pb2.ROLE_ASSISTANT]
            # Twice: most calls shall have a result.
            kinds += [message_pb2.ROLE_TOOL, message_pb2.ROLE_TOOL] if self._open else []
            match draw(st.sampled_from(kinds)):
                case message_pb2.ROLE_ASSISTANT:
                    self._reply()
                case message_pb2.ROLE_TOOL:
                    self._answer()
                case role:
                    self._speak(role)
        if not begins:
            self._speak(message_pb2.ROLE_USER)
        return self.written

    def _mark(self, path: str, *, is_speech: bool = False, prefix: bytes = b"") -> str:
        """Make a mark, and return what bears it."""
        number = len(self.written.marks)
        text = f"[{number}]{self._draw(st.sampled_from(_TAILS))}"
        encoded = base64.b64encode(prefix + text.encode()).decode()
        self.written.marks.append(Mark(path, (f"[{number}]", encoded), is_speech))
        return text

    def _begin(self, role: message_pb2.Role.ValueType) -> tuple[str, message_pb2.Message]:
        """Begin a message."""
        messages = self.written.request.messages
        return f"messages[{len(messages)}]", messages.add(role=role)

    def _speak(self, role: message_pb2.Role.ValueType) -> None:
        """Write a message of the user or the system."""
        path, message = self._begin(role)
        for position in range(self._draw(st.integers(1, 3))):
            where = f"{path}.content[{position}]"
            part = message.content.add()
            if role == message_pb2.ROLE_SYSTEM or not position:
                part.text = self._mark(f"{where}.text", is_speech=True)
            else:
                self._show(where, part, is_speech=True)

    def _show(self, where: str, part: message_pb2.Part, *, is_speech: bool) -> Mark | None:
        """Fill a part with a text, a picture or a document; return the mark of a text."""
        kinds = ["text", "picture", "address", "gif", "words", "pdf", "remote"]
        match self._draw(st.sampled_from(kinds)):
            case "text":
                part.text = self._mark(f"{where}.text", is_speech=is_speech)
                return self.written.marks[-1]
            case "picture":
                text = self._mark(f"{where}.image", prefix=_PNG)
                part.image.data, part.image.media_type = _PNG + text.encode(), "image/png"
            case "address":
                self._mark(f"{where}.image")
                mark = self.written.marks[-1].forms[0]
                part.image.url = f"https://a.example/{mark}"
            case "gif":
                text = self._mark(f"{where}.image", prefix=b"GIF89a")
                part.image.data, part.image.media_type = b"GIF89a" + text.encode(), "image/gif"
            case "words":
                part.document.data = self._mark(f"{where}.document").encode()
                part.document.media_type = "text/plain"
            case "pdf":
                text = self._mark(f"{where}.document", prefix=b"%PDF-")
                part.document.data = b"%PDF-" + text.encode()
                part.document.media_type = "application/pdf"
            case "remote":
                self._mark(f"{where}.document")
                mark = self.written.marks[-1].forms[0]
                part.document.url = f"https://a.example/{mark}"
                part.document.media_type = "application/pdf"
        return None

    def _reply(self) -> None:
        """Write a message of the model."""
        path, message = self._begin(message_pb2.ROLE_ASSISTANT)
        kinds = ["text", "text", "call", "call", "refusal", "thought", "redacted", "own"]
        for position in range(self._draw(st.integers(1, 4))):
            where = f"{path}.content[{position}]"
            part = message.content.add()
            signed = ""
            is_signed = self._draw(st.booleans())
            match self._draw(st.sampled_from(kinds)):
                case "text":
                    part.text = self._mark(f"{where}.text", is_speech=True)
                case "call":
                    signed = self._call(where, part)
                    is_signed = is_signed and signed in _NAMES
                case "refusal":
                    part.refusal = self._mark(f"{where}.refusal")
                case "thought":
                    signed = part.reasoning.text = self._mark(f"{where}.reasoning")
                case "redacted":
                    part.reasoning.redacted = True
                case "own":
                    self._give(where, part.provider_part)
                    continue
            if part.reasoning.redacted or is_signed:
                self._sign(where, part, signed)

    def _give(self, where: str, own: message_pb2.ProviderPart) -> None:
        """Fill a block that belongs to its issuer."""
        own.issuer.CopyFrom(self._draw(st.sampled_from(self._issuers)))
        text = self._mark(f"{where}.provider_part", prefix=_PNG)
        block: dict[str, object]
        if own.issuer.vendor == "google":
            data = base64.b64encode(_PNG + text.encode()).decode()
            block = {"inlineData": {"mimeType": "image/png", "data": data}}
        elif own.issuer.vendor == "openai":
            block = {"type": "web_search_call", "action": {"type": "search", "query": text}}
        else:
            source = {"type": "text", "media_type": "text/plain", "data": text}
            block = {"type": "document", "source": source}
        own.data_json = json.dumps(block, ensure_ascii=False)

    def _call(self, where: str, part: message_pb2.Part) -> str:
        """Fill a part with a call; return the tool's name."""
        number = len(self.written.marks)
        call = part.tool_call
        call.id = self._draw(st.sampled_from(_IDS)).format(number)
        call.name = self._draw(st.sampled_from(_NAMES + _MADE_UP))
        self._mark(f"{where}.tool_call.arguments")
        call.arguments = f'{{"q": "[{number}]"}}'
        self.written.calls[call.id] = self.written.marks[-1]
        self._open.append(call.id)
        return call.name

    def _sign(self, where: str, part: message_pb2.Part, content: str) -> None:
        """Sign a part as somebody's sandbox does."""
        issuer = self._draw(st.sampled_from(self._issuers))
        part.signature.issuer.CopyFrom(issuer)
        if issuer.vendor == "openai" or (
            issuer.vendor == "google" and not part.HasField("tool_call")
        ):
            content = ""
        part.signature.value = sign(issuer.vendor, issuer.model, content)
        self.written.signatures.append((where, part.signature))

    def _answer(self) -> None:
        """Write results of some calls that have none yet, in any order."""
        path, message = self._begin(message_pb2.ROLE_TOOL)
        chosen = self._draw(
            st.lists(st.sampled_from(self._open), min_size=1, max_size=3, unique=True)
        )
        for position, call_id in enumerate(chosen):
            self._open.remove(call_id)
            where = f"{path}.content[{position}].tool_result"
            result = message.content.add().tool_result
            result.call_id = call_id
            result.is_error = self._draw(st.booleans())
            texts = self.written.results[call_id] = []
            for inner in range(self._draw(st.integers(0, 2))):
                mark = self._show(
                    f"{where}.content[{inner}]", result.content.add(), is_speech=False
                )
                if mark is not None:
                    texts.append(mark)


@st.composite
def transcripts(draw: st.DrawFn, issuers: Sequence[message_pb2.Provenance]) -> Transcript:
    """Draw a transcript.

    Args:
        draw: by hypothesis.
        issuers: who may have issued what only its maker can read.
    """
    return _Author(draw, issuers).write()
