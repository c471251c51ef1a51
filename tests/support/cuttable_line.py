"""A line between a client and a server that a test can cut, openly or without a word."""

from __future__ import annotations

import contextlib
import socket
import threading
from types import TracebackType

_BUFFER = 65536


class CuttableLine:
    """Relay TCP connections to a server, until they are cut.

    Args:
        target: `host:port` of the server.
    """

    def __init__(self, target: str) -> None:
        host, _, port = target.rpartition(":")
        self._target = (host, int(port))
        self._listener = socket.create_server(("127.0.0.1", 0))
        self._sockets: set[socket.socket] = set()
        self._lock = threading.Lock()
        self._is_down = False
        self._is_hole = False
        self.connections = 0
        """How many connections came."""
        self._accepting = threading.Thread(target=self._accept, daemon=True)

    @property
    def address(self) -> str:
        """Return where to connect to."""
        return f"127.0.0.1:{self._listener.getsockname()[1]}"

    def __enter__(self) -> CuttableLine:
        """Begin to relay."""
        self._accepting.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        traceback: TracebackType | None,
    ) -> None:
        """Cut everything, and accept nothing more."""
        self.cut(stay_down=True)
        with contextlib.suppress(OSError):
            self._listener.shutdown(socket.SHUT_RDWR)
        self._listener.close()
        self._accepting.join(5)

    def cut(self, *, stay_down: bool = False) -> None:
        """Close every connection.

        Args:
            stay_down: also those to come.
        """
        with self._lock:
            self._is_down = stay_down
            for each in self._sockets:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)

    def swallow(self) -> None:
        """Carry nothing any more, both ways, and close nothing: as when a machine loses power."""
        self._is_hole = True

    def mend(self) -> None:
        """Relay connections to come again."""
        with self._lock:
            self._is_down = False

    def _accept(self) -> None:
        """Relay each connection that comes."""
        while True:
            try:
                near, _ = self._listener.accept()
            except OSError:
                return
            with self._lock:
                self.connections += 1
                if self._is_down:
                    near.close()
                    continue
                far = socket.create_connection(self._target)
                self._sockets |= {near, far}
            self._relay(near, far)

    def _relay(self, near: socket.socket, far: socket.socket) -> None:
        """Carry bytes both ways until an end closes, then close both."""
        ways = [
            threading.Thread(target=self._pump, args=ends, daemon=True)
            for ends in ((near, far), (far, near))
        ]
        for way in ways:
            way.start()
        threading.Thread(target=self._close, args=(ways, near, far), daemon=True).start()

    def _close(self, ways: list[threading.Thread], *ends: socket.socket) -> None:
        """Close both ends of a connection when both ways have ended."""
        for way in ways:
            way.join()
        with self._lock:
            self._sockets.difference_update(ends)
        for each in ends:
            each.close()

    def _pump(self, source: socket.socket, sink: socket.socket) -> None:
        """Carry bytes one way until an end closes."""
        with contextlib.suppress(OSError):
            while data := source.recv(_BUFFER):
                if not self._is_hole:
                    sink.sendall(data)
        for each in (source, sink):
            with contextlib.suppress(OSError):
                each.shutdown(socket.SHUT_RDWR)
