"""No request, whoever sends it, does more than be refused."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis.strategies import SearchStrategy

from support import matrix
from support.contract import Method, list_methods
from support.hostile import Hostile, Mode, Wire
from support.oracle import IDENTITIES, nothing_unexpected, reaches
from support.right_requests import right_requests
from support.siege import Siege

_MATRIX = "hostile-requests"
# The first example of each cell is the simplest one: an empty request.
_EXAMPLES = 80 if matrix.is_full() else 3


@pytest.fixture(scope="module")
def siege() -> Iterator[Siege]:
    """Yield a deployment for all tests of this file."""
    with Siege() as made:
        yield made


@pytest.mark.timeout(600 if matrix.is_full() else 120)
@pytest.mark.parametrize("method", list_methods(), ids=str)
def test_no_request_does_more_than_be_refused(siege: Siege, method: Method) -> None:
    """Hostile requests of everybody end in a status of the contract; others chat on."""
    wanted = method.descriptor.input_type
    right = right_requests(siege.around)[wanted.full_name]
    hostile = Hostile(siege.words)
    with nothing_unexpected():
        for identity in IDENTITIES:
            for mode in Mode:
                _send(siege, identity, method, hostile.requests(wanted, right, mode))
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
