"""Keep what must be kept of the body of a reply, within bounds."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from typing import Final

from trunkline.inference.adapters.adapter import Ending, ProviderFailed, Target
from trunkline.inference.adapters.failures import broken
from trunkline.inference.adapters.words import Words
from trunkline.inference.drafts import Drafts

MAX_BODY: Final = 32 * 1024 * 1024
"""The longest answer without a stream, in bytes."""

_MAX_HEAD: Final = 64 * 1024
_FIELDS: Final = (b":", b"data:", b"event:", b"id:", b"retry:")


class Body:
    """The body of an answer that comes as one document.

    Args:
        target: who answers.
    """

    __slots__ = ("_data", "_target")

    def __init__(self, target: Target) -> None:
        self._target = target
        self._data = bytearray()

    def feed(self, data: bytes) -> None:
        """Keep the next bytes.

        Raises:
            ProviderFailed: there are more than `MAX_BODY` (BROKEN_STREAM).
        """
        self._data += data
        if len(self._data) > MAX_BODY:
            raise broken(self._target, "is too long")

    def whole(self) -> bytes:
        """Return the document, without the blank lines around it.

        Services keep a connection alive with such lines before the document (DeepSeek).

        Raises:
            ProviderFailed: there is none (BROKEN_STREAM).
        """
        body = bytes(self._data).strip()
        if not body:
            raise broken(self._target, "is empty")
        return body


class DocumentDecoder(ABC):
    """The reading of an answer that comes as one document; see `Decoder`.

    Args:
        target: who answers.
    """

    __slots__ = ("_body", "_target", "complete", "finished")

    def __init__(self, target: Target) -> None:
        self.finished = False
        self.complete = False
        self._target = target
        self._body = Body(target)

    def feed(self, data: bytes, drafts: Drafts) -> None:
        """Keep the next bytes; see `Decoder.feed`."""
        del drafts
        self._body.feed(data)

    def end(self, drafts: Drafts) -> Ending:
        """Decode the document and say how the answer ended; see `Decoder.end`."""
        ending = self._read(self._body.whole(), drafts)
        self.finished = self.complete = True
        return ending

    @abstractmethod
    def _read(self, body: bytes, drafts: Drafts) -> Ending:
        """Decode the document, write what it says into `drafts` and say how it ended.

        Raises:
            ProviderFailed: it is an error, or no whole answer (BROKEN_STREAM).
        """


class Head:
    """The start of a body until it proves to be a stream of server-sent events.

    Attributes:
        proven: an event has come.
    """

    __slots__ = ("_data", "proven")

    def __init__(self) -> None:
        self.proven = False
        self._data = bytearray()

    def feed(self, data: bytes, *, proven: bool) -> None:
        """Take the next bytes.

        Args:
            data: of the body.
            proven: an event was complete with them.
        """
        if proven:
            self.proven = True
            self._data.clear()
        else:
            self._data += data[: _MAX_HEAD - len(self._data)]

    def unfinished(
        self,
        target: Target,
        read_words: Callable[[bytes], Words | None],
        in_stream: Callable[[Target, Words, bytes], ProviderFailed],
    ) -> ProviderFailed:
        """Return the failure of a body that ended without the terminator.

        Args:
            target: who answers.
            read_words: reads an error in the place of a stream.
            in_stream: makes a failure of such an error.
        """
        if self.proven:
            return broken(target, "broke off before its end")
        head = bytes(self._data).strip()
        if not head:
            return broken(target, "is empty")
        words = read_words(head)
        if words is not None:
            return in_stream(target, words, head)
        if head.startswith(_FIELDS):
            return broken(target, "broke off before its end")
        return broken(target, "is no stream of events", head)
