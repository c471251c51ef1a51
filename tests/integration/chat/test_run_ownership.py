"""Whose a run is: what others see of it, and what becomes of it when its owner may no more."""

from __future__ import annotations

import asyncio

import pytest
from google.protobuf.timestamp_pb2 import Timestamp

from support.begun import begin
from support.chats import Failure, ask, read, refused, run_id_of, stream
from support.deployment import ADMIN, Deployment, Token
from trunkline.inference.v1 import run_pb2
from trunkline.kernel.identifiers import new_id
from trunkline.sandbox.sightings import Sighting, State

pytestmark = pytest.mark.asyncio(loop_scope="module")

CANCELLED = run_pb2.RUN_STATE_CANCELLED
RUNNING = run_pb2.RUN_STATE_RUNNING
SUCCEEDED = run_pb2.RUN_STATE_SUCCEEDED


async def _begin(deployment: Deployment, token: Token, model: str) -> tuple[str, Sighting]:
    """Begin a run that stalls, with a reader that stays; return its id and the provider's view."""
    begun = await begin(deployment, model, token.metadata)
    asyncio.get_running_loop().create_task(read(begun.call))
    return begun.run_id, begun.sighting


def _essence(failure: Failure, run_id: str) -> str:
    """Return all of a failure but what differs between any two calls and runs."""
    return str(failure.status).replace(failure.metadata["request_id"], "").replace(run_id, "")


@pytest.mark.parametrize("method", ["ResumeChat", "CancelChat", "GetRun"])
async def test_run_of_another_is_refused_as_if_it_did_not_exist(
    deployment: Deployment, method: str
) -> None:
    """Nothing tells a run of somebody else from one that never was."""
    owner, other = await deployment.issue(), await deployment.issue()
    answer = await deployment.inference.Chat(ask(), metadata=owner.metadata)
    failures = []
    for run_id in (answer.run_id, new_id("run")):
        if method == "ResumeChat":
            request = run_pb2.ResumeChatRequest(run_id=run_id)
            reading = await read(stream(deployment.channel, method, request, other.metadata))
            failure = reading.failed
        elif method == "CancelChat":
            failure = await refused(
                deployment.inference.CancelChat(
                    run_pb2.CancelChatRequest(run_id=run_id), metadata=other.metadata
                )
            )
        else:
            failure = await refused(
                deployment.inference.GetRun(
                    run_pb2.GetRunRequest(run_id=run_id), metadata=other.metadata
                )
            )
        assert failure.metadata["run_id"] == run_id
        failures.append(_essence(failure, run_id))
    assert failures[0] == failures[1]


async def test_admin_sees_how_a_run_stands_and_nothing_of_what_was_said(
    deployment: Deployment,
) -> None:
    """An ADMIN gets the run without its answer; its owner gets both."""
    owner = await deployment.issue()
    answer = await deployment.inference.Chat(ask(), metadata=owner.metadata)
    seen = await deployment.run(answer.run_id)
    assert (seen.state, seen.principal) == (SUCCEEDED, owner.principal)
    assert seen.target == "sandbox/ok"
    assert not seen.HasField("completed")
    owned = await deployment.inference.GetRun(
        run_pb2.GetRunRequest(run_id=answer.run_id), metadata=owner.metadata
    )
    assert owned.run.completed == answer.completed
    owned.run.ClearField("completed")
    assert owned.run == seen


async def test_content_of_anothers_run_is_refused_to_an_admin_until_it_is_audited(
    deployment: Deployment,
) -> None:
    """The flag that would show content is named as not served."""
    owner = await deployment.issue()
    answer = await deployment.inference.Chat(ask(), metadata=owner.metadata)
    request = run_pb2.GetRunRequest(run_id=answer.run_id, include_content=True)
    failure = await refused(deployment.inference.GetRun(request, metadata=deployment.admin))
    assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["include_content"])
    owned = await deployment.inference.GetRun(request, metadata=owner.metadata)
    assert owned.run.completed == answer.completed


async def test_admin_reads_its_own_runs_whole(deployment: Deployment) -> None:
    """What an ADMIN began itself is its own, content included."""
    admin = await deployment.issue(role=ADMIN)
    answer = await deployment.inference.Chat(ask(), metadata=admin.metadata)
    got = await deployment.inference.GetRun(
        run_pb2.GetRunRequest(run_id=answer.run_id), metadata=admin.metadata
    )
    assert got.run.completed == answer.completed
    resume = run_pb2.ResumeChatRequest(run_id=answer.run_id)
    reading = await read(stream(deployment.channel, "ResumeChat", resume, admin.metadata))
    assert reading.completed == answer.completed


