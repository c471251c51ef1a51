"""Settings: where values come from, what is refused, and what is shown of them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from pydantic import Field, SecretStr

from trunkline.kernel.settings import (
    FOREIGN_VARIABLES,
    ProcessSettings,
    Settings,
    SettingsError,
    Source,
    describe,
)

SECRET = "canary-7fQ"


class Wells(Settings):
    """A group as a service has one."""

    depth_m: int = Field(default=3, ge=1, description="How deep, in metres.")
    label: str = Field(default="old", description="What stands on it.")
    seal: SecretStr | None = Field(default=None, description="The seal's secret.")
    pin: SecretStr = Field(default=SecretStr("0"), min_length=4, description="Opens the lid.")
    map_file: Path | None = Field(default=None, description="Where it is drawn.")


def source(
    *,
    environment: dict[str, str] | None = None,
    file: dict[str, Any] | None = None,
    overrides: dict[str, Any] | None = None,
) -> Source:
    """Return a source without a file on disk."""
    return Source(environment or {}, file or {}, Path("/etc/t.toml"), overrides or {})


@pytest.mark.parametrize(
    ("given", "value", "origin"),
    [
        ({}, 3, "default"),
        ({"file": {"depth_m": 4}}, 4, "file /etc/t.toml"),
        (
            {"file": {"depth_m": 4}, "environment": {"TRUNKLINE_DEPTH_M": "5"}},
            5,
            "environment TRUNKLINE_DEPTH_M",
        ),
        (
            {
                "file": {"depth_m": 4},
                "environment": {"TRUNKLINE_DEPTH_M": "5"},
                "overrides": {"depth_m": 6},
            },
            6,
            "command line",
        ),
    ],
)
def test_the_nearer_source_wins(given: dict[str, Any], value: int, origin: str) -> None:
    """Command line over environment over file over default, and each says so."""
    read = source(**given)
    assert read.load(Wells).depth_m == value
    assert read.origin("depth_m") == origin


def test_a_command_line_that_says_nothing_overrides_nothing(tmp_path: Path) -> None:
    """An option that was not given is None, and leaves the environment's value."""
    read = Source.read(
        environment={
            "TRUNKLINE_LISTEN": "127.0.0.1:7",
            "TRUNKLINE_CONFIG_DIR": str(tmp_path),
            "HOME": "/nowhere",
        },
        overrides={"listen": None, "log_level": "error"},
    )
    process = read.load(ProcessSettings)
    assert (process.listen, process.log_level) == ("127.0.0.1:7", "error")
    assert "HOME" not in read.environment


@pytest.mark.parametrize("moved_by", ["environment", "overrides"])
def test_the_file_lies_in_the_config_directory(tmp_path: Path, moved_by: str) -> None:
    """Whoever moves the config directory moves the settings file with it."""
    (tmp_path / "config.toml").write_text("depth_m = 9\n")
    if moved_by == "environment":
        read = Source.read(environment={"TRUNKLINE_CONFIG_DIR": str(tmp_path)})
    else:
        read = Source.read(environment={}, overrides={"config_dir": tmp_path})
    assert read.load(Wells).depth_m == 9
    assert read.origin("depth_m") == f"file {tmp_path / 'config.toml'}"


def test_a_file_can_be_named(tmp_path: Path) -> None:
    """`TRUNKLINE_CONFIG` names it, and the one in the config directory is not read."""
    (tmp_path / "config.toml").write_text("depth_m = 9\n")
    named = tmp_path / "other.toml"
    named.write_text("depth_m = 11\n")
    read = Source.read(
        environment={"TRUNKLINE_CONFIG_DIR": str(tmp_path), "TRUNKLINE_CONFIG": str(named)}
    )
    assert read.load(Wells).depth_m == 11


def test_without_a_file_the_defaults_hold(tmp_path: Path) -> None:
    """A config directory that is not there, or is a file, is no error."""
    for directory in (tmp_path / "none", Path(__file__)):
        read = Source.read(environment={"TRUNKLINE_CONFIG_DIR": str(directory)})
        assert read.file_path is None
        assert read.load(Wells).depth_m == 3


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (None, "No such file"),
        (b"depth_m = = 3", "line 1"),
        (b"label = '\xff'", "utf-8"),
    ],
)
def test_a_named_file_that_cannot_be_read_is_refused(
    tmp_path: Path, content: bytes | None, words: str
) -> None:
    """Missing, no TOML, or no text: the path and the trouble are told."""
    named = tmp_path / "named.toml"
    if content is not None:
        named.write_bytes(content)
    with pytest.raises(SettingsError) as refused:
        Source.read(environment={"TRUNKLINE_CONFIG": str(named)})
    assert str(named) in refused.value.what
    assert words in refused.value.what
    assert "TRUNKLINE_CONFIG" in refused.value.advice


def test_an_unknown_variable_is_refused_with_the_nearest() -> None:
    """A misspelt limit does not silently do nothing."""
    with pytest.raises(SettingsError) as refused:
        source(environment={"TRUNKLINE_DEPHT_M": "4"}).check_names([ProcessSettings, Wells])
    assert "TRUNKLINE_DEPHT_M" in refused.value.what
    assert "TRUNKLINE_DEPTH_M" in refused.value.advice


