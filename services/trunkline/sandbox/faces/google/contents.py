"""Transcripts of the Gemini API: turns of parts, and function calls with their responses.

Source: the GenerateContent reference, and the pages on function calling and thought signatures.
"""

from __future__ import annotations

import base64
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import msgspec

from trunkline.sandbox.faces.google.fields import read_list, read_object, read_text, refuse
from trunkline.sandbox.history import History, Message, Speaker, read_history
from trunkline.sandbox.images import decode_base64, recognise
from trunkline.sandbox.signatures import is_signed

VENDOR: Final = "google"

SKIPPED: Final = "skip_thought_signature_validator"
"""Stands in place of a signature that there never was; taken as it is, and as its base64."""

_SKIPS: Final = (SKIPPED, base64.b64encode(SKIPPED.encode()).decode())
_DATA: Final = (
    "text",
    "inlineData",
    "fileData",
    "functionCall",
    "functionResponse",
    "executableCode",
    "codeExecutionResult",
)
_PART: Final = (*_DATA, "thought", "thoughtSignature", "videoMetadata", "partMetadata")
_IMAGES: Final = ("image/png", "image/jpeg", "image/webp", "image/heic", "image/heif")
_MEDIA: Final = (*_IMAGES, "application/pdf", "text/plain")
_RESPONSE_MEDIA: Final = ("image/png", "image/jpeg", "image/webp", "application/pdf", "text/plain")


@dataclass(frozen=True, slots=True)
class Transcript:
    """Hold what the sandbox needs of the contents; the fields are those of `Prompt`."""

    message_count: int
    history: History
    word_count: int


@dataclass(frozen=True, slots=True)
class _Part:
    """Hold what the sandbox needs of one part; empty where it is of another kind."""

    text: str = ""
    call: str = ""
    response: str = ""
    said: str = ""
    """What a response says."""
    signature: str = ""


@dataclass(slots=True)
class _Turn:
    """Join the contents of one role that follow each other."""

    role: str
    path: str
    parts: list[_Part] = field(default_factory=list)


def read_contents(body: Mapping[str, Any], model: str) -> Transcript:
    """Check the field `contents`.

    Args:
        body: the request, its names in camelCase.
        model: the model that is asked, whose signatures are taken.

    Raises:
        Refusal: a part is malformed, a response answers no call, a call has no response or no
            signature.
    """
    contents = read_list(body, "contents", "")
    if not contents:
        refuse("* GenerateContentRequest.contents: contents is not specified", "contents")
    turns: list[_Turn] = []
    for index, content in enumerate(contents):
        path = f"contents[{index}]"
        role, parts = _read_content(content, path)
        if not turns or turns[-1].role != role:
            turns.append(_Turn(role, path))
        turns[-1].parts.extend(parts)
    for before, turn in zip([None, *turns[:-1]], turns, strict=True):
        _check_responses(before, turn)
        if turn.role == "model":
            _check_signatures(turn, model)
    if any(part.call for part in turns[-1].parts):
        refuse("Please ensure that function call turn comes immediately before a response turn.")
    texts = [part.text + part.said for turn in turns for part in turn.parts]
    return Transcript(
        message_count=len(contents),
        history=read_history(message for turn in turns for message in _messages(turn)),
        word_count=sum(len(text.split()) for text in texts),
    )


def read_instruction(instruction: object) -> int:
    """Check the field `systemInstruction`; return how many words it has.

    Raises:
        Refusal: it holds anything but text.
    """
    if instruction is None:
        return 0
    path = "system_instruction"
    held = read_object(instruction, path, ("parts", "role"))
    parts = read_list(held, "parts", path)
    if not parts:
        refuse(f"* GenerateContentRequest.{path}.parts: must not be empty.", path)
    texts = (
        read_text(read_object(part, f"{path}.parts[{index}]", ("text",)), "text", path)
        for index, part in enumerate(parts)
    )
    return sum(len(text.split()) for text in texts)


def _read_content(content: object, path: str) -> tuple[str, list[_Part]]:
    held = read_object(content, path, ("role", "parts"))
    role = held.get("role", "user")
    if role not in ("user", "model", "function"):
        refuse("Please use a valid role: user, model.", f"{path}.role")
    parts = read_list(held, "parts", path)
    if not parts:
        refuse(
            f"* GenerateContentRequest.{path}.parts: contents.parts must not be empty.",
            f"{path}.parts",
        )
    role = "model" if role == "model" else "user"
    return role, [
        _read_part(part, f"{path}.parts[{index}]", role) for index, part in enumerate(parts)
    ]


