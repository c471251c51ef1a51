"""Key-encryption keys in a file."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from collections.abc import Callable, Iterator
from datetime import UTC, datetime
from pathlib import Path

import pytest

from trunkline.credential.faults import KeySourceRefused
from trunkline.credential.keyring import Keyring
from trunkline.credential.keyring.file import FileSource
from unit.credential.wording import assert_reads_well

CREATE_MANY = """
import sys
from pathlib import Path
from trunkline.credential.keyring.file import FileSource
print("ready", flush=True)
sys.stdin.readline()
for number in range(30):
    print(FileSource(Path(sys.argv[1]) / str(number) / "keys.json").create().current.id)
"""


@pytest.fixture
def permissive_umask() -> Iterator[None]:
    """Take nothing from the modes that are asked for."""
    before = os.umask(0)
    yield
    os.umask(before)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """The key file, in a directory that is not there yet."""
    return tmp_path / "config" / "trunkline" / "keys.json"


def mode(path: Path) -> int:
    """Return a file's permission bits."""
    return stat.S_IMODE(path.stat().st_mode)


def test_no_file_is_no_keyring(path: Path) -> None:
    """Looking makes nothing, not even the directory."""
    assert FileSource(path).load() is None
    assert not path.parent.exists()


@pytest.mark.usefixtures("permissive_umask")
def test_a_new_file_is_its_owners_alone(path: Path) -> None:
    """File 0600, directory 0700 under any umask, and nothing is left beside it."""
    before = datetime.now(UTC)
    keyring = FileSource(path).create()
    assert FileSource(path).load() == keyring
    assert (mode(path), mode(path.parent)) == (0o600, 0o700)
    assert list(path.parent.iterdir()) == [path]
    assert path.stat().st_nlink == 1
    assert keyring.retired == ()
    assert keyring.current.created_at is not None
    assert before <= keyring.current.created_at <= datetime.now(UTC)


def test_a_file_that_is_there_is_returned_and_not_touched(path: Path) -> None:
    """Creating twice gives one key, and the file keeps its bytes."""
    keyring = FileSource(path).create()
    content, inode = path.read_bytes(), path.stat().st_ino
    assert FileSource(path).create() == keyring
    assert (path.read_bytes(), path.stat().st_ino) == (content, inode)
    assert list(path.parent.iterdir()) == [path]


def test_starts_at_the_same_time_make_one_key(tmp_path: Path) -> None:
    """Four processes that create at once all get the same key, thirty times over."""
    processes = [
        subprocess.Popen(
            [sys.executable, "-c", CREATE_MANY, str(tmp_path)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )
        for _ in range(4)
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
    assert [len(ids) for ids in printed] == [30] * 4
    for number, ids in enumerate(zip(*printed, strict=True)):
        kept = FileSource(tmp_path / str(number) / "keys.json").load()
        assert kept is not None
        assert set(ids) == {kept.current.id}
        assert [file.name for file in (tmp_path / str(number)).iterdir()] == ["keys.json"]


@pytest.mark.parametrize("open_mode", [0o640, 0o604, 0o660, 0o602, 0o644, 0o610])
def test_a_file_open_to_others_is_refused(path: Path, open_mode: int) -> None:
    """Any permission of group or others is refused, with the command that mends it."""
    keyring = FileSource(path).create()
    path.chmod(open_mode)
    for use in (FileSource(path).load, FileSource(path).create):
        with pytest.raises(KeySourceRefused, match="open to other users") as caught:
            use()
        assert f"mode {open_mode:04o}" in caught.value.message
        assert f"chmod 600 {path}" in caught.value.advice
        assert_reads_well(caught.value, keyring.current.material)


def test_another_users_file_is_refused(path: Path) -> None:
    """A key that somebody else put there is not ours to seal with."""
    if os.geteuid() == 0:
        FileSource(path).create()
        os.chown(path, 65534, 65534)
        foreign = path
    else:
        foreign = Path("/etc/passwd")
    with pytest.raises(KeySourceRefused, match="belongs to another user") as caught:
        FileSource(foreign).load()
    assert_reads_well(caught.value, b"root:x:0:0:")


def test_a_symbolic_link_is_refused(path: Path, tmp_path: Path) -> None:
    """What is checked must be what is read."""
    keyring = FileSource(tmp_path / "elsewhere" / "keys.json").create()
    path.parent.mkdir(parents=True, mode=0o700)
    path.symlink_to(tmp_path / "elsewhere" / "keys.json")
    with pytest.raises(KeySourceRefused, match="symbolic link") as caught:
        FileSource(path).load()
    assert_reads_well(caught.value, keyring.current.material)


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir])
def test_what_is_no_regular_file_is_refused_at_once(
    path: Path, make: Callable[[Path], None]
) -> None:
    """A pipe that nobody writes to does not hang the start."""
    path.parent.mkdir(parents=True, mode=0o700)
    make(path)
    with pytest.raises(KeySourceRefused, match="not a regular file") as caught:
        FileSource(path).load()
    assert_reads_well(caught.value)


