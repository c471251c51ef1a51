"""What a refusal of Bedrock means, by the classes of the contract, and what it shows of a key."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from trunkline.inference.adapters.adapter import Reply, Target
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.bedrock.usage import read_usage
from trunkline.inference.masking import MASK
from trunkline.inference.v1 import failure_pb2, provider_pb2

ADAPTER = BedrockAdapter()
KEYS = provider_pb2.AwsKeys(
    access_key_id="AKIACANARYCANARY",
    secret_access_key="canary/secret+key",
    session_token="canary//token==",
)
TARGET = Target(
    "bedrock",
    "anthropic.claude-3-7",
    "https://bedrock-runtime.us-east-1.amazonaws.com",
    secret=provider_pb2.ProviderSecret(aws_keys=KEYS),
)
KEYLESS = Target("bedrock", "", TARGET.base_url)

RATE_LIMITED = failure_pb2.ERROR_KIND_RATE_LIMITED
SERVER_ERROR = failure_pb2.ERROR_KIND_SERVER_ERROR
QUOTA = failure_pb2.ERROR_KIND_QUOTA
NOT_AUTHORIZED = failure_pb2.ERROR_KIND_NOT_AUTHORIZED
CONTEXT_TOO_LONG = failure_pb2.ERROR_KIND_CONTEXT_TOO_LONG
INVALID_REQUEST = failure_pb2.ERROR_KIND_INVALID_REQUEST
MODEL_NOT_FOUND = failure_pb2.ERROR_KIND_MODEL_NOT_FOUND

NO_PERMISSION = (
    "User: arn:aws:iam::1:user/a is not authorized to perform: bedrock:InvokeModel on resource: x"
)
WRONG_API_KEY = "Authentication failed: Please make sure your API Key is valid."


def reply(status: int, code: str = "", message: str = "", body: bytes = b"") -> Reply:
    """Return a refusal as AWS writes it."""
    headers = {"x-amzn-requestid": "r1"}
    if code:
        headers["x-amzn-errortype"] = f"{code}:http://internal.amazon.com/coral/"
    said = json.dumps({"message": message}).encode() if message else body
    return Reply(status, httpx.Headers(headers), said)


@pytest.mark.parametrize(
    ("status", "code", "message", "kind"),
    [
        (400, "ValidationException", "No.", INVALID_REQUEST),
        (400, "ValidationException", "Input is too long for requested model.", CONTEXT_TOO_LONG),
        (
            400,
            "ValidationException",
            "The model returned the following errors: prompt is too long: 9 tokens > 8 maximum",
            CONTEXT_TOO_LONG,
        ),
        (400, "ValidationException", "The provided model identifier is invalid.", MODEL_NOT_FOUND),
        (
            400,
            "ValidationException",
            "Invocation of model ID a with on-demand throughput isn\u2019t supported.",
            MODEL_NOT_FOUND,
        ),
        (400, "ServiceQuotaExceededException", "No.", QUOTA),
        (400, "IncompleteSignature", "No.", NOT_AUTHORIZED),
        (403, "InvalidSignatureException", "Signature expired.", NOT_AUTHORIZED),
        (403, "AccessDeniedException", NO_PERMISSION, NOT_AUTHORIZED),
        (403, "ExpiredTokenException", "No.", NOT_AUTHORIZED),
        (403, "MPAgreementBeingCreated", "Try again after 2 minutes.", SERVER_ERROR),
        (404, "ResourceNotFoundException", "No.", MODEL_NOT_FOUND),
        (404, "FTUFormNotFilled", "Model use case details have not been submitted", NOT_AUTHORIZED),
        (408, "ModelTimeoutException", "No.", SERVER_ERROR),
        (413, "", "", CONTEXT_TOO_LONG),
        (424, "ModelErrorException", "No.", SERVER_ERROR),
        (424, "", "", SERVER_ERROR),
        (429, "ThrottlingException", "Too many requests, please wait.", RATE_LIMITED),
        (429, "ThrottlingException", "Too many tokens, please wait.", RATE_LIMITED),
        (429, "ThrottlingException", "Too many tokens per day, please wait.", QUOTA),
        (400, "ThrottlingException", "Rate exceeded", RATE_LIMITED),
        (429, "ModelNotReadyException", "Loading.", SERVER_ERROR),
        (500, "InternalServerException", "No.", SERVER_ERROR),
        (503, "ServiceUnavailableException", "No.", SERVER_ERROR),
        (503, "", "", SERVER_ERROR),
    ],
)
def test_a_refusal(
    status: int, code: str, message: str, kind: failure_pb2.ErrorKind.ValueType
) -> None:
    """By its code where that tells, else by a phrase, else by its status."""
    failure = ADAPTER.classify(TARGET, reply(status, code, message))
    assert failure.kind == kind
    assert failure.reply.code == code
    assert failure.reply.message == message
    assert failure.reply.request_id == "r1"


@pytest.mark.parametrize(
    ("body", "code", "message"),
    [
        (
            {"Message": "No.", "__type": "com.amazon#ThrottlingException"},
            "ThrottlingException",
            "No.",
        ),
        ({"code": "ThrottlingException", "message": None}, "ThrottlingException", ""),
        ({"message": {"a": 1}}, "", '{"a":1}'),
        ({}, "", ""),
        ([7], "", ""),
    ],
)
def test_other_shapes(body: Any, code: str, message: str) -> None:
    """What stands in the body counts where no header tells."""
    failure = ADAPTER.classify(TARGET, reply(429, body=json.dumps(body).encode()))
    assert (failure.kind, failure.reply.code, failure.reply.message) == (
        RATE_LIMITED,
        code,
        message,
    )


def test_nothing_of_the_keys_is_shown() -> None:
    """AWS repeats what was to be signed; every part of the keys is masked in it."""
    said = (
        "The Canonical String should have been 'POST\nx-amz-security-token:canary//token=='"
        " for AKIACANARYCANARY and canary/secret+key"
    )
    failure = ADAPTER.classify(TARGET, reply(403, "SignatureDoesNotMatch", said))
    assert "canary" not in str(failure).lower()
    assert failure.reply.message.count(MASK) == 3


@pytest.mark.parametrize(
    ("answer", "verdict"),
    [
        (reply(400, "ValidationException", "No."), provider_pb2.VERDICT_BILLING_NOT_CHECKED),
        (reply(404, "ResourceNotFoundException", "No."), provider_pb2.VERDICT_BILLING_NOT_CHECKED),
        (
            reply(403, "AccessDeniedException", NO_PERMISSION),
            provider_pb2.VERDICT_BILLING_NOT_CHECKED,
        ),
        (
            reply(403, "AccessDeniedException", "Not in this region."),
            provider_pb2.VERDICT_WRONG_SCOPE,
        ),
        (reply(403, "AccessDeniedException", WRONG_API_KEY), provider_pb2.VERDICT_REVOKED),
        (reply(403, "UnrecognizedClientException", "No."), provider_pb2.VERDICT_REVOKED),
        (reply(403, "InvalidSignatureException", "No."), provider_pb2.VERDICT_REVOKED),
        (reply(400, "IncompleteSignature", "No."), provider_pb2.VERDICT_REVOKED),
        (reply(403, "ExpiredTokenException", "No."), provider_pb2.VERDICT_REVOKED),
        (reply(429, "ThrottlingException", "No."), provider_pb2.VERDICT_RATE_LIMITED),
        (reply(400, "ServiceQuotaExceededException", "No."), provider_pb2.VERDICT_BILLING),
        (reply(500, "InternalServerException", "No."), provider_pb2.VERDICT_PROVIDER_ERROR),
        (reply(404, body=b"<html>"), provider_pb2.VERDICT_NOT_FOUND),
        (reply(403, body=b"<html>"), provider_pb2.VERDICT_NOT_FOUND),
    ],
)
def test_what_a_probe_shows(answer: Reply, verdict: provider_pb2.Verdict.ValueType) -> None:
    """A key that is known is told from one that is not, whatever it may do."""
    purpose = provider_pb2.PROBE_PURPOSE_PROVE_KEY
    found = ADAPTER.verify(TARGET, purpose, answer)
    assert found.verdict == verdict
    assert found.message.startswith(("bedrock", "The address"))


def test_what_a_probe_without_a_key_shows() -> None:
    """A server that takes none is reached; AWS wants one."""
    purpose = provider_pb2.PROBE_PURPOSE_LIST_MODELS
    open_server = ADAPTER.verify(KEYLESS, purpose, reply(400, "ValidationException", "No."))
    assert open_server.verdict == provider_pb2.VERDICT_UNVERIFIABLE
    aws = ADAPTER.verify(KEYLESS, purpose, reply(403, "MissingAuthenticationTokenException", "No."))
    assert aws.verdict == provider_pb2.VERDICT_REVOKED
    assert "wants a key" in aws.message


@pytest.mark.parametrize(
    ("said", "counts"),
    [
        ({}, (0, 0, 0, 0, 0)),
        ({"inputTokens": 5, "outputTokens": 6, "totalTokens": 11}, (5, 6, 0, 0, 0)),
        (
            {
                "inputTokens": 5,
                "cacheReadInputTokens": 7,
                "cacheWriteInputTokens": 9,
                "cacheDetails": [
                    {"ttl": "1h", "inputTokens": 8},
                    {"ttl": "5m", "inputTokens": 1},
                    7,
                ],
            },
            (5, 0, 7, 9, 8),
        ),
        (
            {"cacheWriteInputTokens": 3, "cacheDetails": [{"ttl": "1h", "inputTokens": 8}]},
            (0, 0, 0, 3, 3),
        ),
        ({"inputTokens": "5", "outputTokens": None, "cacheDetails": 7}, (0, 0, 0, 0, 0)),
        ({"inputTokens": -1, "outputTokens": 2**40}, (0, 2**32 - 1, 0, 0, 0)),
    ],
)
def test_usage(said: Any, counts: tuple[int, ...]) -> None:
    """Four classes that do not overlap; what is not reported is zero (O43, O44)."""
    usage = read_usage(said)
    assert counts == (
        usage.input_tokens,
        usage.output_tokens,
        usage.cache_read_tokens,
        usage.cache_write_tokens,
        usage.cache_write_long_tokens,
    )
