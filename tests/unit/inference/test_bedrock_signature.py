"""Requests to Bedrock are signed as AWS wants them."""

from __future__ import annotations

import hashlib
import hmac
import logging
from datetime import UTC, datetime
from typing import Any

import botocore.auth
import pytest
from botocore.auth import SigV4Auth
from botocore.awsrequest import AWSRequest
from botocore.credentials import Credentials
from hypothesis import given
from hypothesis import strategies as st
from msgspec.structs import replace

from trunkline.inference.adapters.adapter import Target
from trunkline.inference.adapters.bedrock import BedrockAdapter
from trunkline.inference.adapters.bedrock.address import region_of
from trunkline.inference.adapters.bedrock.signature import sign
from trunkline.inference.outgoing import Request
from trunkline.inference.v1 import chat_pb2, provider_pb2
from unit.inference.bedrock_rows import BASE, CLAUDE, at

# The keys that AWS signs its own examples with.
KEYS = provider_pb2.AwsKeys(
    access_key_id="AKIDEXAMPLEEXAMPLE", secret_access_key="wJalrXUtnFEMI/K7MDENG+bPxRfiCYEXAMPLEKEY"
)
NOW = datetime(2026, 11, 21, 1, 2, 3, tzinfo=UTC)
NOW_NS = int(NOW.timestamp()) * 10**9


def by_botocore(
    monkeypatch: pytest.MonkeyPatch, url: str, content: bytes, keys: Any, region: str
) -> dict[str, str]:
    """Return the headers that botocore's own `add_auth` makes."""
    monkeypatch.setattr(botocore.auth, "get_current_datetime", lambda: NOW.replace(tzinfo=None))
    request = AWSRequest(method="POST", url=url, data=content)
    credentials = Credentials(
        keys.access_key_id, keys.secret_access_key, keys.session_token or None
    )
    SigV4Auth(credentials, "bedrock", region).add_auth(request)
    return {name.lower(): value for name, value in request.headers.items()}


@pytest.mark.parametrize("token", ["", "FwoGZXIvYXdz//token=="])
@pytest.mark.parametrize(
    "model",
    [
        "amazon.nova-pro-v1:0",
        "arn:aws:bedrock:us-east-1:123456789012:inference-profile/eu.x",
        "..",
        "a b",
    ],
)
def test_it_is_botocore_s_own(monkeypatch: pytest.MonkeyPatch, model: str, token: str) -> None:
    """A request has the headers that AWS's own client would give it."""
    keys = provider_pb2.AwsKeys(
        access_key_id=KEYS.access_key_id,
        secret_access_key=KEYS.secret_access_key,
        session_token=token,
        region="eu-central-1",
    )
    secret = provider_pb2.ProviderSecret(aws_keys=keys)
    target = replace(
        at(model),
        base_url="https://bedrock-runtime.eu-central-1.amazonaws.com",
        secret=secret,
        time_ns=NOW_NS,
    )
    request = BedrockAdapter().build_chat(target, chat_pb2.ChatRequest(), stream=True).request
    url = f"https://{request.url.host}{request.place.path.decode()}"
    made = by_botocore(monkeypatch, url, request.content, keys, "eu-central-1")
    assert {name: request.headers[name] for name in made} == made
    assert ("x-amz-security-token" in made) is bool(token)


