"""Inputs of OpenAI Responses: messages, thoughts, and tool calls with their results.

Source: the Responses API reference. Nothing is stored here: an item that is named by an id alone,
or a thought without its encrypted content, is refused as one that was not found.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Final, NoReturn

from trunkline.sandbox.faces.openai.messages import Transcript
from trunkline.sandbox.faults import Refusal, Trouble
from trunkline.sandbox.history import Message, Speaker, read_history
from trunkline.sandbox.signatures import is_signed

VENDOR: Final = "openai"
"""Whose encrypted thoughts these are."""

_PARTS: Final = {
    "developer": {"input_text"},
    "system": {"input_text"},
    "user": {"input_text", "input_image", "input_file"},
    "assistant": {"output_text", "refusal"},
}
"""The roles, and the kinds of parts that each may hold."""

_RESULTS: Final = {"input_text", "input_image", "input_file"}
_TEXTS: Final = {"input_text": "text", "output_text": "text", "refusal": "refusal"}
_MAX_CALL_ID: Final = 64


@dataclass(slots=True)
class _Reading:
    """Hold what is known of an input so far.

    Args:
        model: that reads it.
        said: its messages.
        called: ids of all calls.
        unanswered: ids of calls without a result.
        thought: place of the thought that leads to nothing yet; empty when there is none.
        texts: all texts.
    """

    model: str
    said: list[Message] = field(default_factory=list)
    called: set[str] = field(default_factory=set)
    unanswered: dict[str, str] = field(default_factory=dict)
    thought: str = ""
    texts: list[str] = field(default_factory=list)

    def lead(self, *, from_model: bool) -> None:
        """Take in that an item follows, which a thought before it must have led to."""
        if self.thought and not from_model:
            _refuse(
                f"Item '{self.thought}' of type 'reasoning' was provided without its required"
                " following item.",
                self.thought,
            )
        self.thought = ""

    def finish(self) -> Transcript:
        """Return what the sandbox needs of the input."""
        self.lead(from_model=False)
        for call_id, param in self.unanswered.items():
            _refuse(f"No tool output found for function call {call_id}.", param)
        words = " ".join(self.texts)
        return Transcript(
            len(self.said), read_history(self.said), len(words.split()), "json" in words.lower()
        )


def read_items(given: object, model: str) -> Transcript:
    """Check the input of a request.

    Args:
        given: the decoded field `input`.
        model: that is asked, whose thoughts may come back.

    Raises:
        Refusal: the list is empty, an item is malformed, a result answers no call, a call has no
            result, or a thought is somebody else's.
    """
    if isinstance(given, str) and given:
        given = [{"role": "user", "content": given}]
    if not isinstance(given, list) or not given:
        _refuse("Invalid 'input': expected a text or a list of at least one item.", "input")
    reading = _Reading(model)
    for index, item in enumerate(given):
        param = f"input[{index}]"
        if not isinstance(item, Mapping):
            _refuse(f"Invalid type for '{param}': expected an object.", param)
        match item.get("type", "message"):
            case "message":
                _read_message(item, param, reading)
            case "reasoning":
                _read_thought(item, param, reading)
            case "function_call":
                _read_call(item, param, reading)
            case "function_call_output":
                _read_result(item, param, reading)
            case "web_search_call":
                reading.lead(from_model=True)
            case other:
                _refuse(f"Invalid value for '{param}.type': {str(other)[:64]!r}.", f"{param}.type")
    return reading.finish()


def _refuse(message: str, param: str) -> NoReturn:
    raise Refusal(Trouble.INVALID_REQUEST, message, param=param)


def _read_message(item: Mapping[str, Any], param: str, reading: _Reading) -> None:
    role = item.get("role")
    if not isinstance(role, str) or role not in _PARTS:
        _refuse(f"Invalid '{param}.role': expected one of {', '.join(_PARTS)}.", f"{param}.role")
    reading.lead(from_model=role == "assistant")
    text = _read_content(item.get("content"), _PARTS[role], f"{param}.content")
    reading.texts.append(text)
    if role == "user":
        reading.said.append(Message(Speaker.USER, text))
    elif role == "assistant":
        reading.said.append(Message(Speaker.ASSISTANT, text))


def _read_content(content: object, kinds: set[str], param: str) -> str:
    """Return the text of a content, parts of other kinds left out."""
    if isinstance(content, str):
        return content
    if not isinstance(content, list) or not content:
        _refuse(f"Invalid '{param}': expected a string or a list of at least one part.", param)
    texts = []
    for index, part in enumerate(content):
        kind = part.get("type") if isinstance(part, Mapping) else None
        if not isinstance(part, Mapping) or kind not in kinds:
            wanted = ", ".join(sorted(kinds))
            _refuse(f"Invalid '{param}[{index}].type': expected one of {wanted}.", param)
        if kind in _TEXTS:
            text = part.get(_TEXTS[kind])
            if not isinstance(text, str):
                _refuse(f"Invalid '{param}[{index}]': expected a text.", f"{param}[{index}]")
            texts.append(text)
        elif kind == "input_image":
            _check_source(part, ("image_url", "file_id"), f"{param}[{index}]")
        else:
            _check_source(part, ("file_data", "file_url", "file_id"), f"{param}[{index}]")
    return "".join(texts)


def _check_source(part: Mapping[str, Any], names: tuple[str, ...], param: str) -> None:
    """Refuse a picture or a file that says nowhere, or in two ways, where it is."""
    if sum(isinstance(part.get(name), str) for name in names) != 1:
        _refuse(f"Invalid '{param}': expected exactly one of {', '.join(names)}.", param)


def _read_thought(item: Mapping[str, Any], param: str, reading: _Reading) -> None:
    summary = item.get("summary")
    if not isinstance(summary, list):
        _refuse(f"Missing required parameter: '{param}.summary'.", f"{param}.summary")
    proof = item.get("encrypted_content")
    if not isinstance(proof, str) or not proof:
        _refuse("Items are not persisted when `store` is set to false.", param)
    # As the real ones a thought holds itself; what its summary says is nobody's proof.
    if not is_signed(proof, VENDOR, reading.model, ""):
        raise Refusal(
            Trouble.UNSUPPORTED_VALUE,
            "The encrypted content could not be verified.",
            param=f"{param}.encrypted_content",
        )
    reading.thought = param


def _read_call(item: Mapping[str, Any], param: str, reading: _Reading) -> None:
    reading.lead(from_model=True)
    for name in ("call_id", "name", "arguments"):
        if not isinstance(item.get(name), str) or not item[name]:
            _refuse(f"Missing required parameter: '{param}.{name}'.", f"{param}.{name}")
    call_id = item["call_id"]
    if len(call_id) > _MAX_CALL_ID or call_id in reading.called:
        _refuse(f"Invalid '{param}.call_id'.", f"{param}.call_id")
    reading.called.add(call_id)
    # Calls of one turn are one message of the model that calls.
    if not reading.unanswered:
        reading.said.append(Message(Speaker.ASSISTANT, "", calls=True))
    reading.unanswered[call_id] = param


def _read_result(item: Mapping[str, Any], param: str, reading: _Reading) -> None:
    reading.lead(from_model=False)
    call_id = item.get("call_id")
    if not isinstance(call_id, str) or call_id not in reading.unanswered:
        _refuse("No tool call found for function call output.", f"{param}.call_id")
    del reading.unanswered[call_id]
    output = item.get("output")
    text = _read_content(output, _RESULTS, f"{param}.output")
    reading.texts.append(text)
    reading.said.append(Message(Speaker.TOOL, text))
