"""Translate the results of tools.

Source: https://docs.aws.amazon.com/bedrock/latest/APIReference/API_runtime_ToolResultBlock.html.
"""

from __future__ import annotations

from typing import Any, Final

from trunkline.inference.adapters.bedrock.families import MESSAGES, Family
from trunkline.inference.adapters.bedrock.marks import Marks
from trunkline.inference.adapters.bedrock.parts import NO_WORDS, DocumentNames, translate_part
from trunkline.inference.adapters.losses import Losses
from trunkline.inference.adapters.pairing import NO_RESULT, Found
from trunkline.inference.adapters.results import ERROR_PREFIX, media_heading
from trunkline.inference.adapters.values import Json
from trunkline.inference.v1 import message_pb2

_NO_SIGNATURES: Final = "The provider signs thoughts only."
_MARK_AROUND: Final = "The provider takes cache marks on whole results only; it is put there."
_MEDIA_FOLLOW: Final = "The model takes text results only; it follows in a message of the user."
_NO_STATUS: Final = "The model takes no flag for a tool that failed; the text says it."


class Results:
    """The results of one request.

    Args:
        family: of the model.
        marks: takes the cache marks.
        losses: takes what is left out or carried in another form.
    """

    __slots__ = ("_family", "_losses", "_marks")

    def __init__(self, family: Family, marks: Marks, losses: Losses) -> None:
        self._family = family
        self._marks = marks
        self._losses = losses

    def add(
        self,
        blocks: list[Any],
        wire_id: str,
        call_id: str,
        found: Found | None,
        names: DocumentNames,
    ) -> list[Json]:
        """Append the result of a call.

        Args:
            blocks: of the message that answers.
            wire_id: the call's id as sent.
            call_id: the call's id as it is known to the caller.
            found: its result; None: there is none.
            names: of the documents that came before; takes others.

        Returns:
            What follows in a message of the user: pictures and documents that the model does
            not take inside of a result.
        """
        if found is None:
            blocks.append(self._block(wire_id, [{"text": NO_RESULT}], is_error=True))
            return []
        path, result = found.path, found.part.tool_result
        inside: list[Json] = []
        after: list[Json] = []
        inner: list[tuple[str, message_pb2.CachePoint]] = []
        for index, piece in enumerate(result.content[:]):
            where = f"{path}.tool_result.content[{index}]"
            if piece.HasField("signature"):
                self._losses.dropped(f"{where}.signature", _NO_SIGNATURES)
            if piece.HasField("cache"):
                self._losses.translated(f"{where}.cache", _MARK_AROUND)
                inner.append((where, piece.cache))
            block = translate_part(where, piece, names, self._losses)
            if block is None:
                continue
            if "text" in block or self._family.media_in_results:
                inside.append(block)
            else:
                after.append(block)
                self._losses.translated(f"{where}.{piece.WhichOneof('kind')}", _MEDIA_FOLLOW)
        if result.is_error and not self._family.failures:
            self._losses.translated(f"{path}.tool_result.is_error", _NO_STATUS)
            inside.insert(0, {"text": ERROR_PREFIX.strip()})
        if not inside:
            # Here a Claude takes an empty text (https://github.com/NousResearch/hermes-agent/issues/55092).
            inside.append({"text": "" if self._family.claude else NO_WORDS})
        blocks.append(self._block(wire_id, inside, is_error=result.is_error))
        if found.part.HasField("signature"):
            self._losses.dropped(f"{path}.signature", _NO_SIGNATURES)
        if found.part.HasField("cache"):
            inner.append((path, found.part.cache))
        if inner:
            # All of them mean the same place; the outermost one counts.
            self._marks.put(blocks, MESSAGES, *inner[-1])
        return [{"text": media_heading(call_id)}, *after] if after else []

    def _block(self, wire_id: str, content: list[Json], *, is_error: bool) -> Json:
        """Return a result."""
        block: Json = {"toolUseId": wire_id, "content": content}
        if self._family.failures:
            block["status"] = "error" if is_error else "success"
        return {"toolResult": block}