def _read_part(part: object, path: str, role: str) -> _Part:
    held = read_object(part, path, _PART)
    data = [name for name in _DATA if name in held]
    if len(data) > 1:
        refuse(f"Invalid value at '{path}' (oneof), oneof field 'data' is already set.", path)
    if not data and "thoughtSignature" not in held:
        refuse(
            f"* GenerateContentRequest.{path}.data: required oneof field 'data' must have one"
            " initialized field",
            path,
        )
    if not isinstance(held.get("thought", False), bool):
        refuse(f"Invalid value at '{path}.thought' (TYPE_BOOL), {held['thought']!s:.64}", path)
    signature = read_text(held, "thoughtSignature", path)
    kind = data[0] if data else "text"
    if kind == "text":
        text = read_text(held, "text", path)
        return _Part(text="" if held.get("thought") else text, signature=signature)
    if kind in ("functionCall", "functionResponse") and (kind == "functionCall") != (
        role == "model"
    ):
        refuse("Please ensure that function call turns are of the role model.", path)
    match kind:
        case "inlineData":
            _check_inline(held["inlineData"], f"{path}.inline_data", _MEDIA)
        case "fileData":
            named = read_object(held["fileData"], f"{path}.file_data", ("fileUri", "mimeType"))
            if not read_text(named, "fileUri", path):
                refuse(f"* GenerateContentRequest.{path}.file_data.file_uri: is required", path)
        case "functionCall":
            return _Part(call=_read_call(held["functionCall"], path), signature=signature)
        case "functionResponse":
            name, said = _read_response(held["functionResponse"], path)
            return _Part(response=name, said=said)
        case _:
            refuse("The sandbox runs no code.", path)
    return _Part(signature=signature)


def _check_inline(blob: object, path: str, allowed: Sequence[str]) -> None:
    held = read_object(blob, path, ("mimeType", "data", "displayName"))
    kind = read_text(held, "mimeType", path)
    if kind not in allowed and not (allowed is _MEDIA and kind.startswith(("audio/", "video/"))):
        refuse(f"Unsupported MIME type: {kind[:64]}", path)
    data = decode_base64(read_text(held, "data", path).translate({45: "+", 95: "/"}))
    if data is None:
        refuse(f"Invalid value at '{path}.data' (TYPE_BYTES), Base64 decoding failed", path)
    # HEIC and HEIF are told apart by boxes further in: their bytes are not looked at.
    if kind in ("image/png", "image/jpeg", "image/webp") and recognise(data) is None:
        refuse("Unable to process input image. Please retry or report the problem.", path)


def _read_call(call: object, path: str) -> str:
    held = read_object(call, f"{path}.function_call", ("id", "name", "args"))
    name = read_text(held, "name", f"{path}.function_call")
    if not name:
        refuse(f"* GenerateContentRequest.{path}.function_call.name: Name cannot be empty.", path)
    if not isinstance(held.get("args", {}), Mapping):
        refuse(f"Invalid value at '{path}.function_call.args', expected an object.", path)
    return name


def _read_response(response: object, path: str) -> tuple[str, str]:
    path = f"{path}.function_response"
    held = read_object(response, path, ("id", "name", "response", "parts", "willContinue"))
    name = read_text(held, "name", path)
    if not name:
        refuse(f"* GenerateContentRequest.{path}.name: Name cannot be empty.", path)
    said = held.get("response")
    if not isinstance(said, Mapping):
        refuse(f"Invalid value at '{path}.response', expected an object.", path)
    if "$ref" in said:
        refuse(f"Invalid value at '{path}.response': '$ref' does not name a part.", path)
    for index, part in enumerate(read_list(held, "parts", path)):
        inner = read_object(part, f"{path}.parts[{index}]", ("inlineData", "fileData"))
        if "inlineData" in inner:
            _check_inline(inner["inlineData"], f"{path}.parts[{index}]", _RESPONSE_MEDIA)
    words = said.get("output", said.get("result", said.get("error")))
    return name, words if isinstance(words, str) else msgspec.json.encode(said).decode()


def _check_responses(before: _Turn | None, turn: _Turn) -> None:
    """Check that the responses of a turn are those to the calls of the turn before it."""
    calls = Counter(part.call for part in before.parts if part.call) if before else Counter()
    responses = Counter(part.response for part in turn.parts if part.response)
    if calls.total() != responses.total():
        refuse(
            "Please ensure that the number of function response parts is equal to the number of"
            " function call parts of the function call turn.",
            turn.path,
        )
    if calls != responses:
        refuse(
            "Please ensure that each function response has the name of its function call.",
            turn.path,
        )


def _check_signatures(turn: _Turn, model: str) -> None:
    """Check that the first call is signed, and that no signature is another's."""
    first = next((part for part in turn.parts if part.call), None)
    if first is not None and not first.signature:
        refuse(
            f"Function call is missing a thought_signature in functionCall parts. This is required"
            f" for tools to work correctly. Function call: {first.call[:64]}",
            turn.path,
        )
    for part in turn.parts:
        signature = part.signature
        if signature and signature not in _SKIPS:
            # The bytes count, and base64 comes in two alphabets.
            plain = signature.replace("-", "+").replace("_", "/")
            if not is_signed(plain, VENDOR, model, part.call):
                refuse("Corrupted thought signature.", turn.path)


def _messages(turn: _Turn) -> Iterator[Message]:
    """Say whose a turn is: a user's that ends with responses is the tools', else the user's."""
    text = "".join(part.text for part in turn.parts)
    if turn.role == "model":
        calls = any(part.call for part in turn.parts)
        yield Message(Speaker.ASSISTANT, text, calls=calls)
        return
    for part in turn.parts:
        if part.response:
            yield Message(Speaker.TOOL, part.said)
    if not turn.parts[-1].response:
        yield Message(Speaker.USER, text)
