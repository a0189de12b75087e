"""What a nodes.yaml decides about trust is told before the first connection, and once."""

from __future__ import annotations

import os
import stat
import subprocess
import sys
from pathlib import Path

import pytest

from fleetctl.cli import told
from fleetctl.cli.context import Context, NodesFile
from fleetctl.config import load, load_text
from fleetctl.words.trust import choice_lines, choices

HEAD = "fleet: f\ninternet: null\nnodes:\n"


def lines(nodes: str) -> list[str]:
    return choice_lines(choices(load_text(HEAD + nodes, "nodes.yaml")), "nodes.yaml")


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("HOME", str(tmp_path / "home"))
    (tmp_path / "home").mkdir()
    return tmp_path / "home"


@pytest.fixture
def file(tmp_path: Path, home: Path) -> Path:
    path = tmp_path / "nodes.yaml"
    path.write_text(f"{HEAD}  pi4: {{ssh: {{host: h, known_hosts: ./keys}}}}\n")
    return path


def new(path: Path) -> list[str]:
    return told.not_yet_told(path, load(path))


def test_a_line_for_each_key_with_its_values_and_nodes() -> None:
    keys = "known_hosts: ./keys"
    assert lines(
        f"  a: {{ssh: {{host: h, {keys}}}}}\n  b: {{ssh: {{host: h, {keys}}}}}\n"
        "  c: {ssh: {host: h, known_hosts: ./other, proxy_jump: 'me@gate:22,a'}}\n"
    ) == [
        "nodes.yaml decides which host keys count (known_hosts: ./keys for a, b; ./other for c)",
        "nodes.yaml decides through which hosts to go (proxy_jump: me@gate:22,a for c)",
    ]


def test_many_nodes_are_folded_and_nothing_obeyed_is_printed() -> None:
    nodes = "".join(f'  n{i}: {{ssh: {{host: h, known_hosts: "./\\e[2J"}}}}\n' for i in range(9))
    assert lines(nodes) == [
        "nodes.yaml decides which host keys count "
        "(known_hosts: ./\\x1b[2J for n0, n1, n2 and 6 more)"
    ]


@pytest.mark.parametrize(
    "node", ["{ssh: {host: h, user: u, identity_file: k}}", "{connection: local}"]
)
def test_what_decides_nothing_of_it_is_not_told(node: str) -> None:
    assert lines(f"  a: {node}\n") == []


def test_it_is_told_once_for_a_file_and_its_choices(file: Path, tmp_path: Path) -> None:
    assert len(new(file)) == 1
    file.write_text(file.read_text() + "  # another comment\n  pi5: {ssh: {host: h}}\n")
    assert new(file) == []
    before = file.read_text()
    file.write_text(before.replace("./keys", "./others"))
    assert "./others" in new(file)[0]
    assert new(file) == []
    file.write_text(before)
    assert len(new(file)) == 1
    elsewhere = tmp_path / "copy.yaml"
    elsewhere.write_text(before)
    assert len(new(elsewhere)) == 1
    link = tmp_path / "link.yaml"
    link.symlink_to(file)
    assert new(link) == []


def test_the_note_of_it_is_bounded_and_private(file: Path, home: Path) -> None:
    fleet = load(file)
    for number in range(told._MOST_FILES + 5):
        assert told.remember(Path(f"/{number}"), fleet)
    place = home / told.FILE
    assert stat.S_IMODE(place.stat().st_mode) == 0o600
    assert told.remember(Path("/0"), fleet)  # the oldest is forgotten
    assert not told.remember(Path(f"/{told._MOST_FILES}"), fleet)
    assert len(told._read(place)) == told._MOST_FILES


@pytest.mark.parametrize("broken", ["torn", "others may write it", "a folder", "a pipe"])
def test_where_no_note_counts_it_is_told_again(file: Path, home: Path, broken: str) -> None:
    assert len(new(file)) == 1
    place = home / told.FILE
    match broken:
        case "torn":
            place.write_bytes(place.read_bytes()[:-3])
        case "others may write it":
            place.chmod(0o666)
        case "a folder":
            place.unlink()
            place.mkdir()
        case "a pipe":
            place.unlink()
            os.mkfifo(place, 0o600)
    assert len(new(file)) == 1


def test_a_command_says_it_on_stderr_before_it_connects(file: Path, home: Path) -> None:
    file.write_text(f"{HEAD}  pi4: {{ssh: {{host: 127.0.0.1, port: 1, known_hosts: ./keys}}}}\n")
    argv = [sys.executable, "-m", "fleetctl", "-f", str(file), "exec", "pi4", "--", "true"]
    first = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert first.returncode == 255
    said = first.stderr.splitlines()
    note = f"note: {file} decides which host keys count (known_hosts: ./keys for pi4)"
    assert said[0] == note
    assert "refused" in said[1]
    again = subprocess.run(argv, capture_output=True, text=True, timeout=60)
    assert again.stderr.splitlines() == said[1:]


def test_the_dashboard_has_it_from_its_file(file: Path, capsys: pytest.CaptureFixture[str]) -> None:
    nodes_file = NodesFile(Context(file, None))
    nodes_file.read()
    assert "./keys for pi4" in nodes_file.notes()[0]
    assert nodes_file.notes() == []
    assert capsys.readouterr().err == ""
