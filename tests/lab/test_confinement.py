"""What root on a node cannot do to the machine, and what it can still do on the node."""

from __future__ import annotations

import errno
import json
import os
import re
import signal
import struct
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from fleetctl.errors import LabError
from fleetctl.lab import Lab, confinement
from fleetctl.lab.personality import is_mac, personality
from tests.conftest import MakeLab
from tests.lab.observe import answers, bounded, eventually, ssh

NODES = ("a", "mac")
KEPT = sum(1 << number for number, _reason in confinement.KEPT.values())
FILTERED = confinement.filter_code(os.uname().machine) is not None
DROPPED = {  # linux/capability.h
    "CAP_DAC_READ_SEARCH": 2,
    "CAP_SYS_MODULE": 16,
    "CAP_SYS_RAWIO": 17,
    "CAP_SYS_PTRACE": 19,
    "CAP_SYS_ADMIN": 21,
    "CAP_SYS_BOOT": 22,
    "CAP_SYS_TIME": 25,
    "CAP_MKNOD": 27,
    "CAP_SYSLOG": 34,
    "CAP_BPF": 39,
}
FLEET = """\
fleet: confined
networks:
  lan: {cidr: 172.20.0.0/24}
internet: null
nodes:
  a: {ssh: {host: 172.20.0.1}, addresses: {lan: 172.20.0.1}}
  mac: {os: macos, ssh: {host: 172.20.0.2, user: one}, addresses: {lan: 172.20.0.2}}
"""


@pytest.fixture(scope="module")
def lab(make_lab: MakeLab) -> Lab:
    return make_lab(FLEET)


def status_of(pid: int) -> dict[str, str]:
    """The process as the machine's own /proc has it, proc_pid_status(5)."""
    lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}


def inhabitants(lab: Lab, node: str) -> dict[int, dict[str, str]]:
    """The status of each process in the PID namespace of a node."""
    own = Path(f"/proc/{lab.state.processes[node].pid}/ns/pid").readlink()
    found = {}
    for pid in psutil.pids():
        with suppress(OSError):  # it ended meanwhile
            if Path(f"/proc/{pid}/ns/pid").readlink() == own:
                found[pid] = status_of(pid)
    return found


@pytest.mark.lab
@pytest.mark.parametrize("node", NODES)
class TestCapabilities:
    def test_no_process_has_more_than_what_is_kept(self, lab: Lab, node: str) -> None:
        with bounded(lab.popen(node, ["sleep", "60"], user="root")) as started:
            eventually(lambda: status_of(started.pid)["Name"] == "sleep", "it has entered")
            found = inhabitants(lab, node)
        assert {started.pid, lab.state.processes[node].pid} < found.keys()
        assert any(status["Name"].startswith("sshd") for status in found.values())
        for status in found.values():
            for kind in ("CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"):
                assert int(status[kind], 16) & ~KEPT == 0, (status["Name"], kind)
            assert status["Seccomp"] == ("2" if FILTERED else "0"), status["Name"]

    @pytest.mark.parametrize("way", ["ssh", "sudo over ssh", "root"])
    def test_sessions(self, lab: Lab, node: str, way: str) -> None:
        proc = personality("macos" if is_mac(lab.blueprint.machine(node)) else "linux").proc
        show = f"cat {proc}/self/status"
        if way == "root":
            done = lab.run(node, show.split(), user="root")
        else:
            machine = lab.blueprint.machine(node)
            assert machine.login
            show = f"sudo -n {show}" if way.startswith("sudo") else show
            done = ssh(lab, f"{machine.user}@{machine.login.address}", show)
        assert done.returncode == 0, done.stderr
        sets = dict(re.findall(r"^Cap(\w+):\s*(\w+)$", done.stdout.decode(), re.MULTILINE))
        expected = KEPT & int(status_of(os.getpid())["CapBnd"], 16)
        assert int(sets["Bnd"], 16) == expected
        assert int(sets["Eff"], 16) == (0 if way == "ssh" else expected)
        assert not [name for name, bit in DROPPED.items() if int(sets["Bnd"], 16) >> bit & 1]


TRIES = """
import ctypes, errno, fcntl, json, os, socket, stat, sys, time
libc = ctypes.CDLL(None, use_errno=True)
numbers, read_only, folder = map(json.loads, sys.argv[1:])
done = []

def refused(name, action, number=errno.EPERM):
    try:
        action()
        done.append(name)
    except OSError as error:
        if error.errno != number:
            done.append(f"{name}: {error}")

def call(*arguments):
    if libc.syscall(*arguments) == -1:
        raise OSError(ctypes.get_errno(), "")

for name, number in numbers.items():
    refused(name, lambda: call(number, -1, -1, -1, -1, -1))
refused("mknod", lambda: os.mknod("/disk", 0o600 | stat.S_IFBLK, os.makedev(7, 0)))
refused("clock", lambda: time.clock_settime(time.CLOCK_REALTIME, time.time()))
refused("vsock", lambda: socket.socket(40))
refused("typing", lambda: fcntl.ioctl(os.openpty()[1], 0x5412, b"x"))
refused("nice", lambda: os.nice(-1))
for file in read_only:
    refused(file, lambda: os.close(os.open(file, os.O_WRONLY)), errno.EROFS)
if not os.statvfs(folder).f_flag & os.ST_RDONLY:
    done.append(folder)
print(json.dumps(done))
"""
"""Prints what root was not refused. The arguments let each call fail without harm anyway."""


