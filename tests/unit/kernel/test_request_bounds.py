"""Requests held to what the contract declares, every wrong field by its path."""

from __future__ import annotations

import math
import time

import protovalidate
import pytest
from google.protobuf.message import Message
from google.protobuf.timestamp_pb2 import Timestamp
from hypothesis import given
from hypothesis import strategies as st

from trunkline.credential.v1 import access_pb2, save_pb2
from trunkline.inference.v1 import chat_pb2, message_pb2
from trunkline.kernel import bounds
from trunkline.kernel.errors import InvalidArgument, Violation


def wrong(request: Message) -> tuple[Violation, ...]:
    """Return how a request breaks its bounds; it must."""
    with pytest.raises(InvalidArgument) as refused:
        bounds.check(request)
    assert refused.value.reason == "INVALID_REQUEST"
    return refused.value.violations


def fields(request: Message) -> set[str]:
    """Return the paths of a request's wrong fields."""
    return {violation.field for violation in wrong(request)}


def test_a_request_within_its_bounds_passes() -> None:
    """Also an empty one where nothing is required."""
    bounds.check(access_pb2.ListAccessTokensRequest())
    bounds.check(access_pb2.ListAccessTokensRequest(page_size=1000))


def test_a_field_is_named_with_what_is_wrong() -> None:
    """The path is the contract's; the sentence is the rule's."""
    (violation,) = wrong(access_pb2.ListAccessTokensRequest(page_size=1001))
    assert violation.field == "page_size"
    assert "1000" in violation.description


def test_every_wrong_field_is_named() -> None:
    """In messages, in lists and in maps, by index and by key."""
    chat = chat_pb2.ChatRequest(model="no slash", fallbacks=["a/b", "?"], role="x" * 64)
    chat.sampling.temperature = 3
    chat.sampling.stop.extend(["ok", ""])
    chat.messages.add()  # checked by the walk that translates it
    assert fields(chat) == {
        "model",
        "fallbacks[1]",
        "role",
        "sampling.temperature",
        "sampling.stop[1]",
    }
    save = save_pb2.SaveApiKeyRequest(provider="openai")
    save.api_key = "k"
    save.headers["bad key"] = "x"
    save.headers["X-Ok"] = "line\nbreak"
    save.headers['quo"te'] = "x"
    assert fields(save) == {'headers["bad key"]', 'headers["X-Ok"]', 'headers["quo\\"te"]'}
    message = message_pb2.Message(role=message_pb2.ROLE_USER)
    message.content.add()
    assert {path.partition(".")[0] for path in fields(message)} == {"content[0]"}


def test_a_rule_of_the_whole_message_names_no_field() -> None:
    """Such as two fields of which one may be set."""
    assert fields(chat_pb2.ChatRequest(model="a/b", chain="c")) == {""}


_CHATS = st.builds(
    chat_pb2.ChatRequest,
    model=st.sampled_from(["", "a/b", "no slash"]),
    chain=st.sampled_from(["", "c"]),
    role=st.sampled_from(["", "r", "x" * 64]),
    max_output_tokens=st.sampled_from([0, 1, -1]),
    strict=st.booleans(),
    sampling=st.one_of(
        st.none(),
        st.builds(
            chat_pb2.Sampling,
            temperature=st.sampled_from([None, 0.0, 2.0, 2.5, math.nan]),
            top_k=st.sampled_from([None, 0, 1]),
            stop=st.lists(st.sampled_from(["a", ""]), max_size=2),
        ),
    ),
    fallbacks=st.lists(st.sampled_from(["a/b", "?"]), max_size=2),
    durability=st.sampled_from([0, 1, 77]),
)


@given(st.lists(_CHATS, min_size=1, max_size=6))
def test_a_verdict_is_never_given_to_another_request(requests: list[chat_pb2.ChatRequest]) -> None:
    """What is remembered of right requests says nothing of those that only resemble them."""
    for request in (*requests, *reversed(requests)):
        request.messages.add()
        right = not protovalidate.collect_violations(request)
        try:
            bounds.check(request)
        except InvalidArgument:
            assert not right
        else:
            assert right


def test_a_hostile_request_is_refused_before_it_costs_much() -> None:
    """A million wrong items took half a minute to name; only the first one is."""
    request = chat_pb2.ChatRequest(model="a/b", fallbacks=["q"] * 1_000_000)
    begun = time.process_time()
    assert len(wrong(request)) == 1
    assert time.process_time() - begun < 5


def test_bytes_that_are_no_message_are_refused() -> None:
    """And what they are is not repeated."""
    with pytest.raises(InvalidArgument) as refused:
        bounds.read(access_pb2.ListAccessTokensRequest.FromString, b"\xff canary")
    assert refused.value.reason == "INVALID_REQUEST"
    assert "canary" not in refused.value.message
    read = bounds.read(access_pb2.ListAccessTokensRequest.FromString, b"\x08\x05")
    assert read.page_size == 5


def test_no_path_is_the_request_as_a_whole() -> None:
    """A rule of the whole message comes without one."""
    assert bounds.field_path(None) == ""


def test_a_remembered_verdict_is_only_for_the_same_request() -> None:
    """What was right is passed again at once; what differs in any bound is judged anew."""
    right = chat_pb2.ChatRequest(model="a/b", sampling=chat_pb2.Sampling(temperature=1.0))
    for _ in range(2):
        bounds.check(right)
    for wrong in (
        chat_pb2.ChatRequest(model="a/b", sampling=chat_pb2.Sampling(temperature=7.0)),
        chat_pb2.ChatRequest(model="ab", sampling=chat_pb2.Sampling(temperature=1.0)),
        chat_pb2.ChatRequest(model="a/b", chain="c", sampling=chat_pb2.Sampling(temperature=1.0)),
    ):
        for _ in range(2):
            with pytest.raises(InvalidArgument):
                bounds.check(wrong)


@pytest.mark.parametrize(
    ("seconds", "nanos"),
    [(253_402_300_800, 0), (-62_135_596_801, 0), (2**63 - 1, 0), (0, -1), (0, 1_000_000_000)],
)
def test_a_time_that_is_none_is_refused(seconds: int, nanos: int) -> None:
    """What comes over the wire as a timestamp need not be one; the field is named."""
    with pytest.raises(InvalidArgument) as refused:
        bounds.read_time(Timestamp(seconds=seconds, nanos=nanos), "start_time")
    assert [violation.field for violation in refused.value.violations] == ["start_time"]
    assert bounds.read_time(Timestamp(seconds=-1, nanos=5), "start_time") == -999_999_995
