"""Ask a model as it is set: what the request leaves open is the model's, its options included.

What holds, the first that says something: options of the request, its own fields, options of
the model's settings, their fields. Pure: views and contracts go in, a question comes out.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from google.protobuf.struct_pb2 import Struct, Value

from trunkline.catalog.v1 import model_pb2, provider_pb2
from trunkline.inference.v1 import chat_pb2
from trunkline.kernel.errors import InvalidArgument, Violation
from trunkline.planning.candidates import Candidate
from trunkline.planning.options import apply_options, list_faults, options_of


def settle_question(request: chat_pb2.ChatRequest, candidate: Candidate) -> chat_pb2.ChatRequest:
    """Return what one candidate is asked; it is the request itself where nothing is set.

    Args:
        request: the question, with options by provider type.
        candidate: who is asked.
    """
    provider, settings = candidate.provider, candidate.model.settings
    has_settings = candidate.model.HasField("settings")
    asked = _asked(request, provider.type)
    if not has_settings and asked is None:
        return request
    options = options_of(provider.type, provider.endpoint.format)
    settled = chat_pb2.ChatRequest()
    if has_settings:
        _set_defaults(settled, settings)
        apply_options(settled, settings.provider_options, options)
    _merge(settled, request)
    if asked is not None:
        apply_options(settled, asked, options)
    settled.ClearField("provider_options")
    if not settled.tools:
        # How many calls may come in a turn says nothing without tools, and some refuse it.
        settled.ClearField("tool_choice")
    return settled


def check_options(
    request: chat_pb2.ChatRequest, providers: Mapping[str, provider_pb2.Provider]
) -> None:
    """Refuse options that no candidate could take.

    Args:
        request: as it came.
        providers: those that there are, by name.

    Raises:
        InvalidArgument: naming each of them.
    """
    if not request.HasField("provider_options"):
        return
    violations = list(_list_faults(request.provider_options, providers.values()))
    if violations:
        raise InvalidArgument.of(*violations)


def _list_faults(given: Struct, providers: Iterable[provider_pb2.Provider]) -> Iterable[Violation]:
    """Yield what is wrong with options by provider type."""
    formats = {provider.type: provider.endpoint.format for provider in providers}
    for type_name, value in sorted(given.fields.items()):
        path = f"provider_options.{type_name[:64]}"
        if type_name not in formats:
            yield Violation(path, "is no type of a provider that is connected")
        elif value.WhichOneof("kind") != "struct_value":
            yield Violation(path, "must be an object with options by name")
        else:
            options = options_of(type_name, formats[type_name])
            yield from list_faults(value.struct_value, options, path)


def _asked(request: chat_pb2.ChatRequest, type_name: str) -> Struct | None:
    """Return the options that a request has for a provider type; None: it has none."""
    if not request.HasField("provider_options"):
        return None
    value: Value | None = request.provider_options.fields.get(type_name)
    return value.struct_value if value is not None and value.HasField("struct_value") else None


def _set_defaults(settled: chat_pb2.ChatRequest, settings: model_pb2.ModelSettings) -> None:
    """Set what a model is asked with unless somebody says otherwise."""
    if settings.HasField("sampling"):
        settled.sampling.CopyFrom(settings.sampling)
    if settings.HasField("reasoning"):
        settled.reasoning.CopyFrom(settings.reasoning)
    settled.max_output_tokens = settings.max_output_tokens


def _merge(settled: chat_pb2.ChatRequest, request: chat_pb2.ChatRequest) -> None:
    """Let what a request says hold over what is set.

    How much is thought is one setting: an effort of the request is not held back by a budget
    that is set, nor the other way round.
    """
    asked = request.reasoning
    if asked.effort or asked.budget_tokens:
        settled.reasoning.effort, settled.reasoning.budget_tokens = "", 0
    if request.sampling.stop:
        settled.sampling.ClearField("stop")
    settled.MergeFrom(request)
