"""A conversation begun with one vendor and finished with another, on real sockets."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from itertools import permutations, product

import pytest
import pytest_asyncio

from support.chats import ask, read, refused, say, stream, tool
from support.deployment import Deployment
from trunkline.inference.v1 import chat_pb2, message_pb2, result_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

RESPONSES = "openai-responses"
FORMATS = ("openai", "anthropic", "google", "ollama", RESPONSES)
# Where the sandbox has a face of its own for a format; the others share one.
FACES = {RESPONSES: "openai"}
# Those whose thoughts come with a proof that has to go back unchanged, and to nobody else.
SIGNING = ("anthropic", "google", RESPONSES)
# Models of the vendors that think, as which the sandbox answers.
THINKERS = {
    "openai": "gpt-5.2@",
    "anthropic": "claude-opus-4-6@",
    "google": "gemini-3-pro-preview@",
    "ollama": "",
    RESPONSES: "gpt-5.6-sol@",
}
SCRIPTS = ("reason", "tool", "parallel-tools")


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def vendors() -> AsyncIterator[Deployment]:
    """Yield a deployment with a provider of each format, named after it."""
    async with Deployment(connected=False) as deployment:
        async with asyncio.TaskGroup() as group:
            for name in FORMATS:
                connecting = deployment.connect(
                    deployment.sandbox.addresses[FACES.get(name, name)],
                    "" if name == "ollama" else deployment.sandbox.api_key,
                    [THINKERS[name] + script for script in SCRIPTS],
                    name=name,
                    kind="sandbox" if name in ("openai", RESPONSES) else f"sandbox-{name}",
                    wire_format=name,
                )
                group.create_task(connecting)
        yield deployment


async def answer(deployment: Deployment, request: chat_pb2.ChatRequest) -> result_pb2.Completed:
    """Ask for a stream, and return the answer, which one attempt has given."""
    call = stream(deployment.channel, "StreamChat", request, deployment.admin, timeout=20)
    completed = (await read(call)).completed
    assert len(completed.attempts) == 1
    return completed


def model(vendor: str, script: str) -> str:
    """Return a model of a vendor."""
    return f"{vendor}/{THINKERS[vendor]}{script}"


def calls_of(completed: result_pb2.Completed) -> list[message_pb2.ToolCall]:
    """Return the calls of an answer."""
    return [part.tool_call for part in completed.message.content if part.HasField("tool_call")]


def text_of(completed: result_pb2.Completed) -> str:
    """Return the text of an answer."""
    return "".join(part.text for part in completed.message.content)


def result(call: message_pb2.ToolCall, text: str, **more: bool) -> message_pb2.Message:
    """Return the message that answers a call."""
    part = message_pb2.Part(
        tool_result=message_pb2.ToolResult(
            call_id=call.id, content=[message_pb2.Part(text=text)], **more
        )
    )
    return message_pb2.Message(role=message_pb2.ROLE_TOOL, content=[part])


def proofs(message: message_pb2.Message, index: int) -> dict[str, str]:
    """Return the signatures of a message, by where they stand in a request."""
    return {
        f"messages[{index}].content[{position}].signature": part.signature.value
        for position, part in enumerate(message.content)
        if part.HasField("signature")
    }


@pytest.mark.parametrize(("first", "second"), list(permutations(FORMATS, 2)))
async def test_a_tool_loop_is_finished_by_another_vendor(
    vendors: Deployment, first: str, second: str
) -> None:
    """Two calls of one vendor, one of which failed, are answered about by the other.

    Its sandbox checks the transcript as the vendor does, and asks for no tool again. Then the
    first one gets everything back, its own proofs among it.
    """
    request = ask(model(first, "parallel-tools"), "What is the weather, and when?")
    request.tools.append(tool("weather", city="string"))
    request.tools.append(tool("time", zone="string"))
    completed = await answer(vendors, request)
    calls = calls_of(completed)
    assert len(calls) == 2
    request.messages.append(completed.message)
    signed = proofs(completed.message, 1)
    assert bool(signed) == (first == "google")
    # In another order than they were asked for in.
    request.messages.append(result(calls[1], "clock stopped", is_error=True))
    request.messages.append(result(calls[0], "rain from the west"))
    request.model = model(second, "parallel-tools")
    completed = await answer(vendors, request)
    assert not calls_of(completed)
    assert completed.finish_reason == result_pb2.FINISH_REASON_STOP
    assert "rain from the west" in text_of(completed)
    assert "clock stopped" in text_of(completed)
    assert set(signed) <= _losses(completed)
    sent = vendors.sandbox.seen[-1].raw_body.decode()
    assert not any(value in sent for value in signed.values())
    assert sent.count("rain from the west") == 1
    request.messages.append(completed.message)
    request.messages.append(say("And now?"))
    request.model = model(first, "parallel-tools")
    await answer(vendors, request)
    sent = vendors.sandbox.seen[-1].raw_body.decode()
    assert all(value in sent for value in signed.values())


@pytest.mark.parametrize(
    ("first", "second"),
    [pair for pair in product(SIGNING, FORMATS) if pair[0] != pair[1]],
)
async def test_a_thought_comes_back_to_who_signed_it(
    vendors: Deployment, first: str, second: str
) -> None:
    """On the way through another vendor it stays in the transcript, and is told as lost there."""
    request = ask(model(first, "reason"))
    completed = await answer(vendors, request)
    signed = proofs(completed.message, 1)
    assert signed
    issuers = [
        part.signature.issuer for part in completed.message.content if part.HasField("signature")
    ]
    vendor = FACES.get(first, first)
    assert {(issuer.vendor, issuer.provider) for issuer in issuers} == {(vendor, first)}
    # Bound to one account, whose credential it does not name.
    (account,) = {issuer.credential_id for issuer in issuers}
    assert account
    assert not account.startswith("cred_")
    request.messages.append(completed.message)
    request.messages.append(say("Are you sure?"))
    request.model = model(second, "reason")
    completed = await answer(vendors, request)
    assert set(signed) <= _losses(completed)
    sent = vendors.sandbox.seen[-1].raw_body.decode()
    assert not any(value in sent for value in signed.values())
    others = proofs(completed.message, 3)
    request.messages.append(completed.message)
    request.messages.append(say("Really?"))
    request.model = model(first, "reason")
    completed = await answer(vendors, request)
    assert not _losses(completed) & set(signed)
    assert set(others) <= _losses(completed)
    sent = vendors.sandbox.seen[-1].raw_body.decode()
    assert all(value in sent for value in signed.values())
    assert not any(value in sent for value in others.values())


@pytest.mark.parametrize("vendor", SIGNING)
async def test_a_thought_does_not_come_back_to_another_account(
    vendors: Deployment, vendor: str
) -> None:
    """The same model behind another key gets the words and not the proof."""
    request = ask(model(vendor, "reason"))
    completed = await answer(vendors, request)
    for part in completed.message.content:
        if part.HasField("signature"):
            part.signature.issuer.credential_id = "cred_of_somebody_else"
    signed = proofs(completed.message, 1)
    request.messages.append(completed.message)
    request.messages.append(say("Are you sure?"))
    completed = await answer(vendors, request)
    assert set(signed) <= _losses(completed)
    sent = vendors.sandbox.seen[-1].raw_body.decode()
    assert not any(value in sent for value in signed.values())


@pytest.mark.parametrize("vendor", FORMATS)
async def test_a_strict_caller_is_told_before_anything_is_lost(
    vendors: Deployment, vendor: str
) -> None:
    """A proof that would be dropped refuses the request, which no provider sees."""
    issuer = message_pb2.Provenance(vendor="somebody", model="else")
    thought = message_pb2.Message(role=message_pb2.ROLE_ASSISTANT)
    thought.content.add(
        reasoning={"text": "Hm."}, signature=message_pb2.Signature(value="x", issuer=issuer)
    )
    thought.content.add(text="Yes.")
    request = ask(model(vendor, "reason"), strict=True)
    request.messages.append(thought)
    request.messages.append(say("Sure?"))
    seen = len(vendors.sandbox.seen)
    failure = await refused(vendors.inference.Chat(request, metadata=vendors.admin))
    assert failure.reason == "WOULD_LOSE"
    assert len(vendors.sandbox.seen) == seen
    del request.messages[1].content[0]
    completed = (await vendors.inference.Chat(request, metadata=vendors.admin)).completed
    assert not completed.losses


def _losses(completed: result_pb2.Completed) -> set[str]:
    """Return where what was lost stands in the request."""
    return {loss.path for loss in completed.losses}
