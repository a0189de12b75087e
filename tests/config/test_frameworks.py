"""`framework:` of a service or a job: the variables and files of its members."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from fleetctl.config import load_text
from fleetctl.config.file import load_with_notes
from fleetctl.errors import ConfigError
from fleetctl.model.jobs import Job

TEXT = """\
fleet: f
networks:
  wifi: {cidr: 10.9.0.0/24, control: true}
  fabric: {cidr: 10.0.0.0/24}
  edge: {cidr: 10.1.0.0/24}
nodes:
  m1: {addresses: {wifi: 10.9.0.1, fabric: 10.0.0.1, edge: 10.1.0.1}, gateway: true}
  m2: {addresses: {wifi: 10.9.0.2, fabric: 10.0.0.2}, env: {OMP_NUM_THREADS: 1}}
  pi: {addresses: {wifi: 10.9.0.3, edge: 10.1.0.3}, via: {fabric: m1}}
  tablet: {addresses: {wifi: 10.9.0.4}}
jobs:
  j:
    services:
      train:
        on: [m1, m2, pi]
        framework: torchrun
        command: torchrun train.py
"""


def job(*edits: tuple[str, str], text: str = TEXT) -> Job:
    for old, new in edits:
        assert text.count(old) == 1, old
        text = text.replace(old, new)
    return load_text(text, "nodes.yaml").jobs["j"]


def as_(framework: str) -> Job:
    return job(("framework: torchrun", f"framework: {framework}"))


def test_torchrun_needs_nothing_else() -> None:
    m1, m2, pi = job().instances
    assert m1.command == "torchrun train.py"
    assert m2.provided == {
        "MASTER_ADDR": "10.0.0.1",
        "MASTER_PORT": "29500",
        "RANK": "1",
        "WORLD_SIZE": "3",
        "LOCAL_RANK": "0",
        "PET_NNODES": "3",
        "PET_NODE_RANK": "1",
        "PET_MASTER_ADDR": "10.0.0.1",
        "PET_MASTER_PORT": "29500",
        "PET_LOCAL_ADDR": "10.0.0.2",
        "GLOO_SOCKET_IFNAME": "<interface on fabric>",
        "NCCL_SOCKET_IFNAME": "<interface on fabric>",
        "TP_SOCKET_IFNAME": "<interface on fabric>",
        "OMP_NUM_THREADS": "1",
    }
    assert (pi.provided["PET_NODE_RANK"], pi.provided["MASTER_ADDR"]) == ("2", "10.0.0.1")
    assert pi.provided["PET_LOCAL_ADDR"] == "10.1.0.3"
    assert pi.provided["GLOO_SOCKET_IFNAME"] == "<interface on edge>"
    assert {name: str(address) for name, address in pi.interfaces.items()} == {"edge": "10.1.0.3"}


def test_torchrun_of_an_elastic_job_meets_by_c10d_and_its_definition_does_not_change() -> None:
    elastic = ("    services:\n", "    elastic: true\n    services:\n")
    m1, m2, _ = job(elastic).instances
    assert m2.provided["PET_NNODES"] == "1:3"
    assert m2.provided["PET_RDZV_BACKEND"] == "c10d"
    assert m2.provided["PET_RDZV_ENDPOINT"] == "10.0.0.1:29500"
    assert m2.provided["PET_RDZV_ID"] == "f-j-train"
    confs = [instance.provided["PET_RDZV_CONF"] for instance in (m1, m2)]
    assert confs == ["is_host=1", "is_host=0"]
    fewer = job(elastic, ("on: [m1, m2, pi]", "on: [m2, m1]")).instances[0]
    assert fewer.definition_hash == m2.definition_hash


@pytest.mark.parametrize(
    ("edits", "variable", "value"),
    [
        ([("train.py\n", "train.py\n        env: {MASTER_PORT: 1}\n")], "MASTER_PORT", "1"),
        ([("{OMP_NUM_THREADS: 1}", "{MASTER_PORT: 2}")], "MASTER_PORT", "2"),
        ([("train.py\n", "train.py\n        listen: 0.0.0.0:3\n")], "MASTER_PORT", "3"),
        ([("train.py\n", "train.py\n        network: wifi\n")], "MASTER_ADDR", "10.9.0.1"),
    ],
)
def test_what_the_user_says_goes_first(
    edits: list[tuple[str, str]], variable: str, value: str
) -> None:
    assert job(*edits).instances[1].environment("f", {})[variable] == value
    assert job().instances[1].environment("f", {variable: "secret"})[variable] == "secret"


def test_the_members_of_a_job_are_those_of_all_its_services_but_of_those_that_say_otherwise() -> (
    None
):
    two = """\
    framework: torchrun
    services:
      board: {on: m1, command: b, framework: none}
      by-hand: {on: tablet, ready: {connect: "{address.wifi}:1"}}
      server: {on: m2, command: s, listen: fabric:7}
      worker: {on: [pi, m1], command: w, after: server}
      other: {on: [m1, m2], command: o, framework: dask}
