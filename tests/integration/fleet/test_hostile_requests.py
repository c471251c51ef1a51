"""No request, whoever sends it, does more than be refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, note, settings
from hypothesis.strategies import SearchStrategy

from support import matrix
from support.contract import Method, list_methods, list_tools
from support.hostile import Hostile, Mode, Wire
from support.oracle import IDENTITIES, nothing_unexpected, reaches
from support.right_requests import right_requests
from support.siege import Siege

pytestmark = pytest.mark.timeout(600 if matrix.is_full() else 120)

_MATRIX = "hostile-requests"
# Of each cell, the first of which is the simplest one: an empty request.
_EXAMPLES = 3
_MORE_BY_FIELD = 20
_MOST_FIELDS = 9


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    """Yield a deployment for all tests of this file."""
    with Siege() as made:
        yield made


@pytest.mark.parametrize("method", list_methods(), ids=str)
def test_no_request_does_more_than_be_refused(siege: Siege, method: Method) -> None:
    """Hostile requests of everybody end in a status of the contract; others chat on."""
    right = right_requests(siege.around)[method.descriptor.input_type.full_name]
    _send_all(siege, method, right)


@pytest.mark.parametrize("method", list_tools(), ids=str)
def test_no_request_breaks_what_stands_beside_the_contract(siege: Siege, method: Method) -> None:
    """Health, reflection and channelz answer or refuse, whatever they are asked."""
    _send_all(siege, method, [method.request()])


def _send_all(siege: Siege, method: Method, right: Sequence[Message]) -> None:
    """Send requests of every kind in everybody's name, and chat on."""
    hostile = Hostile(siege.words)
    with nothing_unexpected():
        for identity in IDENTITIES:
            for mode in Mode:
                requests = hostile.requests(method.descriptor.input_type, right, mode)
                _send(siege, identity, method, requests)
                matrix.ran(_MATRIX)
        siege.chat()


def _send(siege: Siege, identity: str, method: Method, requests: SearchStrategy[Wire]) -> None:
    """Send requests of one kind in somebody's name."""

    @settings(
        max_examples=_count_examples(identity, method),
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(request=requests)
    def send(request: Wire) -> None:
        note(f"{method} as {identity}")
        siege.call(identity, method, request.data)

    send()


def _count_examples(identity: str, method: Method) -> int:
    """Return how many requests of one kind are sent: in a full run more for more fields."""
    if not reaches(identity, method):
        # Who is refused before the request is read, is so whatever it holds.
        return 1
    if not matrix.is_full():
        return _EXAMPLES
    return _MORE_BY_FIELD * (1 + min(len(method.descriptor.input_type.fields), _MOST_FIELDS))
