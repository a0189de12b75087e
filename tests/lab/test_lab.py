"""A lab is what nodes.yaml says: logins, addresses, routes, isolation; and it goes away."""

from __future__ import annotations

import os
import re
import signal
import subprocess
import sys
import textwrap
import time
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import LabError
from fleetctl.lab import Lab, state
from fleetctl.lab.namespaces import Process
from tests.conftest import MakeLab
from tests.lab.fleets import GUIDE, PAIR, SMALL
from tests.lab.observe import answers, bounded, eventually, namespaces_of, ssh

pytestmark = pytest.mark.lab


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab, tmp_path_factory: pytest.TempPathFactory) -> Lab:
    job = tmp_path_factory.mktemp("job")
    (job / "inner").mkdir()
    (job / "inner/train.py").write_text("print('trained')\n")
    return make_lab(SMALL, copies=[(job, "~/Desktop/job")])


class TestLogins:
    @pytest.mark.parametrize(
        ("target", "name", "user"),
        [
            ("one@192.168.1.11", "mini1", "one"),
            ("two@mini2", "mini2", "two"),
            ("pi@192.168.1.25", "pi5", "pi"),
        ],
    )
    def test_real_ssh_with_the_key_that_nodes_yaml_names(
        self, lab: Lab, target: str, name: str, user: str
    ) -> None:
        done = ssh(lab, target, "hostname; id -un; echo $HOME; id -u")
        assert done.returncode == 0, done.stderr
        host, account, home, uid = done.stdout.decode().split()
        assert (host, account, home) == (name, user, f"/home/{user}")
        assert int(uid) > 1000

    def test_another_port(self, lab: Lab) -> None:
        assert ssh(lab, "three@192.168.1.13", "true").returncode == 255
        done = ssh(lab, "three@192.168.1.13", "hostname", "-p", "2222")
        assert done.stdout == b"mini3\n", done.stderr
        assert "[192.168.1.13]:2222 ssh-ed25519 " in (lab.home / ".ssh/known_hosts").read_text()

    def test_jump_through_another_node(self, lab: Lab) -> None:
        key = str(lab.home / ".ssh/cluster")
        jump = f"ssh -i {key} -W %h:%p one@192.168.1.11"
        option = f"-oProxyCommand={jump}"
        done = ssh(lab, "pi@192.168.50.2", "hostname", option, host_key="no")
        assert done.stdout == b"pi5\n", done.stderr

    def test_other_keys_and_passwords_are_refused(self, lab: Lab) -> None:
        done = lab.run(
            "controller",
            ["ssh", "-oBatchMode=yes", "-oIdentitiesOnly=yes", "one@192.168.1.11", "true"],
        )
        assert done.returncode == 255
        assert b"Permission denied (publickey)" in done.stderr

    def test_no_login_to_a_mute_node(self, lab: Lab) -> None:
        done = ssh(lab, "fleet@192.168.1.40", "true")
        assert b"Connection refused" in done.stderr

    def test_an_ssh_session_lacks_what_it_lacks_on_debian(self, lab: Lab) -> None:
        done = ssh(lab, "pi@192.168.1.25", "echo $PATH; locale charmap; command -v python3 tmux")
        path, charmap, *tools = done.stdout.decode().split()
        assert "sbin" not in path
        assert charmap == "ANSI_X3.4-1968"
        assert len(tools) == 2

    def test_copies_belong_to_the_account(self, lab: Lab) -> None:
        done = ssh(lab, "pi@192.168.1.25", "python3 Desktop/job/inner/train.py; stat -c %U Desktop")
        assert done.stdout == b"trained\npi\n", done.stderr
        assert (lab.home / "Desktop/job/inner/train.py").exists()  # the local node's home


