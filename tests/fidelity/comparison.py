"""Compare a transcript with what the other side was told."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from typing import Final, TypeAlias

from fidelity.findings import Findings, State
from fidelity.reading import Item, Kind, Reading, Speaker
from trunkline.inference.adapters.adapter import Target
from trunkline.inference.v1 import chat_pb2, message_pb2

Fits: TypeAlias = Callable[[Item], bool]

_SPEAKERS: Final = {
    message_pb2.ROLE_SYSTEM: Speaker.SYSTEM,
    message_pb2.ROLE_USER: Speaker.USER,
    message_pb2.ROLE_ASSISTANT: Speaker.MODEL,
}


def compare(
    request: chat_pb2.ChatRequest, reading: Reading, target: Target, *, own: bool
) -> Findings:
    """Return what became of each part of a transcript.

    Args:
        request: as asked.
        reading: of what was sent.
        target: who was asked.
        own: the model's turns are the target's own, so that unsigned thoughts are too.
    """
    comparison = _Comparison(request, reading, target, own=own)
    for index, message in enumerate(request.messages):
        comparison.message(index, message)
    comparison.finish()
    return comparison.findings


def check_nothing_made_up(
    request: chat_pb2.ChatRequest, reading: Reading, findings: Findings
) -> None:
    """Note a text that nobody has said, unless something is told in another form.

    Args:
        request: as asked.
        reading: of what was sent.
        findings: all that was found; takes the faults.
    """
    if any(each.state is State.RETOLD for each in findings.found):
        return
    texts = [part.text or part.refusal for part in _parts(request)]
    for item in reading.items:
        if item.kind is Kind.TEXT:
            rest = item.text
            for text in sorted(filter(None, texts), key=len, reverse=True):
                rest = rest.replace(text, "")
            findings.check(not rest.strip(), f"nobody has said {rest!r}")


class _Comparison:
    """One comparison under way.

    Attributes:
        findings: so far.
    """

    def __init__(
        self, request: chat_pb2.ChatRequest, reading: Reading, target: Target, *, own: bool
    ) -> None:
        self.findings = Findings()
        self._messages = list(request.messages)
        self._items = reading.items
        self._target = target
        self._own = own
        calls = [part.tool_call for part in _parts(request) if part.HasField("tool_call")]
        sent = [item for item in self._items if item.kind is Kind.CALL]
        self.findings.check(len(calls) == len(sent), "there are more or fewer calls")
        self._calls = {call.id: item for call, item in zip(calls, sent, strict=False)}
        self._answered = {
            part.tool_result.call_id for part in _parts(request) if part.HasField("tool_result")
        }
        ids = [item.call_id for item in sent]
        self.findings.check(len(set(ids)) == len(ids), "two calls have one id")
        # Where each thing that is said stands: item, and place in its text.
        self._places: list[tuple[int, int]] = []

    def message(self, index: int, message: message_pb2.Message) -> None:
        """Compare one message."""
        path = f"messages[{index}]"
        speakers = set()
        for position, part in enumerate(message.content):
            where = f"{path}.content[{position}]"
            if message.role == message_pb2.ROLE_TOOL:
                item = self._result(index, where, part.tool_result)
            else:
                item = self._part(where, part, _SPEAKERS[message.role])
            if part.HasField("cache"):
                marked = item is not None and item.marked
                state = State.KEPT if marked else State.WITHHELD
                self.findings.add(f"{where}.cache", state)
            if part.HasField("signature"):
                self._signature(where, part.signature, item)
            if item is not None:
                speakers.add(item.speaker)
        if message.role == message_pb2.ROLE_SYSTEM:
            state = State.KEPT if speakers == {Speaker.SYSTEM} else State.RETOLD
            self.findings.add(path, state)
        if message.role == message_pb2.ROLE_ASSISTANT:
            self._turn(path, message)
            if index == 0:
                first = next(item for item in self._items if item.speaker is not Speaker.SYSTEM)
                begins = first.speaker is Speaker.MODEL
                self.findings.add(path, State.KEPT if begins else State.RETOLD)
            elif index == len(self._messages) - 1:
                ends = self._items[-1].speaker is Speaker.MODEL
                self.findings.add(path, State.KEPT if ends else State.RETOLD)

    def finish(self) -> None:
        """Compare the order."""
        self.findings.check(self._places == sorted(self._places), "the order is another")

    def _part(self, where: str, part: message_pb2.Part, speaker: Speaker) -> Item | None:
        """Compare a part of a message that is no result; return what it became."""
        match part.WhichOneof("kind"):
            case "text":
                item = self._text(part.text, speaker)
                state = State.LOST if item is None else State.KEPT
                if item is not None and self._places != sorted(self._places):
                    # It stands before something that was said before it.
                    self._places.pop()
                    state = State.RETOLD
                self.findings.add(f"{where}.text", state)
                return item
            case "refusal":
                item = self._say(Kind.REFUSAL, part.refusal, speaker)
                if item is not None:
                    self.findings.add(f"{where}.refusal", State.KEPT)
                    return item
                item = self._text(part.refusal, speaker)
                state = State.LOST if item is None else State.RETOLD
                self.findings.add(f"{where}.refusal", state)
                return item
            case "reasoning":
                return self._thought(where, part)
            case "provider_part":
                own = json.loads(part.provider_part.data_json)
                item = self._first(
                    lambda each: each.kind is Kind.OWN and json.loads(each.text) == own
                )
                self._bound(
                    f"{where}.provider_part", item, is_own=self._issued(part.provider_part.issuer)
                )
                return item
            case "tool_call":
                return self._call(where, part.tool_call)
        return self._media(where, part)

    def _text(self, text: str, speaker: Speaker) -> Item | None:
        """Find a text; instructions may be told by the user."""
        item = self._say(Kind.TEXT, text, speaker)
        if item is None and speaker is Speaker.SYSTEM:
            item = self._say(Kind.TEXT, text, Speaker.USER)
        return item

    def _say(self, kind: Kind, text: str, speaker: Speaker) -> Item | None:
        """Find what somebody says, once, and note where."""
        for place, item in enumerate(self._items):
            if (item.kind, item.speaker) == (kind, speaker) and text in item.text:
                fault = f"{text!r} is said more than once"
                self.findings.check(item.text.count(text) == 1, fault)
                self._places.append((place, item.text.index(text)))
                return item
        return None

    def _thought(self, where: str, part: message_pb2.Part) -> Item | None:
        """Compare a thought; one without a text is nothing but its signature."""
        signed = part.HasField("signature")
        is_own = self._issued(part.signature.issuer) if signed else self._own
        wanted = Kind.SEALED if part.reasoning.redacted else Kind.THOUGHT
        item = self._first(
            lambda each: (
                each.kind is wanted
                and part.reasoning.text in each.text
                and (not signed or each.signature in ("", part.signature.value))
            )
        )
        self._bound(f"{where}.reasoning", item, is_own=is_own)
        return item

    def _call(self, where: str, call: message_pb2.ToolCall) -> Item | None:
        """Compare a call, which is known by its place among the calls."""
        path = f"{where}.tool_call"
        item = self._calls.get(call.id)
        if item is None:
            self.findings.add(path, State.LOST)
            return None
        same = json.dumps(json.loads(item.text)) == json.dumps(json.loads(call.arguments or "{}"))
        self.findings.check(same, f"{path}.arguments are others")
        if item.name != call.name or not call.name.isascii():
            self.findings.add(
                f"{path}.name", State.KEPT if item.name == call.name else State.RETOLD
            )
        self._places.append((self._items.index(item), 0))
        answers = self._results(item)
        self.findings.check(len(answers) == 1, f"{path} has {len(answers)} results")
        if call.id in self._answered:
            self.findings.add(path, State.KEPT)
        else:
            self.findings.check(
                all(each.failed for each in answers), f"{path} has a made-up result"
            )
            self.findings.add(path, State.RETOLD)
        return item

    def _turn(self, path: str, message: message_pb2.Message) -> None:
        """Check that the calls of a message are made at once."""
        made = [self._calls.get(p.tool_call.id) for p in message.content if p.HasField("tool_call")]
        places = [self._items.index(item) for item in made if item is not None]
        between = self._items[min(places) : max(places)] if places else []
        one = all(item.speaker is Speaker.MODEL for item in between)
        self.findings.check(one, f"the calls of {path} are made one after the other")

    def _result(self, index: int, where: str, result: message_pb2.ToolResult) -> Item | None:
        """Compare a result."""
        path = f"{where}.tool_result"
        call = self._calls.get(result.call_id)
        items = self._results(call) if call is not None else []
        if not items:
            self.findings.add(path, State.LOST)
            return None
        item = items[0]
        self.findings.check(item.failed == result.is_error, f"{path}.is_error is lost")
        at = 0
        for inner, part in enumerate(result.content):
            below = f"{path}.content[{inner}]"
            if part.HasField("text"):
                at = item.text.find(part.text, at)
                self.findings.check(at >= 0, f"{below}.text is lost or moved")
                self.findings.add(f"{below}.text", State.KEPT)
            else:
                self._media_of(below, part, item)
        moved = not self._follows(index, result.call_id)
        state = State.RETOLD if moved or item.in_words else State.KEPT
        # That a failure is told in words the contract itself says.
        self.findings.add(path, state, in_silence=not moved)
        return item

    def _media_of(self, where: str, part: message_pb2.Part, result: Item) -> None:
        """Compare a picture or document of a result, which may follow it elsewhere."""
        content = _content(part)
        kind = part.WhichOneof("kind")
        inside = [item for item in result.inside if item.text == content]
        if inside:
            self.findings.add(f"{where}.{kind}", State.KEPT)
            self._name(where, part, inside[0], result.text)
            return
        if _words(part) and _words(part) in result.text:
            self.findings.add(f"{where}.{kind}", State.RETOLD)
            self._name_in(where, part, result.text)
            return
        start = self._items.index(result)
        for place, item in enumerate(self._items):
            if item.speaker is Speaker.USER and item.text == content:
                self.findings.check(place > start, f"{where} stands before its result")
                said = [
                    each.text
                    for each in self._items[start:]
                    if each.speaker is Speaker.USER and each.kind is Kind.TEXT
                ]
                told = any(result.call_id in text for text in said)
                self.findings.check(told, f"nobody tells whose {where} is")
                self.findings.add(f"{where}.{kind}", State.RETOLD)
                self._name(where, part, item, self._before(place))
                return
        self.findings.add(f"{where}.{kind}", State.LOST)

    def _media(self, where: str, part: message_pb2.Part) -> Item | None:
        """Compare a picture or a document of the user."""
        kind = part.WhichOneof("kind")
        content, words = _content(part), _words(part)
        for place, item in enumerate(self._items):
            if item.speaker is not Speaker.USER:
                continue
            if item.text == content and item.kind.value == kind:
                self._places.append((place, 0))
                self.findings.add(f"{where}.{kind}", State.KEPT)
                self._name(where, part, item, self._before(place))
                return item
            if words and item.kind is Kind.TEXT and words in item.text:
                self._places.append((place, item.text.index(words)))
                self.findings.add(f"{where}.{kind}", State.RETOLD)
                self._name_in(where, part, item.text)
                return item
        self.findings.add(f"{where}.{kind}", State.LOST)
        return None

    def _before(self, place: int) -> str:
        """Return what the user says right before something."""
        before = self._items[place - 1] if place else None
        return before.text if before is not None and before.speaker is Speaker.USER else ""

    def _name(self, where: str, part: message_pb2.Part, item: Item, words: str) -> None:
        """Compare the name of a document that is there; words beside it may say it."""
        name = part.document.name
        if not name:
            return
        state = State.LOST
        if item.name == name:
            state = State.KEPT
        elif name in words or _is_respelled(item.name, name):
            state = State.RETOLD
        self.findings.add(f"{where}.document.name", state)

    def _name_in(self, where: str, part: message_pb2.Part, text: str) -> None:
        """Compare the name of a document that is told as a text, of which a loss tells already."""
        if part.document.name:
            named = part.document.name in text
            self.findings.check(named, f"{where}.document.name is lost")
            self.findings.add(f"{where}.document.name", State.RETOLD, in_silence=True)

    def _signature(self, where: str, signature: message_pb2.Signature, item: Item | None) -> None:
        """Compare a signature, which goes to its issuer and to nobody else."""
        there = item is not None and item.signature == signature.value
        is_own = self._issued(signature.issuer)
        if not is_own:
            leaked = any(signature.value == each.signature for each in self._items)
            self.findings.check(not leaked, f"{where}.signature goes to somebody else")
        state = State.KEPT if there else State.LOST if is_own else State.WITHHELD
        self.findings.add(f"{where}.signature", state)

    def _bound(self, path: str, item: Item | None, *, is_own: bool) -> None:
        """Note what became of something that its maker alone may take back."""
        gone = State.LOST if is_own else State.WITHHELD
        self.findings.add(path, State.KEPT if item is not None else gone)

    def _first(self, fits: Fits) -> Item | None:
        """Return the first thing that the model says and that fits."""
        model = (item for item in self._items if item.speaker is Speaker.MODEL)
        return next(filter(fits, model), None)

    def _results(self, call: Item) -> list[Item]:
        """Return the results of a call, of which there should be one."""
        return [
            item
            for item in self._items
            if item.kind is Kind.RESULT and item.call_id == call.call_id
        ]

    def _issued(self, issuer: message_pb2.Provenance) -> bool:
        """Tell whether the target has issued something."""
        target = self._target
        return (issuer.provider, issuer.model) == (target.provider, target.model)

    def _follows(self, index: int, call_id: str) -> bool:
        """Tell whether a message of results comes right after the call, or after others."""
        while self._messages[index - 1].role == message_pb2.ROLE_TOOL:
            index -= 1
        calls = self._messages[index - 1].content
        return any(part.tool_call.id == call_id for part in calls)


def _parts(request: chat_pb2.ChatRequest) -> Iterator[message_pb2.Part]:
    """Return all parts of a transcript."""
    for message in request.messages:
        yield from message.content


def _content(part: message_pb2.Part) -> str:
    """Return the content of a picture or a document, as an `Item` has it."""
    holder = part.image if part.HasField("image") else part.document
    return holder.url or base64.b64encode(holder.data).decode()


def _words(part: message_pb2.Part) -> str:
    """Return the text of a document of text; empty where there is none."""
    is_text = part.document.media_type.startswith("text/")
    return part.document.data.decode() if is_text else ""


def _is_respelled(sent: str, name: str) -> bool:
    """Tell whether a name has the words of another, whatever stands between and behind them."""
    words = re.findall(r"\w+", name)
    return bool(words) and re.findall(r"\w+", sent)[: len(words)] == words
