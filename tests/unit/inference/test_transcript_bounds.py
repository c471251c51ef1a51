"""The bounds of the transcript's walk are those that the contract declares."""

from __future__ import annotations

from typing import Any

import pytest
from google.protobuf.descriptor import Descriptor

from buf.validate import validate_pb2
from trunkline.inference import transcript
from trunkline.inference.v1 import message_pb2


def rules(message: Descriptor, field: str) -> validate_pb2.FieldRules:
    """Return what the contract declares of a field."""
    options = message.fields_by_name[field].GetOptions()
    return options.Extensions[validate_pb2.field]


IMAGE = message_pb2.Image.DESCRIPTOR
DOCUMENT = message_pb2.Document.DESCRIPTOR
CALL = message_pb2.ToolCall.DESCRIPTOR
RESULT = message_pb2.ToolResult.DESCRIPTOR
PROVENANCE = message_pb2.Provenance.DESCRIPTOR
PROVIDER_PART = message_pb2.ProviderPart.DESCRIPTOR

PAIRS: list[tuple[Any, Any]] = [
    (transcript.MAX_PARTS, rules(message_pb2.Message.DESCRIPTOR, "content").repeated.max_items),
    (transcript.MAX_IMAGE_BYTES, rules(IMAGE, "data").bytes.max_len),
    (transcript.MAX_DOCUMENT_BYTES, rules(DOCUMENT, "data").bytes.max_len),
    (transcript.MAX_URL_CHARACTERS, rules(IMAGE, "url").string.max_len),
    (transcript.MAX_URL_CHARACTERS, rules(DOCUMENT, "url").string.max_len),
    (transcript.URL_PREFIX, rules(IMAGE, "url").string.prefix),
    (transcript.URL_PREFIX, rules(DOCUMENT, "url").string.prefix),
    (f"^{transcript.IMAGE_MEDIA_TYPE.pattern}$", rules(IMAGE, "media_type").string.pattern),
    (f"^{transcript.DOCUMENT_MEDIA_TYPE.pattern}$", rules(DOCUMENT, "media_type").string.pattern),
    (transcript.MAX_DOCUMENT_NAME_CHARACTERS, rules(DOCUMENT, "name").string.max_len),
    (transcript.MAX_CALL_ID_CHARACTERS, rules(CALL, "id").string.max_len),
    (transcript.MAX_TOOL_NAME_CHARACTERS, rules(CALL, "name").string.max_len),
    (transcript.MAX_ARGUMENTS_BYTES, rules(CALL, "arguments").string.max_bytes),
    (transcript.MAX_CALL_ID_CHARACTERS, rules(RESULT, "call_id").string.max_len),
    (transcript.MAX_RESULT_PARTS, rules(RESULT, "content").repeated.max_items),
    (
        transcript.MAX_REASONING_BYTES,
        rules(message_pb2.Reasoning.DESCRIPTOR, "text").string.max_bytes,
    ),
    (
        transcript.MAX_SIGNATURE_BYTES,
        rules(message_pb2.Signature.DESCRIPTOR, "value").string.max_bytes,
    ),
    (transcript.MAX_VENDOR_CHARACTERS, rules(PROVENANCE, "vendor").string.max_len),
    (transcript.MAX_MODEL_CHARACTERS, rules(PROVENANCE, "model").string.max_len),
    (transcript.MAX_PROVIDER_CHARACTERS, rules(PROVENANCE, "provider").string.max_len),
    (transcript.MAX_CREDENTIAL_ID_CHARACTERS, rules(PROVENANCE, "credential_id").string.max_len),
    (transcript.MAX_PROVIDER_PART_TYPE_CHARACTERS, rules(PROVIDER_PART, "type").string.max_len),
    (transcript.MAX_PROVIDER_PART_BYTES, rules(PROVIDER_PART, "data_json").string.max_bytes),
    (
        transcript.MAX_CACHE_SECONDS,
        rules(message_pb2.CachePoint.DESCRIPTOR, "ttl").duration.lte.seconds,
    ),
]


@pytest.mark.parametrize(("walked", "declared"), PAIRS)
def test_the_walk_has_the_declared_bound(walked: Any, declared: Any) -> None:
    """Each bound of the walk is the one of the contract."""
    assert walked == declared


def test_no_declared_bound_of_the_transcript_is_missing() -> None:
    """A bound that the contract gains must gain a line above, and one in the walk."""
    bounded = 0
    for name in (
        "Message",
        "Image",
        "Document",
        "ToolCall",
        "ToolResult",
        "Reasoning",
        "Signature",
        "Provenance",
        "ProviderPart",
        "CachePoint",
    ):
        for field in message_pb2.DESCRIPTOR.message_types_by_name[name].fields:
            declared = field.GetOptions().Extensions[validate_pb2.field]
            bounded += sum(
                text.count(bound)
                for text in str(declared).splitlines()
                for bound in ("max_len:", "max_bytes:", "max_items:", "pattern:", "prefix:", "lte")
            )
    assert bounded == len(PAIRS)
