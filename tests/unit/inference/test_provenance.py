"""Who gets back what only its issuer can read."""

from __future__ import annotations

import pytest

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.provenance import is_issuer, issuer_at
from trunkline.inference.v1 import message_pb2

TARGET = Target("acme", "acme-1", "https://acme.example/v1", credential_id="cred_1")


def test_what_a_target_issues_goes_back_to_it() -> None:
    """The way there and back."""
    issuer = issuer_at(TARGET, "anthropic")
    assert issuer == message_pb2.Provenance(
        vendor="anthropic", model="acme-1", provider="acme", credential_id="cred_1"
    )
    assert is_issuer(TARGET, "anthropic", issuer)


@pytest.mark.parametrize(
    ("changed", "expected"),
    [
        ({"provider": ""}, True),
        ({"provider": "other"}, False),
        ({"model": ""}, False),
        ({"model": "acme-2"}, False),
        ({"vendor": "google"}, False),
        ({"vendor": ""}, False),
        ({"credential_id": ""}, True),
        ({"credential_id": "cred_2"}, False),
    ],
)
def test_what_others_issue_does_not(changed: dict[str, str], expected: bool) -> None:
    """Vendor and model must be the same; provider and account where the value is bound to one."""
    whole = {
        "vendor": "anthropic",
        "model": "acme-1",
        "provider": "acme",
        "credential_id": "cred_1",
        **changed,
    }
    assert is_issuer(TARGET, "anthropic", message_pb2.Provenance(**whole)) is expected


def test_what_an_account_issued_is_not_given_to_one_that_nobody_knows() -> None:
    """A target without a credential gets back nothing that was issued with one."""
    unknown = Target("acme", "acme-1", "https://acme.example/v1")
    assert not is_issuer(unknown, "anthropic", issuer_at(TARGET, "anthropic"))
    assert is_issuer(TARGET, "anthropic", issuer_at(unknown, "anthropic"))
