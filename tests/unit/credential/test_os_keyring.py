"""Key-encryption keys in the keyring of the operating system.

The backends here are real ones, made the way the `keyring` library asks for, and are
given to the code under test: the keyring of whoever runs the tests is never asked.
"""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from keyring.backend import KeyringBackend
from keyring.backends.chainer import ChainerBackend
from keyring.backends.fail import Keyring as FailingBackend
from keyring.backends.null import Keyring as ForgettingBackend
from keyring.errors import KeyringLocked, PasswordSetError

from trunkline.credential.faults import KeySourceRefused, KeySourceSilent
from trunkline.credential.keyring import key_sources, open_keyring
from trunkline.credential.keyring.document import encode_keyring
from trunkline.credential.keyring.file import FileSource
from trunkline.credential.keyring.os_keyring import ANSWER_SECONDS, OsKeyringSource
from unit.credential.wording import assert_reads_well

NONE_SEALED: frozenset[str] = frozenset()

FILE_BACKEND = '''
"""A backend in a file, whose writes wait a moment for another write to join them."""
import pathlib, time, keyring.backend

HOME = pathlib.Path(__file__).parent

class Keyring(keyring.backend.KeyringBackend):
    priority = 5

    def get_password(self, service, username):
        path = HOME / f"{service}.{username}"
        return path.read_text() if path.exists() else None

    def set_password(self, service, username, password):
        with (HOME / "writes").open("a") as writes:
            writes.write("written\\n")
        limit = time.monotonic() + 0.5
        while time.monotonic() < limit and (HOME / "writes").read_text().count("written") < 2:
            time.sleep(0.01)
        (HOME / f"{service}.{username}").write_text(password)
'''
CREATE = """
import sys
from pathlib import Path
import keyring.core
from trunkline.credential.keyring import OsKeyringUse, key_sources, open_keyring
print("ready", flush=True)
sys.stdin.readline()
sources = key_sources(master_key=None, config_directory=Path(sys.argv[1]))
keyring, source = open_keyring(sources, frozenset())
print(source.name, keyring.current.id)
"""


class MemoryBackend(KeyringBackend):
    """Keep entries in memory, and record what was asked."""

    # The library registers every subclass; this keeps it from ever choosing one of these.
    viable = False
    priority: float = 5

    def __init__(self) -> None:
        super().__init__()  # type: ignore[no-untyped-call]  # the library does not annotate it
        self.entries: dict[tuple[str, str], str] = {}
        self.asked: list[str] = []

    def get_password(self, service: str, username: str) -> str | None:
        """Return an entry."""
        self.asked.append("get")
        return self.entries.get((service, username))

    def set_password(self, service: str, username: str, password: str) -> None:
        """Replace an entry."""
        self.asked.append("set")
        self.entries[service, username] = password


class PlaintextBackend(MemoryBackend):
    """Look like the library's plaintext backends, which rate themselves below 1."""

    priority = 0.5


class LockedBackend(MemoryBackend):
    """Refuse to be read, and quote an entry in the error."""

    def get_password(self, service: str, username: str) -> str | None:
        """Fail as a keyring whose owner dismissed the prompt."""
        raise KeyringLocked("entry 5353535353535353")


class UnwritableBackend(MemoryBackend):
    """Refuse to be written, and quote what was to be written."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Fail with the password in the error."""
        self.asked.append("set")
        raise PasswordSetError(password)


class LossyBackend(MemoryBackend):
    """Keep only the start of what it is given."""

    def set_password(self, service: str, username: str, password: str) -> None:
        """Cut the entry."""
        super().set_password(service, username, password[:20])


class ExitingBackend(MemoryBackend):
    """End the program instead of answering."""

    def get_password(self, service: str, username: str) -> str | None:
        """Raise what is no `Exception`."""
        raise SystemExit(3)


class HangingBackend(MemoryBackend):
    """Wait for a person who is not there."""

    def __init__(self) -> None:
        super().__init__()
        self.released = threading.Event()

    def get_password(self, service: str, username: str) -> str | None:
        """Wait until released, at most a minute."""
        self.released.wait(60)
        return super().get_password(service, username)


@pytest.fixture
def hanging() -> Iterator[HangingBackend]:
    """A backend that does not answer before the test's end."""
    backend = HangingBackend()
    yield backend
    backend.released.set()


@pytest.fixture
def lock_path(tmp_path: Path) -> Path:
    """The lock, in a config directory that is not there yet."""
    return tmp_path / "config" / "os-keyring.lock"


