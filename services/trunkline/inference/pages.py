"""Cut a message into pages: for answers that are larger than one response may be."""

from __future__ import annotations

from trunkline.inference.v1 import message_pb2
from trunkline.kernel.errors import InvalidArgument, Violation

PAGE_BYTES = 1024 * 1024

# What stands around a part, and around its text: names, ids, an issuer.
_FRAME_BYTES = 8
_NAMES_BYTES = 4096


def cut_message(message: message_pb2.Message, start: str) -> tuple[message_pb2.Message, str]:
    """Return a page of a message and where the next one begins.

    A part that does not fit is cut: it goes on as the first part of the next page, and what
    it has beside its text (signature, citations) comes with its end.

    Args:
        message: whole.
        start: `part:character` as it was returned; empty: the beginning.

    Returns:
        A message of at most `PAGE_BYTES`, or of a single part that is larger without its
        text; and the next start; empty: this was the last.

    Raises:
        InvalidArgument: naming `page_token`: there is no such place.
    """
    number, offset = _parse(start, message)
    page = message_pb2.Message(role=message.role)
    room = PAGE_BYTES - _FRAME_BYTES
    while number < len(message.content):
        part = message.content[number]
        text = _text(part)
        rest = text[offset:]
        whole = _with_text(part, rest) if offset else part
        size = whole.ByteSize() + _FRAME_BYTES
        if size <= room or not (page.content or rest):
            page.content.append(whole)
            room -= size
            number, offset = number + 1, 0
        elif page.content:
            return page, f"{number}:{offset}"
        else:
            piece = rest.encode()[: PAGE_BYTES - _NAMES_BYTES].decode(errors="ignore")
            cut = _with_text(part, piece)
            cut.ClearField("signature")
            del cut.citations[:]
            page.content.append(cut)
            return page, f"{number}:{offset + len(piece)}"
    return page, ""


def _parse(start: str, message: message_pb2.Message) -> tuple[int, int]:
    """Read where a page begins."""
    if not start:
        return 0, 0
    number, _, offset = start.partition(":")
    if (
        not (number.isdecimal() and offset.isdecimal() and len(start) < 32)
        or int(number) >= len(message.content)
        or int(offset) > len(_text(message.content[int(number)]))
    ):
        raise InvalidArgument.of(Violation("page_token", "is not a token of this run"))
    return int(number), int(offset)


def _text(part: message_pb2.Part) -> str:
    """Return the text that a part can be cut in; empty: it cannot."""
    match part.WhichOneof("kind"):
        case "text":
            return part.text
        case "refusal":
            return part.refusal
        case "reasoning":
            return part.reasoning.text
        case "tool_call":
            return part.tool_call.arguments
        case "provider_part":
            return part.provider_part.data_json
        case _:
            return ""


def _with_text(part: message_pb2.Part, text: str) -> message_pb2.Part:
    """Return a copy of a part with another text."""
    copy = message_pb2.Part()
    copy.CopyFrom(part)
    match part.WhichOneof("kind"):
        case "text":
            copy.text = text
        case "refusal":
            copy.refusal = text
        case "reasoning":
            copy.reasoning.text = text
        case "tool_call":
            copy.tool_call.arguments = text
        case _:
            copy.provider_part.data_json = text
    return copy
