"""`trunkline models set` and `trunkline models options`: how a model is asked."""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Annotated, Any

import typer

from trunkline.cli.failures import wrong_usage
from trunkline.cli.options import DEFAULT_ADDRESS, Address, AsJson
from trunkline.cli.output import print_json, print_table, say, to_json

if TYPE_CHECKING:
    from collections.abc import Sequence

    from trunkline.catalog.v1.model_pb2 import Model, ModelSettings
    from trunkline.catalog.v1.option_pb2 import OptionSchema
    from trunkline.cli.client import Client

# What every model has, with what it takes.
_NUMBERS = {
    "temperature": "0 to 2",
    "top_p": "above 0 to 1",
    "presence_penalty": "-2 to 2",
    "frequency_penalty": "-2 to 2",
}
_COUNTS = {
    "top_k": "tokens, from 1 on",
    "max_output_tokens": "tokens",
    "compression_threshold_percent": "0 to 100 %",
}
_IN_SAMPLING = ("temperature", "top_p", "top_k", "presence_penalty", "frequency_penalty")

_ModelName = Annotated[str, typer.Argument(metavar="PROVIDER/MODEL", help="The model.")]


def options(model: _ModelName, address: Address = DEFAULT_ADDRESS, as_json: AsJson = False) -> None:
    """Show what can be set for a model, and what is."""
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        shown, schemas = _read(client, model)
    values = _list_values(shown.settings)
    if as_json:
        print_json({"model": to_json(shown), "options": [to_json(each) for each in schemas]})
        return
    rows = [(name, values.get(name, ""), takes) for name, takes in (_NUMBERS | _COUNTS).items()]
    rows += [(each.name, values.get(each.name, ""), _takes(each)) for each in schemas]
    print_table(("OPTION", "SET TO", "TAKES"), rows)


def set_(
    model: _ModelName,
    settings: Annotated[
        list[str],
        typer.Argument(metavar="NAME=VALUE…", help="What to set; NAME= clears it."),
    ],
    address: Address = DEFAULT_ADDRESS,
    as_json: AsJson = False,
) -> None:
    """Set how a model is asked unless a request says otherwise."""
    from google.protobuf.field_mask_pb2 import FieldMask

    from trunkline.catalog.v1 import model_pb2
    from trunkline.cli.client import open_client

    with open_client(address) as client:
        shown, schemas = _read(client, model)
        changed = model_pb2.Model(name=model, etag=shown.etag, settings=shown.settings)
        for setting in settings:
            _set(changed.settings, setting, schemas)
        request = model_pb2.UpdateModelRequest(
            model=changed, update_mask=FieldMask(paths=["settings"])
        )
        shown = client.ask(client.catalog.UpdateModel, request).model
    if as_json:
        print_json({"model": to_json(shown)})
        return
    values = _list_values(shown.settings)
    said = ", ".join(f"{name} {value}" for name, value in values.items())
    say(f"{shown.name}: {said}." if said else f"{shown.name}: nothing is set.")


def _read(client: Client, name: str) -> tuple[Model, Sequence[OptionSchema]]:
    """Return a model, and the options of its provider's type."""
    from trunkline.catalog.v1 import model_pb2, provider_pb2

    model = client.ask(client.catalog.GetModel, model_pb2.GetModelRequest(name=name)).model
    provider = client.ask(
        client.catalog.GetProvider,
        provider_pb2.GetProviderRequest(name=name.partition("/")[0]),
    ).provider
    types = client.ask(
        client.catalog.ListProviderTypes, provider_pb2.ListProviderTypesRequest()
    ).provider_types
    return model, next((each.options for each in types if each.name == provider.type), ())


def _set(settings: ModelSettings, setting: str, schemas: Sequence[OptionSchema]) -> None:
    """Take over one `NAME=VALUE`.

    Raises:
        Failure: the name is none, or the value cannot be read.
    """
    name, equals, text = setting.partition("=")
    if not equals:
        raise wrong_usage(f"{setting} is no NAME=VALUE.", "Such as `temperature=0.2`.")
    known = [*_NUMBERS, *_COUNTS, *(each.name for each in schemas)]
    if name not in known:
        raise wrong_usage(f"{name} cannot be set.", f"What can: {', '.join(known)}.")
    holder: Any = settings.sampling if name in _IN_SAMPLING else settings
    if name in _NUMBERS or name in _COUNTS:
        if not text:
            holder.ClearField(name)
        else:
            setattr(holder, name, _read_number(name, text, whole=name in _COUNTS))
        if not settings.sampling.ListFields():
            settings.ClearField("sampling")
    elif text:
        settings.provider_options[name] = _read_value(text)
    elif name in settings.provider_options:
        del settings.provider_options[name]


def _read_number(name: str, text: str, *, whole: bool) -> float:
    """Return a number.

    Raises:
        Failure: the text is none.
    """
    try:
        return int(text) if whole else float(text)
    except ValueError:
        takes = (_NUMBERS | _COUNTS)[name]
        raise wrong_usage(f"{name} takes a number, not {text}.", f"It takes {takes}.") from None


def _read_value(text: str) -> Any:
    """Return what a text says: true, false or a number; else it is a word."""
    try:
        value = json.loads(text)
    except ValueError:
        return text
    return value if isinstance(value, bool | int | float) else text


def _list_values(settings: ModelSettings) -> dict[str, str]:
    """Return what is set, by name."""
    values = {
        field.name: f"{value:g}"
        for holder in (settings.sampling, settings)
        for field, value in holder.ListFields()
        if field.name in _NUMBERS or field.name in _COUNTS
    }
    for name, value in sorted(settings.provider_options.items()):
        if isinstance(value, bool):
            values[name] = "true" if value else "false"
        else:
            values[name] = f"{value:g}" if isinstance(value, float) else str(value)
    return values


def _takes(schema: OptionSchema) -> str:
    """Return what an option takes, in a few words."""
    from trunkline.catalog.v1 import option_pb2

    match schema.kind:
        case option_pb2.OPTION_KIND_BOOL:
            return "true or false"
        case option_pb2.OPTION_KIND_CHOICE:
            return ", ".join(schema.choices)
        case _:
            return f"{schema.unit or 'a number'}, from {schema.minimum:,.0f} on"