def test_an_unknown_name_in_the_file_is_refused_with_the_nearest() -> None:
    """The file is named too; what resembles nothing gets no guess."""
    with pytest.raises(SettingsError) as refused:
        source(file={"log_levle": "info"}).check_names([ProcessSettings, Wells])
    assert "/etc/t.toml" in refused.value.what
    assert "log_levle" in refused.value.what
    assert "log_level" in refused.value.advice
    with pytest.raises(SettingsError) as refused:
        source(file={"zzz": 1}).check_names([ProcessSettings])
    assert "Did you mean" not in refused.value.advice


def test_known_names_and_those_of_the_command_line_pass() -> None:
    """Variables that only the command line and the tests read are no settings."""
    known = dict.fromkeys((*FOREIGN_VARIABLES, "TRUNKLINE_LABEL", "TRUNKLINE_DATA_DIR"), "x")
    source(environment=known, file={"seal": "x"}).check_names([ProcessSettings, Wells])


@pytest.mark.parametrize(
    ("group", "name", "value"),
    [
        (Wells, "depth_m", "deep"),
        (Wells, "depth_m", "0"),
        (Wells, "map_file", "  "),
        (ProcessSettings, "log_level", "loud"),
        (ProcessSettings, "listen", "50051"),
        (ProcessSettings, "listen", "127.0.0.1:65536"),
        (ProcessSettings, "listen", "a b:1"),
        (ProcessSettings, "max_calls", "0"),
        (ProcessSettings, "stop_grace_s", "-1"),
        (ProcessSettings, "stop_grace_s", "inf"),
        (ProcessSettings, "max_security_staleness_s", "inf"),
        (ProcessSettings, "max_security_staleness_s", "nan"),
        (ProcessSettings, "data_dir", ""),
    ],
)
def test_a_wrong_value_names_the_setting_and_its_place(
    group: type[Settings], name: str, value: str
) -> None:
    """What is wrong, where it stands, and what the setting means."""
    variable = f"TRUNKLINE_{name.upper()}"
    with pytest.raises(SettingsError) as refused:
        source(environment={variable: value}).load(group)
    assert f"The setting {name} (environment {variable}) is wrong: " in refused.value.what
    assert refused.value.advice == f"It means: {group.model_fields[name].description}"


@pytest.mark.parametrize(
    "given",
    [
        {"environment": {"TRUNKLINE_PIN": SECRET[:3]}},
        {"file": {"seal": [SECRET]}},
        {"file": {"pin": {"value": SECRET}}},
    ],
)
def test_a_wrong_secret_is_not_told(given: dict[str, Any]) -> None:
    """Neither the sentence, the advice nor what hangs on the error shows it."""
    with pytest.raises(SettingsError) as refused:
        source(**given).load(Wells)
    error = refused.value
    shown = repr((error.what, error.advice, error.args, error.__cause__))
    assert SECRET[:3] not in shown
    assert error.__suppress_context__


def test_secrets_are_not_in_the_sources_repr() -> None:
    """A source that ends up in a message or a traceback tells no value."""
    read = source(
        environment={"TRUNKLINE_SEAL": SECRET}, file={"seal": SECRET}, overrides={"seal": SECRET}
    )
    assert SECRET not in repr(read)


def test_paths_are_read_as_a_shell_reads_them(monkeypatch: pytest.MonkeyPatch) -> None:
    """A tilde in a file or a quoted variable means the home directory."""
    monkeypatch.setenv("HOME", "/home/somebody")
    assert source(file={"map_file": "~/m.svg"}).load(Wells).map_file == Path("/home/somebody/m.svg")
    process = source(environment={"TRUNKLINE_DATA_DIR": "~/data"}).load(ProcessSettings)
    assert process.data_dir == Path("/home/somebody/data")


@pytest.mark.parametrize(
    "address", ["127.0.0.1:0", "localhost:50051", "[::1]:50051", "0.0.0.0:65535", "host.example:1"]
)
def test_addresses_of_a_listener(address: str) -> None:
    """A host, also IPv6 in brackets, and a port."""
    assert source(overrides={"listen": address}).load(ProcessSettings).listen == address


def test_describing_tells_every_value_its_source_and_hides_secrets() -> None:
    """A secret that is set shows that it is, and one that is not shows nothing."""
    read = source(
        environment={"TRUNKLINE_SEAL": SECRET, "TRUNKLINE_PIN": SECRET}, file={"label": "new"}
    )
    shown = {each.name: each for each in describe(read, [Wells])}
    assert list(shown) == ["depth_m", "label", "seal", "pin", "map_file"]
    assert (shown["seal"].value, shown["seal"].source) == ("(set)", "environment TRUNKLINE_SEAL")
    assert (shown["label"].value, shown["label"].source) == ("new", "file /etc/t.toml")
    assert (shown["depth_m"].value, shown["depth_m"].source) == ("3", "default")
    assert shown["map_file"].value == ""
    assert shown["label"].description == "What stands on it."
    assert SECRET not in repr(shown)
    assert describe(source(), [Wells])[2].value == ""


def test_settings_do_not_change() -> None:
    """What was read at the start holds until the end."""
    loaded = source().load(Wells)
    with pytest.raises(ValueError, match="frozen"):
        loaded.depth_m = 4
