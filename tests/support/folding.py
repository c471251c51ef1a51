"""The rule by which events fold to a message, written a second time from `event.proto`."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable

from trunkline.inference.v1 import event_pb2, message_pb2


def fold(events: Iterable[event_pb2.ChatEvent]) -> message_pb2.Message:
    """Return the message that events are: first what is void goes, then blocks are made."""
    blocks: defaultdict[int, list[event_pb2.ChatEvent]] = defaultdict(list)
    for event in _living(events):
        content = getattr(event, str(event.WhichOneof("kind")))
        if "block" in content.DESCRIPTOR.fields_by_name:
            blocks[content.block].append(event)
    parts = (_part(blocks[number]) for number in sorted(blocks))
    return message_pb2.Message(
        role=message_pb2.ROLE_ASSISTANT, content=[part for part in parts if part is not None]
    )


def _living(events: Iterable[event_pb2.ChatEvent]) -> list[event_pb2.ChatEvent]:
    """Return the events of the last turn that are not void."""
    living: list[event_pb2.ChatEvent] = []
    for event in events:
        if event.HasField("turn_completed"):
            living = []
        elif event.HasField("continuation_started"):
            start = event.continuation_started.void_from_sequence or event.sequence
            living = [kept for kept in living if kept.sequence < start]
        else:
            living.append(event)
    return living


def _part(events: list[event_pb2.ChatEvent]) -> message_pb2.Part | None:
    """Return one block; None when it does not count."""
    kinds = {event.WhichOneof("kind") for event in events}
    part = message_pb2.Part()
    first = events[0]
    if "tool_call_started" in kinds:
        if "tool_call_completed" not in kinds:
            return None
        part.tool_call.id = first.tool_call_started.call_id
        part.tool_call.name = first.tool_call_started.name
        part.tool_call.arguments = "".join(event.tool_call_delta.arguments for event in events)
    elif "provider_part_delta" in kinds:
        if not any(event.provider_part_delta.last for event in events):
            return None
        part.provider_part.issuer.CopyFrom(first.provider_part_delta.issuer)
        part.provider_part.type = first.provider_part_delta.type
        part.provider_part.data_json = "".join(
            event.provider_part_delta.data_json for event in events
        )
    elif "text_delta" in kinds:
        text = "".join(event.text_delta.text for event in events)
        if any(event.text_delta.refusal for event in events):
            part.refusal = text
        else:
            part.text = text
    elif "tool_call_aborted" in kinds:
        return None
    else:
        part.reasoning.text = "".join(event.reasoning_delta.text for event in events)
        part.reasoning.redacted = any(event.reasoning_signature.redacted for event in events)
    proofs = [
        event.reasoning_signature for event in events if event.HasField("reasoning_signature")
    ]
    if proofs:
        part.signature.issuer.CopyFrom(proofs[0].signature.issuer)
        part.signature.value = "".join(proof.signature.value for proof in proofs)
    part.citations.extend(
        event.citation_added.citation for event in events if event.HasField("citation_added")
    )
    return part
