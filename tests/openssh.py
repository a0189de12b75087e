"""A private OpenSSH server on loopback: real sshd with its own keys, config, log and home folder.

Test packages import these fixtures into their ``conftest.py``.
"""

from __future__ import annotations

import asyncio
import getpass
import os
import signal
import socket
import subprocess
import tempfile
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import asynccontextmanager, contextmanager, suppress
from pathlib import Path
from typing import Any, TypeVar

import psutil
import pytest

from fleetctl.fleet import LiveFleet
from fleetctl.link.links import Links
from fleetctl.link.local import LocalLink
from fleetctl.link.protocol import Link
from fleetctl.link.ssh.connect import Connector
from fleetctl.link.warm.client import WarmLink
from fleetctl.model.topology import SSH, Fleet, Node
from fleetctl.serve.door import Door
from fleetctl.serve.newest import Newest
from fleetctl.serve.server import Served
from fleetctl.serve.server import Server as WarmServer
from tests.waiting import eventually, patient

_T = TypeVar("_T")

TEST_TIMEOUT_S = 30.0
"""The longest that the body of one test may take."""

ACCOUNT, UID = "fleet-test", 47110
"""The account to log in as, if root runs the tests. sshd treats root differently: it does not let
root's sessions be signalled, for example, and users of a fleet have ordinary accounts."""

LOGIN_SHELL = "/bin/bash"


def make_key(path: Path, *, kind: str = "ed25519", passphrase: str = "") -> Path:
    """A new private key at ``path``, with its public key beside it."""
    argv = ["ssh-keygen", "-q", "-t", kind, "-N", passphrase, "-C", path.name, "-f", str(path)]
    if kind == "rsa":
        argv += ["-b", "2048"]  # the search for more takes seconds
    subprocess.run(argv, check=True, stdin=subprocess.DEVNULL)
    return path


def public_key(path: Path) -> str:
    """The public key of the key at ``path``: type and text."""
    return " ".join(path.with_name(path.name + ".pub").read_text().split()[:2])


def fingerprint(path: Path) -> str:
    """Of the key at ``path``, as ``ssh-keygen -l`` prints it."""
    said = subprocess.run(["ssh-keygen", "-lf", str(path)], capture_output=True, check=True)
    return said.stdout.decode().split()[1]


async def until(condition: Callable[[], object], what: str, timeout_s: float = 10.0) -> None:
    """As :func:`tests.waiting.eventually`, inside an event loop."""
    deadline = time.monotonic() + patient(timeout_s)
    while not condition():
        assert time.monotonic() < deadline, f"{what}: not within {timeout_s:g} s"
        await asyncio.sleep(0.01)


def bounded(body: Coroutine[Any, Any, _T]) -> _T:
    """Run ``body`` in a new event loop, for at most :data:`TEST_TIMEOUT_S`, even if something
    blocks the loop itself."""

    def blocked(*_: object) -> None:
        raise AssertionError("the event loop is blocked")

    signal.signal(signal.SIGALRM, blocked)
    signal.alarm(int(TEST_TIMEOUT_S) + 5)

    async def main() -> _T:
        async with asyncio.timeout(TEST_TIMEOUT_S):
            return await body

    try:
        return asyncio.run(main())
    finally:
        signal.alarm(0)


class Server:
    """One sshd in ``folder``. ``extra`` is added to its config."""

    def __init__(self, folder: Path, extra: str = "") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        folder.chmod(0o755)
        self.root = os.geteuid() == 0
        self.user = ACCOUNT if self.root else getpass.getuser()
        self.home = folder / "home"
        """Of the account to log in as."""
        self.home.mkdir()
        if self.root:
            os.chown(self.home, UID, UID)
        self.host_key = make_key(folder / "host_key")
        self.key = make_key(folder / "key")
        self.authorized_keys = folder / "authorized_keys"
        self.authorized_keys.write_text(public_key(self.key) + "\n")
        self.extra = extra
        self.port = _free_port()
        self.known_hosts = folder / "known_hosts"
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {public_key(self.host_key)}\n")
        self._process: subprocess.Popen[bytes] | None = None

    def config(self) -> str:
        """Of sshd; the first of several values counts (sshd_config(5))."""
        return (
            f"Port {self.port}\n"
            "ListenAddress 127.0.0.1\n"
            f"HostKey {self.host_key}\n"
            f"PidFile {self.folder / 'pid'}\n"
            f"AuthorizedKeysFile {self.authorized_keys}\n"
            f"SetEnv HOME={self.home}\n"
            "StrictModes no\nUsePAM no\nPermitRootLogin yes\nPasswordAuthentication no\n"
            "KbdInteractiveAuthentication no\nPrintMotd no\nLogLevel VERBOSE\n" + self.extra
        )

    def start(self) -> None:
        config = self.folder / "sshd_config"
        config.write_text(self.config())
        log = self.folder / "log"
        argv = ["/usr/sbin/sshd", "-D", "-f", str(config), "-E", str(log)]
        if self.root:
            Path("/run/sshd").mkdir(mode=0o755, exist_ok=True)  # sshd needs it
            argv = self._with_account(argv)
        self._process = subprocess.Popen(argv, start_new_session=True)

        def listening() -> bool:
            assert self._process is not None
            assert self._process.poll() is None, f"sshd ended:\n{log.read_text()}"
            return log.exists() and "Server listening" in log.read_text()

        eventually(listening, "sshd listens")

    def _with_account(self, argv: list[str]) -> list[str]:
        """``argv`` in a new mount namespace, in which /etc/passwd has the account."""
        passwd = self.folder / "passwd"
        passwd.write_text(
            Path("/etc/passwd").read_text()
            + f"{ACCOUNT}:x:{UID}:{UID}::{self.home}:{LOGIN_SHELL}\n"
        )
        script = 'mount --bind "$0" /etc/passwd && exec "$@"'
        return ["unshare", "--mount", "sh", "-c", script, str(passwd), *argv]

    def stop(self) -> None:
        """End the server and every connection to it."""
        if self._process is None:
            return
        sessions = self.sessions()
        self._process.terminate()
        self._process.wait(10)
        self._process = None
        _kill(sessions)

    def sessions(self) -> list[psutil.Process]:
        """The sshd process of each connection."""
        assert self._process is not None
        while True:
            try:
                children = psutil.Process(self._process.pid).children(recursive=True)
            except psutil.NoSuchProcess:  # one ended while they were listed
                continue
            return [p for p in children if _name(p).startswith("sshd")]

    def cut(self) -> int:
        """End all connections at once, like a crash of the sshd; returns their number."""
        sessions = self.sessions()
        _kill(sessions)
        return len(sessions)

    def stop_listening(self) -> None:
        """Stop (SIGSTOP) sshd: only the kernel still accepts connections."""
        assert self._process is not None
        self._process.send_signal(signal.SIGSTOP)

    def go_on_listening(self) -> None:
        assert self._process is not None
        self._process.send_signal(signal.SIGCONT)

    def signal_sessions(self, number: signal.Signals) -> None:
        for session in self.sessions():
            session.send_signal(number)

    def forced(self, name: str, command: str) -> Path:
        """A key with a forced command: logins run ``command``, a line for the account's shell."""
        key = make_key(self.folder / name)
        escaped = command.replace('"', '\\"')
        with self.authorized_keys.open("a") as file:
            file.write(f'command="{escaped}" {public_key(key)}\n')
        return key

    def ssh(self, **changes: Any) -> SSH:
        """How to log in to it."""
        given: dict[str, Any] = {
            "host": "127.0.0.1",
            "port": self.port,
            "user": self.user,
            "identity_file": str(self.key),
            "known_hosts": str(self.known_hosts),
            "connect_timeout_s": 5.0,
        }
        return SSH(**{**given, **changes})

    def node(self, name: str = "pi4", **changes: Any) -> Node:
        return Node(name, self.ssh(**changes))

    def links(self, name: str = "pi4") -> Links:
        return Links(Fleet("test", {}, {name: self.node(name)}))


