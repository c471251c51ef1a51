"""Check a chat's transcript, and what else of a request no declaration can hold.

The bounds are those that `message.proto` declares. They are mirrored here because one walk in
Python over a transcript costs a sixth of what the declared rules cost, and sees what these
cannot: which parts fit which role, and which results answer which calls.
"""

from __future__ import annotations

import re
from typing import Final

from trunkline.inference.arguments import is_object
from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline.kernel.errors import InvalidArgument, Violation

MAX_VIOLATIONS: Final = 16
"""How many violations are described; further ones are only counted."""

MAX_MESSAGES: Final = 10_000
MAX_PARTS: Final = 1_000
MAX_IMAGE_BYTES: Final = 20_971_520
MAX_DOCUMENT_BYTES: Final = 33_554_432
MAX_URL_CHARACTERS: Final = 4_096
MAX_DOCUMENT_NAME_CHARACTERS: Final = 256
MAX_CALL_ID_CHARACTERS: Final = 256
MAX_TOOL_NAME_CHARACTERS: Final = 128
MAX_ARGUMENTS_BYTES: Final = 8_388_608
MAX_RESULT_PARTS: Final = 100
MAX_REASONING_BYTES: Final = 8_388_608
MAX_SIGNATURE_BYTES: Final = 4_194_304
MAX_VENDOR_CHARACTERS: Final = 63
MAX_MODEL_CHARACTERS: Final = 256
MAX_PROVIDER_CHARACTERS: Final = 63
MAX_CREDENTIAL_ID_CHARACTERS: Final = 69
MAX_PROVIDER_PART_TYPE_CHARACTERS: Final = 128
MAX_PROVIDER_PART_BYTES: Final = 8_388_608
MAX_CACHE_SECONDS: Final = 86_400
URL_PREFIX: Final = "https://"
IMAGE_MEDIA_TYPE: Final = re.compile(r"image/[a-z0-9.+-]{1,64}")
DOCUMENT_MEDIA_TYPE: Final = re.compile(r"[a-z]+/[a-z0-9.+-]{1,64}")

_SYSTEM: Final = message_pb2.ROLE_SYSTEM
_USER: Final = message_pb2.ROLE_USER
_ASSISTANT: Final = message_pb2.ROLE_ASSISTANT
_TOOL: Final = message_pb2.ROLE_TOOL

_FITS: Final[dict[int, frozenset[str]]] = {
    _SYSTEM: frozenset({"text"}),
    _USER: frozenset({"text", "image", "document"}),
    _ASSISTANT: frozenset({"text", "tool_call", "reasoning", "refusal", "provider_part"}),
    _TOOL: frozenset({"tool_result"}),
}
_RESULT_FITS: Final = _FITS[_USER]


class Violations(list[Violation]):
    """What is wrong with a request: the first `MAX_VIOLATIONS`, in the order of the walk.

    Attributes:
        omitted: how many more there are.
    """

    omitted: int = 0

    def note(self, field: str, description: str) -> None:
        """Add one, or count it."""
        if len(self) < MAX_VIOLATIONS:
            self.append(Violation(field, description))
        else:
            self.omitted += 1

    def to_error(self) -> InvalidArgument:
        """Return the error that names them, and counts those that it does not name."""
        first = self[0]
        others = len(self) - 1 + self.omitted
        more = f" (and {others:,} more)" if others else ""
        return InvalidArgument(
            "INVALID_REQUEST",
            f"{first.field}: {first.description}{more}",
            metadata={"omitted": str(self.omitted)} if self.omitted else None,
            violations=tuple(self),
        )


def check(request: chat_pb2.ChatRequest) -> Violations:
    """Check what the declared rules leave to the walk over a chat request.

    That is all of `messages`; and that tools have names of their own, that JSON text holds a
    JSON object (it is passed on verbatim, so that anything else could write into the rest of
    a provider's request), and that the tool choice names tools that are there.

    Args:
        request: as it came; nothing of it need be checked.

    Returns:
        Empty when all is well.
    """
    found = Violations()
    messages = request.messages
    if not 0 < len(messages) <= MAX_MESSAGES:
        found.note("messages", f"must hold 1 to {MAX_MESSAGES:,} messages")
    else:
        walk = _Walk(found)
        # A slice is a plain list, over which a loop costs half.
        for index, message in enumerate(messages[:]):
            walk.message(index, message)
    if request.tools or request.HasField("tool_choice"):
        _check_tools(request, found)
    if request.HasField("response_format"):
        text = request.response_format.json_schema.schema_json
        if text and not is_object(text):
            found.note("response_format.json_schema.schema_json", "must be a JSON object")
    return found


