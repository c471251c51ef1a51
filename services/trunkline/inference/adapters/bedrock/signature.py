"""Sign requests by AWS Signature Version 4, as botocore does it.

Source: https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv.html.

botocore's own `add_auth` is not called: it reads the clock, and writes what it signs, the
session token with it, into its log.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Final

from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest

from trunkline.inference.v1 import provider_pb2

_ALGORITHM: Final = "AWS4-HMAC-SHA256"
_SERVICE: Final = "bedrock"
_NS_PER_S: Final = 10**9


@dataclass(frozen=True, slots=True)
class _Credentials:
    """Keys by the names that botocore knows."""

    access_key: str = field(repr=False)
    secret_key: str = field(repr=False)
    token: str | None = field(repr=False)


def sign(
    method: str, url: str, content: bytes, keys: provider_pb2.AwsKeys, region: str, time_ns: int
) -> dict[str, str]:
    """Return the headers that authenticate a request; it must go out exactly so.

    Args:
        method: of HTTP.
        url: whole, its path percent-encoded as it will be sent.
        content: the body.
        keys: that sign.
        region: to which the request goes.
        time_ns: nanoseconds since 1970; AWS takes what is within 5 minutes of its own.
    """
    token = keys.session_token or None
    signer = SigV4Auth(
        _Credentials(keys.access_key_id, keys.secret_access_key, token), _SERVICE, region
    )
    moment = datetime.fromtimestamp(time_ns // _NS_PER_S, UTC).strftime("%Y%m%dT%H%M%SZ")
    headers = {"x-amz-date": moment}
    if token:
        headers["x-amz-security-token"] = token
    request = AWSRequest(method=method, url=url, headers=headers, data=content)
    request.context["timestamp"] = moment
    signature = signer.signature(
        signer.string_to_sign(request, signer.canonical_request(request)), request
    )
    signed = signer.signed_headers(signer.headers_to_sign(request))
    headers["authorization"] = (
        f"{_ALGORITHM} Credential={signer.scope(request)}, SignedHeaders={signed},"
        f" Signature={signature}"
    )
    return headers
