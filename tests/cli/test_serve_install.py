"""`fleetctl serve --install`: what is shown, written, begun, and undone, with a `systemctl` that
notes how it is called in place of that of systemd."""

from __future__ import annotations

import plistlib
import subprocess
import sys
from configparser import ConfigParser
from pathlib import Path

import pytest

from fleetctl.serve.units import launchd, systemd
from tests.cli.test_imports import LOCAL

ARGV = ("/opt/py thon/python", "-m", "fleetctl", "-f", '/a "b"/100%$HOME.yaml', "serve")


def test_a_systemd_unit_quotes_what_systemd_would_read() -> None:
    unit = systemd("home", ARGV, Path("/home/me"), "me")
    parsed = ConfigParser(interpolation=None)
    parsed.optionxform = str  # type: ignore[assignment,method-assign]  # as systemd reads it
    parsed.read_string(unit.text)
    assert parsed["Service"]["ExecStart"] == (
        '"/opt/py thon/python" "-m" "fleetctl" "-f" "/a \\"b\\"/100%%$$HOME.yaml" "serve"'
    )
    assert parsed["Service"]["Restart"] == "on-failure"
    assert unit.path == Path("/home/me/.config/systemd/user/fleetctl-serve-home.service")
    assert "loginctl enable-linger me" in unit.note


def test_a_launchd_agent_is_a_property_list() -> None:
    unit = launchd("home", ARGV, Path("/Users/me"), 501)
    told = plistlib.loads(unit.text.encode())
    assert told["ProgramArguments"] == list(ARGV)
    assert told["Label"] == "fleetctl.serve.home"
    assert unit.path == Path("/Users/me/Library/LaunchAgents/fleetctl.serve.home.plist")
    assert unit.begin == (("launchctl", "bootstrap", "gui/501", str(unit.path)),)
    assert unit.end == (("launchctl", "bootout", "gui/501/fleetctl.serve.home"),)


@pytest.fixture
def home(tmp_path: Path) -> Path:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    (tmp_path / "bin").mkdir()
    program = tmp_path / "bin/systemctl"
    program.write_text(
        f'#!/bin/sh\necho "$*" >> {tmp_path}/called\n[ ! -e {tmp_path}/broken ] || '
        '{ echo "Failed to connect to bus" >&2; exit 1; }\n'
    )
    program.chmod(0o755)
    return tmp_path


def serve(home: Path, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "fleetctl", "serve", *arguments],
        cwd=home,
        env={
            "HOME": str(home),
            "PATH": f"{home}/bin:/usr/bin:/bin",
            "PYTHONPATH": str(Path(__file__).parents[2]),
        },
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_it_is_installed_on_a_yes_and_taken_away_again(home: Path) -> None:
    unit = home / ".config/systemd/user/fleetctl-serve-alone.service"
    shown = serve(home, "--install")
    assert shown.returncode == 2
    assert f'ExecStart="{sys.executable}"' in shown.stdout
    assert "no terminal to ask on" in shown.stderr
    assert not unit.exists()
    done = serve(home, "--install", "--yes", "--interval", "5")
    assert done.returncode == 0, done.stderr
    assert f'"-f" "{home}/nodes.yaml" "serve" "--interval" "5"' in unit.read_text()
    removed = serve(home, "--uninstall", "--yes")
    assert removed.returncode == 0, removed.stderr
    assert not unit.exists()
    assert (home / "called").read_text().splitlines() == [
        "--user daemon-reload",
        "--user enable fleetctl-serve-alone.service",
        "--user restart fleetctl-serve-alone.service",
        "--user disable --now fleetctl-serve-alone.service",
        "--user daemon-reload",
    ]
    again = serve(home, "--uninstall", "--yes")
    assert (again.returncode, "nothing is installed" in again.stderr) == (0, True)


@pytest.mark.skipif(sys.platform != "linux", reason="systemd is Linux's")
def test_where_systemd_cannot_be_asked_that_is_said(home: Path) -> None:
    (home / "broken").touch()
    done = serve(home, "--install", "--yes")
    assert done.returncode == 1
    assert "is written, but systemctl --user daemon-reload failed: Failed to connect" in done.stderr
    (home / "bin/systemctl").unlink()
    missing = serve(home, "--install", "--yes")
    if "systemctl" not in missing.stdout:  # this machine has none of its own
        assert "there is no systemd on this machine" in missing.stderr
