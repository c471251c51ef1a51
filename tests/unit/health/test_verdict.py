"""What each outcome and each probe says, and about whom."""

from __future__ import annotations

import pytest
from google.protobuf.duration_pb2 import Duration

from trunkline.health.v1 import health_pb2, health_service_pb2
from trunkline.health.verdict import judge_outcome, judge_probe, phrase
from trunkline.inference.v1 import failure_pb2, provider_pb2

OK = health_pb2.ENDPOINT_STATUS_OK
DEGRADED = health_pb2.ENDPOINT_STATUS_DEGRADED
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
    """The address goes before the keys, a key's use before its probe; nothing wrong, nothing."""
    refused = health_pb2.CredentialHealth(
        credential_id="cred_1", kind=failure_pb2.ERROR_KIND_NOT_AUTHORIZED
    )
    unpaid = health_pb2.CredentialHealth(
        credential_id="cred_2",
        verification=provider_pb2.Verification(verdict=provider_pb2.VERDICT_BILLING),
    )
    fine = health_pb2.CredentialHealth(credential_id="cred_3")
    both = health_pb2.CredentialHealth()
    both.CopyFrom(refused)
    both.verification.CopyFrom(unpaid.verification)
    assert phrase("", []) == ""
    assert phrase("", [fine]) == ""
    assert phrase("", [fine, refused]) == "The provider does not accept the key."
    assert phrase("", [unpaid, refused]) == phrase("", [unpaid])
    assert phrase("", [unpaid]) == "The provider wants to be paid before the key is used."
    assert phrase("", [both]) == phrase("", [refused])
    barred = health_pb2.CredentialHealth(
        verification=provider_pb2.Verification(verdict=provider_pb2.VERDICT_WRONG_SCOPE)
    )
    assert "permission" in phrase("", [barred])
    # It was accepted in use: that it may not see the list is no trouble.
    barred.kind_time.FromSeconds(1)
    assert phrase("", [barred]) == ""
    assert phrase("The address is away.", [refused]) == "The address is away."
    for kind, row in TABLE.items():
        if row is not None:
            verdict = judge_outcome(health_service_pb2.Outcome(kind=kind))
            assert verdict is not None
            assert bool(verdict.trouble) == verdict.trouble.endswith(".") == verdict.is_fault


# By verdict: the address when it was answered at once, and what is said of the key.
PROBES = {
    provider_pb2.VERDICT_UNSPECIFIED: None,
    provider_pb2.VERDICT_VALID: (OK, ""),
    provider_pb2.VERDICT_WRONG_SCOPE: (OK, "The key lacks a permission at the provider."),
    provider_pb2.VERDICT_REVOKED: (OK, "The provider does not know the key, or no longer."),
    provider_pb2.VERDICT_BILLING: (OK, "The provider wants to be paid before the key is used."),
    provider_pb2.VERDICT_RATE_LIMITED: (OK, ""),
    provider_pb2.VERDICT_UNREACHABLE: (UNREACHABLE, ""),
    provider_pb2.VERDICT_NOT_FOUND: (UNREACHABLE, ""),
    provider_pb2.VERDICT_PROVIDER_ERROR: (UNREACHABLE, ""),
    provider_pb2.VERDICT_UNVERIFIABLE: (OK, ""),
    provider_pb2.VERDICT_BILLING_NOT_CHECKED: (OK, ""),
}


def _probed(
    verdict: provider_pb2.Verdict.ValueType, *, status: int = 0, ms: int = 20, message: str = ""
) -> provider_pb2.ProbeProviderResponse:
    """Return what inference tells of a probe."""
    return provider_pb2.ProbeProviderResponse(
        verification=provider_pb2.Verification(
            verdict=verdict,
            message=message,
            reply=failure_pb2.ProviderReply(http_status=status),
        ),
        latency=Duration(seconds=ms // 1000, nanos=ms % 1000 * 1_000_000),
    )


@pytest.mark.parametrize("verdict", provider_pb2.Verdict.values())
def test_every_verdict_of_a_probe_is_placed(verdict: provider_pb2.Verdict.ValueType) -> None:
    """Trouble of a key leaves the address well (decision 19); an error does not (D22)."""
    answer = judge_probe(_probed(verdict))
    expected = PROBES[verdict]
    if expected is None:
        assert answer is None
        return
    assert answer is not None
    status, said = expected
    assert answer.status == status
    assert bool(answer.trouble) == (status == UNREACHABLE)
    key = health_pb2.CredentialHealth(verification=provider_pb2.Verification(verdict=verdict))
    assert phrase("", [key]) == said
    # Whoever answers at all is slow above 3 seconds, and not at them.
    for ms, expected_status in ((3000, OK), (3001, DEGRADED)):
        answer = judge_probe(_probed(verdict, ms=ms))
        assert answer is not None
        assert answer.status == (expected_status if status == OK else status)
        assert bool(answer.trouble) == (answer.status != OK)


def test_a_verdict_of_a_later_release_says_nothing() -> None:
    """An enum that grew is no news about a provider."""
    response = _probed(provider_pb2.VERDICT_VALID)
    response.verification.verdict = 99  # type: ignore[assignment] # as a newer peer may send
    assert judge_probe(response) is None


@pytest.mark.parametrize(
    ("http_status", "status"),
    [(404, OK), (405, OK), (410, OK), (200, UNREACHABLE), (302, UNREACHABLE), (0, UNREACHABLE)],
)
def test_an_address_without_a_list_answers(
    http_status: int, status: health_pb2.EndpointStatus.ValueType
) -> None:
    """Some providers have none and say so; a page that says 200 is no provider."""
    answer = judge_probe(_probed(provider_pb2.VERDICT_NOT_FOUND, status=http_status))
    assert answer is not None
    assert answer.status == status


def test_why_nothing_answers_is_told() -> None:
    """In the words of inference, which are ours, and not without a bound."""
    verdict = provider_pb2.VERDICT_UNREACHABLE
    answer = judge_probe(_probed(verdict, message="The server refuses the connection."))
    assert answer is not None
    assert answer.trouble == "The server refuses the connection."
    answer = judge_probe(_probed(verdict, message="x" * 10_000))
    assert answer is not None
    assert len(answer.trouble) == 512
