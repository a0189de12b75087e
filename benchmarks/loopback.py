"""OpenSSH servers on many addresses of this machine's loopback, as a fleet to measure with.

Linux answers on all of 127.0.0.0/8, so 127.0.1.1 to 127.0.1.200 look like two hundred hosts to a
client. Each has a PID namespace of its own, so that a question for a node's processes finds only
that node's, as on a real one, and not those of all nodes. That needs root.
"""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from pathlib import Path

from measure import cannot

START_TIMEOUT_S = 10.0


@dataclass(frozen=True)
class Loopback:
    """The running servers."""

    folder: Path
    """Has ``id`` and ``id.pub``, ``known_hosts``, ``ssh_config`` and all other files."""
    hosts: tuple[str, ...]
    port: int
    pids: tuple[int, ...] = ()
    """The first process of each host's PID namespace is a child of this one."""

    def home(self, host: str) -> Path:
        """The home folder of the account on ``host``, and the place of its tmux server."""
        own = self.folder / f"home-{host}"
        return own if own.exists() else self.folder / "home"

    def nodes_yaml(self, count: int, command: str = "sleep 1000") -> Path:
        """A nodes.yaml of the first ``count`` hosts, named n1 and so on, with a job on each.

        They are one network, so that a status sends echo requests as in a real fleet.

        :param command: of the job.
        """
        nodes = [
            f"  n{i}: {{ssh: {{host: {host}}}, addresses: {{lan: {host}}}}}"
            for i, host in enumerate(self.hosts, 1)
        ]
        names = ", ".join(f"n{i}" for i in range(1, count + 1))
        path = self.folder / f"nodes-{count}.yaml"
        path.write_text(
            "fleet: loopback\n"
            "internet: null\n"
            "networks: {lan: {cidr: 127.0.0.0/16}}\n"
            "defaults:\n"
            f"  ssh: {{port: {self.port}, user: root, identity_file: {self.folder}/id,\n"
            f"        known_hosts: {self.folder}/known_hosts}}\n"
            "nodes:\n" + "\n".join(nodes[:count]) + "\n"
            "jobs:\n"
            f"  idle: {{services: {{idle: {{on: [{names}], command: {command}}}}}}}\n"
        )
        return path


@contextmanager
def loopback(count: int, *, own_homes: bool = False) -> Iterator[Loopback]:
    """Start the servers on ``count`` addresses; end them and remove everything afterwards.

    :param own_homes: whether each has a home and a tmux server of its own, as jobs need them.
    """
    if sys.platform != "linux" or os.geteuid() != 0:
        cannot("the nodes' servers run in PID namespaces; run this as root, on Linux")
    sshd = shutil.which("sshd", path=f"{os.environ.get('PATH', '')}:/usr/sbin")
    if sshd is None:
        cannot("sshd is missing: apt-get install openssh-server")
    hosts = tuple(f"127.0.1.{i}" for i in range(1, count + 1))
    with tempfile.TemporaryDirectory(prefix="fleetctl-bench-") as name, _privilege_folder():
        servers = Loopback(Path(name), hosts, _free_port(hosts))
        _write_files(servers)
        for host in hosts if own_homes else ():
            (servers.folder / f"home-{host}").mkdir()
        started: list[subprocess.Popen[bytes]] = []
        try:
            started.extend(_start(sshd, servers, host) for host in hosts)
            for host in hosts:
                _await_answer(host, servers.port)
            yield replace(servers, pids=tuple(process.pid for process in started))
        finally:
            for process in started:
                process.kill()  # unshare ignores SIGTERM; its child ends with it
            for process in started:
                process.wait(10)


def _write_files(servers: Loopback) -> None:
    folder = servers.folder
    (folder / "home").mkdir()
    for name in ("id", "host_key"):
        _run("ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(folder / name))
    algorithm, key, _ = (folder / "host_key.pub").read_text().split()
    names = ",".join(f"[{host}]:{servers.port}" for host in servers.hosts)
    (folder / "known_hosts").write_text(f"{names} {algorithm} {key}\n")
    shutil.copy(folder / "id.pub", folder / "authorized_keys")
    (folder / "ssh_config").write_text(
        f"Port {servers.port}\nUser root\nIdentityFile {folder}/id\n"
        f"IdentitiesOnly yes\nUserKnownHostsFile {folder}/known_hosts\n"
        "GlobalKnownHostsFile /dev/null\nStrictHostKeyChecking yes\nBatchMode yes\n"
    )


def _start(sshd: str, servers: Loopback, host: str) -> subprocess.Popen[bytes]:
    folder = servers.folder
    config = folder / f"sshd_config-{host}"
    config.write_text(
        f"ListenAddress {host}\nPort {servers.port}\n"
        f"HostKey {folder}/host_key\nAuthorizedKeysFile {folder}/authorized_keys\n"
        "StrictModes no\n"  # the temporary folder's parents are not this user's alone
        "PermitRootLogin prohibit-password\nPasswordAuthentication no\n"
        "KbdInteractiveAuthentication no\nUsePAM no\nUseDNS no\nPidFile none\n"
        # Neither this account's shell start-up files nor its tmux servers are part of the fleet.
        f"SetEnv HOME={servers.home(host)} TMUX_TMPDIR={servers.home(host)}\n"
        "MaxStartups 1000\nMaxSessions 100\nLogLevel ERROR\nPrintMotd no\nPrintLastLog no\n"
    )
    own_processes = ("unshare", "--pid", "--fork", "--mount-proc", "--kill-child")
    with (folder / f"sshd-{host}.log").open("wb") as log:
        return subprocess.Popen(
            [*own_processes, sshd, "-D", "-e", "-f", str(config)],
            stdin=subprocess.DEVNULL,
            stderr=log,
        )


def _await_answer(host: str, port: int) -> None:
    deadline = time.monotonic() + START_TIMEOUT_S
    while True:
        try:
            with socket.create_connection((host, port), timeout=1) as sock:
                if sock.recv(4) == b"SSH-":
                    return
        except OSError as error:
            if time.monotonic() > deadline:
                cannot(f"no SSH server on {host}:{port} within {START_TIMEOUT_S:g} s: {error}")
            time.sleep(0.02)


@contextmanager
def _privilege_folder() -> Iterator[None]:
    """sshd needs /run/sshd, which Debian makes when it starts its own."""
    folder = Path("/run/sshd")
    if folder.exists():
        yield
        return
    folder.mkdir(mode=0o755)
    try:
        yield
    finally:
        folder.rmdir()


def _free_port(hosts: tuple[str, ...]) -> int:
    """A port that is free on every one of ``hosts``."""
    for port in range(20000, 30000):
        if all(_is_free(host, port) for host in hosts):
            break
    else:
        cannot("no port from 20000 to 29999 is free on all addresses")
    return port


def _is_free(host: str, port: int) -> bool:
    with socket.socket() as sock:
        try:
            sock.bind((host, port))
        except OSError:
            return False
    return True


def _run(*argv: str) -> None:
    done = subprocess.run(argv, capture_output=True, text=True, timeout=30, check=False)
    if done.returncode != 0:
        cannot(f"{argv[0]}: {done.stderr.strip()}")
