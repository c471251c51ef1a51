"""Files that only their owner may read, and a lock between processes."""

from __future__ import annotations

import errno
import fcntl
import os
import secrets
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from trunkline.credential.faults import KeySourceRefused

_LOCK_POLL_SECONDS = 0.02


def read_private(path: Path, limit: int) -> bytes | None:
    """Return a file's content if nobody else can read or replace it.

    Args:
        path: the file; a symbolic link is refused, so that what was checked is
            what is read.
        limit: most bytes it may have.

    Returns:
        The content. None: there is no such file.

    Raises:
        KeySourceRefused: the file is another user's, open to others, not a regular
            file, too long or not readable, or others may write its directory.
    """
    place = f"the file {path}"
    try:
        # O_NONBLOCK: a pipe under that name must not hang the start.
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC
        descriptor = os.open(path, flags)
    except FileNotFoundError:
        return None
    except OSError as error:
        if error.errno == errno.ELOOP:
            raise KeySourceRefused(
                place, "is a symbolic link", "Put the file itself there."
            ) from None
        raise _unusable(place, "cannot be opened", error) from None
    try:
        _check_file(path, os.fstat(descriptor))
        _check_directory(path.parent)
        with open(descriptor, "rb", closefd=False) as file:
            content = file.read(limit + 1)
    except OSError as error:
        raise _unusable(place, "cannot be read", error) from None
    finally:
        os.close(descriptor)
    if len(content) > limit:
        raise KeySourceRefused(place, f"is longer than {limit} bytes", "Restore it from a backup.")
    return content


def create_private(path: Path, content: bytes) -> bool:
    """Write a new file of mode 0600, whole or not at all, and never over another.

    Its directory is made with mode 0700 when it does not exist.

    Returns:
        Whether it was made. False: there is one, which was not touched.

    Raises:
        KeySourceRefused: it cannot be written, or others may write its directory.
    """
    prepare_directory(path.parent)
    temporary = path.with_name(f".{path.name}.{secrets.token_hex(8)}")
    try:
        try:
            _write(temporary, content)
            # A rename would replace the key of a start that was faster. A second name
            # for the finished file is as atomic, and refuses a name that is taken.
            os.link(temporary, path)
        finally:
            temporary.unlink(missing_ok=True)
        _sync_directory(path.parent)
    except FileExistsError:
        return False
    except OSError as error:
        raise _unusable(f"the file {path}", "cannot be written", error) from None
    return True


def prepare_directory(directory: Path) -> None:
    """Make a directory of mode 0700, or check that nobody else may write to it.

    Raises:
        KeySourceRefused: it cannot be made, or others may write to it.
    """
    try:
        directory.mkdir(mode=0o700, parents=True, exist_ok=True)
    except OSError as error:
        raise _unusable(f"the directory {directory}", "cannot be made", error) from None
    _check_directory(directory)


@contextmanager
def hold_lock(path: Path, timeout: float) -> Iterator[None]:
    """Let one process at a time run the body; the lock ends with its process.

    Args:
        path: the lock's file, which is made and stays; its directory exists.
        timeout: seconds to wait for other holders.

    Raises:
        TimeoutError: another process held it for that long.
        KeySourceRefused: the file cannot be made.
    """
    try:
        flags = os.O_RDWR | os.O_CREAT | os.O_NOFOLLOW | os.O_CLOEXEC
        descriptor = os.open(path, flags, 0o600)
    except OSError as error:
        raise _unusable(f"the lock {path}", "cannot be made", error) from None
    try:
        deadline = time.monotonic() + timeout
        while not _try_lock(descriptor):
            if time.monotonic() >= deadline:
                raise TimeoutError
            time.sleep(_LOCK_POLL_SECONDS)
        yield
    finally:
        os.close(descriptor)


def _try_lock(descriptor: int) -> bool:
    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(path: Path, content: bytes) -> None:
    """Write a new file of mode 0600 and wait until the disk has it."""
    flags = os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC
    with os.fdopen(os.open(path, flags, 0o600), "wb") as file:
        file.write(content)
        file.flush()
        os.fsync(file.fileno())


def _sync_directory(directory: Path) -> None:
    """Wait until the disk has the directory's names."""
    descriptor = os.open(directory, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)


def _check_file(path: Path, status: os.stat_result) -> None:
    place = f"the file {path}"
    if not stat.S_ISREG(status.st_mode):
        raise KeySourceRefused(place, "is not a regular file", "Put a regular file there.")
    if status.st_uid != os.geteuid():
        raise KeySourceRefused(
            place,
            "belongs to another user",
            "Start Trunkline as that user, or make the file yours with `chown`.",
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o077:
        raise KeySourceRefused(
            place,
            f"is open to other users (mode {mode:04o})",
            f"Run `chmod 600 {path}`, and change the keys in it if somebody may have read them.",
        )


def _check_directory(directory: Path) -> None:
    """Refuse a directory in which another user could put a file in the key's place."""
    place = f"the directory {directory}"
    status = directory.stat()
    if status.st_uid not in (os.geteuid(), 0):
        raise KeySourceRefused(
            place, "belongs to another user", "Choose a config directory of your own."
        )
    mode = stat.S_IMODE(status.st_mode)
    if mode & 0o022:
        raise KeySourceRefused(
            place,
            f"can be written by other users (mode {mode:04o})",
            f"Run `chmod 700 {directory}`.",
        )


def _unusable(place: str, problem: str, error: OSError) -> KeySourceRefused:
    return KeySourceRefused(
        place,
        f"{problem}: {error.strerror or type(error).__name__}",
        "Choose a config directory that you can write, on a file system with permissions"
        " and hard links, or give the key in TRUNKLINE_MASTER_KEY.",
    )
