"""The seam behind which key-encryption keys are kept."""

from __future__ import annotations

from typing import Protocol

from trunkline.credential.keyring.keys import Keyring


class KeySource(Protocol):
    """A place that keeps a keyring. Its calls may block for some seconds."""

    @property
    def name(self) -> str:
        """The kind of place, a fixed word for logs and JSON, such as `file`."""
        ...

    @property
    def writable(self) -> bool:
        """Whether Trunkline may make a key there."""
        ...

    def describe(self) -> str:
        """Say for people where it is, as a noun phrase without anything secret."""
        ...

    def load(self) -> Keyring | None:
        """Return the keyring that is kept there. None: there is none.

        Raises:
            KeySourceRefused: what is there is not safe or not whole.
            KeySourceSilent: it does not answer.
        """
        ...

    def create(self) -> Keyring:
        """Make a keyring of one new key, unless there is one, and return what is kept.

        Starts that call it at the same time all return the same keyring.

        Raises:
            KeySourceRefused: it cannot be written, or what is there is not usable.
            KeySourceSilent: it does not answer.
        """
        ...
