"""What each outcome says, and about whom."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.verdict import judge_outcome, phrase
from trunkline.inference.v1 import failure_pb2

OK = health_pb2.ENDPOINT_STATUS_OK
UNREACHABLE = health_pb2.ENDPOINT_STATUS_UNREACHABLE
ACCEPTED = failure_pb2.ERROR_KIND_UNSPECIFIED

# By kind: the address, the key (None: nothing is said), the provider's fault.
TABLE = {
    failure_pb2.ERROR_KIND_UNSPECIFIED: (OK, ACCEPTED, False),
    failure_pb2.ERROR_KIND_RATE_LIMITED: (OK, None, False),
    failure_pb2.ERROR_KIND_SERVER_ERROR: (UNREACHABLE, None, True),
    failure_pb2.ERROR_KIND_UNREACHABLE: (UNREACHABLE, None, True),
    failure_pb2.ERROR_KIND_SILENT: (UNREACHABLE, None, True),
    failure_pb2.ERROR_KIND_BROKEN_STREAM: (UNREACHABLE, None, True),
    failure_pb2.ERROR_KIND_QUOTA: (OK, failure_pb2.ERROR_KIND_QUOTA, False),
    failure_pb2.ERROR_KIND_NOT_AUTHORIZED: (OK, failure_pb2.ERROR_KIND_NOT_AUTHORIZED, False),
    failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG: (OK, ACCEPTED, False),
    failure_pb2.ERROR_KIND_CONTENT_FILTERED: (OK, ACCEPTED, False),
    failure_pb2.ERROR_KIND_INVALID_REQUEST: (OK, ACCEPTED, False),
    failure_pb2.ERROR_KIND_MODEL_NOT_FOUND: (OK, None, False),
    failure_pb2.ERROR_KIND_HEDGE_LOST: None,
    failure_pb2.ERROR_KIND_SUPERSEDED: None,
}


@pytest.mark.parametrize("kind", failure_pb2.ErrorKind.values())
def test_every_kind_has_its_verdict(kind: failure_pb2.ErrorKind.ValueType) -> None:
    """The table is whole: a kind that is new to the contract has to be placed."""
    verdict = judge_outcome(health_service_pb2.Outcome(kind=kind))
    expected = TABLE[kind]
    if expected is None:
        assert verdict is None
        return
    assert verdict is not None
    assert (verdict.status, verdict.key, verdict.is_fault) == expected


def test_content_shows_that_the_key_was_accepted() -> None:
    """A stream that broke off after its first content says so."""
    broken = failure_pb2.ERROR_KIND_BROKEN_STREAM
    for outcome in (
        health_service_pb2.Outcome(kind=broken, mid_stream=True),
        health_service_pb2.Outcome(kind=broken, time_to_first_token=Duration(seconds=1)),
    ):
        verdict = judge_outcome(outcome)
        assert verdict is not None
        assert verdict.key == ACCEPTED
        assert verdict.status == UNREACHABLE


def test_trouble_is_told_in_one_sentence() -> None:
    """The address goes before the keys; nothing is said when nothing is wrong."""
    refused = health_pb2.CredentialHealth(
        credential_id="cred_1", kind=failure_pb2.ERROR_KIND_NOT_AUTHORIZED
    )
    fine = health_pb2.CredentialHealth(credential_id="cred_2")
    assert phrase(ACCEPTED, []) == ""
    assert phrase(ACCEPTED, [fine]) == ""
    assert "key" in phrase(ACCEPTED, [fine, refused])
    assert "key" not in phrase(failure_pb2.ERROR_KIND_SILENT, [refused])
    for kind, row in TABLE.items():
        if row is not None and row[2]:
            assert phrase(kind, []).endswith(".")
