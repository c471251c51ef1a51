"""`trunkline config`: the settings as they hold, and where from."""

from __future__ import annotations

from integration.cli.child import Cli

KEY = "cHJpdmF0ZS1rZXktdGhhdC1tdXN0LW5vdC1zaG93ISE="


def test_each_setting_shows_value_source_and_meaning(cli: Cli) -> None:
    """Environment over file over default, and the secret of the environment stays one."""
    file = cli.home / "settings.toml"
    file.write_text("max_runs = 7\nlog_level = 'debug'\n")
    env = {
        "TRUNKLINE_CONFIG": str(file),
        "TRUNKLINE_LOG_LEVEL": "warning",
        "TRUNKLINE_MASTER_KEY": f"key-1:{KEY}",
    }
    result = cli.run("config", env=env)
    assert (result.code, result.err) == (0, "")
    rows = {line.split()[0]: line for line in result.out.splitlines()}
    assert rows["SETTING"].split() == ["SETTING", "VALUE", "SOURCE", "MEANING"]
    assert rows["max_runs"].split()[1:3] == ["7", "file"]
    assert rows["log_level"].split()[1:4] == ["warning", "environment", "TRUNKLINE_LOG_LEVEL"]
    assert "default" in rows["listen"]
    assert "Address of the public listener" in rows["listen"]
    assert rows["master_key"].split()[1] == "(set)"
    assert KEY not in result.out
    settings = cli.run("config", "--json", env=env).document["settings"]
    by_name = {setting["name"]: setting for setting in settings}
    assert by_name["max_runs"]["value"] == "7"
    assert by_name["max_runs"]["source"] == f"file {file}"
    assert by_name["master_key"]["value"] == "(set)"


def test_a_setting_that_nobody_knows_is_told_with_the_nearest(cli: Cli) -> None:
    """A misspelt limit does not silently do nothing."""
    result = cli.run("config", env={"TRUNKLINE_MAX_RUN": "7"})
    result.assert_reads_well()
    assert (result.code, result.out) == (2, "")
    assert "TRUNKLINE_MAX_RUN is not a setting" in result.err
    assert "TRUNKLINE_MAX_RUNS" in result.err
    error = cli.run("config", "--json", env={"TRUNKLINE_MAX_RUN": "7"}).error
    assert error["reason"] == "SETTINGS"


def test_a_value_that_cannot_be_is_told_with_its_meaning(cli: Cli) -> None:
    """Where it stands and what it means, so that it can be mended."""
    result = cli.run("config", env={"TRUNKLINE_MAX_RUNS": "many"})
    result.assert_reads_well()
    assert result.code == 2
    assert "environment TRUNKLINE_MAX_RUNS" in result.err


def test_one_setting_can_be_asked_for(cli: Cli) -> None:
    """Its value alone, for scripts; one that does not exist is an error."""
    result = cli.run("config", "max_runs", env={"TRUNKLINE_MAX_RUNS": "7"})
    assert (result.code, result.out, result.err) == (0, "7\n", "")
    secret = cli.run("config", "master_key", env={"TRUNKLINE_MASTER_KEY": f"key-1:{KEY}"})
    assert secret.out == "(set)\n"
    unknown = cli.run("config", "max_run")
    unknown.assert_reads_well()
    assert (unknown.code, unknown.out) == (2, "")