"""
    head = TEXT[: TEXT.index("    services:")]
    instances = {i.name: i.provided for i in job(text=head + two).instances}
    ranks = {name: found.get("RANK") for name, found in instances.items()}
    assert ranks == {
        "board@m1": None,
        "by-hand@tablet": None,
        "server@m2": "0",
        "worker@pi": "1",
        "worker@m1": "2",
        "other@m1": None,
        "other@m2": None,
    }
    worker = instances["worker@pi"]
    assert (worker["MASTER_ADDR"], worker["MASTER_PORT"]) == ("10.0.0.2", "7")
    assert (worker["WORLD_SIZE"], worker["PET_NNODES"]) == ("3", "3")
    assert instances["other@m1"] == {"DASK_SCHEDULER_ADDRESS": "tcp://10.0.0.1:8786"}


def test_mlx_ring() -> None:
    for rank, member in enumerate(as_("mlx-ring").instances):
        own = {k: v for k, v in member.provided.items() if k.startswith("MLX")}
        assert own == {"MLX_RANK": str(rank), "MLX_HOSTFILE": "<path of mlx-ring.json>"}
        assert json.loads(member.files["mlx-ring.json"]) == [
            ["10.0.0.1:32323"],
            ["10.0.0.2:32324"],
            ["10.1.0.3:32325"],
        ]
    alone = job(("torchrun\n", "mlx-ring\n"), ("on: [m1, m2, pi]", "on: m1")).instances[0]
    assert alone.provided == {"MLX_RANK": "0"}


def test_mlx_jaccl_knows_the_devices_of_its_own_rank() -> None:
    m1 = as_("mlx-jaccl").instances[0]
    assert m1.provided == {
        "MLX_RANK": "0",
        "MLX_JACCL_COORDINATOR": "10.0.0.1:32323",
        "MLX_IBV_DEVICES": "<path of mlx-devices.json>",
    }
    assert json.loads(m1.files["mlx-devices.json"]) == [
        [None, "rdma_<interface on fabric>", "rdma_<interface on edge>"],
        ["known to m2", None, None],
        ["known to pi", None, None],
    ]


def test_mpi() -> None:
    m1 = as_("mpi").instances[0]
    networks = "10.0.0.0/24,10.1.0.0/24"
    assert m1.provided == {
        "OMPI_MCA_orte_default_hostfile": "<path of mpi-hosts>",
        "PRTE_MCA_prte_default_hostfile": "<path of mpi-hosts>",
        "HYDRA_HOST_FILE": "<path of mpi-hosts>",
        "OMPI_MCA_btl_tcp_if_include": networks,
        "OMPI_MCA_oob_tcp_if_include": networks,
    }
    assert m1.files == {"mpi-hosts": "10.0.0.1\n10.0.0.2\n10.1.0.3\n"}


def test_dask_ray_and_none() -> None:
    found = [as_(name).instances[0].provided for name in ("dask", "ray", "none")]
    assert found == [
        {"DASK_SCHEDULER_ADDRESS": "tcp://10.0.0.1:8786"},
        {"RAY_ADDRESS": "10.0.0.1:6379"},
        {},
    ]


def test_without_networks_the_ssh_host_must_do() -> None:
    text = "fleet: f\nnodes: {a: {}, b: {}}\n" + TEXT[TEXT.index("jobs:") :]
    _, b = job(("on: [m1, m2, pi]", "on: [a, b]"), text=text).instances
    assert (b.provided["MASTER_ADDR"], b.provided["PET_NODE_RANK"]) == ("a", "1")
    assert "GLOO_SOCKET_IFNAME" not in b.provided


def test_members_that_only_a_control_network_joins_are_told_of(tmp_path: Path) -> None:
    file = tmp_path / "nodes.yaml"
    file.write_text(TEXT.replace("on: [m1, m2, pi]", "on: [m1, tablet]"))
    _, notes = load_with_notes(file)
    assert [note.partition(": ")[2] for note in notes] == [
        "warning: torchrun of service 'train' will use the control network 'wifi': there is no "
        "other to which all of its nodes have a way"
    ]


@pytest.mark.parametrize(
    ("edit", "place", "says"),
    [
        (
            ("framework: torchrun", "framework: torchrum"),
            "16:20",
            "it must be one of dask, mlx-jaccl, mlx-ring, mpi, none, ray, torchrun: did you mean",
        ),
        (
            ("framework: torchrun", "framework: ray\n        network: edge"),
            "16:20",
            "{train.host} has no value: 'm2' is neither on network 'edge' nor has a via to it",
        ),
    ],
)
def test_mistakes(edit: tuple[str, str], place: str, says: str) -> None:
    with pytest.raises(ConfigError) as caught:
        job(edit)
    (line,) = str(caught.value).splitlines()
    assert line.startswith(f"nodes.yaml:{place}: ")
    assert says in line
