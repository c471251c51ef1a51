"""`trunkline config`: the settings as they hold, each with where its value comes from."""

from __future__ import annotations

import sys
from typing import Annotated

import typer

from trunkline.cli.failures import wrong_usage
from trunkline.cli.options import AsJson
from trunkline.cli.output import print_json, print_table


def config(
    name: Annotated[
        str | None,
        typer.Argument(help="One setting, whose value alone is printed.", show_default=False),
    ] = None,
    as_json: AsJson = False,
) -> None:
    """Show every setting as it holds, and where from.

    Secrets show as (set).
    """
    from trunkline.configuration import SETTINGS
    from trunkline.kernel.settings import Source, describe

    source = Source.read()
    source.check_names(SETTINGS)
    settings = describe(source, SETTINGS)
    if name is not None:
        chosen = [setting for setting in settings if setting.name == name]
        if not chosen:
            raise wrong_usage(
                f"There is no setting {name}.", "`trunkline config` lists all settings."
            )
        settings = chosen
        if not as_json:
            sys.stdout.write(f"{chosen[0].value}\n")
            return
    if as_json:
        print_json(
            {
                "settings": [
                    {
                        "name": setting.name,
                        "value": setting.value,
                        "source": setting.source,
                        "description": setting.description,
                    }
                    for setting in settings
                ]
            }
        )
        return
    print_table(
        ("SETTING", "VALUE", "SOURCE", "MEANING"),
        ((each.name, each.value, each.source, each.description) for each in settings),
    )
