"""How a gRPC connection notices that its other end has vanished without a word.

A machine that loses its power, or a firewall that forgets a connection, sends nothing that TCP
could tell of: a call would stay open, and its run with it, until the system gives up after a
quarter of an hour. So who has heard nothing for a while asks with a PING (RFC 9113 §6.7).

Source: https://github.com/grpc/grpc/blob/master/doc/keepalive.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

Options = tuple[tuple[str, int], ...]

# Clients have settings of their own, and gRPC cuts off who asks more often than each 5 minutes.
# A little less than the least that its libraries for Go and Java let them set, which is 10 s.
_CLIENTS_ASK_S: Final = 9.0


@dataclass(frozen=True, slots=True)
class KeepAlive:
    """When the other end is asked, and when it is given up.

    Attributes:
        silence_s: without a byte from the other end for so long, it is asked.
        answer_s: without an answer for so long, the connection is closed and its calls end.
    """

    silence_s: float
    answer_s: float

    @property
    def options(self) -> Options:
        """Return the options of gRPC that say so, for a server and for a channel."""
        answer_ms = round(self.answer_s * 1000)
        return (
            ("grpc.keepalive_time_ms", round(self.silence_s * 1000)),
            ("grpc.keepalive_timeout_ms", answer_ms),
            # The documented one is the one above; gRPC 1.85 goes by this, and by default by 60 s.
            ("grpc.http2.ping_timeout_ms", answer_ms),
            # An idle connection holds a socket, and what is sent on it next is to arrive.
            ("grpc.keepalive_permit_without_calls", 1),
            # By default gRPC asks no more after two times in which nothing was said.
            ("grpc.http2.max_pings_without_data", 0),
            # For servers; a channel is asked as often as anybody likes.
            ("grpc.http2.min_ping_interval_without_data_ms", round(_CLIENTS_ASK_S * 1000)),
        )


SERVER: Final = KeepAlive(silence_s=30.0, answer_s=20.0)
"""A client that vanishes is gone after 50 s, and its run's grace begins. One PING in half a minute
for each connection costs nothing, and 20 s to answer is what a telephone in a tunnel may need."""

CHANNEL: Final = KeepAlive(silence_s=10.0, answer_s=10.0)
"""A peer that vanishes is gone after 20 s, before security views are stale at 30 s: there is time
left to reach it again, or its replica."""