class TestNetworks:
    @pytest.mark.parametrize(
        ("node", "address"),
        [
            ("pi5", "192.168.50.1"),
            ("pi5", "10.10.0.1"),
            ("pi5", "10.10.0.2"),  # through mini1, and back by mini2's return route
            ("mini3", "192.168.50.2"),
            ("mini2", "10.10.0.3"),
            ("pi5", "8.8.8.8"),
            ("controller", "8.8.8.8"),
            ("controller", "192.168.1.40"),
        ],
    )
    def test_reached(self, lab: Lab, node: str, address: str) -> None:
        assert answers(lab, node, address)

    @pytest.mark.parametrize(
        ("node", "address"),
        [
            ("controller", "10.10.0.1"),
            ("controller", "192.168.50.2"),
            ("pi5", "10.10.0.77"),
            ("ipad", "192.168.50.1"),
        ],
    )
    def test_not_reached(self, lab: Lab, node: str, address: str) -> None:
        assert not answers(lab, node, address)

    def test_the_home_router_drops_silently(self, lab: Lab) -> None:
        done = lab.run("controller", ["ping", "-c1", "-W1", "10.10.0.1"])
        assert b"100% packet loss" in done.stdout
        assert b"nreachable" not in done.stdout

    def test_interfaces_and_routes(self, lab: Lab) -> None:
        brief = lab.run("mini1", ["ip", "-4", "-brief", "address"]).stdout.decode()
        found = dict(re.findall(r"^(\w+)\S* +\S+ +(\S+)", brief, re.MULTILINE))
        assert found == {
            "lo": "127.0.0.1/8",
            "wlan0": "192.168.1.11/24",
            "thunderbolt0": "10.10.0.1/24",
            "eth0": "192.168.50.1/24",
        }
        routes = lab.run("mini2", ["ip", "route"]).stdout.decode()
        assert "192.168.50.0/24 via 10.10.0.1 dev thunderbolt0" in routes
        assert "default via 192.168.1.1 dev wlan0" in routes

    def test_an_account_may_ping_without_a_privileged_program(self, lab: Lab) -> None:
        code = (
            "import socket; socket.socket(socket.AF_INET, socket.SOCK_DGRAM, socket.IPPROTO_ICMP)"
        )
        done = lab.run("pi5", ["python3", "-c", code])
        assert done.returncode == 0, done.stderr

    def test_forwarding(self, lab: Lab) -> None:
        flags = {
            node: lab.run(node, ["cat", "/proc/sys/net/ipv4/ip_forward"]).stdout.strip()
            for node in ("mini1", "mini2", "pi5", "controller")
        }
        assert flags == {"mini1": b"1", "mini2": b"0", "pi5": b"0", "controller": b"0"}

    def test_as_the_guide_says_there_are_no_return_routes(self, make_lab: MakeLab) -> None:
        guide = make_lab(SMALL, as_guide=True)
        assert answers(guide, "pi5", "10.10.0.1")
        assert not answers(guide, "pi5", "10.10.0.2")
        with pytest.raises(LabError, match="no return route"):
            guide.fault("return-route-missing", "mini2")
        guide.down()