def expected(request: Request, region: str) -> str:
    """Return the signature of a request by the steps of the specification, without botocore.

    https://docs.aws.amazon.com/IAM/latest/UserGuide/reference_sigv-create-signed-request.html.
    """
    path = request.place.path.decode().replace("%", "%25")
    signed = sorted(
        (name, value)
        for name, value in request.headers.multi_items()
        if name == "host" or name.startswith("x-amz-")
    )
    canonical = "\n".join(
        [
            request.method,
            path,
            "",
            *(f"{name}:{value}" for name, value in signed),
            "",
            ";".join(name for name, _ in signed),
            hashlib.sha256(request.content).hexdigest(),
        ]
    )
    day, moment = f"{NOW:%Y%m%d}", f"{NOW:%Y%m%dT%H%M%SZ}"
    scope = f"{day}/{region}/bedrock/aws4_request"
    digest = hashlib.sha256(canonical.encode()).hexdigest()
    key = f"AWS4{KEYS.secret_access_key}".encode()
    for step in (*scope.split("/"), f"AWS4-HMAC-SHA256\n{moment}\n{scope}\n{digest}"):
        key = hmac.digest(key, step.encode(), "sha256")
    names = ";".join(name for name, _ in signed)
    return (
        f"AWS4-HMAC-SHA256 Credential={KEYS.access_key_id}/{scope}, SignedHeaders={names},"
        f" Signature={key.hex()}"
    )


@given(model=st.from_regex(r"[a-z0-9.:/%-]{1,40}", fullmatch=True), text=st.text(max_size=20))
def test_it_follows_the_specification(model: str, text: str) -> None:
    """The path is encoded twice in what is signed, and nothing else is signed than must be."""
    secret = provider_pb2.ProviderSecret(aws_keys=KEYS)
    target = Target("bedrock", model, BASE, {"x-title": "t"}, secret, time_ns=NOW_NS)
    asked = chat_pb2.ChatRequest()
    asked.messages.add(role=1).content.add(text=text)
    request = BedrockAdapter().build_chat(target, asked, stream=False).request
    assert request.headers["authorization"] == expected(request, "us-east-1")
    assert request.headers["x-amz-date"] == "20261121T010203Z"


def test_every_attempt_is_signed_anew() -> None:
    """The signature bears the moment that the target names."""
    secret = provider_pb2.ProviderSecret(aws_keys=KEYS)
    later = NOW_NS + 10**9
    targets = [replace(CLAUDE, secret=secret, time_ns=when) for when in (NOW_NS, later)]
    built = [
        BedrockAdapter().build_chat(target, chat_pb2.ChatRequest(), stream=True).request.headers
        for target in targets
    ]
    assert [headers["x-amz-date"] for headers in built] == ["20261121T010203Z", "20261121T010204Z"]
    assert built[0]["authorization"] != built[1]["authorization"]


@pytest.mark.parametrize(
    ("base_url", "wanted", "region"),
    [
        (BASE, "", "us-east-1"),
        (BASE, "eu-west-1", "us-east-1"),
        ("https://bedrock-runtime-fips.us-gov-west-1.amazonaws.com", "", "us-gov-west-1"),
        ("https://bedrock-runtime.eu-central-1.api.aws", "", "eu-central-1"),
        ("https://bedrock-runtime.cn-north-1.amazonaws.com.cn", "", "cn-north-1"),
        ("https://vpce-1.bedrock-runtime.eu-west-1.vpce.amazonaws.com", "eu-west-1", "eu-west-1"),
        ("http://127.0.0.1:8080/bedrock", "", "us-east-1"),
        ("https://bedrock-runtime.eu-west-1.amazonaws.com.evil.example", "", "us-east-1"),
    ],
)
def test_the_region(base_url: str, wanted: str, region: str) -> None:
    """The host's own counts, then that of the keys."""
    assert region_of(base_url, wanted) == region


def test_nothing_of_the_keys_is_logged(caplog: pytest.LogCaptureFixture) -> None:
    """botocore writes what it signs into its log, and so it is not let."""
    keys = provider_pb2.AwsKeys(
        access_key_id="AKIACANARYCANARY", secret_access_key="canary-s", session_token="canary-t"
    )
    with caplog.at_level(logging.DEBUG):
        headers = sign("POST", f"{BASE}/model/a/converse", b"{}", keys, "us-east-1", NOW_NS)
    assert headers["x-amz-security-token"] == "canary-t"
    assert "canary" not in caplog.text.lower()
