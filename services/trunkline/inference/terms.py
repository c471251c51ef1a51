"""What is settled when a run begins: whose it is, what it asks, how long it may take."""

from __future__ import annotations

from dataclasses import dataclass

from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.call import Caller


@dataclass(frozen=True, slots=True)
class Owner:
    """Whose a run is: caller and user together.

    Attributes:
        principal: the caller.
        on_behalf_of: the user that it named; empty: itself.
    """

    principal: str
    on_behalf_of: str = ""


@dataclass(frozen=True, slots=True)
class Terms:
    """What was settled when a run began.

    Attributes:
        owner: whose it is.
        caller: who began it; its role decides what the run's events show.
        request_id: of the call that began it.
        target: what was asked for, for people.
        request: the question.
        grace_s: how long it waits for a reader when it has none.
        total_s: how long it may take.
        retention_s: how long it is kept after its end.
        in_parts: somebody may read the answer while it comes; else its provider is asked
            for it in one piece.
    """

    owner: Owner
    caller: Caller
    request_id: str
    target: str
    request: chat_pb2.ChatRequest
    grace_s: float
    total_s: float
    retention_s: float
    in_parts: bool = True
