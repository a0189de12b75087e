"""A real systemd keeps `fleetctl serve` running, and starts instances at a boot."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.waiting import eventually

pytestmark = pytest.mark.long  # 60 s

CHECKOUT = Path(__file__).parents[2]
FILE = """\
fleet: alone
internet: null
networks: {lan: {cidr: 192.168.99.0/24, control: true}}
nodes: {here: {connection: local}}
jobs:
  job:
    services:
      worker: {on: here, on_boot: start, ready: {delay: 0}, command: exec sleep 4606}
"""
SERVE = "fleetctl-serve-alone.service"
BOOT = "fleetctl-alone.service"
UNITS = "~/.config/systemd/user"
BY_MANAGER = "/user@4711.service/"
NEEDED = ("systemctl", "systemd-analyze", "loginctl", "dbus-daemon", "unshare", "nsenter")


class Machine:
    """What runs below a systemd of its own, with the account `fleet`."""

    def __init__(self, folder: Path, group: Path) -> None:
        paths = {CHECKOUT, Path(sys.prefix), Path(sys.base_prefix)}
        script = str(Path(__file__).with_name("booted.sh"))
        with (folder / "said").open("wb") as said:
            self.outer = subprocess.Popen(
                ["sh", script, str(folder), str(group), *map(str, sorted(paths))],
                stdin=subprocess.PIPE,
                stdout=said,
                stderr=said,
                start_new_session=True,
            )
        assert self.outer.stdin
        self.outer.stdin.write(FILE.encode())
        self.outer.stdin.close()
        self.folder = folder

    def up(self) -> bool:
        assert self.outer.poll() is None, (self.folder / "said").read_text()
        inner = psutil.Process(self.outer.pid).children()
        return bool(inner) and self.root("systemctl is-active -q test.target").returncode == 0

    def root(self, script: str) -> subprocess.CompletedProcess[str]:
        (inner,) = psutil.Process(self.outer.pid).children()
        argv = ["nsenter", "-t", str(inner.pid), "-a", "--", "sh", "-c", script]
        return subprocess.run(
            argv, stdin=subprocess.DEVNULL, capture_output=True, text=True, timeout=120, check=False
        )

    def login(self, script: str) -> str:
        """What a login prints; it must succeed, and is over then."""
        path = f'export PYTHONPATH={CHECKOUT}; fleetctl() {{ {sys.executable} -m fleetctl "$@"; }}'
        done = self.root(f"exec su -l fleet -c {shlex.quote(f'{path}; {script}')}")
        assert done.returncode == 0, (script, done.stdout, done.stderr)
        return done.stdout

    def server(self) -> int:
        """The process of the server; 0: none runs. Asking systemd would begin it."""
        found = self.root("pgrep -u fleet -f ' serve --interval'").stdout.split()
        return int(found[0]) if found else 0


@pytest.fixture(scope="module")
def machine(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    groups = next((p for p in _groups() if (p / "cgroup.procs").exists()), None)
    lacks = [name for name in NEEDED if shutil.which(name) is None]
    if os.geteuid() != 0 or groups is None or lacks:
        pytest.skip(f"it takes root, control groups of version 2 and {' '.join(NEEDED)}")
    group = groups / f"fleetctl-test-{os.getpid()}"
    group.mkdir()
    made = Machine(tmp_path_factory.mktemp("systemd"), group)
    try:
        eventually(made.up, "systemd is up", 60)
        yield made
    finally:
        made.outer.kill()
        made.outer.wait()
        eventually(lambda: _removed(group), "all of it has ended", 60)


def _removed(group: Path) -> bool:
    for inner in sorted((*group.rglob("*/"), group), reverse=True):
        with suppress(OSError):  # something in it still ends
            inner.rmdir()
    return not group.exists()


def _groups() -> Iterator[Path]:
    for line in Path("/proc/mounts").read_text().splitlines():
        _, place, kind, *_ = line.split()
        if kind == "cgroup2":
            yield Path(place)


def test_a_server_is_kept_running(machine: Machine) -> None:
    machine.login(
        f"fleetctl serve --install --yes && systemd-analyze --user verify {UNITS}/{SERVE}"
    )
    machine.root("loginctl enable-linger fleet")
    assert "serves alone" in machine.login("fleetctl serve --status")
    first = machine.server()
    machine.root(f"kill -9 {first}")
    eventually(lambda: machine.server() not in (0, first), "it is begun again", 60)
    # as what a browser's dashboard starts here
    own = f"/proc/{machine.server()}/cgroup"
    left = machine.root(
        f"group=/sys/fs/cgroup$(sed -n s/^0:://p {own}); "
        'setsid sleep 4607 >/dev/null 2>&1 & echo $! >"$group/cgroup.procs"; echo $!'
    ).stdout.strip()
    machine.login("fleetctl serve --install --yes --interval 7")
    words = machine.root(f"tr '\\0' ' ' </proc/{machine.server()}/cmdline").stdout
    assert words.endswith("serve --interval 7 ")
    assert machine.root(f"kill -0 {left}").returncode == 0

    machine.root("loginctl disable-linger fleet; loginctl terminate-user fleet")
    eventually(lambda: machine.server() == 0, "without lingering it ends with the login", 60)
    machine.login("fleetctl serve --uninstall --yes")
    assert machine.root("ls /home/fleet/.config/systemd/user/*.service").stdout == ""


def test_instances_start_at_a_boot(machine: Machine) -> None:
    machine.login("fleetctl fix --apply --persistent --yes")
    machine.login(f"systemd-analyze --user verify {UNITS}/{BOOT}")
    assert machine.root("loginctl show-user fleet -p Linger --value").stdout == "yes\n"
    machine.login("fleetctl start")
    machine.root("systemctl kill --signal=KILL user-4711.slice; systemctl stop user@4711")
    eventually(lambda: machine.root("pgrep -u fleet").stdout == "", "the power is off", 30)
    machine.root("systemctl start user@4711")
    running = 'pid=$(pgrep -u fleet -fx "sleep 4606") && cat /proc/$pid/cgroup'
    eventually(lambda: BY_MANAGER in machine.root(running).stdout, "its unit starts it", 30)
    assert "worker@here  ● ready" in machine.login("fleetctl status || :")
    machine.login(f"systemctl --user restart {BOOT}")  # it ends nothing
    assert "worker@here  ● ready" in machine.login("fleetctl status || :")
    machine.login("fleetctl stop && fleetctl fix --undo --yes")
    assert machine.root("loginctl show-user fleet -p Linger --value").stdout != "yes\n"
