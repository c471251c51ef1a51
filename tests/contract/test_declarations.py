"""The contract keeps its own word: comments, options and reasons agree."""

from __future__ import annotations

import importlib.util
import re
import sys
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest
from google.api import annotations_pb2
from google.protobuf import descriptor_pb2

from trunkline.options.v1 import options_pb2

ROOT = Path(__file__).resolve().parents[2]
SECRET_NAME = re.compile(
    r"(api_key|secret|password|private_key|access_token|refresh_token|\btoken)$|^(key|token)$"
)
# Named like secrets and none: what a page begins with, and counts of tokens.
NOT_SECRET = {"page_token", "next_page_token", "first_token", "time_to_first_token", "access_token"}

File = descriptor_pb2.FileDescriptorProto
Comments = dict[tuple[int, ...], str]


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> list[File]:
    """Return the contract's files, compiled with their comments."""
    generate = _load_generator()
    scratch = tmp_path_factory.mktemp("contract")
    image = scratch / "contract.binpb"
    generate.run_protoc(
        scratch,
        "--include_source_info",
        f"--descriptor_set_out={image}",
        *generate.contract_files(),
    )
    return list(descriptor_pb2.FileDescriptorSet.FromString(image.read_bytes()).file)


def test_every_method_says_who_may_call_it_as_it_declares(files: list[File]) -> None:
    """The line `Callers:` of a method's comment names exactly its `callers` and `peers`."""
    seen = 0
    for file, service, method, comment in _methods(files):
        options = method.options
        declared = {
            options_pb2.CallerRole.Name(role).removeprefix("CALLER_ROLE_")
            for role in options.Extensions[options_pb2.callers]
        }
        named = re.search(r"Callers:(.*?)(?:\n ?Errors:|$)", comment, re.DOTALL)
        assert named is not None, f"{service}.{method.name} has no Callers: line"
        words = set(re.findall(r"[A-Z]{5,}", named[1]))
        assert words == declared, f"{service}.{method.name}"
        assert declared, f"{service}.{method.name} can be called by nobody"
        for peer in options.Extensions[options_pb2.peers]:
            assert peer in named[1], f"{service}.{method.name} does not name {peer}"
        assert "Errors:" in comment, f"{file.name}: {method.name} names no errors"
        seen += 1
    assert seen > 25


def test_every_reason_that_a_method_names_exists(files: list[File]) -> None:
    """A reason in back quotes or capitals in a comment of a service is one of its package."""
    for file, service, method, comment in _methods(files):
        reasons = _reasons(files, file.package)
        for word in re.findall(r"`([A-Z][A-Z_]{5,})`", comment):
            assert word in reasons, f"{service}.{method.name} names {word}"


def test_every_reason_is_promised_somewhere(files: list[File]) -> None:
    """A reason is common, or a service's or method's comment names it."""
    for file in files:
        if not file.name.endswith("/error.proto"):
            continue
        comments = _comments(file)
        texts = "\n".join(
            text
            for other in files
            if other.package == file.package and other.service
            for text in _comments(other).values()
        )
        for number, value in enumerate(file.enum_type[0].value):
            reason = value.name.removeprefix("ERROR_REASON_")
            comment = comments[(5, 0, 2, number)]
            common = comment.strip().startswith(("Common", "Not used"))
            served_later = reason in _SERVED_LATER
            everywhere = reason in _EVERYWHERE
            named = re.search(rf"\b{reason}\b", texts) is not None
            assert common or named or served_later or everywhere, f"{file.package}: {reason}"


def test_every_secret_is_marked_and_redacted(files: list[File]) -> None:
    """A field that looks like a secret carries both marks, and no other field carries one."""
    marked = 0
    for file in files:
        for name, field in _fields(file):
            secret = field.options.Extensions[options_pb2.secret]
            assert secret == field.options.debug_redact, f"{name} has one mark of two"
            looks = bool(SECRET_NAME.search(field.name)) and field.name not in NOT_SECRET
            is_text = field.type in (field.TYPE_STRING, field.TYPE_BYTES)
            if looks and is_text:
                assert secret, f"{name} looks like a secret and is not marked"
            marked += secret
    assert marked >= 6


def test_no_path_is_given_twice(files: list[File]) -> None:
    """Two methods never share an HTTP verb and path."""
    paths = set()
    for _, service, method, _ in _methods(files):
        rule: Any = method.options.Extensions[annotations_pb2.http]  # type: ignore[index] # untyped stub
        verb = rule.WhichOneof("pattern")
        if verb is None:
            continue
        path = (verb, re.sub(r"\{[^}]*\}", "{}", getattr(rule, verb)))
        assert path not in paths, f"{service}.{method.name}: {path}"
        paths.add(path)
    assert len(paths) > 15


# The contract's reasons stand whole from the start; these belong to parts that come later
# (docs/decisions/0001), or are said by the list in InferenceService's comment.
_SERVED_LATER = {
    "IDEMPOTENCY_MISMATCH",
    "TURN_LIMIT_REACHED",
    "CALL_LIMIT_REACHED",
    "UNEXPECTED_TOOL_RESULT",
    "TOOL_RESULT_MISMATCH",
    "TOOL_TIMED_OUT",
    "NO_EMBEDDINGS",
    "BAD_VECTOR",
}
# Of every method, since they come from admission and from the views it needs.
_EVERYWHERE = {"LIMIT_REACHED", "SECURITY_VIEW_STALE", "PEER_UNAVAILABLE"}


def _load_generator() -> ModuleType:
    """Import `protos/generate.py`, which is no part of a package."""
    spec = importlib.util.spec_from_file_location("generate", ROOT / "protos" / "generate.py")
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    sys.modules["generate"] = module
    spec.loader.exec_module(module)
    return module


def _comments(file: File) -> Comments:
    """Return a file's leading comments by their path."""
    return {
        tuple(location.path): location.leading_comments
        for location in file.source_code_info.location
        if location.leading_comments
    }


def _methods(
    files: list[File],
) -> Iterator[tuple[File, str, descriptor_pb2.MethodDescriptorProto, str]]:
    """Yield every method with its file, service and comment."""
    for file in files:
        comments = _comments(file)
        for outer, service in enumerate(file.service):
            for inner, method in enumerate(service.method):
                yield file, service.name, method, comments[(6, outer, 2, inner)]


def _reasons(files: list[File], package: str) -> set[str]:
    """Return a package's reasons, without prefix."""
    return {
        value.name.removeprefix("ERROR_REASON_")
        for file in files
        if file.package == package and file.name.endswith("/error.proto")
        for value in file.enum_type[0].value
    }


def _fields(file: File) -> Iterator[tuple[str, descriptor_pb2.FieldDescriptorProto]]:
    """Yield every field of a file's messages with its full name."""
    pending = [(file.package, message) for message in file.message_type]
    while pending:
        scope, message = pending.pop()
        name = f"{scope}.{message.name}"
        pending.extend(
            (name, nested) for nested in message.nested_type if not nested.options.map_entry
        )
        for field in message.field:
            yield f"{name}.{field.name}", field