@contextmanager
def open_folder() -> Iterator[Path]:
    """A folder that every account may enter, unlike pytest's own."""
    with tempfile.TemporaryDirectory(prefix="fleetctl-sshd-", dir="/tmp") as name:
        Path(name).chmod(0o755)
        yield Path(name)


def _free_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        port: int = sock.getsockname()[1]
        return port


def _name(process: psutil.Process) -> str:
    try:
        return process.name()
    except psutil.NoSuchProcess:
        return ""


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie does not."""
    try:
        return psutil.Process(pid).status() != psutil.STATUS_ZOMBIE
    except psutil.NoSuchProcess:
        return False


def _kill(processes: list[psutil.Process]) -> None:
    for process in processes:
        with suppress(psutil.NoSuchProcess):
            process.kill()
    eventually(lambda: not any(alive(p.pid) for p in processes), "the sessions end")


@pytest.fixture
def client_home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A home folder for the controller: no keys, no agent, an empty ``.ssh``."""
    home = tmp_path / "client-home"
    (home / ".ssh").mkdir(parents=True, mode=0o700)
    monkeypatch.setenv("HOME", str(home))
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    return home


@pytest.fixture(scope="session")
def sshd() -> Iterator[Server]:
    """The server that tests share."""
    with open_folder() as folder:
        server = Server(folder)
        server.start()
        yield server
        server.stop()


@pytest.fixture
def make_sshd() -> Iterator[Callable[..., Server]]:
    """A factory of servers for tests that break them."""
    made: list[Server] = []
    with open_folder() as folder:

        def make(extra: str = "") -> Server:
            server = Server(folder / str(len(made)), extra)
            server.start()
            made.append(server)
            return server

        yield make
        for server in made:
            server.stop()


@asynccontextmanager
async def served_link(sshd: Server) -> AsyncIterator[Link]:
    """A link over the connection of a server of warm links in this process."""
    fleet = Fleet("test", {}, {"pi4": sshd.node()})
    async with LiveFleet(fleet, None) as service:
        await service.links.get("pi4")
        newest = Newest(service.watch(60.0), fleet, (), 60.0)
        server = WarmServer()
        server.serve(Served(service, newest, "", b""))
        async with Door(fleet.name, server.take), Links(fleet, warm=True) as links:
            link = await links.get("pi4")
            assert isinstance(link, WarmLink)
            yield link


WithLink = Callable[[Callable[[Link], Coroutine[Any, Any, _T]]], _T]


@pytest.fixture(
    params=["local", "ssh", pytest.param("warm", marks=pytest.mark.long)],
)
def with_link(
    request: pytest.FixtureRequest, sshd: Server, monkeypatch: pytest.MonkeyPatch
) -> WithLink[Any]:
    """Runs a test's body three times: with a link to this machine, to the server, and over the
    connection to it of what `fleetctl serve` runs."""
    monkeypatch.delenv("SSH_AUTH_SOCK", raising=False)
    monkeypatch.setenv("HOME", str(sshd.home))

    def run(body: Callable[[Link], Coroutine[Any, Any, Any]]) -> Any:
        async def main() -> Any:
            if request.param == "warm":
                async with served_link(sshd) as served:
                    return await body(served)
            local = request.param == "local"
            link: Link = LocalLink("pi4") if local else await Connector({}).connect(sshd.node())
            try:
                return await body(link)
            finally:
                await link.close()

        return bounded(main())

    return run
