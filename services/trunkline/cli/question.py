"""What is asked: a chat request, from texts and files."""

from __future__ import annotations

import json
import mimetypes
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

from google.protobuf.json_format import ParseDict, ParseError

from trunkline.cli.failures import Failure, wrong_usage
from trunkline.inference.v1 import chat_pb2, message_pb2

_MIB: Final = 1024 * 1024
_MAX_TEXT_BYTES: Final = 16 * _MIB
# The contract's bounds of what is sent by value.
_MAX_IMAGE_BYTES: Final = 20 * _MIB
_MAX_DOCUMENT_BYTES: Final = 32 * _MIB
_MAX_TOOL_BYTES: Final = _MIB


@dataclass(frozen=True, slots=True)
class Question:
    """What the command's options say of every request.

    Attributes:
        model: `provider/model`; empty: the deployment's default.
        fallbacks: further ones, asked in this order when it fails.
        chain: of fallbacks, in place of a model; empty: none.
        survives: whether the run outlives its process; None: as the deployment has it.
        system: instructions; empty: none.
        files: pictures and documents, for the first message.
        tools: files that describe tools.
        max_output_tokens: 0: as many as the model has.
        temperature: 0 to 2; None: the model's own.
        reasoning: effort; empty: the model's own.
    """

    model: str = ""
    fallbacks: tuple[str, ...] = ()
    chain: str = ""
    survives: bool | None = None
    system: str = ""
    files: tuple[Path, ...] = ()
    tools: tuple[Path, ...] = ()
    max_output_tokens: int = 0
    temperature: float | None = None
    reasoning: str = ""

    def request(self) -> chat_pb2.ChatRequest:
        """Return the request, yet without anything that the user says.

        Raises:
            Failure: a file cannot be read or is not what it should be.
        """
        request = chat_pb2.ChatRequest(
            model=self.model,
            fallbacks=self.fallbacks,
            chain=self.chain,
            durability=_name_durability(self.survives),
            max_output_tokens=self.max_output_tokens,
        )
        if self.temperature is not None:
            request.sampling.temperature = self.temperature
        if self.reasoning:
            request.reasoning.effort = self.reasoning
        for path in self.tools:
            request.tools.extend(read_tools(path))
        if self.system:
            message = request.messages.add(role=message_pb2.ROLE_SYSTEM)
            message.content.add(text=self.system)
        return request

    def attachments(self) -> list[message_pb2.Part]:
        """Return the parts that go with the first message.

        Raises:
            Failure: a file cannot be read, or is neither picture nor document.
        """
        return [read_attachment(path) for path in self.files]


def read_text() -> str:
    """Return the text on standard input.

    Raises:
        Failure: there is none, too much, or it is not UTF-8.
    """
    content = sys.stdin.buffer.read(_MAX_TEXT_BYTES + 1) if sys.stdin is not None else b""
    if len(content) > _MAX_TEXT_BYTES:
        raise wrong_usage(
            "Standard input is longer than 16 MiB.", "Send less, or a document with --file."
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError:
        raise wrong_usage(
            "Standard input is no UTF-8 text.", "Send a picture or document with --file."
        ) from None
    if not text.strip():
        raise wrong_usage(
            "There is nothing to say.", "Give a text as an argument or on standard input."
        )
    return text


def read_attachment(path: Path) -> message_pb2.Part:
    """Return a picture or document as a part.

    Raises:
        Failure: it cannot be read, is too large, or is of a kind that cannot be told.
    """
    media_type = mimetypes.guess_type(path.name)[0]
    if media_type is None:
        raise wrong_usage(
            f"It cannot be told from the name of {path} what it is.",
            "Give it the usual ending, such as .png, .pdf or .txt.",
        )
    if media_type.startswith("image/"):
        data = _read(path, _MAX_IMAGE_BYTES)
        return message_pb2.Part(image=message_pb2.Image(data=data, media_type=media_type))
    data = _read(path, _MAX_DOCUMENT_BYTES)
    return message_pb2.Part(
        document=message_pb2.Document(data=data, media_type=media_type, name=path.name)
    )


def read_tools(path: Path) -> list[message_pb2.Tool]:
    """Return the tool, or the list of tools, that a JSON file describes.

    Raises:
        Failure: it cannot be read or describes none.
    """
    try:
        described: Any = json.loads(_read(path, _MAX_TOOL_BYTES))
        listed = described if isinstance(described, list) else [described]
        return [ParseDict(each, message_pb2.Tool()) for each in listed]
    except (ValueError, RecursionError, ParseError, AttributeError, TypeError) as error:
        raise wrong_usage(
            f"{path} describes no tool: {_first_line(error)}.",
            'Write {"name":"get_time","description":"…","parameters":{"type":"object",…}}.',
        ) from None


def _name_durability(survives: bool | None) -> chat_pb2.Durability.ValueType:
    """Return what the contract calls it."""
    if survives is None:
        return chat_pb2.DURABILITY_UNSPECIFIED
    return chat_pb2.DURABILITY_DURABLE if survives else chat_pb2.DURABILITY_MEMORY


def _read(path: Path, limit: int) -> bytes:
    """Return a file's bytes.

    Raises:
        Failure: it cannot be read, is empty, or is longer than the limit.
    """
    try:
        with path.open("rb") as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise wrong_usage(
            f"{path} cannot be read: {error.strerror}.", "Name a file that can be read."
        ) from None
    if not content:
        raise wrong_usage(f"{path} is empty.", "Name a file with something in it.")
    if len(content) > limit:
        raise Failure(f"{path} is longer than {limit // _MIB} MiB.", "Name a smaller file.")
    return content


def _first_line(error: BaseException) -> str:
    """Return the first line of an error's text, without a full stop."""
    return (str(error).splitlines() or [type(error).__name__])[0].rstrip(".")
