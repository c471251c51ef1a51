"""Key-encryption keys in the keyring of the operating system.

Through the `keyring` library: the Keychain of macOS, Secret Service or KWallet on a
Linux desktop. Servers have none, and a locked one may wait for a person, so every
question is asked in a thread and given up after a while.
"""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import Future
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Final, TypeVar

from trunkline.credential.faults import KeySourceSilent
from trunkline.credential.keyring.document import decode_keyring, encode_keyring
from trunkline.credential.keyring.keys import KeyEncryptionKey, Keyring
from trunkline.credential.keyring.private_file import hold_lock, prepare_directory

if TYPE_CHECKING:
    from keyring.backend import KeyringBackend

SERVICE = "trunkline"
ENTRY = "key-encryption-keys"
ANSWER_SECONDS = 2.0

# The library's own mark of a backend fit for use. Its failing, its forgetting and the
# plaintext backends are below it.
_RECOMMENDED_PRIORITY = 1

_Answer = TypeVar("_Answer")


class _Unusable(Exception):
    """Say why a backend is not used."""


class OsKeyringSource:
    """Keep the keyring as one entry of the OS keyring.

    Args:
        lock_path: file of a lock between starts, in the config directory: the OS
            keyring overwrites without asking, and a key that was overwritten after
            its first use would be lost.
        backend: the backend to ask. None: the one that the library finds.
        timeout: seconds to wait for each answer.
    """

    name: Final = "os-keyring"
    writable: Final = True

    def __init__(
        self,
        lock_path: Path,
        *,
        backend: KeyringBackend | None = None,
        timeout: float = ANSWER_SECONDS,
    ) -> None:
        self._lock_path = lock_path
        self._backend = backend
        self._timeout = timeout

    def describe(self) -> str:
        """Say for people where it is."""
        return f"the OS keyring (entry “{ENTRY}” of “{SERVICE}”)"

    def load(self) -> Keyring | None:
        """Return the keyring in the entry. None: there is no entry.

        Raises:
            KeySourceRefused: the entry is not whole or of another version.
            KeySourceSilent: no usable backend, an error, or no answer in time.
        """
        text = self._ask(lambda: _read(self._usable_backends()))
        return None if text is None else decode_keyring(text, self.describe())

    def create(self) -> Keyring:
        """Make the entry with one new key, unless there is one, and return what it holds.

        Raises:
            KeySourceRefused: the entry is not usable, or the lock cannot be made.
            KeySourceSilent: no usable backend, an error, no answer in time, or the
                backend did not keep what it was given.
        """
        new = encode_keyring(Keyring(KeyEncryptionKey.generate(datetime.now(UTC))))
        prepare_directory(self._lock_path.parent)
        try:
            # Twice the limit: a holder asks once, within its own.
            with hold_lock(self._lock_path, 2 * self._timeout):
                text = self._ask(lambda: _write_unless_there(self._usable_backends(), new))
        except TimeoutError:
            raise KeySourceSilent(self.describe(), "another start is using it") from None
        return decode_keyring(text, self.describe())

    def _usable_backends(self) -> list[KeyringBackend]:
        """Return the backends to read from, in order; the first is written to."""
        # Slow to import, and most servers never need it.
        import keyring
        from keyring.backends.chainer import ChainerBackend

        found = keyring.get_keyring() if self._backend is None else self._backend
        members = list(found.backends) if isinstance(found, ChainerBackend) else [found]
        usable = [member for member in members if member.priority >= _RECOMMENDED_PRIORITY]
        if not usable:
            raise _Unusable("this system has none that protects what it keeps")
        return usable

    def _ask(self, question: Callable[[], _Answer]) -> _Answer:
        """Run a question in a thread and give up waiting after the timeout."""
        answer: Future[_Answer] = Future()

        def run() -> None:
            try:
                answer.set_result(question())
            except BaseException as error:  # a backend may even raise SystemExit
                answer.set_exception(error)

        # A daemon, because a backend that hangs must not hold up the end of the
        # process either.
        threading.Thread(target=run, name="os-keyring", daemon=True).start()
        try:
            error = answer.exception(self._timeout)
        except TimeoutError:
            reason = f"no answer within {self._timeout:g} s"
        else:
            if error is None:
                return answer.result()
            # Of a foreign error only the type is told: its text may quote the entry.
            reason = str(error) if isinstance(error, _Unusable) else type(error).__name__
        raise KeySourceSilent(self.describe(), reason)


def _read(backends: list[KeyringBackend]) -> str | None:
    for backend in backends:
        text = backend.get_password(SERVICE, ENTRY)
        if text is not None:
            return text
    return None


def _write_unless_there(backends: list[KeyringBackend], text: str) -> str:
    kept = _read(backends)
    if kept is not None:
        return kept
    backends[0].set_password(SERVICE, ENTRY, text)
    if backends[0].get_password(SERVICE, ENTRY) != text:
        raise _Unusable("it did not keep what it was given")
    return text
