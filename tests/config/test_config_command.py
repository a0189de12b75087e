"""``fleetctl config check/show/schema``."""

from __future__ import annotations

import subprocess
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

import msgspec
import pytest
import yaml
from click.testing import CliRunner, Result

from fleetctl.cli.config import command
from fleetctl.config.schema import schema
from fleetctl.errors import ConfigError
from tests.config.texts import RIGHT, edited

SHIPPED = Path(__file__).parents[2] / "nodes.yaml"


@dataclass
class Call:
    """The arguments that the program gives to each command."""

    config_path: Path | None
    job: str | None = None


def run(path: Path | None, *arguments: str) -> Result:
    return CliRunner().invoke(command, list(arguments), obj=Call(path))


def test_check_of_a_right_file_says_what_is_in_it() -> None:
    result = run(SHIPPED, "check")
    assert result.exit_code == 0
    assert result.stdout == f"{SHIPPED} is fine: 7 nodes, 4 networks, 2 jobs\n"
    assert result.stderr == ""


def test_check_of_a_wrong_file_raises_every_mistake(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(edited(("on: mini1", "on: §mini"), ("signal: INT", "signal: X"))[0])
    error = run(path, "check").exception
    assert isinstance(error, ConfigError)
    assert error.exit_code == 2
    assert [mistake.split(": ")[0] for mistake in error.mistakes] == [
        f"{path}:28:13",
        f"{path}:38:24",
    ]


def test_check_notes_what_an_older_file_lacks(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text("nodes:\n- {alias: a, ip: 10.0.0.1, user: me}\n")
    result = run(path, "check")
    assert result.stdout == f"{path} is fine: 1 node, 0 networks, 0 jobs\n"
    assert result.stderr.count(f"{path}: note: ") == 3
    assert "upgrade" in result.stderr


def test_show_hides_secrets(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(
        "fleet: f\nnodes: {a: {}}\njobs:\n  j:\n    services:\n      s:\n        on: a\n"
        "        command: serve --api-key abc123\n        env: {HF_TOKEN: hf, MODEL: m}\n"
    )
    for options in ((), ("--json",)):
        shown = yaml.safe_load(run(path, "show", *options).stdout)
        instance = shown["jobs"]["j"]["services"]["s"]["instances"]["s@a"]
        assert instance["command"] == "serve --api-key (hidden)"
        assert instance["env"] == {"HF_TOKEN": "(hidden)", "MODEL": "m"}


def test_show_prints_what_is_derived() -> None:
    result = run(SHIPPED, "show")
    assert result.exit_code == 0
    shown = yaml.safe_load(result.stdout)
    assert shown["nodes"]["pi4"]["routes"] == [
        {"to": "10.10.0.0/24", "network": "fabric", "via": "192.168.51.2", "gateway": "mini3"}
    ]
    assert shown["nodes"]["mini2"]["return_routes"] == [
        {"to": "192.168.50.0/24", "network": "edge50", "via": "10.10.0.1", "gateway": "mini1"},
        {"to": "192.168.51.0/24", "network": "edge51", "via": "10.10.0.3", "gateway": "mini3"},
    ]
    assert shown["nodes"]["mini1"]["forwards"] is True
    assert "10.10.0.2 (mini2 on fabric)" in shown["nodes"]["pi4"]["must_reach"]
    assert "192.168.50.1 (mini1 on edge50)" in shown["nodes"]["pi4"]["must_not_reach"]
    worker = shown["jobs"]["edp"]["services"]["worker"]["instances"]["worker@pi4"]
    assert worker["command"] == "python3 train.py worker 4 pi4 --algorithm edp"
    assert worker["env"] == {"PYTHONUNBUFFERED": "1"}
    assert worker["ready"] == {
        "kind": "log",
        "value": "connected to",
        "timeout_s": 60,
        "interval_s": 0.5,
    }


def test_show_prints_what_a_service_is_asked(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(
        RIGHT.replace("command: serve", "command: serve\n        liveness: {silence: 90}")
    )
    shown = yaml.safe_load(run(path, "show").stdout)
    server, worker = shown["jobs"]["train"]["services"]["server"], "worker@pi5"
    assert server["instances"]["server@mini1"]["liveness"] == {
        "kind": "silence",
        "value": "90",
        "interval_s": 10,
        "failures": 3,
        "restart": False,
    }
    assert "liveness" not in shown["jobs"]["train"]["services"]["worker"]["instances"][worker]


def test_show_as_json_is_the_same() -> None:
    as_json = msgspec.json.decode(run(SHIPPED, "show", "--json").stdout)
    assert as_json == yaml.safe_load(run(SHIPPED, "show").stdout)


def test_show_names_the_env_file_and_hides_its_content(tmp_path: Path) -> None:
    path = tmp_path / "nodes.yaml"
    path.write_text(RIGHT.replace("command: serve", "command: serve\n        env_file: .env"))
    (tmp_path / ".env").write_text("TOKEN=hush-hush\n")
    result = run(path, "show")
    assert f"env_file: {tmp_path}/.env" in result.stdout
    assert "hush" not in result.stdout


def test_schema_is_printed() -> None:
    result = run(None, "schema")
    assert msgspec.json.decode(result.stdout) == schema()


@pytest.mark.parametrize("what", ["check", "show", "schema"])
def test_the_command_loads_no_ssh_no_tmux_and_no_screen(what: str) -> None:
    code = f"""
        import sys
        from pathlib import Path
        from types import SimpleNamespace
        from fleetctl.cli.config import command
        call = SimpleNamespace(config_path=Path({str(SHIPPED)!r}), job=None)
        command.main([{what!r}], obj=call, standalone_mode=False)
        heavy = {{"asyncssh", "libtmux", "textual"}} & sys.modules.keys()
        sys.exit(f"loaded {{heavy}}" if heavy else 0)
    """
    done = subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)], capture_output=True, text=True, timeout=30
    )
    assert done.returncode == 0, done.stderr
