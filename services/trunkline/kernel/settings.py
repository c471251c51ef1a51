"""Settings: environment variables over a TOML file over defaults, each with its source.

Every setting has one flat name. `journal_run_bytes` is `TRUNKLINE_JOURNAL_RUN_BYTES`
in the environment and `journal_run_bytes = …` in the file. A name that nobody knows
is an error, since a misspelt limit that silently does nothing is worse than none.
"""

from __future__ import annotations

import difflib
import os
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal, TypeVar

import platformdirs
from pydantic import (
    BaseModel,
    ConfigDict,
    Field,
    SecretBytes,
    SecretStr,
    ValidationError,
    ValidationInfo,
    field_validator,
)

PREFIX = "TRUNKLINE_"

# Read by the command line and the tests, and by no service.
FOREIGN_VARIABLES = frozenset(
    {
        "TRUNKLINE_ADDRESS",
        "TRUNKLINE_CA_FILE",
        "TRUNKLINE_CONFIG",
        "TRUNKLINE_REQUIRE_ALL",
        "TRUNKLINE_TEST_FULL",
        "TRUNKLINE_TEST_SEED",
        "TRUNKLINE_TOKEN",
    }
)

_MAX_PORT = 65_535

S = TypeVar("S", bound="Settings")


class SettingsError(Exception):
    """A setting is unknown or has a value it cannot have.

    Args:
        what: one sentence: what is wrong.
        advice: one sentence: what to do.
    """

    def __init__(self, what: str, advice: str) -> None:
        super().__init__(what)
        self.what = what
        self.advice = advice


class Settings(BaseModel):
    """The base of a group of settings; a field's description is its documentation."""

    # No limit is infinite: such a limit is none, and a misspelt one would pass for it.
    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)

    @field_validator("*", mode="before")
    @classmethod
    def _read_path(cls, value: Any, info: ValidationInfo) -> Any:
        """Read a path as a shell does; an empty one is none, and not this directory."""
        about = cls.model_fields[info.field_name or ""]
        if about.annotation not in (Path, Path | None) or not isinstance(value, str):
            return value
        if not value.strip():
            raise ValueError("it is empty")
        try:
            return Path(value).expanduser()
        except RuntimeError:
            raise ValueError("the home directory is not known") from None


def check_port(address: str) -> str:
    """Return `host:port`, or nothing, as it is.

    Raises:
        ValueError: there is no such port.
    """
    if address and int(address.rpartition(":")[2]) > _MAX_PORT:
        raise ValueError(f"a port is at most {_MAX_PORT}")
    return address


class ProcessSettings(Settings):
    """What every process needs, whichever services it runs."""

    data_dir: Path = Field(
        default_factory=lambda: platformdirs.user_data_path("trunkline"),
        description="Directory of databases and sockets.",
    )
    config_dir: Path = Field(
        default_factory=lambda: platformdirs.user_config_path("trunkline"),
        description="Directory of the key-encryption key and the first admin token.",
    )
    listen: str = Field(
        default="127.0.0.1:50051",
        pattern=r"^(\[[0-9a-fA-F:]+\]|[^:\s\[\]]+):\d{1,5}$",
        description="Address of the public listener, `host:port`; port 0 picks a free one.",
    )

    @field_validator("listen")
    @classmethod
    def _check_port(cls, value: str) -> str:
        """Refuse a port that there is not."""
        return check_port(value)

    worker: int = Field(
        default=0,
        ge=0,
        le=255,
        description="Which of several processes that serve inference from one data directory this"
        " is; the other services call number 0.",
    )
    shares_port: bool = Field(
        default=False, description="Further processes listen on the same address."
    )
    log_level: Literal["debug", "info", "warning", "error"] = Field(
        default="info", description="The least severe log line that is written."
    )
    log_format: Literal["auto", "json", "console"] = Field(
        default="auto", description="`auto`: console on a terminal, else JSON lines."
    )
    max_calls: int = Field(
        default=10_000, ge=1, description="Calls that are served at once, over all callers."
    )
    max_message_bytes: int = Field(
        default=64 * 1024 * 1024,
        ge=1024,
        description="The largest request that is read, in bytes.",
    )
    max_security_staleness_s: float = Field(
        default=30.0,
        gt=0,
        description="Age in seconds up to which tokens and credentials are trusted unrefreshed.",
    )
    stop_grace_s: float = Field(
        default=20.0,
        ge=0,
        description="How long, in seconds, calls may go on after a request to stop.",
    )