@pytest.mark.lab
@pytest.mark.skipif(not FILTERED, reason="no filter is written for this architecture")
@pytest.mark.parametrize("node", NODES)
def test_root_is_refused_what_reaches_the_machine(lab: Lab, node: str) -> None:
    column = list(confinement.ARCHITECTURES).index(os.uname().machine)
    calls = {name: numbers[column] for name, numbers in confinement.DENIED.items()}
    numbers = {name: number for name, number in calls.items() if number is not None}
    places = personality("macos" if node == "mac" else "linux")
    files = ("sysrq-trigger", "sys/kernel/core_pattern", "sys/kernel/panic", "sys/vm/swappiness")
    there = [f"{places.proc}/{file}" for file in files if Path("/proc", file).exists()]
    words = [json.dumps(value) for value in (numbers, there, places.sys)]
    done = lab.run(node, ["python3", "-c", TRIES, *words], user="root")
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout) == []
    assert len(numbers) > 25
    assert len(there) > 1


@pytest.mark.lab
class TestNode:
    def test_no_disk_and_no_memory_of_the_machine_is_in_its_dev(self, lab: Lab) -> None:
        found = [lab.run(node, ["ls", "/dev"], user="root").stdout.split() for node in NODES]
        expected = "fd full null ptmx pts random shm stderr stdin stdout tty urandom zero"
        assert found == [expected.encode().split()] * len(NODES)

    def test_root_is_still_root_there(self, lab: Lab) -> None:
        script = """set -e
            sysctl -qw net.ipv4.conf.all.log_martians=1
            cat /proc/sys/net/ipv4/conf/all/log_martians
            touch /home/fleet/file; chown fleet: /home/fleet/file; chmod 4755 /home/fleet/file
            su -s /bin/sh fleet -c 'sleep 60 >/dev/null & echo $!' >/tmp/pid
            kill $(cat /tmp/pid)
            ip link add dummy0 type veth; ip link delete dummy0
            exec python3 -c 'import socket; socket.create_server(("", 80))'"""
        done = lab.run("a", ["sh", "-c", script], user="root")
        assert (done.returncode, done.stdout) == (0, b"1\n"), done.stderr
        assert answers(lab, "a", "172.20.0.2")

    def test_nothing_of_the_way_in_is_left_in_a_command(self, lab: Lab) -> None:
        show = ["sh", "-c", "env | sort; grep SigIgn /proc/self/status; ls /proc/self/fd"]
        done = lab.run("a", show, env={"PATH": "/usr/bin:/bin", "SHELL": "x", "TERM": "x"})
        signals = [signal.Signals(n) for n in range(1, 32) if ignored(done.stdout) >> n - 1 & 1]
        assert signals == []
        assert done.stdout.decode().split() == [
            *("HOME=/home/fleet", "LOGNAME=fleet", "PATH=/usr/bin:/bin", "PWD=/home/fleet"),
            *("SHELL=x", "TERM=x", "USER=fleet", "SigIgn:", "0000000000000000"),
            *("0", "1", "2", "3"),  # 3 is of ls
        ]

    @pytest.mark.parametrize(
        ("argv", "cwd", "status", "said"),
        [
            (["no-such"], None, 127, "no-such: No such file or directory\n"),
            (["/etc/passwd"], None, 126, "/etc/passwd: Permission denied\n"),
            (["ls"], "/no", 125, "ls does not start in /no: No such file or directory\n"),
        ],
    )
    def test_a_command_that_cannot_start(
        self, lab: Lab, argv: list[str], cwd: str | None, status: int, said: str
    ) -> None:
        done = lab.run("a", argv, cwd=cwd)
        assert (done.returncode, done.stderr.decode()) == (status, said)