async def test_runs_are_listed_newest_first_in_pages(deployment: Deployment) -> None:
    """Pages join to the whole list, and filters by state and time hold."""
    owner = await deployment.issue(impersonate=True)
    begun = [
        (await deployment.inference.Chat(ask(), metadata=owner.metadata)).run_id for _ in range(5)
    ]
    failed = await refused(deployment.inference.Chat(ask("sandbox/500"), metadata=owner.metadata))
    begun.append(failed.metadata["run_id"])
    await deployment.inference.Chat(ask(on_behalf_of="ann"), metadata=owner.metadata)

    async def list_runs(**fields: object) -> list[run_pb2.Run]:
        listed: list[run_pb2.Run] = []
        token = ""
        while True:
            request = run_pb2.ListRunsRequest(page_size=2, page_token=token, **fields)  # type: ignore[arg-type] # by name
            page = await deployment.inference.ListRuns(request, metadata=owner.metadata)
            assert 0 < len(page.runs) <= 2
            listed += page.runs
            token = page.next_page_token
            if not token:
                return listed

    everything = await list_runs()
    assert [run.id for run in everything] == begun[::-1]
    assert not any(run.HasField("completed") for run in everything)
    succeeded = await list_runs(state=SUCCEEDED)
    assert [run.id for run in succeeded] == begun[-2::-1]
    since = Timestamp()
    since.CopyFrom(everything[2].create_time)
    assert [run.id for run in await list_runs(start_time=since)] == begun[:2:-1]
    assert [run.on_behalf_of for run in await list_runs(on_behalf_of="ann")] == ["ann"]


async def test_admin_lists_the_runs_of_one_principal_with_those_of_its_users(
    deployment: Deployment,
) -> None:
    """The filter by principal gives all that the principal began, for whomever."""
    owner = await deployment.issue(impersonate=True)
    for user in ("", "ann", "ben"):
        await deployment.inference.Chat(ask(on_behalf_of=user), metadata=owner.metadata)
    listed = await deployment.inference.ListRuns(
        run_pb2.ListRunsRequest(principal=owner.principal), metadata=deployment.admin
    )
    assert [run.on_behalf_of for run in listed.runs] == ["ben", "ann", ""]


async def test_developer_cannot_list_another_principals_runs(deployment: Deployment) -> None:
    """Only an ADMIN names another principal."""
    token = await deployment.issue()
    request = run_pb2.ListRunsRequest(principal="somebody-else")
    failure = await refused(deployment.inference.ListRuns(request, metadata=token.metadata))
    assert failure.code.name == "PERMISSION_DENIED"
    assert failure.reason == "CALLER_NOT_ALLOWED"
    assert failure.metadata["role"] == "DEVELOPER"
    assert failure.metadata["method"].endswith("InferenceService/ListRuns")


@pytest.mark.parametrize("method", ["GetRun", "ListRuns"])
@pytest.mark.parametrize("token", ["%", "!!!!", "AAAA", "MTox", "LTE6LTE", "MDo5OTk5OTk5"])
async def test_page_token_that_is_none_is_named(
    deployment: Deployment, method: str, token: str
) -> None:
    """A token that is none of ours is refused by name, and not taken for the first page."""
    owner = await deployment.issue()
    answer = await deployment.inference.Chat(ask(), metadata=owner.metadata)
    if method == "GetRun":
        get = run_pb2.GetRunRequest(run_id=answer.run_id, page_token=token)
        failure = await refused(deployment.inference.GetRun(get, metadata=owner.metadata))
    else:
        runs = run_pb2.ListRunsRequest(page_token=token)
        failure = await refused(deployment.inference.ListRuns(runs, metadata=owner.metadata))
    assert (failure.reason, failure.fields) == ("INVALID_REQUEST", ["page_token"])


async def test_run_ends_with_the_last_token_of_its_principal(deployment: Deployment) -> None:
    """As long as one token holds the run goes on; with the last one its socket is closed."""
    first = await deployment.issue()
    second = await deployment.issue(first.principal)
    run_id, sighting = await _begin(deployment, first, "stall-after-20")
    await deployment.revoke(first)
    assert (await deployment.run(run_id)).state == RUNNING
    assert sighting.state is State.OPEN
    await deployment.revoke(second)
    assert await sighting.ended(1) is State.CLIENT_CLOSED
    assert (await deployment.run(run_id)).state == CANCELLED
    third = await deployment.issue(first.principal)
    resume = run_pb2.ResumeChatRequest(run_id=run_id)
    failure = (await read(stream(deployment.channel, "ResumeChat", resume, third.metadata))).failed
    assert (failure.code.name, failure.reason) == ("CANCELLED", "RUN_CANCELLED")
    assert failure.metadata["by"] == "revoked"


async def test_end_of_one_principal_is_not_the_end_of_anothers_runs(
    deployment: Deployment,
) -> None:
    """Runs of others do not notice that a principal is gone."""
    stays, goes = await deployment.issue(), await deployment.issue()
    run_id, sighting = await _begin(deployment, stays, "stall-after-20")
    gone_id, gone = await _begin(deployment, goes, "stall-after-30")
    await deployment.revoke(goes)
    assert await gone.ended(1) is State.CLIENT_CLOSED
    assert (await deployment.run(gone_id)).state == CANCELLED
    assert sighting.state is State.OPEN
    assert (await deployment.run(run_id)).state == RUNNING
    await deployment.cancel(run_id)


async def test_token_that_expires_ends_what_it_opened(deployment: Deployment) -> None:
    """A token's time is over: its stream ends within a second, and the run with it."""
    token = await deployment.issue(lifetime_s=0.5)
    call = stream(deployment.channel, "StreamChat", ask("sandbox/stall-after-20"), token.metadata)
    run_id = run_id_of(await call.initial_metadata())
    async with asyncio.timeout(2):
        failure = (await read(call)).failed
    assert (failure.code.name, failure.reason) == ("UNAUTHENTICATED", "TOKEN_INVALID")
    assert (await deployment.run(run_id)).state == CANCELLED