@dataclass(frozen=True, slots=True)
class Source:
    """Where the values of settings come from.

    Attributes:
        environment: variables, by their full name.
        file: values of the TOML file, by setting.
        file_path: that file; None when there is none.
        overrides: values from the command line, by setting; they win.
    """

    # There are secrets among them.
    environment: Mapping[str, str] = field(repr=False)
    file: Mapping[str, Any] = field(repr=False)
    file_path: Path | None
    overrides: Mapping[str, Any] = field(repr=False)

    @classmethod
    def read(
        cls,
        *,
        environment: Mapping[str, str] | None = None,
        overrides: Mapping[str, Any] | None = None,
    ) -> Source:
        """Read the environment and the file that it names.

        Args:
            environment: None: the process's. `TRUNKLINE_CONFIG` names the file;
                without it `config.toml` in the config directory is read if it exists,
                which `config_dir` of overrides or environment may have moved.
            overrides: values from the command line; None values are left out.

        Raises:
            SettingsError: the named file cannot be read or is no TOML.
        """
        environment = os.environ if environment is None else environment
        given = {name: value for name, value in (overrides or {}).items() if value is not None}
        named = environment.get("TRUNKLINE_CONFIG")
        if named:
            path = Path(named).expanduser()
        else:
            path = _config_dir(environment, given) / "config.toml"
        values: dict[str, Any] = {}
        try:
            values = tomllib.loads(path.read_text(encoding="utf-8"))
        except (FileNotFoundError, NotADirectoryError) as error:
            if named:
                raise _unreadable(path, error) from None
        except (OSError, UnicodeDecodeError, tomllib.TOMLDecodeError) as error:
            raise _unreadable(path, error) from None
        return cls(
            {name: value for name, value in environment.items() if name.startswith(PREFIX)},
            values,
            path if values else None,
            given,
        )

    def check_names(self, groups: Iterable[type[Settings]]) -> None:
        """Refuse names that none of the groups has.

        Raises:
            SettingsError: with the nearest names.
        """
        known = {name for group in groups for name in group.model_fields}
        variables = {PREFIX + name.upper() for name in known}
        for variable in self.environment:
            if variable not in variables and variable not in FOREIGN_VARIABLES:
                raise _unknown(variable, variables, "The environment variable")
        for name in self.file:
            if name not in known:
                raise _unknown(name, known, f"The setting in {self.file_path}")

    def load(self, group: type[S]) -> S:
        """Return a group with its values.

        Raises:
            SettingsError: a value is not what the setting takes; names the setting
                and where the value stands, never a secret.
        """
        values: dict[str, Any] = {}
        for name in group.model_fields:
            if name in self.overrides:
                values[name] = self.overrides[name]
            elif (variable := PREFIX + name.upper()) in self.environment:
                values[name] = self.environment[variable]
            elif name in self.file:
                values[name] = self.file[name]
        try:
            return group(**values)
        except ValidationError as error:
            # Without its input, which can be a secret.
            first = error.errors(include_input=False, include_url=False, include_context=False)[0]
            name = str(first["loc"][0])
            wrong = first["msg"].removeprefix("Value error, ").rstrip(".")
            raise SettingsError(
                f"The setting {name} ({self.origin(name)}) is wrong: {wrong}.",
                f"It means: {group.model_fields[name].description}",
            ) from None

    def origin(self, name: str) -> str:
        """Tell where a setting's value comes from, in words."""
        if name in self.overrides:
            return "command line"
        if PREFIX + name.upper() in self.environment:
            return f"environment {PREFIX}{name.upper()}"
        if name in self.file:
            return f"file {self.file_path}"
        return "default"


@dataclass(frozen=True, slots=True)
class Effective:
    """One setting as it holds: for `trunkline config`.

    Attributes:
        name: of the setting.
        value: as text; a secret that is set shows as `(set)`, never itself.
        source: where it comes from, in words.
        description: what it means.
    """

    name: str
    value: str
    source: str
    description: str


def describe(source: Source, groups: Iterable[type[Settings]]) -> list[Effective]:
    """List every setting of the groups as it holds, in their order."""
    described = []
    for group in groups:
        loaded = source.load(group)
        for name, about in group.model_fields.items():
            value = getattr(loaded, name)
            if isinstance(value, SecretStr | SecretBytes):
                value = "(set)"
            described.append(
                Effective(
                    name,
                    "" if value is None else str(value),
                    source.origin(name),
                    about.description or "",
                )
            )
    return described


def _unknown(name: str, known: Iterable[str], where: str) -> SettingsError:
    """Return the error for a name that nobody knows."""
    near = difflib.get_close_matches(name, list(known), n=3)
    hint = f"Did you mean {' or '.join(near)}?" if near else "Remove it."
    return SettingsError(
        f"{where} {name} is not a setting.", f"{hint} `trunkline config` lists all settings."
    )


def _config_dir(environment: Mapping[str, str], overrides: Mapping[str, Any]) -> Path:
    """Return where the settings file lies: the config directory, before the file is read."""
    moved = overrides.get("config_dir") or environment.get(f"{PREFIX}CONFIG_DIR")
    return Path(moved).expanduser() if moved else platformdirs.user_config_path("trunkline")


def _unreadable(path: Path, error: Exception) -> SettingsError:
    """Return the error for a settings file that cannot be read."""
    words = error.strerror if isinstance(error, OSError) else str(error)
    return SettingsError(
        f"The settings file {path} cannot be read: {words}.",
        "Mend the file, or name another one with TRUNKLINE_CONFIG.",
    )
