"""Fields of the contract whose part is not served yet: refused by name, never ignored.

Each part that comes removes its rows here.
"""

from __future__ import annotations

from collections.abc import Callable

from trunkline.inference.v1 import chat_pb2, run_pb2
from trunkline.kernel.call import Caller
from trunkline.kernel.errors import InvalidArgument, Violation

_NOT_YET = "is not served yet; leave it out"

# Field and whether a request uses it.
_CHAT: tuple[tuple[str, Callable[[chat_pb2.ChatRequest], bool]], ...] = (
    ("role", lambda request: bool(request.role)),
    ("agent", lambda request: bool(request.agent)),
    ("session", lambda request: bool(request.session)),
)


def check_chat(request: chat_pb2.ChatRequest) -> None:
    """Refuse a chat request that uses what is not served yet.

    Raises:
        InvalidArgument: naming every such field.
    """
    used = [field for field, uses in _CHAT if uses(request)]
    if used:
        raise InvalidArgument.of(*(Violation(field, _NOT_YET) for field in used))


def check_get_run(request: run_pb2.GetRunRequest, caller: Caller) -> None:
    """Refuse an ADMIN's reading of content, which must be audited.

    Raises:
        InvalidArgument: naming `include_content`.
    """
    if request.include_content and caller.is_admin:
        raise InvalidArgument.of(Violation("include_content", _NOT_YET))