@pytest.mark.lab
class TestLinks:
    """Root on a node leaves links to the machine's files, and what the lab writes meets them."""

    def test_a_fault_follows_none(self, lab: Lab, tmp_path: Path) -> None:
        own = tmp_path / "90-lab"
        own.write_text("own")
        rules = "/etc/sudoers.d"
        swap = f"mv {rules} {rules}-away && ln -s {tmp_path} {rules}"
        assert lab.run("a", ["sh", "-c", swap], user="root").returncode == 0
        with pytest.raises(LabError, match=f"{rules}/90-lab on its disk: Not a directory"):
            lab.fault("sudo-password", "a")
        assert own.read_text() == "own"
        back = f"rm {rules} && mv {rules}-away {rules}"
        assert lab.run("a", ["sh", "-c", back], user="root").returncode == 0
        lab.fault("sudo-password", "a")
        assert lab.run("a", ["sudo", "-n", "true"]).returncode == 1
        lab.heal("sudo-password", "a")

    def test_a_boot_takes_interfaces_from_no_file_there(self, lab: Lab) -> None:
        script = (
            r"sed -i 's/^port\t[a-z0-9]*/&x netns 1/' /.lab/machine && grep netns /.lab/machine"
        )
        assert lab.run("a", ["sh", "-c", script], user="root").returncode == 0
        lab.fault("power-off", "a")
        lab.heal("power-off", "a")
        assert answers(lab, "mac", "172.20.0.1")

    def test_what_is_made_at_boot_follows_no_link_out_of_it(self, lab: Lab, tmp_path: Path) -> None:
        tmp_path.chmod(0o700)
        script = f"rmdir /var/spool; rm -rf /var/tmp && ln -s {tmp_path} /var/tmp"
        assert lab.run("a", ["sh", "-c", script], user="root").returncode == 0
        lab.fault("power-off", "a")
        with pytest.raises(LabError, match="File exists: '/var/tmp'"):
            lab.heal("power-off", "a")
        assert tmp_path.stat().st_mode & 0o7777 == 0o700
        link = lab.path("a", "/var/tmp")
        link.unlink()
        lab.heal("power-off", "a")
        assert lab.run("a", ["stat", "-c%a", "/var/tmp"]).stdout == b"1777\n"

    def test_the_labs_own_folder_there_is_no_link(self, lab: Lab, tmp_path: Path) -> None:
        script = f"mv /.lab /.moved && ln -s {tmp_path} /.lab"
        assert lab.run("a", ["sh", "-c", script], user="root").returncode == 0
        lab.fault("power-off", "a")
        with pytest.raises(LabError, match=r"a did not start: .lab is a symbolic link on its disk"):
            lab.heal("power-off", "a")
        assert list(tmp_path.iterdir()) == []


def ignored(shown: bytes) -> int:
    """The mask of ignored signals that a process showed."""
    return int(shown.partition(b"SigIgn:")[2].split()[0], 16)


class TestFilter:
    """The filter as the kernel would run it, also on the architecture that this is not."""

    ALLOWED, REFUSED, UNKNOWN = 0x7FFF0000, 0x50000 | errno.EPERM, 0x50000 | errno.ENOSYS

    @pytest.mark.parametrize("machine", confinement.ARCHITECTURES)
    def test_verdicts(self, machine: str) -> None:
        code = confinement.filter_code(machine)
        assert code
        column = list(confinement.ARCHITECTURES).index(machine)
        own = confinement.ARCHITECTURES[machine]
        for numbers in confinement.DENIED.values():
            number = numbers[column]
            assert number is None or judged(code, own, number) == self.REFUSED
        clone, unshare, socket, ioctl = ((56, 272, 41, 16), (220, 97, 198, 29))[column]
        assert judged(code, own, clone, 0x10000000 | 17) == self.REFUSED
        assert judged(code, own, unshare, 0x10000000) == self.REFUSED
        assert judged(code, own, clone, 17) == self.ALLOWED
        assert judged(code, own, unshare, 0x20000) == self.ALLOWED
        assert judged(code, own, socket, 40) == self.REFUSED
        assert judged(code, own, socket, 2) == self.ALLOWED
        assert judged(code, own, ioctl, 0, 0x5412) == self.REFUSED  # TIOCSTI
        assert judged(code, own, ioctl, 0x5412, 0x5413) == self.ALLOWED  # TIOCGWINSZ
        assert judged(code, own, 435) == self.UNKNOWN  # clone3
        assert [judged(code, own, n) for n in (0, 1, 59, 63, 64, 221)] == [self.ALLOWED] * 6
        assert judged(code, 0x40000003, 0) == self.REFUSED  # AUDIT_ARCH_I386
        if machine == "x86_64":
            assert judged(code, own, 0x40000000) == self.REFUSED

    def test_where_there_is_none(self) -> None:
        assert confinement.filter_code("riscv64") is None


def judged(code: bytes, architecture: int, number: int, *arguments: int) -> int:
    """What the filter answers, seccomp(2): classic BPF, as far as it is used."""
    data = struct.pack("=IIQ6Q", number, architecture, 0, *(*arguments, *[0] * 6)[:6])
    lines = list(struct.iter_unpack("HBBI", code))
    place, value = 0, 0
    while True:
        operation, if_so, if_not, operand = lines[place]
        place += 1
        match operation:
            case 0x20:
                (value,) = struct.unpack_from("=I", data, operand)
            case 0x06:
                return int(operand)
            case _:
                met = {
                    0x15: value == operand,
                    0x35: value >= operand,
                    0x45: bool(value & operand),
                }[operation]
                place += if_so if met else if_not
