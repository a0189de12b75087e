"""What the machine must have, and where the controller's files go."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from uuid import UUID

import msgspec
import pytest

from fleetctl import config
from fleetctl.errors import LabError
from fleetctl.lab import Lab, requirements, state
from fleetctl.lab.controller import Home
from fleetctl.lab.draft import draw
from fleetctl.lab.namespaces import Process, tool
from tests.conftest import MakeLab
from tests.lab.fleets import PAIR
from tests.lab.observe import ssh
from tests.processes import killed_at_end


class TestRequirements:
    def test_missing_tools_are_named_with_their_packages(
        self, monkeypatch: pytest.MonkeyPatch
    ) -> None:

        def lacking(name: str) -> str:
            if name in ("tmux", "sshd"):
                raise FileNotFoundError(name)
            return tool(name)

        monkeypatch.setattr(requirements, "tool", lacking)
        monkeypatch.setattr(os, "geteuid", lambda: 0)
        with pytest.raises(LabError) as caught:
            requirements.check_machine()
        assert str(caught.value) == (
            "the lab needs sshd, tmux, not installed here. apt-get install openssh-server tmux"
        )

    def test_root_is_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(os, "geteuid", lambda: 1000)
        with pytest.raises(LabError, match=r"needs root.*sudo"):
            requirements.check_machine()

    def test_linux_is_needed(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(sys, "platform", "darwin")
        with pytest.raises(LabError, match="needs Linux; this is darwin"):
            requirements.check_machine()


class TestProcess:
    def test_a_recycled_process_id_is_not_killed(self) -> None:
        own = Process.of(os.getpid())
        assert own.alive
        other = Process(own.pid, own.started - 1)
        assert not other.alive
        assert other.kill(timeout_s=1)  # gone already; this process, which has its id, goes on

    def test_a_lab_of_an_earlier_boot_is_not_running(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "RUN", tmp_path)
        plan = draw(config.load_text(PAIR, "nodes.yaml"))
        own = Process.of(os.getpid())
        for boot_id, running in ((state.boot_id(), [own]), ("earlier", [])):
            (tmp_path / "x").mkdir(exist_ok=True)
            state.write(state.State("x", boot_id, own, plan, ""))
            assert [state.living_keeper(name) for name in state.names()] == running
        assert state.left_behind() == ["x"]
        Lab("x").down()  # and does not end this process
        assert state.left_behind() == []

    def test_a_lab_of_another_version_is_found_and_can_be_ended(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        monkeypatch.setattr(state, "RUN", tmp_path)
        with killed_at_end(["sleep", "600"]) as keeper:
            process = Process.of(keeper.pid)
            other = {"boot_id": state.boot_id(), "keeper": msgspec.to_builtins(process), "new": 1}
            (tmp_path / "x").mkdir()
            (tmp_path / "x/state.json").write_bytes(msgspec.json.encode(other))
            assert state.names() == ["x"]
            with pytest.raises(LabError, match=r"cannot be read.*lab down x"):
                Lab.open("x")
            Lab("x").down()
        assert not process.alive


@pytest.mark.lab
class TestController:
    def test_files_go_where_nodes_yaml_says(self, make_lab: MakeLab, tmp_path: Path) -> None:
        text = """\
fleet: placed
defaults: {ssh: {known_hosts: ~/elsewhere/hosts}}
nodes:
  a: {ssh: {host: 172.20.0.1, identity_file: /usr/share/lab-test/keys/one}}
  b: {ssh: {host: 172.20.0.2, identity_file: ~/keys/two}}
jobs:
  job:
    services:
      s: {on: a, command: "true", env_file: secret/env}
"""
        (tmp_path / "secret").mkdir()
        (tmp_path / "secret/env").write_text("A=1\n")
        (tmp_path / "nodes.yaml").write_text(text)
        path = tmp_path / "nodes.yaml"
        name = f"placed-{os.getpid()}"
        lab = Lab.up(config.load(path), path, name=name)
        try:
            options = ["-oBatchMode=yes", "-oUserKnownHostsFile=elsewhere/hosts", "-i"]
            for key, host in (("/usr/share/lab-test/keys/one", "1"), ("keys/two", "2")):
                argv = ["ssh", *options, key, f"fleet@172.20.0.{host}", "hostname"]
                done = lab.run("controller", argv)
                assert done.returncode == 0, done.stderr
            assert (lab.home / "secret/env").read_text() == "A=1\n"
            assert not Path("/usr/share/lab-test").exists()
        finally:
            lab.down()

    def test_a_file_is_only_put_below_the_home(self, tmp_path: Path) -> None:
        home = Home(tmp_path / "home", tmp_path / "aside")
        for written in ("~/../../x", "../../y", "~/a/../..", "a/../../b", "~", ".", "~/.."):
            with pytest.raises(LabError, match="not below the controller's home"):
                home.locate(written)
        inside = {"~/k": "k", "k": "k", "~/a/../k": "k", "./a/k": "a/k", "~/..k": "..k"}
        for written, place in inside.items():
            assert home.locate(written) == home.path / place
        outside = home.locate(f"{home.path}/../nodes.yaml")
        assert outside.is_relative_to(tmp_path / "aside")

    def test_an_env_file_beside_a_nodes_yaml_that_is_named_relatively(
        self, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        (tmp_path / "nodes.yaml").write_text("")
        (tmp_path / "env").write_text("A=1\n")
        monkeypatch.chdir(tmp_path)
        home = Home(tmp_path / "home", tmp_path / "aside")
        home.copy_config(Path("nodes.yaml"), [str(tmp_path / "env")])
        assert (home.path / "env").read_text() == "A=1\n"

    def test_a_place_this_machine_cannot_have(self, make_lab: MakeLab) -> None:
        text = "fleet: f\nnodes: {a: {ssh: {host: 10.0.0.1, identity_file: /Nowhere/x/key}}}\n"
        with pytest.raises(LabError, match=r"no folder Nowhere.*~/"):
            make_lab(text)

    def test_jump_host_by_name(self, make_lab: MakeLab) -> None:
        lab = make_lab(
            """\