class TestIsolation:
    def test_each_node_has_its_own_processes_files_and_tmux(self, lab: Lab) -> None:
        for node in ("mini1", "mini2"):
            assert lab.run(node, ["tmux", "-L", "x", "new", "-ds", node]).returncode == 0
            lab.run(node, ["sh", "-c", f"echo {node} >/tmp/mark; echo {node} >/var/tmp/mark"])
        for node, other in (("mini1", "mini2"), ("mini2", "mini1")):
            listed = lab.run(node, ["tmux", "-L", "x", "ls", "-F", "#S"]).stdout
            assert listed == f"{node}\n".encode()
            marks = lab.run(node, ["cat", "/tmp/mark", "/var/tmp/mark"]).stdout
            assert marks == f"{node}\n{node}\n".encode()
            processes = lab.run(node, ["ps", "axww"], user="root").stdout.decode()
            assert f"-ds {node}" in processes
            assert f"-ds {other}" not in processes
        assert not list(Path("/tmp").glob("mark"))

    def test_the_machines_own_files_are_hidden(self, lab: Lab) -> None:
        assert lab.run("pi5", ["ls", "-A", "/root"], user="root").stdout == b""
        assert lab.run("pi5", ["ls", "/home"]).stdout == b"pi\n"
        checkout = Path(__file__).parents[2]
        assert lab.run("pi5", ["ls", str(checkout)], user="root").returncode != 0
        keys = lab.run("pi5", ["ls", "/etc/ssh"], user="root").stdout.decode().split()
        assert keys == ["ssh_host_ed25519_key", "ssh_host_ed25519_key.pub", "sshd_config"]

    def test_the_controllers_tmp_and_tmux_are_its_own(self, lab: Lab) -> None:
        mark = f"mark-{os.getpid()}"
        lab.run("controller", ["sh", "-c", f"touch /tmp/{mark}; tmux new -ds {mark}"])
        assert lab.run("controller", ["tmux", "ls", "-F", "#S"]).stdout == f"{mark}\n".encode()
        assert not Path("/tmp", mark).exists()
        outside = subprocess.run(["tmux", "ls"], capture_output=True, check=False).stdout
        assert mark.encode() not in outside

    def test_what_root_changes_on_a_node_stays_there(self, lab: Lab) -> None:
        lab.run("pi5", ["sh", "-c", "echo x >/etc/lab-mark; echo x >/usr/lab-mark"], user="root")
        assert lab.run("pi5", ["cat", "/etc/lab-mark", "/usr/lab-mark"]).stdout == b"x\nx\n"
        assert not Path("/etc/lab-mark").exists()
        assert not Path("/usr/lab-mark").exists()

    def test_the_machines_own_network_is_untouched(self, make_lab: MakeLab) -> None:
        def seen() -> list[bytes]:
            commands = (["ip", "-o", "link"], ["ip", "-o", "address"], ["ip", "route"])
            return [subprocess.check_output(argv) for argv in commands]

        before = seen()
        pair = make_lab(PAIR)
        assert seen() == before
        pair.down()
        assert seen() == before


class TestCommands:
    def test_input_output_and_exit_code(self, lab: Lab) -> None:
        done = lab.run("pi5", ["sh", "-c", "cat; echo err >&2; exit 7"], input=b"in $(x) \xff\n")
        assert (done.returncode, done.stdout, done.stderr) == (7, b"in $(x) \xff\n", b"err\n")

    def test_account_folder_and_environment(self, lab: Lab) -> None:
        show = ["sh", "-c", "id -un; pwd; echo $HOME $A"]
        assert lab.run("pi5", show, env={"A": "1 2"}).stdout == b"pi\n/home/pi\n/home/pi 1 2\n"
        assert lab.run("pi5", show, user="root").stdout == b"root\n/root\n/root\n"
        home = str(lab.home).encode()
        assert lab.run("macbook", show).stdout == b"root\n%b\n%b\n" % (home, home)
        with pytest.raises(LabError, match=r"no account 'bob'.*pi, root"):
            lab.run("pi5", show, user="bob")
        with pytest.raises(LabError, match="no machine 'pi6'"):
            lab.run("pi6", show)

    def test_a_deadline_ends_the_whole_command(self, lab: Lab) -> None:
        started = time.monotonic()
        with pytest.raises(LabError, match="had not ended after"):
            lab.run("pi5", ["sh", "-c", "sleep 4242 & sleep 4242"], timeout_s=0.3)
        assert time.monotonic() - started < 5
        left = lab.run("pi5", ["pgrep", "-fx", "sleep 4242"])
        assert left.stdout == b""

    def test_a_signal_reaches_the_command_itself(self, lab: Lab) -> None:
        script = "trap 'echo caught; exit 3' INT; echo ready; while :; do sleep 0.05; done"
        with bounded(
            lab.popen("controller", ["sh", "-c", script], stdout=subprocess.PIPE)
        ) as running:
            assert running.stdout
            assert running.stdout.readline() == b"ready\n"
            running.send_signal(signal.SIGINT)
            assert running.stdout.readline() == b"caught\n"
            assert running.wait(timeout=10) == 3

    def test_the_controller_runs_this_very_python(self, lab: Lab) -> None:
        code = "import fleetctl, sys, os; print(sys.prefix, fleetctl.__file__, os.getcwd())"
        done = lab.run("controller", ["python", "-c", code])
        import fleetctl

        expected = f"{sys.prefix} {fleetctl.__file__} {lab.home}\n"
        assert done.stdout.decode() == expected, done.stderr
        assert (lab.config_path).read_text() == SMALL

    def test_orphans_are_reaped(self, lab: Lab) -> None:
        lab.run("pi5", ["sh", "-c", "(sleep 0.05 &) ; exit 0"])

        def no_zombies() -> bool:
            return b"Z" not in lab.run("pi5", ["ps", "axo", "stat="]).stdout

        eventually(no_zombies, "no zombie is left")


