"""The recipes of examples/, each on a lab, with the packages that its README names."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator

import pytest

from tests.conftest import MakeLab
from tests.e2e.cluster import sh
from tests.examples.recipe import NODES, Recipe, installed
from tests.waiting import eventually

pytestmark = [pytest.mark.lab, pytest.mark.long]


@pytest.fixture(scope="module")
def torchrun(make_lab: MakeLab) -> Iterator[Recipe]:
    with installed("torch==2.13.0+cpu", "numpy") as environment:  # no gigabytes for graphics cards
        yield Recipe(make_lab, "torchrun", environment)


@pytest.fixture(scope="module")
def dask(make_lab: MakeLab) -> Iterator[Recipe]:
    with installed("dask[distributed]", "numpy") as environment:
        yield Recipe(make_lab, "dask", environment)


@pytest.fixture(scope="module")
def ray(make_lab: MakeLab) -> Iterator[Recipe]:
    with installed("ray") as environment:
        yield Recipe(make_lab, "ray", environment)


@pytest.fixture(scope="module")
def mlx(make_lab: MakeLab) -> Iterator[Recipe]:
    with installed("mlx[cpu]") as environment:
        yield Recipe(make_lab, "mlx", environment)


@pytest.fixture(scope="module")
def mpi(make_lab: MakeLab) -> Iterator[Recipe]:
    if not shutil.which("mpirun"):
        pytest.skip("needs mpirun: apt-get install openmpi-bin")
    with installed("mpi4py") as environment:
        recipe = Recipe(make_lab, "mpi", environment)
        _let_in(recipe, "mini1", NODES[1:])
        yield recipe


def _let_in(recipe: Recipe, first: str, others: tuple[str, ...]) -> None:
    """Let the first node log in on the others, as the README says."""
    key = sh(
        recipe.lab,
        first,
        "ssh-keygen -q -t ed25519 -N '' -f ~/.ssh/id_ed25519 &&"
        " echo 'StrictHostKeyChecking accept-new' >~/.ssh/config && cat ~/.ssh/id_ed25519.pub",
    ).strip()
    for node in others:
        sh(recipe.lab, node, f"echo '{key}' >>~/.ssh/authorized_keys")


def test_torchrun_adds_up_over_all_nodes_and_ends_with_all_its_workers(torchrun: Recipe) -> None:
    interfaces = {
        torchrun.on(node, "ip -o route get 10.10.0.1 | sed 's/.* dev \\([^ ]*\\).*/\\1/'").strip()
        for node in ("mini2", "pi5")
    }
    assert len(interfaces) == 2, "the interface names differ"
    assert torchrun.fleetctl("start").endswith("all 5 ready\n")
    said = torchrun.fleetctl("logs", "-n", "200")
    for rank, node in enumerate(NODES):
        assert f"rank {rank} of 5 on {node}: all-reduce 15" in said
    eventually(
        lambda: re.search(r"step 10 loss [\d.]+", torchrun.fleetctl("logs", "train@mini1")),
        "it trains",
        60,
    )
    torchrun.kill("mini2", "bin/torchrun")  # its worker, in a process group of its own, is left
    torchrun.stop()


def test_dask_computes_while_workers_come_and_go(dask: Recipe) -> None:
    assert dask.fleetctl("start").endswith("all 5 ready\n")
    compute = ".venv/bin/python compute.py tcp://10.10.0.1:8786"
    assert dask.on("mini2", compute) == "workers: mini2 mini3 pi4 pi5\nsum: 8000000000\n"
    dask.fleetctl("stop", "worker@pi4")
    eventually(lambda: not dask.running("pi4"), "nothing is left of it on pi4")
    assert dask.on("pi5", compute) == "workers: mini2 mini3 pi5\nsum: 8000000000\n"
    dask.fleetctl("start", "worker@pi4")
    assert dask.on("pi4", compute) == "workers: mini2 mini3 pi4 pi5\nsum: 8000000000\n"
    dask.kill("pi5", "spawn_main")  # the worker; the nanny that is left makes another one
    dask.stop()


def test_ray_runs_on_all_nodes_and_leaves_none_of_its_daemons(ray: Recipe) -> None:
    assert ray.fleetctl("start").endswith("all 5 ready\n")
    said = ray.on("mini2", ".venv/bin/python where.py 10.10.0.1:6379 2>/dev/null")
    assert said == f"ran on: {' '.join(sorted(NODES))}\n"
    everywhere = "\n".join(line for node in NODES for line in ray.running(node))
    for name in ("gcs_server", "raylet/raylet", "ray::DashboardAgent", "log_monitor.py"):
        assert name in everywhere
    ray.kill("mini3", "bin/ray start")  # what it started is left, without its parent
    ray.stop()


def test_mpi_adds_up_over_all_nodes_and_leaves_no_orted(mpi: Recipe) -> None:
    assert mpi.fleetctl("start").endswith("1 ready, 4 ended with exit code 0\n")
    said = mpi.fleetctl("logs", "ring", "-n", "200")
    for rank, node in enumerate(NODES):
        assert f"rank {rank} of 5 on {node}" in said
    assert "sum 10" in said
    assert any(line.startswith("orted ") for line in mpi.running("pi4"))
    mpi.stop()
    mpi.fleetctl("start")
    mpi.kill("mini1", "mpirun ")
    mpi.stop()


def test_mlx_adds_up_over_all_nodes(mlx: Recipe) -> None:
    assert mlx.fleetctl("start").endswith("all 5 ready\n")
    said = mlx.fleetctl("logs", "-n", "200")
    for rank, node in enumerate(NODES):
        assert f"rank {rank} of 5 on {node}: all-reduce 15" in said
    mlx.stop()


def test_init_writes_a_recipe_that_runs(mlx: Recipe) -> None:
    """From nothing but the addresses of the nodes."""
    folder = mlx.lab.home / "mine"
    folder.mkdir()
    hosts = [f"me@192.168.1.{number}" for number in (11, 12, 13, 25, 24)]
    said = {}
    for arguments in (["init", "--recipe", "mlx", *hosts], ["sync"], ["start"], ["stop"]):
        done = mlx.lab.run("controller", ["fleetctl", *arguments], cwd=str(folder))
        assert done.returncode == 0, done.stderr.decode()
        said[arguments[0]] = done.stdout.decode() + done.stderr.decode()
    assert "mlx/README.md says how to go on: fleetctl sync, fleetctl start" in said["init"]
    assert said["start"].endswith("all 5 ready\n")
    eventually(lambda: not mlx.left(), "nothing is left of it")
