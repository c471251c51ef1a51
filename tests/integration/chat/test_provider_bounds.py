"""The way out to providers: how many connections each may take, and an outbound proxy."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest
from google.rpc import error_details_pb2

from support.begun import begin
from support.canary import MARK
from support.chats import Failure, ask, kind_name, limits, read, refused, stream
from support.crude_provider import CrudeProvider
from support.deployment import Deployment
from support.forward_proxy import ForwardProxy
from trunkline.configuration import SETTINGS
from trunkline.kernel.settings import SettingsError, describe

# Of the kind that plain http may be used for; nobody here has it.
LAN = "10.77.77.77"
WORD = (
    b'data: {"choices":[{"index":0,"delta":{"content":"Hi"},"finish_reason":"stop"}]}\n\n'
    b"data: [DONE]\n\n"
)


def check_full(failure: Failure) -> None:
    """Check that a failure is a limit of the deployment, and says nothing of the provider."""
    assert (failure.code.name, failure.reason) == ("RESOURCE_EXHAUSTED", "LIMIT_REACHED")
    assert (failure.metadata["limit"], failure.metadata["subject"]) == ("1", "provider")
    assert "connections to the provider are in use" in failure.message
    retry = failure.detail(error_details_pb2.RetryInfo())
    assert retry is not None
    assert retry.retry_delay.seconds >= 1


async def test_chat_without_a_free_connection_meets_a_limit() -> None:
    """It waits for the connect limit, and what then fails is no attempt of the provider's."""
    async with Deployment(connections_per_provider=1) as deployment:
        held = await begin(deployment)
        request = ask(limits=limits(connect=0.1))
        check_full(await refused(deployment.inference.Chat(request, metadata=deployment.admin)))
        call = stream(deployment.channel, "StreamChat", request, deployment.admin)
        reading = await read(call)
        check_full(reading.failed)
        assert reading.kinds == ["run_started", "attempt_started", "attempt_failed"]
        await deployment.cancel(held.run_id)
        answer = await deployment.inference.Chat(request, metadata=deployment.admin)
        assert answer.completed.HasField("message")


async def test_provider_without_free_connections_does_not_slow_another() -> None:
    """Chats that wait for one provider's only connection are nothing to the next provider's."""
    async with (
        CrudeProvider(200, WORD, "text/event-stream") as other,
        Deployment(connections_per_provider=1) as deployment,
    ):
        await deployment.connect(other.base_url, "key", ["crude"], name="other")
        held = await begin(deployment)
        waiting = [
            asyncio.create_task(
                read(stream(deployment.channel, "StreamChat", ask(), deployment.admin))
            )
            for _ in range(20)
        ]
        for _ in range(5):
            call = stream(deployment.channel, "StreamChat", ask("other/crude"), deployment.admin)
            attempt = (await read(call)).completed.attempts[0]
            assert attempt.duration.ToMilliseconds() < 1000
        assert not any(task.done() for task in waiting)
        await deployment.cancel(held.run_id)
        # Its place goes from one to the next.
        for reading in await asyncio.gather(*waiting):
            assert reading.completed.HasField("message")


async def test_chat_goes_through_the_outbound_proxy() -> None:
    """The provider is asked by way of the proxy, whose password nobody gets to see."""
    user = f"ann:{MARK}-proxy"
    async with CrudeProvider(200, WORD, "text/event-stream") as provider:
        place = provider.base_url.split("/")[2]
        async with ForwardProxy({LAN: place}, user=user) as proxy:
            setting = proxy.address.replace("://", f"://{user}@")
            async with Deployment(connected=False, provider_proxy=setting) as deployment:
                shown = describe(deployment.source, SETTINGS)
                assert {row.value for row in shown if row.name == "provider_proxy"} == {"(set)"}
                url = f"http://{LAN}:8000/v1"
                await deployment.connect(url, "key", ["crude"], name="far")
                call = stream(deployment.channel, "StreamChat", ask("far/crude"), deployment.admin)
                assert (await read(call)).completed.message.content[0].text == "Hi"
                assert proxy.heads[-1].startswith(f"POST {url}/chat/completions ".encode())
                assert b"roxy-" not in provider.heads[-1]
                proxy.refusal = 407
                call = stream(deployment.channel, "StreamChat", ask("far/crude"), deployment.admin)
                failure = (await read(call)).failed
                assert (failure.code.name, failure.reason) == ("UNAVAILABLE", "NO_FALLBACK")
                attempt = failure.attempts[-1]
                assert kind_name(attempt.failure) == "UNREACHABLE"
                told = "The outbound proxy does not accept its user and password (407)."
                assert attempt.failure.message == told
                assert MARK not in str(failure.status)


async def test_environment_names_no_proxy(monkeypatch: pytest.MonkeyPatch) -> None:
    """What curl and others read there is for them: a proxy is a setting, or there is none."""
    async with (
        CrudeProvider(200, WORD, "text/event-stream") as provider,
        ForwardProxy() as proxy,
    ):
        for name in ("HTTP_PROXY", "http_proxy", "HTTPS_PROXY", "ALL_PROXY", "all_proxy"):
            monkeypatch.setenv(name, proxy.address)
        async with Deployment(connected=False) as deployment:
            await deployment.connect(provider.base_url, "key", ["crude"], name="near")
            call = stream(deployment.channel, "StreamChat", ask("near/crude"), deployment.admin)
            assert (await read(call)).completed.HasField("message")
        # The test's own client does go by it.
        place = provider.base_url.split("/")[2].encode()
        assert not any(place in head for head in proxy.heads)


@pytest.mark.parametrize(
    ("settings", "what"),
    [
        ({"provider_ca_file": "missing.pem"}, "No such file"),
        ({"provider_ca_file": "garbage.pem"}, "it holds no certificate"),
        ({"provider_ca_file": "."}, "Is a directory"),
        ({"provider_proxy": f"http://ann:{MARK}@proxy"}, "http://host:port"),
        ({"provider_proxy": f"https://ann:{MARK}@proxy:1"}, "http://host:port"),
        ({"provider_proxy_except": "good.test,https://x"}, "entry 2 of the list"),
    ],
)
async def test_setting_that_cannot_be_is_told_at_start(
    tmp_path: Path, settings: dict[str, str], what: str
) -> None:
    """Nothing starts, and the setting is named; what may be a password is not repeated."""
    (tmp_path / "garbage.pem").write_text("no certificate")
    if "provider_ca_file" in settings:
        settings = {"provider_ca_file": str(tmp_path / settings["provider_ca_file"])}
    (name,) = settings
    with pytest.raises(SettingsError) as caught:
        async with Deployment(connected=False, **settings):  # type: ignore[arg-type] # by name
            raise AssertionError
    assert caught.value.what.startswith(f"The setting {name} (command line) is wrong: ")
    assert what in caught.value.what
    assert MARK not in caught.value.what + caught.value.advice
