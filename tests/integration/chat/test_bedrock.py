"""AWS Bedrock from end to end: saved keys that sign, a real server, event streams."""

from __future__ import annotations

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
import pytest_asyncio

from support.bedrock_server import BedrockServer
from support.canary import MARK
from support.chats import ask, kind_name, read, refused, stream, tool
from support.deployment import Deployment
from support.folding import fold
from trunkline.credential.v1 import credential_pb2, save_pb2
from trunkline.inference.v1 import result_pb2
from trunkline.inference.v1.provider_pb2 import AwsKeys

pytestmark = pytest.mark.asyncio(loop_scope="module")

KEYS = AwsKeys(
    access_key_id="AKIAIOSFODNN7EXAMPLE",
    secret_access_key=f"{MARK}/secret+access/key",
    session_token=f"{MARK}//session+token==",
    region="eu-central-1",
)
WRONG = AwsKeys(
    access_key_id=KEYS.access_key_id, secret_access_key=f"{MARK}-wrong", region=KEYS.region
)
MODELS = ("ok", "tool", "throttled", "cut")


@dataclass(frozen=True)
class Line:
    """A deployment, and the server that it asks."""

    deployment: Deployment
    server: BedrockServer


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def line() -> AsyncIterator[Line]:
    """Yield a deployment with one provider, whose keys were proven by the server."""
    async with BedrockServer(KEYS) as server, Deployment(connected=False) as deployment:
        await deployment.connect(
            server.base_url, "", MODELS, name="bedrock", kind="aws-bedrock", aws_keys=KEYS
        )
        yield Line(deployment, server)


async def test_a_stream_of_events_is_an_answer(line: Line) -> None:
    """Signed, framed, decoded and counted; the path is the model's."""
    deployment = line.deployment
    line.server.asked.clear()
    request = ask("bedrock/ok")
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    completed = reading.completed
    assert fold(reading.events) == completed.message
    assert [part.text for part in completed.message.content] == ["Hello"]
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert (completed.usage.input_tokens, completed.usage.output_tokens) == (90, 17)
    (asked,) = line.server.asked
    assert asked.path == "/model/ok/converse-stream"
    assert asked.body == {"messages": [{"role": "user", "content": [{"text": "Hello"}]}]}


async def test_a_document_is_an_answer(line: Line) -> None:
    """Without a stream the same is said in one piece."""
    deployment = line.deployment
    response = await deployment.inference.Chat(
        ask("bedrock/ok"), metadata=deployment.admin, timeout=20
    )
    assert [part.text for part in response.completed.message.content] == ["Hello"]
    assert line.server.asked[-1].path == "/model/ok/converse"


async def test_a_call_is_made(line: Line) -> None:
    """The tool is offered in the format's own shape, and called."""
    deployment = line.deployment
    request = ask("bedrock/tool", tools=[tool("weather", city="string")])
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    (part,) = reading.completed.message.content
    assert (part.tool_call.name, part.tool_call.arguments) == ("weather", '{"city":"Bern"}')
    assert reading.completed.finish_reason == result_pb2.FINISH_REASON_TOOL_CALLS
    sent = line.server.asked[-1].body["toolConfig"]["tools"]
    assert [each["toolSpec"]["name"] for each in sent] == ["weather"]


@pytest.mark.parametrize(
    ("model", "kind"), [("throttled", "RATE_LIMITED"), ("cut", "BROKEN_STREAM")]
)
async def test_a_stream_that_fails_is_a_failure(line: Line, model: str, kind: str) -> None:
    """An exception in it, or an end within it, is classified and never an answer."""
    deployment = line.deployment
    request = ask(f"bedrock/{model}")
    reading = await read(stream(deployment.channel, "StreamChat", request, deployment.admin))
    attempts = reading.failed.attempts
    assert attempts
    assert {kind_name(each.failure) for each in attempts} == {kind}


async def test_keys_that_the_server_does_not_know_are_not_saved(line: Line) -> None:
    """The probe is signed too, and refused; nothing of the keys is told."""
    deployment = line.deployment
    failure = await refused(
        deployment.credentials.SaveApiKey(
            save_pb2.SaveApiKeyRequest(provider="bedrock", aws_keys=WRONG, label="second"),
            metadata=deployment.admin,
        )
    )
    assert failure.reason == "VERIFICATION_FAILED"
    assert failure.metadata["verdict"] == "REVOKED"
    listed = await deployment.credentials.ListCredentials(
        save_pb2.ListCredentialsRequest(), metadata=deployment.admin
    )
    (credential,) = listed.credentials
    assert credential.kind == credential_pb2.CREDENTIAL_KIND_AWS_KEYS
    assert credential.state == credential_pb2.CREDENTIAL_STATE_VERIFIED
