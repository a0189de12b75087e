"""Which modules a command loads: only those it needs, seen in a process of its own."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
from pathlib import Path

import pytest

LOCAL = """\
fleet: alone
nodes:
  here: {connection: local}
jobs:
  job: {services: {worker: {on: here, command: "true"}}}
"""
HEAVY = ("click", "asyncssh", "textual", "libtmux", "psutil", "yaml", "cryptography")

SHOW = """
import json, os, sys
os._exit = sys.exit  # so that the end can be seen
sys.argv = ["fleetctl", *sys.argv[1:]]
from fleetctl.__main__ import main
try:
    main()
except SystemExit as end:
    code = end.code
else:
    code = 0
sys.stderr.write("\\n" + json.dumps([code, list(sys.modules)]))
"""


def loaded(folder: Path, *arguments: str) -> set[str]:
    """The heavy modules that a command, which must succeed, has loaded at its end."""
    return set(HEAVY) & {name.split(".")[0] for name in modules(folder, *arguments)}


def modules(folder: Path, *arguments: str, exit_code: int | None = None) -> list[str]:
    """All modules that it has loaded, in the order in which that began."""
    environment = {
        "HOME": str(folder),
        "TMUX_TMPDIR": str(folder),
        "PATH": "/usr/bin:/bin:/usr/sbin:/sbin",
        "PYTHONPATH": str(Path(__file__).parents[2]),
    }
    done = subprocess.run(
        [sys.executable, "-c", SHOW, *arguments],
        cwd=folder,
        env=environment,
        capture_output=True,
        text=True,
        timeout=30,
        check=False,
    )
    code, names = json.loads(done.stderr.splitlines()[-1])
    assert (code or None) == exit_code, done.stderr
    found: list[str] = names
    return found


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "nodes.yaml").write_text(LOCAL)
    return tmp_path


def test_version_loads_nothing(folder: Path) -> None:
    assert loaded(folder, "--version") == set()


@pytest.mark.parametrize(
    "arguments",
    [
        "--help",
        "start --help",
        "status --help",
        "logs --help",
        "attach --help",
        "check --help",
        "fix --help",
        "keys --help",
        "trust --help",
        "explain forwarding-off",
    ],
)
def test_help(folder: Path, arguments: str) -> None:
    assert not loaded(folder, *arguments.split()) & {"asyncssh", "textual", "libtmux"}


@pytest.mark.parametrize("arguments", ["config check", "config show", "config schema"])
def test_config(folder: Path, arguments: str) -> None:
    assert not loaded(folder, *arguments.split()) & {"asyncssh", "textual", "libtmux"}


def test_status_of_a_local_node(folder: Path) -> None:
    assert not loaded(folder, "status") & {"asyncssh", "textual", "libtmux"}


def test_a_status_as_json_loads_nothing_that_only_shows_or_acts(folder: Path) -> None:
    found = set(modules(folder, "status", "--json"))
    assert "fleetctl.health.assess" in found
    unneeded = {
        "dataclasses",  # each one is compiled when it is made
        "fleetctl.cli.render",
        "fleetctl.logs",
        "fleetctl.model.bench",
        "fleetctl.undertakings",
    }
    assert found & unneeded == set()


def test_a_status_loads_asyncssh_before_what_can_wait(folder: Path) -> None:
    """The login can begin by then, and go on meanwhile. The server accepts, and says nothing."""
    command = ("status", "--json")
    with socket.create_server(("127.0.0.1", 0)) as server:
        ssh = f"{{host: 127.0.0.1, port: {server.getsockname()[1]}, connect_timeout: 0.2}}"
        text = LOCAL.replace("here: {connection: local}", f"here: {{ssh: {ssh}}}")
        (folder / "nodes.yaml").write_text(text)
        modules(folder, *command, exit_code=1)  # asks ssh for its configuration, which is kept
        found = modules(folder, *command, exit_code=1)
    first = found.index("fleetctl.link.ssh.connect")
    later = ("fleetctl.probes.registry", "fleetctl.observe.observer", "fleetctl.health.assess")
    assert [name for name in later if found.index(name) < first] == []


def test_the_test_would_see_it(folder: Path) -> None:
    """Stopping uses tmux, so libtmux is loaded, and seen."""
    assert "libtmux" in loaded(folder, "start")
    assert "libtmux" in loaded(folder, "stop")


def test_ctrl_c_while_modules_are_loaded(folder: Path) -> None:
    """The moment is certain: the import of click raises what Ctrl-C raises."""
    interrupted = """
import sys
class Typed:
    def find_spec(self, name, path=None, target=None):
        if name == "click":
            raise KeyboardInterrupt
sys.meta_path.insert(0, Typed())
sys.argv = ["fleetctl", "status"]
from fleetctl.__main__ import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", interrupted], cwd=folder, capture_output=True, text=True, check=False
    )
    assert (done.returncode, done.stdout, done.stderr) == (130, "", "interrupted\n")


def test_loading_asyncssh_starts_no_process() -> None:
    """Its search for libraries would run ldconfig and gcc each time."""
    watched = """
import sys
sys.addaudithook(lambda event, args: print(event, args) if event.startswith(STARTS) else None)
STARTS = ("subprocess.", "os.posix_spawn", "os.fork", "os.system")
import fleetctl.link.ssh.connect
import subprocess
subprocess.run(["true"])  # and this one is seen
"""
    done = subprocess.run(
        [sys.executable, "-c", watched], capture_output=True, text=True, timeout=30, check=True
    )
    assert [line.split()[0] for line in done.stdout.splitlines()] == ["subprocess.Popen"]


def test_asyncssh_comes_without_what_it_cannot_use() -> None:
    """Without pyOpenSSL it has no X.509 certificates, and needs no module for them."""
    seen = "import fleetctl.link.ssh.connect, sys; print([n for n in sys.modules if 'x509' in n])"
    done = subprocess.run(
        [sys.executable, "-c", seen], capture_output=True, text=True, timeout=30, check=True
    )
    assert done.stdout == "[]\n"


def test_a_status_that_a_server_has_ready_loads_nothing(folder: Path) -> None:
    """As far as asking for it: nothing listens here, and the command would go on as usual."""
    asked = """
import sys
from fleetctl.__main__ import served, status_asked
asked = status_asked(["-f", "nodes.yaml", "status", "--json"])
assert asked and served(*asked) is None
print(sorted({"_socket", "asyncio", "click", "hashlib", "json", "msgspec", "re", "socket", "yaml"}
             & set(sys.modules)))
"""
    done = subprocess.run(
        [sys.executable, "-S", "-c", asked],
        cwd=folder,
        env={"HOME": "/nonexistent", "PYTHONPATH": str(Path(__file__).parents[2])},
        capture_output=True,
        text=True,
        timeout=30,
        check=True,
    )
    assert done.stdout == "['_socket']\n"


def test_a_status_does_not_look_for_a_server_that_is_not_there(folder: Path) -> None:
    assert "fleetctl.link.warm.client" not in modules(folder, "status")


def test_what_asks_and_judges_nodes_is_not_loaded_to_sync(folder: Path) -> None:
    (folder / "code").mkdir()
    (folder / "code/a").write_text("1")
    text = LOCAL.replace("local}", "local, workdir: ~/there}").replace(
        "job: {", "job: {sync: {from: code}, "
    )
    (folder / "nodes.yaml").write_text(text)
    found = modules(folder, "sync")
    assert "fleetctl.sync.syncer" in found
    slow = ("fleetctl.health.", "fleetctl.observe.", "fleetctl.probes.asked", "fleetctl.sync.shar")
    assert not [name for name in found if name.startswith(slow)]
