"""The built and installed wheel works without the checkout."""

from __future__ import annotations

import os
import subprocess
import sys
import sysconfig
import tarfile
import venv
from collections.abc import Sequence
from pathlib import Path

import pytest

from fleetctl.cli import recipes
from tests.discovery.test_recipe import NODES

ROOT = Path(__file__).parents[1]


def run(argv: Sequence[str | Path], folder: Path) -> str:
    """The output of a command in a folder outside the checkout; it must succeed."""
    env = {name: value for name, value in os.environ.items() if name != "PYTHONPATH"}
    done = subprocess.run(
        argv, cwd=folder, env=env, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the sdist and the wheel, built with the backend that pip uses."""
    folder = tmp_path_factory.mktemp("built")
    run([sys.executable, "-m", "hatchling", "build", "-d", folder], ROOT)
    return folder


class Installed:
    """A new virtual environment with the wheel; its dependencies are those of this one."""

    def __init__(self, wheel: Path, folder: Path) -> None:
        venv.create(folder / "venv", symlinks=True)
        self.python = folder / "venv/bin/python"
        self.fleetctl = folder / "venv/bin/fleetctl"
        self.elsewhere = folder / "elsewhere"
        self.elsewhere.mkdir()
        install = ["install", "--no-index", "--no-deps"]
        run([sys.executable, "-m", "pip", "--python", self.python, *install, wheel], folder)
        self.packages = Path(self.says("import sysconfig; print(sysconfig.get_path('purelib'))"))
        # Python does not read the .pth files of a folder that a .pth file names, so an editable
        # fleetctl among our packages stays out.
        ours = {sysconfig.get_path("purelib"), sysconfig.get_path("platlib")}
        (self.packages / "ours.pth").write_text("\n".join(ours))

    def says(self, code: str) -> str:
        return run([self.python, "-c", code], self.elsewhere).strip()

    def runs(self, *arguments: str | Path) -> str:
        return run([self.fleetctl, *arguments], self.elsewhere)


@pytest.fixture(scope="module")
def installed(built: Path, tmp_path_factory: pytest.TempPathFactory) -> Installed:
    (wheel,) = built.glob("*.whl")
    return Installed(wheel, tmp_path_factory.mktemp("installed"))


def test_the_wheel_runs_what_it_installed(installed: Installed) -> None:
    package = Path(installed.says("import fleetctl; print(fleetctl.__file__)")).parent
    assert package == installed.packages / "fleetctl"
    version = installed.says("import fleetctl; print(fleetctl.__version__)")
    assert version in installed.runs("--version")


def test_the_wheel_carries_what_lies_outside_the_package(installed: Installed) -> None:
    package = installed.packages / "fleetctl"
    assert "forward" in installed.runs("explain", "forwarding-off")
    installed.runs("-f", package / "shipped/nodes.yaml", "config", "check")
    for name in ("elastic", "pipeline", "pipeline/page"):
        example = {path.name for path in (ROOT / "examples" / name).iterdir() if path.is_file()}
        assert {path.name for path in (package / "shipped" / name).iterdir()} >= example
    for recipe in recipes.NAMES:
        example = {path.name for path in (ROOT / "examples" / recipe).iterdir() if path.is_file()}
        shipped = {path.name for path in (package / "shipped/recipes" / recipe).iterdir()}
        assert shipped >= example
    (installed.elsewhere / "recipe.yaml").write_text(NODES)
    said = installed.runs("init", "-f", "recipe.yaml", "--recipe", "torchrun", "--merge", "--yes")
    assert "wrote torchrun: README.md, allreduce.py" in said
    assert (package / "py.typed").exists()


def test_wheel_and_sdist_carry_the_licence(built: Path, installed: Installed) -> None:
    text = (ROOT / "LICENSE").read_text()
    (metadata,) = installed.packages.glob("fleetctl-*.dist-info")
    assert (metadata / "licenses/LICENSE").read_text() == text
    (sdist,) = built.glob("*.tar.gz")
    with tarfile.open(sdist) as archive:
        assert f"{sdist.name.removesuffix('.tar.gz')}/LICENSE" in archive.getnames()