class TestEnd:
    def test_down_leaves_nothing_even_without_its_builder(self, tmp_path: Path) -> None:
        name = f"orphan-{os.getpid()}"
        (tmp_path / "nodes.yaml").write_text(PAIR)
        script = f"""
            import pathlib, sys, time
            from fleetctl import config
            from fleetctl.lab import Lab
            path = pathlib.Path({str(tmp_path / "nodes.yaml")!r})
            Lab.up(config.load(path), path, name={name!r})
            print("up", flush=True)
            time.sleep(600)
        """
        argv = [sys.executable, "-c", textwrap.dedent(script)]
        with bounded(subprocess.Popen(argv, stdout=subprocess.PIPE)) as builder:
            try:
                assert builder.stdout
                assert builder.stdout.readline() == b"up\n"
            finally:
                builder.kill()
        lab = Lab.open(name)
        try:
            assert ssh(lab, "root@172.20.0.2", "hostname").stdout == b"b\n"
            lab.run("a", ["sh", "-c", "setsid sleep 4343 >/dev/null 2>&1 &"])
            inside = namespaces_of(lab)
            keeper = lab.state.keeper
            processes = [p for p in psutil.pids() if _pid_namespace(p) in inside]
            assert len(processes) > 8
        finally:
            lab.down()
        assert not keeper.alive
        assert not any(psutil.pid_exists(p) for p in processes if p != keeper.pid)
        assert not state.folder(name).exists()
        assert name not in Path("/proc/self/mountinfo").read_text()
        lab.down()  # a second time changes nothing
        with pytest.raises(LabError, match="no lab"):
            Lab.open(name)

    def test_a_failed_build_leaves_nothing(
        self, make_lab: MakeLab, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        name = f"failing-{os.getpid()}"

        begun: list[Process] = []

        def interrupted(now: state.State, _key: str) -> None:
            begun.extend([now.keeper, *now.processes.values()])
            raise KeyboardInterrupt

        monkeypatch.setattr("fleetctl.lab.building.await_ssh", interrupted)
        with pytest.raises(KeyboardInterrupt):
            make_lab(PAIR, name=name)
        assert name not in state.left_behind()
        # namespaces end with the last process in them, and their numbers are given out again
        assert len(begun) > 2
        eventually(lambda: not any(p.alive for p in begun), "its processes are gone")

    def test_one_of_a_name(self, lab: Lab, make_lab: MakeLab) -> None:
        pid = lab.state.keeper.pid
        with pytest.raises(LabError, match="runs already"):
            make_lab(PAIR, name=lab.name)
        assert lab.state.keeper.pid == pid

    def test_two_at_once(self, lab: Lab, make_lab: MakeLab) -> None:
        other = make_lab(SMALL)
        for one in (lab, other):
            assert one.name in Lab.names()
            one.run("pi5", ["sh", "-c", f"echo {one.name} >whose"])
        assert lab.run("pi5", ["cat", "whose"]).stdout == f"{lab.name}\n".encode()
        other.down()
        assert answers(lab, "pi5", "10.10.0.2")

    def test_the_guides_cluster_is_up_within_ten_seconds(self, make_lab: MakeLab) -> None:
        started = time.monotonic()
        guide = make_lab(GUIDE)
        assert time.monotonic() - started < 10
        assert answers(guide, "pi4", "10.10.0.1")
        assert not answers(guide, "pi4", "192.168.50.1")
        guide.down()


def _pid_namespace(pid: int) -> str:
    try:
        return os.readlink(f"/proc/{pid}/ns/pid")  # noqa: PTH115 -- the text, not a path
    except OSError:
        return ""
