"""No request, whoever sends it, does more than be refused."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pytest
from google.protobuf.message import Message
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from support import matrix
from support.contract import Method, list_methods, list_tools
from support.hostile import Hostile, Mode, Wire
from support.oracle import IDENTITIES, nothing_unexpected, reaches
from support.right_requests import right_requests
from support.siege import Siege

pytestmark = pytest.mark.timeout(600 if matrix.is_full() else 120)

_MATRIX = "hostile-requests"
# The first example of each cell is the simplest one: an empty request.
_EXAMPLES = 80 if matrix.is_full() else 3


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
        # Of who is refused before the request is read, one says as much as a hundred.
        max_examples=_EXAMPLES if reaches(identity, method) else 1,
        deadline=None,
        database=None,
        print_blob=True,
        suppress_health_check=list(HealthCheck),
    )
    @given(request=requests)
    def send(request: Wire) -> None:
        siege.call(identity, method, request.data)

    send()
