"""Addresses that a listener takes, and those that it must not take."""

from __future__ import annotations

import os
import socket
import stat
from pathlib import Path

import pytest

from integration.kernel.listening import Chats, registration, serving
from trunkline.kernel.interceptor import Interceptor
from trunkline.kernel.server import (
    AddressInUse,
    Listener,
    is_loopback,
    prepare_directory,
    prepare_socket,
)

NOBODY = 65534


async def listen(address: str) -> None:
    """Try to listen on an address, which is refused."""
    listener = Listener(Interceptor(), internal=False, max_message_bytes=1024)
    listener.add([registration(Chats())])  # type: ignore[abstract] # for the checker only
    with pytest.raises(AddressInUse) as refused:
        await listener.start(address)
    assert refused.value.address == address


@pytest.mark.parametrize("reused", [False, True])
async def test_a_port_that_is_taken_is_refused(reused: bool) -> None:
    """Also when its owner would share it: each would get half of the calls."""
    with socket.socket() as other:
        if reused:
            other.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        other.bind(("127.0.0.1", 0))
        other.listen()
        await listen(f"127.0.0.1:{other.getsockname()[1]}")


async def test_a_name_is_refused_when_one_of_its_addresses_is_taken() -> None:
    """gRPC alone would listen on `::1`, and leave 127.0.0.1 to whoever has it."""
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        await listen(f"localhost:{other.getsockname()[1]}")


async def test_a_name_that_nobody_knows_is_refused() -> None:
    """`.invalid` never resolves, by RFC 6761."""
    await listen("nowhere.invalid:50051")


async def test_two_listeners_do_not_share_a_port() -> None:
    """Two of ours neither."""
    chats = Chats()  # type: ignore[abstract] # for the checker only
    async with serving(Interceptor(), [registration(chats)]) as (first, _):
        await listen(first.address)


async def test_an_address_of_another_machine_is_refused() -> None:
    """TEST-NET-1 belongs to nobody."""
    await listen("192.0.2.1:50051")


async def test_a_listener_knows_its_port() -> None:
    """Port 0 picks a free one."""
    chats = Chats()  # type: ignore[abstract] # for the checker only
    async with serving(Interceptor(), [registration(chats)]) as (listener, _):
        host, _, port = listener.address.rpartition(":")
        assert host == "127.0.0.1"
        assert int(port) > 0


@pytest.mark.parametrize(
    ("address", "loopback"),
    [
        ("127.0.0.1:1", True),
        ("127.9.9.9:1", True),
        ("[::1]:1", True),
        ("localhost:1", True),
        ("0.0.0.0:1", False),
        ("[::]:1", False),
        ("10.0.0.1:1", False),
        ("localhost.example.com:1", False),
        ("[::ffff:10.0.0.1]:1", False),
    ],
)
def test_loopback_is_what_nobody_else_can_reach(address: str, loopback: bool) -> None:
    """A name that only looks like it is none."""
    assert is_loopback(address) is loopback


def test_the_socket_directory_is_this_users_alone(tmp_path: Path) -> None:
    """Under any umask, and also one that was open before."""
    before = os.umask(0)
    try:
        prepare_directory(tmp_path / "data" / "run")
    finally:
        os.umask(before)
    (tmp_path / "open").mkdir(mode=0o777)
    prepare_directory(tmp_path / "open")
    for directory in (tmp_path / "data" / "run", tmp_path / "open"):
        assert stat.S_IMODE(directory.stat().st_mode) == 0o700


def test_a_socket_directory_that_is_a_link_is_refused(tmp_path: Path) -> None:
    """Somebody else may have laid it there; what it points to is left as it is."""
    (tmp_path / "theirs").mkdir(mode=0o755)
    (tmp_path / "run").symlink_to(tmp_path / "theirs")
    with pytest.raises(OSError, match="not a directory of ours"):
        prepare_directory(tmp_path / "run")
    assert stat.S_IMODE((tmp_path / "theirs").stat().st_mode) == 0o755
    (tmp_path / "dangling").symlink_to(tmp_path / "none")
    with pytest.raises(OSError, match="dangling"):
        prepare_directory(tmp_path / "dangling")


def test_a_socket_directory_of_another_user_is_refused(tmp_path: Path) -> None:
    """Its owner could enter it and call as one of our services."""
    theirs = Path("/")
    if os.geteuid() == 0:
        theirs = tmp_path / "theirs"
        theirs.mkdir(mode=0o700)
        os.chown(theirs, NOBODY, NOBODY)
    before = stat.S_IMODE(theirs.stat().st_mode)
    with pytest.raises(OSError, match="not a directory of ours"):
        prepare_directory(theirs)
    assert stat.S_IMODE(theirs.stat().st_mode) == before


def test_a_file_where_the_socket_directory_should_be_is_refused(tmp_path: Path) -> None:
    """It is not removed."""
    (tmp_path / "run").write_text("mine")
    with pytest.raises(OSError, match="run"):
        prepare_directory(tmp_path / "run")
    assert (tmp_path / "run").read_text() == "mine"


def test_a_dead_processs_socket_is_removed(tmp_path: Path) -> None:
    """The next one can listen there."""
    path = tmp_path / "health.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    assert path.is_socket()
    assert prepare_socket(path) == f"unix:{path}"
    assert not path.exists()
    prepare_socket(path)