@pytest.mark.parametrize("directory_mode", [0o770, 0o707, 0o720, 0o1777])
def test_a_directory_that_others_may_write_is_refused(path: Path, directory_mode: int) -> None:
    """Who may write the directory could put another key in its place, before and after."""
    path.parent.mkdir(parents=True)
    path.parent.chmod(directory_mode)
    with pytest.raises(KeySourceRefused, match="can be written by other users") as caught:
        FileSource(path).create()
    assert list(path.parent.iterdir()) == []
    path.parent.chmod(0o700)
    keyring = FileSource(path).create()
    path.parent.chmod(directory_mode)
    with pytest.raises(KeySourceRefused, match="can be written by other users") as caught:
        FileSource(path).load()
    assert f"chmod 700 {path.parent}" in caught.value.advice
    assert_reads_well(caught.value, keyring.current.material)


def test_a_directory_that_others_may_only_list_is_left_as_it_is(path: Path) -> None:
    """The directory may be somebody's choice; the file's own mode keeps the key."""
    path.parent.mkdir(parents=True)
    path.parent.chmod(0o755)
    FileSource(path).create()
    assert (mode(path), mode(path.parent)) == (0o600, 0o755)


def test_a_place_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    """A directory that cannot be made names itself and another way."""
    (tmp_path / "file").write_text("")
    path = tmp_path / "file" / "keys.json"
    with pytest.raises(KeySourceRefused, match="cannot be") as caught:
        FileSource(path).create()
    assert str(tmp_path / "file") in caught.value.message
    assert "TRUNKLINE_MASTER_KEY" in caught.value.advice
    assert_reads_well(caught.value)


@pytest.mark.parametrize("content", [b"", b"\xff\xfe", b"{", b"x" * 100_000])
def test_a_damaged_file_is_refused_and_stays(path: Path, content: bytes) -> None:
    """A file that cannot be read is never replaced by a new key."""
    keyring = FileSource(path).create()
    path.write_bytes(content)
    for use in (FileSource(path).load, FileSource(path).create):
        with pytest.raises(KeySourceRefused) as caught:
            use()
        assert str(path) in caught.value.message
        assert_reads_well(caught.value, keyring.current.material)
    assert path.read_bytes() == content


def test_current_and_retired_keys_are_read(path: Path) -> None:
    """A file that holds several keys gives them all, for values sealed before a rotation."""
    old = FileSource(path).create()
    text = path.read_text()
    start, end = text.index('{"id"'), text.rindex("]")
    entry = text[start:end]
    new = entry.replace(old.current.id, "kek_new")
    rotated = text[:start].replace(old.current.id, "kek_new") + f"{new}, {entry}" + text[end:]
    path.write_text(rotated)
    keyring = FileSource(path).load()
    assert isinstance(keyring, Keyring)
    assert keyring.current.id == "kek_new"
    assert keyring.retired == (old.current,)