fleet: inner
networks:
  outer: {cidr: 192.168.1.0/24}
  inner: {cidr: 10.0.0.0/24}
nodes:
  door: {ssh: {host: 192.168.1.2}, addresses: {outer: 192.168.1.2, inner: 10.0.0.1}}
  deep: {ssh: {host: 10.0.0.2, proxy_jump: door}, addresses: {inner: 10.0.0.2}}
"""
        )
        assert b"timed out" in ssh(lab, "fleet@10.0.0.2", "hostname").stderr
        done = ssh(lab, "fleet@10.0.0.2", "hostname", "-J", "door")
        assert done.stdout == b"deep\n", done.stderr
        lab.down()


def _python_of_its_own(prefix: Path) -> Path:
    """The prefix of this Python, or of a copy of it where that is the system's own, in /usr."""
    if sys.base_prefix != "/usr":
        return Path(sys.base_prefix).resolve()
    stdlib = Path(sysconfig.get_path("stdlib"))
    unneeded = shutil.ignore_patterns("test", "site-packages", "dist-packages", "config-*", "__py*")
    shutil.copytree(stdlib, prefix / "lib" / stdlib.name, ignore=unneeded)
    (prefix / "bin").mkdir()
    program = Path(sys.executable).resolve()
    shutil.copy(program, prefix / "bin" / program.name)
    (prefix / "bin" / "python3").symlink_to(program.name)
    return prefix


@pytest.mark.lab
def test_nodes_without_a_python_of_the_system_get_this_one(
    make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ours = _python_of_its_own(tmp_path / "python")
    monkeypatch.setattr(requirements, "foreign_python", lambda: ours)
    lab = make_lab(PAIR.replace("  a: {", "  a: {os: macos, "))
    show = "import sys, ctypes, json, ssl; print(sys.executable, sys.version_info[:2])"
    for login, place in (("fleet@172.20.0.1", "/usr/bin"), ("root@172.20.0.2", "/usr/local/bin")):
        done = ssh(lab, login, f"python3 -c '{show}'; touch {ours}/x")
        expected = f"{place}/python3 {sys.version_info[:2]}\n"
        assert done.stdout.decode() == expected, done.stderr
        assert b"Read-only file system" in done.stderr
    assert b"172.20/24" in ssh(lab, "fleet@172.20.0.1", "netstat -rn").stdout
    assert b"connected" in ssh(lab, "root@172.20.0.2", "nmcli device").stdout
    lab.down()


@pytest.mark.lab
def test_each_boot_of_each_node_has_an_id_of_its_own(make_lab: MakeLab) -> None:
    lab = make_lab(PAIR)

    def boot_id(node: str) -> str:
        return lab.run(node, ["cat", "/proc/sys/kernel/random/boot_id"]).stdout.decode()

    first, other = boot_id("a"), boot_id("b")
    lab.fault("power-off", "a")
    lab.heal()
    of_all = (first, other, boot_id("a"), state.boot_id())
    assert len({UUID(one.strip()) for one in of_all}) == 4
    assert boot_id("b") == other
    lab.down()


@pytest.mark.lab
def test_a_rebooted_node_has_a_new_uptime(make_lab: MakeLab) -> None:
    lab = make_lab(PAIR)

    def uptime_s() -> float:
        return float(ssh(lab, "root@172.20.0.2", "cat /proc/uptime").stdout.split()[0])

    if not Path("/proc/self/ns/time").exists():  # such a kernel has one uptime for all
        assert uptime_s() == pytest.approx(
            float(Path("/proc/uptime").read_text().split()[0]), abs=9
        )
        return
    assert 0 <= uptime_s() < 20
    lab.fault("power-off", "b")
    lab.heal()
    assert uptime_s() < float(lab.run("a", ["cat", "/proc/uptime"]).stdout.split()[0])
    lab.down()


@pytest.mark.lab
def test_labs_built_by_two_threads_at_the_same_moment(make_lab: MakeLab) -> None:
    with ThreadPoolExecutor(2) as pool:
        labs = list(pool.map(lambda _: make_lab(PAIR), range(2)))
    for lab in labs:
        assert ssh(lab, "root@172.20.0.2", "hostname").stdout == b"b\n"
        lab.down()