def test_the_keyring_is_kept_in_one_entry(lock_path: Path) -> None:
    """What one source makes, another reads, and making again changes nothing."""
    backend = MemoryBackend()
    assert OsKeyringSource(lock_path, backend=backend).load() is None
    keyring = OsKeyringSource(lock_path, backend=backend).create()
    assert OsKeyringSource(lock_path, backend=backend).load() == keyring
    assert OsKeyringSource(lock_path, backend=backend).create() == keyring
    assert list(backend.entries) == [("trunkline", "key-encryption-keys")]
    assert backend.asked.count("set") == 1


def test_the_place_is_described_without_the_key(lock_path: Path) -> None:
    """People read which entry it is; the key does not show, nor on disk."""
    backend = MemoryBackend()
    source = OsKeyringSource(lock_path, backend=backend)
    material = source.create().current.material
    assert "key-encryption-keys" in source.describe()
    assert repr(material)[2:-1] not in repr(vars(source)) + source.describe()
    assert [path.read_bytes() for path in lock_path.parent.iterdir()] == [b""]


@pytest.mark.parametrize("make", [FailingBackend, ForgettingBackend, PlaintextBackend])
def test_a_backend_that_protects_nothing_does_not_answer(
    make: Callable[[], KeyringBackend], lock_path: Path
) -> None:
    """The failing, the forgetting and the plaintext backend count as none."""
    source = OsKeyringSource(lock_path, backend=make())
    for use in (source.load, source.create):
        with pytest.raises(KeySourceSilent, match="none that protects") as caught:
            use()
        assert_reads_well(caught.value)


@pytest.mark.parametrize(
    ("make", "reason"), [(LockedBackend, "KeyringLocked"), (ExitingBackend, "SystemExit")]
)
def test_a_backend_that_fails_does_not_answer(
    make: Callable[[], KeyringBackend], reason: str, lock_path: Path
) -> None:
    """The kind of failure is told; its text, which may quote an entry, is not."""
    with pytest.raises(KeySourceSilent, match=f"does not answer: {reason}") as caught:
        OsKeyringSource(lock_path, backend=make()).load()
    assert_reads_well(caught.value, b"S" * 16)


def test_a_failed_write_does_not_tell_what_was_written(lock_path: Path) -> None:
    """A backend that quotes the entry in its error does not bring the key out."""
    backend = UnwritableBackend()
    with pytest.raises(KeySourceSilent, match="PasswordSetError") as caught:
        OsKeyringSource(lock_path, backend=backend).create()
    assert backend.asked.count("set") == 1
    assert_reads_well(caught.value, b'"material"')


def test_a_backend_that_does_not_keep_what_it_is_given_is_not_used(lock_path: Path) -> None:
    """A new key is read back before anything is sealed with it."""
    with pytest.raises(KeySourceSilent, match="did not keep"):
        OsKeyringSource(lock_path, backend=LossyBackend()).create()


def test_a_damaged_entry_is_refused_and_stays(lock_path: Path) -> None:
    """An entry that cannot be read is never replaced by a new key."""
    backend = MemoryBackend()
    keyring = OsKeyringSource(lock_path, backend=backend).create()
    damaged = encode_keyring(keyring)[:-1]
    backend.entries["trunkline", "key-encryption-keys"] = damaged
    source = OsKeyringSource(lock_path, backend=backend)
    for use in (source.load, source.create):
        with pytest.raises(KeySourceRefused, match="no whole keyring") as caught:
            use()
        assert_reads_well(caught.value, keyring.current.material)
    assert list(backend.entries.values()) == [damaged]


def test_a_backend_that_hangs_is_given_up(hanging: HangingBackend, lock_path: Path) -> None:
    """The wait has a limit, for reading and for writing."""
    source = OsKeyringSource(lock_path, backend=hanging, timeout=0.1)
    for use in (source.load, source.create):
        began = time.monotonic()
        with pytest.raises(KeySourceSilent, match=r"no answer within 0\.1 s") as caught:
            use()
        assert time.monotonic() - began < 2
        assert_reads_well(caught.value)
    assert ANSWER_SECONDS == 2


def test_a_start_waits_for_another_one_only_so_long(lock_path: Path) -> None:
    """A start that hangs with the lock in its hands does not hang the next one."""
    backend = MemoryBackend()
    source = OsKeyringSource(lock_path, backend=backend, timeout=0.1)
    lock_path.parent.mkdir(mode=0o700)
    with lock_path.open("w") as held:
        fcntl.flock(held, fcntl.LOCK_EX)
        with pytest.raises(KeySourceSilent, match="another start is using it") as caught:
            source.create()
    assert_reads_well(caught.value)
    assert backend.asked == []
    assert source.create() == source.load()


