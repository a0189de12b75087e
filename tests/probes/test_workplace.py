"""Whether an instance's folder and program exist, tested in real folders with real shells."""

from __future__ import annotations

import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

from fleetctl.model.facts import Workplace
from fleetctl.model.jobs import Instance
from fleetctl.model.topology import OS
from fleetctl.probes.asked.workplaces import read_workplaces, workplace_text
from fleetctl.probes.script import Answer
from tests.launch.jobs import instance

Workplaces = dict[str, Workplace]
Ask = Callable[..., Workplaces]

PATH = "/usr/sbin:/usr/bin:/sbin:/bin"
DEADLINE_S = 10


@pytest.fixture(params=["dash", "bash"])
def ask(request: pytest.FixtureRequest, tmp_path: Path) -> Ask:
    """Runs the probe in a shell with the home folder ``tmp_path``."""
    shell = shutil.which(request.param)
    assert shell, f"{request.param} is not installed"

    def run(*instances: Instance, os: OS = "linux", path: str = PATH) -> Workplaces:
        script = workplace_text(os, instances)
        done = subprocess.run(
            [shell, "-c", script],
            env={"HOME": str(tmp_path), "PATH": path, "LC_ALL": "C"},
            cwd="/",
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=DEADLINE_S,
            check=False,
        )
        assert done.returncode == 0, done.stdout
        found = read_workplaces(Answer(done.stdout, done.returncode))
        assert {job for job, _ in found} <= {one.job for one in instances}
        return {name: place for (_, name), place in found.items()}

    return run


def program(path: Path) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("#!/bin/sh\n")
    path.chmod(0o755)
    return path


def test_each_instance_by_its_own_folder_and_program(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "a file").write_text("")
    program(tmp_path / "it's here" / "run.sh")
    places = ask(
        instance("gone", workdir="~/gone", command="sh x"),
        instance("file", workdir="~/a file", command="sh x"),
        instance("found", workdir="~/it's here", command="sh x"),
        instance("own", workdir=str(tmp_path / "it's here"), command="./run.sh --fast"),
        instance("lacks", workdir="~/it's here", command="no-such-program-9 x"),
        instance("other", workdir="~/it's here", command="./other.sh"),
    )
    assert set(places) == {f"{n}@pi4" for n in ("gone", "file", "found", "own", "lacks", "other")}
    assert places["gone@pi4"] == Workplace("missing", None)
    assert places["file@pi4"].workdir != "ok"
    found = places["found@pi4"]
    assert found.workdir == "ok"
    assert found.interpreter is not None
    assert Path(found.interpreter).name == "sh"
    assert places["own@pi4"].workdir == "ok"
    assert places["own@pi4"].interpreter is not None
    assert places["lacks@pi4"] == Workplace("ok", None)
    assert places["other@pi4"] == Workplace("ok", None)


def test_without_a_folder_it_is_the_home_folder(ask: Ask, tmp_path: Path) -> None:
    program(tmp_path / "serve")
    places = ask(instance("a", command="./serve"), instance("b", workdir="~", command="./serve"))
    assert all(p.workdir == "ok" and p.interpreter for p in places.values())
    assert len(places) == 2


def test_a_command_that_only_a_shell_understands_needs_no_program(ask: Ask) -> None:
    of = instance(command="(cd sub && exec ./run)")
    assert of.program is None
    assert ask(of)[of.name].workdir == "ok"


def test_instances_started_by_hand_are_not_checked(ask: Ask) -> None:
    assert ask(instance(command=None)) == {}


def test_a_folder_that_can_be_entered_but_not_listed_is_protected(ask: Ask, tmp_path: Path) -> None:
    """As macOS protects Desktop, Documents and Downloads from programs without permission."""
    (tmp_path / "Desktop").mkdir()
    of = instance(workdir="~/Desktop", command="sh x")
    assert ask(of, os="macos")[of.name].workdir == "ok"
    ls = program(tmp_path / "bin" / "ls")
    ls.write_text("#!/bin/sh\necho 'ls: .: Operation not permitted' >&2\nexit 1\n")
    path = f"{ls.parent}:{PATH}"
    assert ask(of, os="macos", path=path)[of.name] == Workplace("denied", None)
    assert ask(of, path=path)[of.name].workdir == "ok"


def test_any_other_output_is_ignored() -> None:
    text = "sh: 1: cannot fork\nwork j/a@b perhaps /bin/sh\nwork j/a@b ok"
    assert read_workplaces(Answer(text, 2)) == {}


@pytest.mark.parametrize(
    ("command", "found"),
    [
        ("python3 worker.py", "python3"),
        ("exec python3 -u worker.py", "python3"),
        ("A=1 B='x y' exec ./run.sh", "./run.sh"),
        ("  /opt/tools/c++-14 x", "/opt/tools/c++-14"),
        ("'python3' x", "python3"),
        # needs a shell to expand or split it
        ("$PYTHON worker.py", None),
        ("~/venv/bin/python worker.py", None),
        ("'my program' x", None),
        ("(cd sub && ./run)", None),
        ("{ a; b; }", None),
        ("! grep -q x", None),
        ("sleep 1; x", "sleep"),
        ("sleep;", None),
        ("./run*", None),
        ("# nothing", None),
        ("say 'it", None),
        ("A=1", None),
        ("exec", None),
        ("", None),
        (None, None),
    ],
)
def test_the_program_of_a_command(command: str | None, found: str | None) -> None:
    assert instance(command=command).program == found


def test_a_file_that_is_not_executable_is_no_program(ask: Ask, tmp_path: Path) -> None:
    (tmp_path / "run.sh").write_text("#!/bin/sh\n")
    asked = instance(command="./run.sh", workdir=str(tmp_path))
    assert ask(asked)["worker@pi4"] == Workplace("ok", None)


def test_an_instance_with_its_own_path_is_not_checked() -> None:
    assert instance(command="PATH=/tmp/ne:$PATH run.sh").program is None
    assert instance(command="run.sh", env={"PATH": "/tmp/ne"}).program is None
    assert instance(command="exec -a x python3").program is None
