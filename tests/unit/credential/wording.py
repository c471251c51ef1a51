"""How a fault must read."""

from __future__ import annotations

import base64

from trunkline.credential.faults import CredentialFault


def assert_reads_well(fault: CredentialFault, secret: bytes | None = None) -> None:
    """Check that a fault says what is wrong and what to do, and holds no secret.

    Args:
        fault: what was raised; what it came from is searched too.
        secret: bytes that must not show, in plain, hex or base64; half of them counts.
    """
    for sentence in (fault.message, fault.advice):
        assert sentence[0].isupper(), sentence
        assert sentence.endswith("."), sentence
    assert str(fault) == f"{fault.message} {fault.advice}"
    for error in _chain(fault):
        told = repr([str(error), repr(error), error.args, vars(error)])
        for form in [] if secret is None else _forms(secret):
            assert form not in told, "a secret shows"


def _chain(error: BaseException) -> list[BaseException]:
    """Return an error and all that it came from, suppressed ones too."""
    chain: list[BaseException] = []
    waiting: list[BaseException | None] = [error]
    while waiting:
        one = waiting.pop()
        if one is not None and one not in chain:
            chain.append(one)
            waiting += [one.__cause__, one.__context__]
    return chain


def _forms(secret: bytes) -> list[str]:
    """Return the texts as which half of a secret could show."""
    half = secret[: len(secret) // 2]
    return [
        repr(half)[2:-1],
        half.hex(),
        base64.b64encode(half).decode().rstrip("=")[:-1],
        base64.urlsafe_b64encode(half).decode().rstrip("=")[:-1],
    ]