def test_of_a_chain_only_the_backends_that_protect_are_used(lock_path: Path) -> None:
    """A key is written to the first of them, read from all, and never kept in plaintext."""
    plaintext, first, second = PlaintextBackend(), MemoryBackend(), MemoryBackend()

    class Chain(ChainerBackend):
        """Join the three; the library would find its members by itself."""

        viable = False
        backends = (plaintext, first, second)

    chain = Chain()  # type: ignore[no-untyped-call]  # the library does not annotate it
    source = OsKeyringSource(lock_path, backend=chain)
    keyring = source.create()
    assert (len(first.entries), len(second.entries)) == (1, 0)
    second.entries, first.entries = first.entries, {}
    assert source.load() == keyring
    assert plaintext.asked == []


def test_a_hanging_backend_leaves_the_file(
    hanging: HangingBackend, lock_path: Path, tmp_path: Path
) -> None:
    """The start goes on with a key in the file, and finds it there the next time."""
    file = FileSource(tmp_path / "config" / "keys.json")
    sources = (OsKeyringSource(lock_path, backend=hanging, timeout=0.1), file)
    keyring, source = open_keyring(sources, NONE_SEALED)
    assert source is file
    assert open_keyring(sources, keyring.ids) == (keyring, file)


def test_the_os_keyring_comes_before_the_file(tmp_path: Path) -> None:
    """Where a usable keyring answers, the new key is made there and no file is written."""
    backend = MemoryBackend()
    sources = key_sources(master_key=None, config_directory=tmp_path, backend=backend)
    keyring, source = open_keyring(sources, NONE_SEALED)
    assert source.name == "os-keyring"
    assert open_keyring(sources, keyring.ids)[0] == keyring
    assert [path.name for path in tmp_path.iterdir()] == ["os-keyring.lock"]


def test_a_key_in_the_file_wins_over_a_keyring_that_appears_later(tmp_path: Path) -> None:
    """A desktop session after a start without one goes on with the key there is."""
    without_keyring = FailingBackend()  # type: ignore[no-untyped-call]  # not annotated
    without = key_sources(master_key=None, config_directory=tmp_path, backend=without_keyring)
    keyring, source = open_keyring(without, NONE_SEALED)
    assert source.name == "file"
    backend = MemoryBackend()
    later = key_sources(master_key=None, config_directory=tmp_path, backend=backend)
    for sealed in (NONE_SEALED, keyring.ids):
        found, source = open_keyring(later, sealed)
        assert (found, source.name) == (keyring, "file")
    assert set(backend.asked) == {"get"}


@pytest.mark.parametrize(
    "named", ["keyring.backends.fail.Keyring", "keyring.backends.null.Keyring"]
)
def test_a_host_without_a_keyring_uses_the_file(named: str, tmp_path: Path) -> None:
    """The backend that the library finds is judged like one that is given."""
    [(name, _)] = create_in_processes(1, named, tmp_path)
    assert name == "file"


def test_starts_at_the_same_time_make_one_entry(tmp_path: Path) -> None:
    """The OS keyring overwrites without asking, so the starts take turns."""
    (tmp_path / "file_backend.py").write_text(FILE_BACKEND)
    made = create_in_processes(4, "file_backend.Keyring", tmp_path)
    assert len(set(made)) == 1
    assert made[0][0] == "os-keyring"
    assert (tmp_path / "writes").read_text() == "written\n"


def test_the_keyring_library_is_not_imported_until_it_is_asked() -> None:
    """A server that has its key elsewhere does not pay for the import."""
    code = (
        "import sys, trunkline.credential.keyring, trunkline.credential.envelope;"
        "print('keyring' in sys.modules)"
    )
    done = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "False\n"


def create_in_processes(count: int, backend: str, home: Path) -> list[tuple[str, str]]:
    """Open a keyring in several processes at once; return each one's place and key."""
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(home),
        "PYTHONPATH": str(home),
        "PYTHON_KEYRING_BACKEND": backend,
    }
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE, str(home / "config")],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
            env=environment,
        )
        for _ in range(count)
    ]
    try:
        for process in processes:
            assert process.stdout is not None
            assert process.stdout.readline() == "ready\n"
        for process in processes:
            assert process.stdin is not None
            process.stdin.write("go\n")
            process.stdin.flush()
        printed = [process.communicate(timeout=30)[0].split() for process in processes]
    finally:
        for process in processes:
            process.kill()
            process.communicate()
    return [(name, key_id) for name, key_id in printed]
