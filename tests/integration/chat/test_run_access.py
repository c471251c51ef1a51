"""Who may do what with whose run: every method of a run, for everybody who may ask."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

import grpc
import pytest
import pytest_asyncio

from support.chats import Failure, ask, failure_of, read, run_id_of, stream
from support.deployment import ADMIN, DEVELOPER, Deployment, Metadata, Token, eventually
from trunkline.inference.v1 import run_pb2

pytestmark = pytest.mark.asyncio(loop_scope="module")

METHODS = ("StreamChat", "Chat", "ResumeChat", "CancelChat", "GetRun", "ListRuns")

OK = "OK"
GONE = "NOT_FOUND RUN_NOT_FOUND"
SCOPE = "PERMISSION_DENIED OUT_OF_SCOPE"
INVALID = "UNAUTHENTICATED TOKEN_INVALID"
MISSING = "UNAUTHENTICATED TOKEN_MISSING"
# ListRuns is answered, and the run is not in the list.
HIDDEN = "OK hidden"

# Of a run that its principal began for itself, or for its user `ann` where the question
# names a user: who asks, for whom → what each method answers.
ITSELF, ANN, BEN, NOBODY, NO_SCOPE = "itself", "ann", "ben", "nobody", "ann without the scope"
TABLE: dict[tuple[str, str], tuple[str, str, str, str, str, str]] = {
    #                       StreamChat Chat ResumeChat CancelChat GetRun ListRuns
    ("owner", ITSELF): (OK, OK, OK, OK, OK, OK),
    ("owner", ANN): (OK, OK, OK, OK, OK, OK),
    ("owner", BEN): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("owner", NOBODY): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("owner", NO_SCOPE): (SCOPE, SCOPE, SCOPE, SCOPE, SCOPE, SCOPE),
    ("other", ITSELF): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("other", ANN): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("other", BEN): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("other", NOBODY): (OK, OK, GONE, GONE, GONE, HIDDEN),
    ("other", NO_SCOPE): (SCOPE, SCOPE, SCOPE, SCOPE, SCOPE, SCOPE),
    ("admin", ITSELF): (OK, OK, GONE, OK, OK, OK),
    ("admin", ANN): (OK, OK, GONE, OK, OK, HIDDEN),
    ("admin", BEN): (OK, OK, GONE, OK, OK, HIDDEN),
    ("admin", NOBODY): (OK, OK, GONE, OK, OK, OK),
    ("admin", NO_SCOPE): (SCOPE, SCOPE, SCOPE, SCOPE, SCOPE, SCOPE),
    ("revoked owner", ITSELF): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked owner", ANN): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked owner", BEN): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked owner", NOBODY): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked owner", NO_SCOPE): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked in mid-stream", ITSELF): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("revoked in mid-stream", ANN): (INVALID, INVALID, INVALID, INVALID, INVALID, INVALID),
    ("no token", ITSELF): (MISSING, MISSING, MISSING, MISSING, MISSING, MISSING),
    ("no token", ANN): (MISSING, MISSING, MISSING, MISSING, MISSING, MISSING),
    ("no token", BEN): (MISSING, MISSING, MISSING, MISSING, MISSING, MISSING),
    ("no token", NOBODY): (MISSING, MISSING, MISSING, MISSING, MISSING, MISSING),
    ("no token", NO_SCOPE): (MISSING, MISSING, MISSING, MISSING, MISSING, MISSING),
}
CELLS = [
    pytest.param(who, whom, method, expected, id=f"{method}-{who}-{whom}".replace(" ", "-"))
    for (who, whom), row in TABLE.items()
    for method, expected in zip(METHODS, row, strict=True)
]

# For whom the call asks; the run is for `ann` unless the case is ITSELF.
ASKED_FOR = {ITSELF: "", ANN: "ann", BEN: "ben", NOBODY: "", NO_SCOPE: "ann"}


@dataclass(frozen=True, slots=True)
class People:
    """Who asks; each with a token that may name users, and one that may not."""

    owner: Token
    with_scope: dict[str, Token]
    without_scope: dict[str, Token]


@pytest_asyncio.fixture(scope="module", loop_scope="module")
async def people(deployment: Deployment) -> People:
    """Return the people of the table."""
    roles = {"owner": DEVELOPER, "other": DEVELOPER, "admin": ADMIN}
    owner = await deployment.issue("access-owner", impersonate=True)
    allowed = {
        who: await deployment.issue(f"access-{who}", role, impersonate=True)
        for who, role in roles.items()
    }
    confined = {who: await deployment.issue(f"access-{who}", role) for who, role in roles.items()}
    return People(owner, allowed, confined)


@asynccontextmanager
async def run_of(
    deployment: Deployment, token: Token, on_behalf_of: str = ""
) -> AsyncIterator[str]:
    """Keep a run alive that stalls after some words, and give its id."""
    request = ask("sandbox/stall-after-20", on_behalf_of=on_behalf_of)
    call = stream(deployment.channel, "StreamChat", request, token.metadata)
    run_id = run_id_of(await call.initial_metadata())
    try:
        yield run_id
    finally:
        call.cancel()
        await deployment.cancel(run_id)


async def answer(
    deployment: Deployment,
    method: str,
    run_id: str,
    metadata: Metadata,
    on_behalf_of: str,
    *,
    stays: bool = False,
) -> str:
    """Call a method about a run, and return how it answers.

    Args:
        deployment: the one that is asked.
        method: of the service.
        run_id: what it is about, where it is about a run that exists.
        metadata: who asks.
        on_behalf_of: for whom.
        stays: it begins or reads a run that says nothing more, and does not leave.
    """
    model = "sandbox/stall-after-30" if stays else "sandbox/echo"
    inference = deployment.inference
    try:
        match method:
            case "StreamChat":
                request = ask(model, on_behalf_of=on_behalf_of)
                reading = await read(stream(deployment.channel, method, request, metadata))
                return _outcome(reading.failure)
            case "ResumeChat":
                resume = run_pb2.ResumeChatRequest(run_id=run_id, on_behalf_of=on_behalf_of)
                resumed = stream(deployment.channel, method, resume, metadata)
                reading = await read(resumed, None if stays else 1)
                return _outcome(reading.failure)
            case "Chat":
                request = ask(model, on_behalf_of=on_behalf_of)
                await inference.Chat(request, metadata=metadata)
            case "CancelChat":
                cancel = run_pb2.CancelChatRequest(run_id=run_id, on_behalf_of=on_behalf_of)
                cancelled = await inference.CancelChat(cancel, metadata=metadata)
                assert cancelled.run.state == run_pb2.RUN_STATE_CANCELLED
            case "GetRun":
                get = run_pb2.GetRunRequest(run_id=run_id, on_behalf_of=on_behalf_of)
                assert (await inference.GetRun(get, metadata=metadata)).run.id == run_id
            case "ListRuns":
                runs = run_pb2.ListRunsRequest(page_size=1000, on_behalf_of=on_behalf_of)
                listed = await inference.ListRuns(runs, metadata=metadata)
                return OK if run_id in [run.id for run in listed.runs] else HIDDEN
    except grpc.aio.AioRpcError as error:
        return _outcome(failure_of(error))
    return OK


def _outcome(failure: Failure | None) -> str:
    return OK if failure is None else f"{failure.code.name} {failure.reason}"


@pytest.mark.parametrize(("who", "whom", "method", "expected"), CELLS)
async def test_table_of_access(
    deployment: Deployment, people: People, who: str, whom: str, method: str, expected: str
) -> None:
    """Every method answers everybody as the table says."""
    asked_for = ASKED_FOR[whom]
    allowed = whom != NO_SCOPE
    async with run_of(deployment, people.owner, "" if whom == ITSELF else "ann") as run_id:
        metadata: Metadata = ()
        if who.startswith("revoked"):
            token = await deployment.issue(people.owner.principal, impersonate=allowed)
            if who == "revoked in mid-stream":
                ended = await _revoke_under_way(deployment, token, method, run_id, asked_for)
                assert ended == expected
                return
            await deployment.revoke(token)
            metadata = token.metadata
        elif who != "no token":
            metadata = (people.with_scope if allowed else people.without_scope)[who].metadata
        assert await answer(deployment, method, run_id, metadata, asked_for) == expected


async def _revoke_under_way(
    deployment: Deployment, token: Token, method: str, run_id: str, asked_for: str
) -> str:
    """Revoke a token while a stream that it opened goes on; return how a call with it ends.

    The call is the stream itself, or for a method that answers at once, one made right after.
    """
    streams = method if method in ("StreamChat", "Chat") else "ResumeChat"
    seen = deployment.sandbox.seen
    before = len(seen.of_model("stall-after-30"))
    under_way = asyncio.create_task(
        answer(deployment, streams, run_id, token.metadata, asked_for, stays=True)
    )

    async def is_under_way() -> bool:
        if streams == "ResumeChat":
            return (await deployment.run(run_id)).readers == 2
        return len(seen.of_model("stall-after-30")) > before

    await eventually(is_under_way)
    assert not under_way.done()
    await deployment.revoke(token)
    async with asyncio.timeout(1):
        ended = await under_way
    if streams == method:
        return ended
    return await answer(deployment, method, run_id, token.metadata, asked_for)