def check_result(result: message_pb2.ToolResult) -> Violations:
    """Return what is wrong with a result that comes by itself."""
    found = Violations()
    if not 0 < len(result.call_id) <= MAX_CALL_ID_CHARACTERS:
        found.note("tool_result.call_id", f"must have 1 to {MAX_CALL_ID_CHARACTERS} characters")
    _Walk(found).result_content("tool_result", result)
    return found


def _check_tools(request: chat_pb2.ChatRequest, found: Violations) -> None:
    """Check the tools and the choice among them."""
    names: set[str] = set()
    for index, tool in enumerate(request.tools):
        if tool.name in names:
            found.note(f"tools[{index}].name", f"`{tool.name}` names an earlier tool too")
        names.add(tool.name)
        if tool.HasField("parameters_json") and not is_object(tool.parameters_json):
            found.note(f"tools[{index}].parameters_json", "must be a JSON object")
    choice = request.tool_choice
    for index, name in enumerate(choice.allowed):
        if name not in names:
            found.note(f"tool_choice.allowed[{index}]", f"there is no tool `{name}`")
    if choice.mode == message_pb2.ToolChoice.MODE_REQUIRED and not names:
        found.note("tool_choice.mode", "a tool is required and there is none")


class _Walk:
    """One walk over a transcript; knows which calls were made and answered."""

    __slots__ = ("_calls", "_found")

    def __init__(self, found: Violations) -> None:
        self._found = found
        # Every call of the transcript so far, and whether it was answered.
        self._calls: dict[str, bool] = {}

    def message(self, index: int, message: message_pb2.Message) -> None:
        """Check one message."""
        role, content = message.role, message.content
        fits = _FITS.get(role)
        if fits is None:
            self._found.note(f"messages[{index}].role", "must be a role that is known")
            return
        if not 0 < len(content) <= MAX_PARTS:
            self._found.note(f"messages[{index}].content", f"must hold 1 to {MAX_PARTS:,} parts")
            return
        for position, part in enumerate(content[:]):
            kind = part.WhichOneof("kind")
            if kind not in fits:
                self._misfit(f"messages[{index}].content[{position}]", kind, role)
            elif kind != "text":
                self._part(f"messages[{index}].content[{position}]", part, kind)
            # Far most parts bear neither; this keeps them cheap.
            if part.HasField("signature") or part.HasField("cache"):
                self._marks(f"messages[{index}].content[{position}]", part)

    def _misfit(self, path: str, kind: str | None, role: int) -> None:
        """Note a part that has no kind, or one that its message cannot hold."""
        if kind is None:
            self._found.note(path, "must hold one kind of content")
        else:
            name = message_pb2.Role.Name(message_pb2.Role.ValueType(role))
            self._found.note(f"{path}.{kind}", f"does not fit into a message of {name}")

    def _part(self, path: str, part: message_pb2.Part, kind: str) -> None:
        """Check a part of a kind that has bounds."""
        match kind:
            case "image":
                self._image(f"{path}.image", part.image)
            case "document":
                self._document(f"{path}.document", part.document)
            case "tool_call":
                self._tool_call(f"{path}.tool_call", part.tool_call)
            case "tool_result":
                self._tool_result(f"{path}.tool_result", part.tool_result)
            case "reasoning":
                self._bytes(f"{path}.reasoning.text", part.reasoning.text, MAX_REASONING_BYTES)
            case "provider_part":
                self._provider_part(f"{path}.provider_part", part.provider_part)

    def _image(self, path: str, image: message_pb2.Image) -> None:
        """Check a picture."""
        self._source(path, image, MAX_IMAGE_BYTES)
        if image.media_type:
            if not IMAGE_MEDIA_TYPE.fullmatch(image.media_type):
                self._found.note(f"{path}.media_type", "must look like `image/png`")
        elif not image.url:
            self._found.note(f"{path}.media_type", "is required with data")

    def _document(self, path: str, document: message_pb2.Document) -> None:
        """Check a document."""
        self._source(path, document, MAX_DOCUMENT_BYTES)
        if not DOCUMENT_MEDIA_TYPE.fullmatch(document.media_type):
            self._found.note(f"{path}.media_type", "must look like `application/pdf`")
        self._characters(f"{path}.name", document.name, 0, MAX_DOCUMENT_NAME_CHARACTERS)

    def _source(
        self, path: str, holder: message_pb2.Image | message_pb2.Document, max_bytes: int
    ) -> None:
        """Check where a picture or document is."""
        match holder.WhichOneof("source"):
            case "data":
                if not 0 < len(holder.data) <= max_bytes:
                    self._found.note(f"{path}.data", f"must have 1 to {max_bytes:,} bytes")
            case "url":
                self._characters(f"{path}.url", holder.url, 0, MAX_URL_CHARACTERS)
                if not holder.url.startswith(URL_PREFIX):
                    self._found.note(f"{path}.url", f"must begin with `{URL_PREFIX}`")
            case _:
                self._found.note(path, "must hold data or an address")

    def _tool_call(self, path: str, call: message_pb2.ToolCall) -> None:
        """Check a call and remember it."""
        self._characters(f"{path}.name", call.name, 1, MAX_TOOL_NAME_CHARACTERS)
        self._bytes(f"{path}.arguments", call.arguments, MAX_ARGUMENTS_BYTES)
        if call.arguments and not is_object(call.arguments):
            self._found.note(f"{path}.arguments", "must be a JSON object")
        if self._characters(f"{path}.id", call.id, 1, MAX_CALL_ID_CHARACTERS):
            if call.id in self._calls:
                self._found.note(f"{path}.id", f"`{call.id}` is the id of an earlier call too")
            self._calls.setdefault(call.id, False)

    def _tool_result(self, path: str, result: message_pb2.ToolResult) -> None:
        """Check a result, and that it answers a call that waits for one."""
        call_id = result.call_id
        if self._characters(f"{path}.call_id", call_id, 1, MAX_CALL_ID_CHARACTERS):
            answered = self._calls.get(call_id)
            if answered is None:
                self._found.note(f"{path}.call_id", f"no earlier call has the id `{call_id}`")
            elif answered:
                self._found.note(f"{path}.call_id", f"the call `{call_id}` was answered before")
            else:
                self._calls[call_id] = True
        self.result_content(path, result)

    def result_content(self, path: str, result: message_pb2.ToolResult) -> None:
        """Check what a call came to."""
        if len(result.content) > MAX_RESULT_PARTS:
            self._found.note(f"{path}.content", f"must hold at most {MAX_RESULT_PARTS} parts")
            return
        for position, part in enumerate(result.content):
            kind = part.WhichOneof("kind")
            where = f"{path}.content[{position}]"
            if kind is None:
                self._found.note(where, "must hold one kind of content")
            elif kind not in _RESULT_FITS:
                self._found.note(
                    f"{where}.{kind}", "a tool result holds text, images and documents only"
                )
            else:
                self._part(where, part, kind)
            self._marks(where, part)

    def _provider_part(self, path: str, part: message_pb2.ProviderPart) -> None:
        """Check a block that belongs to one provider."""
        self._issuer(path, part)
        self._characters(f"{path}.type", part.type, 0, MAX_PROVIDER_PART_TYPE_CHARACTERS)
        self._bytes(f"{path}.data_json", part.data_json, MAX_PROVIDER_PART_BYTES)

    def _marks(self, path: str, part: message_pb2.Part) -> None:
        """Check what may stand on a part of any kind."""
        if part.HasField("signature"):
            signature = part.signature
            if not signature.value:
                self._found.note(f"{path}.signature.value", "must not be empty")
            self._bytes(f"{path}.signature.value", signature.value, MAX_SIGNATURE_BYTES)
            self._issuer(f"{path}.signature", signature)
        if part.HasField("cache") and part.cache.HasField("ttl"):
            ttl = part.cache.ttl
            if not (0, 0) < (ttl.seconds, ttl.nanos) <= (MAX_CACHE_SECONDS, 0):
                self._found.note(f"{path}.cache.ttl", f"must be above 0 to {MAX_CACHE_SECONDS:,} s")

    def _issuer(self, path: str, holder: message_pb2.Signature | message_pb2.ProviderPart) -> None:
        """Check who issued something."""
        if not holder.HasField("issuer"):
            self._found.note(f"{path}.issuer", "is required")
            return
        issuer = holder.issuer
        for name, value, most in (
            ("vendor", issuer.vendor, MAX_VENDOR_CHARACTERS),
            ("model", issuer.model, MAX_MODEL_CHARACTERS),
            ("provider", issuer.provider, MAX_PROVIDER_CHARACTERS),
            ("credential_id", issuer.credential_id, MAX_CREDENTIAL_ID_CHARACTERS),
        ):
            self._characters(f"{path}.issuer.{name}", value, 0, most)

    def _characters(self, path: str, text: str, least: int, most: int) -> bool:
        """Check the length of a text in characters; return whether it fits."""
        if least <= len(text) <= most:
            return True
        self._found.note(path, f"must have {least} to {most:,} characters")
        return False

    def _bytes(self, path: str, text: str, most: int) -> None:
        """Check the length of a text in bytes of UTF-8."""
        # A character has at most four bytes: a text is rarely encoded to count them.
        if len(text) * 4 > most and len(text.encode()) > most:
            self._found.note(path, f"must have at most {most:,} bytes")
