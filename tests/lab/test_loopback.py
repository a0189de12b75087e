"""The lab on the loopback: by the real command line, as an unprivileged user."""

from __future__ import annotations

import itertools
import json
import os
import signal
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import suppress
from pathlib import Path
from typing import Any, cast

import psutil
import pytest

from fleetctl import config
from fleetctl.lab.loopback.derive import Derived, Door, derive
from fleetctl.lab.loopback.state import MARKER
from fleetctl.lab.requirements import why_only_loopback
from tests.e2e.terminal import Terminal
from tests.lab.observe import eventually

NAME = f"loop-{os.getpid()}"
NOBODY = 65534
ROOT = os.geteuid() == 0
UID = NOBODY if ROOT else os.geteuid()
# Root becomes the user nobody, with root's right to read (this Python may be in root's home) and no
# other.
AS_USER: tuple[str, ...] = (
    (
        "setpriv",
        f"--reuid={NOBODY}",
        f"--regid={NOBODY}",
        "--clear-groups",
        "--bounding-set=-all,+dac_read_search",
        "--inh-caps=-all,+dac_read_search",
        "--ambient-caps=-all,+dac_read_search",
    )
    if ROOT
    else ()
)
FOLDER = Path(f"/tmp/fleetctl-lab-{UID}", NAME)

FLEET = """\
fleet: looped
networks:
  lan: {cidr: 192.168.1.0/24, kind: wifi, control: true}
  fabric: {cidr: 10.10.0.0/24}
internet: 8.8.8.8
defaults: {os: macos, workdir: ~/work}
nodes:
  one: {ssh: {host: 192.168.1.11, user: a}, addresses: {lan: 192.168.1.11, fabric: 10.10.0.1}, gateway: true}
  two: {ssh: {host: 192.168.1.12, user: b}, addresses: {lan: 192.168.1.12}, via: {fabric: one}}
  here: {connection: local}
  pad: {connection: none, addresses: {lan: 192.168.1.40}}
jobs:
  job:
    services:
      hub:
        on: one
        command: exec python3 -m http.server {hub.port} --bind {hub.host}
        listen: fabric:8000
      echo:
        on: [one, two, here]
        after: hub
        command: "echo at {hub.host}:{hub.port} 10.10.0.1:8000 10.10.0.1; stty size; pwd;
          while read line; do stty size; echo \\"got <$line>\\"; done"
        ready: {log: at}
        stop: {grace: 0.2}
"""  # noqa: E501 -- a node on a line


def call(*arguments: str, folder: Path | None = None) -> subprocess.CompletedProcess[str]:
    """A fleetctl command of the unprivileged user."""
    return subprocess.run(
        [*AS_USER, sys.executable, "-m", "fleetctl", *arguments],
        cwd=folder or "/",
        env={**os.environ, "HOME": "/nonexistent"},
        stdin=subprocess.DEVNULL,
        capture_output=True,
        text=True,
        timeout=40,
        check=False,
    )


def inside(*argv: str) -> subprocess.CompletedProcess[str]:
    return call("lab", "run", "--name", NAME, "--", *argv)


def status() -> dict[str, Any]:
    return cast(dict[str, Any], json.loads(inside("fleetctl", "status", "--json").stdout))


def states() -> dict[str, str]:
    return {name: about["state"] for name, about in status()["services"].items()}


class Looped:
    """What :class:`Terminal` needs of a lab."""

    def popen(self, where: str, argv: Sequence[str], **kwargs: Any) -> subprocess.Popen[bytes]:
        kwargs["env"] = {**os.environ, **kwargs["env"]}
        run = (sys.executable, "-m", "fleetctl", "lab", "run", "--name", NAME, "--on", where, "--")
        return subprocess.Popen([*AS_USER, *run, *argv], cwd="/", **kwargs)


def members(folder: Path) -> list[psutil.Process]:
    """Every process with the lab's variable in its environment."""
    found = []
    for process in psutil.process_iter():
        try:
            if process.environ().get(MARKER) == str(folder):
                found.append(process)
        except (psutil.Error, OSError):
            continue
    return found


def runs(process: psutil.Process) -> bool:
    """Whether it is not a zombie."""
    with suppress(psutil.NoSuchProcess):
        return process.is_running() and process.status() != psutil.STATUS_ZOMBIE
    return False


@pytest.fixture(scope="module", autouse=True)
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The lab is up with its job started; afterwards nothing of it is left."""
    folder = tmp_path_factory.mktemp("user")
    (folder / "nodes.yaml").write_text(FLEET)
    (folder / "job").mkdir()
    (folder / "job/file").write_text("copied\n")
    up = call("lab", "up", "--loopback", "--name", NAME, "--copy", "job:~/job", folder=folder)
    try:
        assert up.returncode == 0, up.stderr
        assert "no routes, gateways, forwarding or cables" in up.stdout
        yield up.stdout
    finally:
        down = call("lab", "down", NAME)
        assert (down.returncode, down.stderr) == (0, "")
        assert not FOLDER.exists()
        assert members(FOLDER) == []


def test_the_real_program_starts_watches_and_stops_a_job() -> None:
    started = inside("fleetctl", "start")
    assert started.returncode == 0, started.stderr
    found = status()
    assert found["healthy"], found["problems"]
    assert list(found["nodes"]) == ["one", "two", "here", "pad"]
    assert {about["state"] for about in found["services"].values()} == {"ready"}
    (door,) = found["services"]["hub@one"]["listening"]
    assert door.startswith("127.0.0.1:")
    logs = inside("fleetctl", "logs").stdout.replace("  |", " |")
    assert f"echo@two | at {door} {door} 127.0.0.1" in logs
    assert f"echo@two | {FOLDER}/nodes/two/work" in logs
    assert f"echo@here | {FOLDER}/home/work" in logs
    assert (FOLDER / "nodes/two/job/file").read_text() == "copied\n"


def test_everything_belongs_to_the_unprivileged_user() -> None:
    owners, servers = set(), 0
    for process in members(FOLDER):
        with suppress(psutil.NoSuchProcess):  # a short one
            owners.add(process.uids().effective)
            servers += process.name().startswith("tmux")
    assert owners == {UID}
    assert servers == 3  # one tmux a node
    assert FOLDER.stat().st_mode & 0o777 == 0o700


def test_attach_in_a_terminal_of_any_size() -> None:
    with Terminal(Looped(), ["fleetctl", "attach", "echo@two"]) as terminal:
        terminal.wait_for("at 127.0.0.1:")
        terminal.type("hello\r")
        terminal.wait_for("got <hello>")
        terminal.wait_for("29 100")  # full size, less tmux's status line
        terminal.resize(120, 40)
        terminal.process.send_signal(signal.SIGWINCH)

        def asked() -> bool:
            terminal.type("size\r")
            terminal.read(0.1)
            return "39 120" in terminal.text

        eventually(asked, "the new size")
        assert terminal.detach() == 0
    assert states()["echo@two"] == "ready"


def ssh(
    command: str, *options: str, given: bytes = b"", key: Path = FOLDER / "home/.ssh/id_ed25519"
) -> subprocess.CompletedProcess[bytes]:
    """The real OpenSSH client at node two."""
    port = str(ports()["two"])
    argv = ["ssh", "-F", "none", "-p", port, "-o", "BatchMode=yes", "-o", "IdentitiesOnly=yes"]
    argv += [*options, "-o", f"UserKnownHostsFile={FOLDER}/home/.ssh/known_hosts"]
    argv += ["-i", str(key), "x@127.0.0.1", command]
    return subprocess.run(
        [*AS_USER, *argv], input=given, capture_output=True, timeout=20, check=False, cwd="/"
    )


def ports() -> dict[str, int]:
    found = json.loads(call("lab", "status", "--name", NAME, "--json").stdout)
    return {name: int(about["ssh"].split(":")[1]) for name, about in found["nodes"].items()}


def test_the_servers_are_real_ones_to_openssh() -> None:
    big = os.urandom(3_000_000)
    done = ssh("cat; echo no >&2; exit 7", given=big)
    assert (done.stdout, done.stderr, done.returncode) == (big, b"no\n", 7)
    assert ssh("kill -TERM $$").returncode == 255  # how ssh(1) says that a signal ended it
    on_terminal = ssh("tty && echo $TERM; exit 3", "-tt")
    assert on_terminal.stdout.startswith((b"/dev/pts/", b"/dev/tty"))
    assert on_terminal.returncode == 3
    orphan = ssh("sleep 30 >/dev/null 2>&1 & echo $!")  # what runs on is not waited for
    psutil.Process(int(orphan.stdout)).kill()


def test_only_its_own_key_opens_and_only_its_own_host_key_is_shown(tmp_path: Path) -> None:
    other = tmp_path / "other"
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(other)], check=True)
    if ROOT:
        os.chown(other, NOBODY, NOBODY)
    with_other = ssh("true", key=other)
    assert b"Permission denied" in with_other.stderr
    unknown = ssh("true", "-o", "UserKnownHostsFile=/dev/null", "-o", "GlobalKnownHostsFile=none")
    assert b"Host key verification failed" in unknown.stderr


def test_a_node_stops_answering_and_answers_again() -> None:
    before = status()["services"]["echo@two"]["pid"]
    broken = call("lab", "fault", "--name", NAME, "node-down", "two")
    assert broken.returncode == 0, broken.stderr
    found = status()
    assert [(p["code"], p["node"]) for p in found["problems"]] == [("ssh-unreachable", "two")]
    assert found["services"]["echo@two"]["state"] == "unknown"
    assert "two  down" in call("lab", "status", "--name", NAME).stdout
    mended = call("lab", "heal", "--name", NAME)
    assert "mended: node-down on two" in mended.stderr
    after = status()["services"]["echo@two"]
    assert (after["state"], after["pid"]) == ("ready", before)


def test_a_killed_worker_is_seen_and_stop_leaves_nothing() -> None:
    os.kill(status()["services"]["echo@one"]["pid"], signal.SIGKILL)
    eventually(lambda: states()["echo@one"] == "failed", "the kill is seen")
    assert inside("fleetctl", "stop").returncode == 0
    assert set(states().values()) == {"stopped"}
    assert not [p for p in members(FOLDER) if "http.server" in p.cmdline()]


def test_run_on_a_node_has_its_home_and_its_exit_code() -> None:
    run = ("lab", "run", "--name", NAME, "--on", "two", "--")
    done = call(*run, "sh", "-c", 'pwd; cat job/file; echo "$HOME"; exit 9')
    assert done.stdout == f"{FOLDER}/nodes/two\ncopied\n{FOLDER}/nodes/two\n"
    assert done.returncode == 9


def test_wrong_calls() -> None:
    for arguments, code, words in (
        (("run", "--name", NAME, "--on", "pad", "true"), 1, "no machine 'pad'"),
        (("fault", "--name", NAME, "--network", "lan", "node-down", "two"), 1, "has no networks"),
        (("run", "--name", NAME, "nosuchprogram"), 1, "cannot run nosuchprogram"),
        (("fault", "--name", NAME, "edge-down", "two"), 1, "no fault 'edge-down' on the loopback"),
        (("fault", "--name", NAME, "node-down", "pad"), 1, "no SSH server for 'pad'"),
    ):
        done = call("lab", *arguments)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert words in done.stderr
        assert "Traceback" not in done.stderr


def test_up_refuses_what_runs_and_what_cannot_be(tmp_path: Path) -> None:
    (tmp_path / "nodes.yaml").write_text(FLEET)
    for arguments, code, words in (
        (("--name", NAME), 1, "runs already"),
        (("--name", "a/b"), 1, "cannot be called 'a/b'"),
        (("--name", "x", "--as-guide"), 2, "--as-guide is about routes"),
        (("--name", "x", "--copy", "nosuch:~/x"), 1, "no such file"),
    ):
        done = call("lab", "up", "--loopback", *arguments, folder=tmp_path)
        assert (done.returncode, done.stdout) == (code, ""), arguments
        assert words in done.stderr
        assert "Traceback" not in done.stderr
    assert not (FOLDER.parent / "x").exists()


def test_without_rights_up_chooses_the_loopback_and_a_killed_keeper_is_cleared_away(
    tmp_path: Path,
) -> None:
    if sys.platform == "linux" and UID == 0:
        pytest.fail("root has the rights")
    name = f"{NAME}-2"
    folder = FOLDER.parent / name
    (tmp_path / "nodes.yaml").write_text(FLEET)
    strays: list[psutil.Process] = []
    up = call("lab", "up", "--name", name, folder=tmp_path)
    try:
        assert up.returncode == 0, up.stderr
        assert "building the small lab on the loopback" in up.stderr
        # One that left everything but its environment, and a tmux that has nothing of that.
        script = (
            f"{sys.executable} -c 'import time; time.sleep(4800)' >/dev/null 2>&1 & echo $!\n"
            'env -i PATH="$PATH" TMUX_TMPDIR="$TMUX_TMPDIR" tmux -L bare '
            "new-session -d -P -F '#{pane_pid}' sleep 4801\n"
        )
        begun = call("lab", "run", "--name", name, "--on", "two", "--", "sh", "-c", script)
        strays += [psutil.Process(int(pid)) for pid in begun.stdout.split()]
        assert len(strays) == 2, begun.stderr
        keeper = psutil.Process(
            json.loads(call("lab", "status", "--name", name, "--json").stdout)["keeper_pid"]
        )
        keeper.kill()
        eventually(lambda: not keeper.is_running(), "the keeper is gone")
        assert "no lab" in call("lab", "status", "--name", name).stderr
        assert all(runs(stray) for stray in strays)  # its processes outlive it …
    finally:
        assert call("lab", "down", name).returncode == 0
        left = [stray for stray in strays if runs(stray)]
        for stray in left:
            stray.kill()
    assert left == []  # … until the lab is taken down
    assert not folder.exists()


@pytest.mark.lab
def test_root_in_a_container_has_no_namespaces_either() -> None:
    argv = ["setpriv", "--bounding-set=-net_admin", sys.executable, "-c"]
    argv += ["from fleetctl.lab.requirements import why_only_loopback as w; print(w())"]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=20, check=True)
    assert "need CAP_NET_ADMIN" in done.stdout
    assert why_only_loopback() is None


@pytest.mark.lab
def test_root_in_a_chroot_has_no_namespaces_either(tmp_path: Path) -> None:
    ask = "from fleetctl.lab.requirements import why_only_loopback as w; print(w())"
    links = [n for n in ("bin", "lib", "lib64") if Path("/", n).is_symlink()]
    folders = [d.name for d in Path("/").iterdir() if d.is_dir() and not d.is_symlink()]
    script = "set -e\n"
    for name in folders:  # a root folder that is no mount point, as debootstrap makes it
        script += f"mkdir -p {tmp_path}/{name}; mount --rbind /{name} {tmp_path}/{name}\n"
    script += "".join(f"ln -s usr/{n} {tmp_path}/{n}\n" for n in links)
    script += f'exec chroot {tmp_path} {sys.executable} -c "{ask}"'
    argv = ["unshare", "--mount", "sh", "-c", script]
    done = subprocess.run(argv, capture_output=True, text=True, timeout=60, check=False)
    assert "(chroot)" in done.stdout, done.stderr


# -- the nodes.yaml of the loopback ----------------------------------------------------------------


def derived(text: str, env: dict[str, str] | None = None) -> Derived:
    fleet = config.load_text(text, "/x/nodes.yaml")
    logins = [n.name for n in fleet.nodes.values() if n.connection == "ssh"]
    doors = {n: Door(2200 + i, "me", "/k/id", "/k/known") for i, n in enumerate(logins)}
    numbers = itertools.count(40000)
    return derive(text, fleet, doors, lambda: next(numbers), env or {})


def test_derived_fleet_has_the_names_the_order_and_the_doors() -> None:
    fleet = config.load_text(derived(FLEET).text, "/x/nodes.yaml")
    assert (fleet.name, fleet.networks, fleet.internet) == ("looped", {}, None)
    assert [(n.name, n.connection, n.os, n.workdir) for n in fleet.nodes.values()] == [
        ("one", "ssh", None, "~/work"),
        ("two", "ssh", None, "~/work"),
        ("here", "local", None, "~/work"),
        ("pad", "none", None, "~/work"),
    ]
    assert (fleet.nodes["two"].ssh.host, fleet.nodes["two"].ssh.port) == ("127.0.0.1", 2201)
    hub, *echoes = fleet.jobs["job"].instances
    assert hub.command == "exec python3 -m http.server 40000 --bind 127.0.0.1"
    assert str(hub.listen) == "127.0.0.1:40000"
    assert [e.node for e in echoes] == ["one", "two", "here"]
    assert echoes[0].command is not None
    assert echoes[0].command.startswith("echo at 127.0.0.1:40000 127.0.0.1:40000 127.0.0.1;")


def job(services: str) -> str:
    head, _, _ = FLEET.partition("      hub:")
    return head + services


@pytest.mark.parametrize(
    ("written", "becomes"),
    [
        ("x {address.lan} {s.host}", "x 127.0.0.1 127.0.0.1"),
        ("x {s.node} {node} {rank}", "x one one 1"),
        ("x {{address.lan}} {{s.host}}", "x {address.lan} {s.host}"),
        ("x ${s} {1..3}", "x ${s} {1..3}"),
        ("10.10.0.1 110.10.0.1 10.10.0.11", "127.0.0.1 110.10.0.1 10.10.0.11"),
        ("x 10.10.0.1.5", "x 10.10.0.1.5"),
        ("x 10.10.0.1:70 10.10.0.1:700", "x 127.0.0.1:40000 127.0.0.1:700"),
        ("x yes 0x10 'a: b'", "x yes 0x10 'a: b'"),
    ],
)  # fmt: skip
def test_derived_commands(written: str, becomes: str) -> None:
    text = job(
        f"      s:\n        on: one\n        listen: fabric:70\n        command: {written!r}\n"
    )
    (instance,) = config.load_text(derived(text).text, "/x").jobs["job"].instances
    assert instance.command == becomes


def test_derived_service_with_several_listens_has_one() -> None:
    text = job("      s: {on: one, listen: [lan:70, fabric:70], command: 'x 10.10.0.1:70'}\n")
    assert "fabric" not in derived(text).text
    (instance,) = config.load_text(derived(text).text, "/x").jobs["job"].instances
    assert [str(listen) for listen in instance.listens] == ["127.0.0.1:40000"]
    assert instance.command == "x 127.0.0.1:40000"


def test_what_only_networks_give_a_meaning_is_left_out() -> None:
    text = job("      s: {on: [one, two], network: fabric, peers: fabric, command: '{s.host}'}\n")
    text = text.replace("    services:", "    network: lan\n    services:")
    first, second = config.load_text(derived(text).text, "/x").jobs["job"].instances
    assert (first.command, second.command) == ("127.0.0.1", "127.0.0.1")
    assert not first.peers


def test_derived_service_that_listens_everywhere_keeps_one_node() -> None:
    text = job("      s: {on: [one, two], listen: lan:70, web: [70, 71], command: x}\n")
    made = derived(text)
    (instance,) = config.load_text(made.text, "/x").jobs["job"].instances
    assert (instance.name, instance.web) == ("s@one", (40000, 71))
    assert made.notes == (
        "s listens on a port, and the loopback has one address for all nodes: "
        "it runs on one only, not on two",
    )


def test_derived_service_with_several_ports() -> None:
    text = job(
        "      s:\n        on: one\n        listen: fabric:70\n"
        "        ports: {ui: 71, db: 'lan:72'}\n"
        "        command: x {s.port} {s.port.ui} {s.port.db} 10.10.0.1:71\n"
        "      w: {on: pad, ready: {http: {url: 'http://{address.lan}:80/', body: up}}}\n"
    )
    s, watched = config.load_text(derived(text).text, "/x").jobs["job"].instances
    assert s.command == "x 40000 40001 40002 127.0.0.1:40001"
    assert [str(door.address) for door in s.bindings] == ["127.0.0.1"] * 3
    assert (watched.ready.value, watched.ready.body) == ("http://127.0.0.1:40003", "up")


def test_derived_texts_keep_what_yaml_would_change() -> None:
    text = job(
        "      base: &base\n"
        "        {on: one, command: x, env: {A: yes, B: '012', C: 012, D: 1e3}, listen: lan:70}\n"
        "      s: {<<: *base, on: two, listen: lan:71}\n"
        "      w: {on: pad, ready: {connect: '{address.lan}:8000'}}\n"
    )
    base, s, watched = config.load_text(derived(text).text, "/x").jobs["job"].instances
    assert base.env == s.env == {"A": "yes", "B": "012", "C": "012", "D": "1e3"}
    assert (str(base.listen), str(s.listen)) == ("127.0.0.1:40000", "127.0.0.1:40001")
    assert watched.ready.value == "127.0.0.1:40002"  # unused, rather than one of this machine's


def test_derived_environment_is_for_jobs_that_mean_the_address() -> None:
    env = {"SERVER": "10.10.0.1:70", "OTHER": "10.10.0.9:70"}
    text = job("      s: {on: one, listen: fabric:70, command: x, env: {A: b}}\n")
    (instance,) = config.load_text(derived(text, env).text, "/x").jobs["job"].instances
    assert instance.env == {"A": "b", "SERVER": "127.0.0.1:40000"}
    own = job("      s: {on: one, listen: fabric:70, command: x, env: {SERVER: mine}}\n")
    (instance,) = config.load_text(derived(own, env).text, "/x").jobs["job"].instances
    assert instance.env == {"SERVER": "mine"}


def test_derived_from_the_older_form() -> None:
    made = derived("nodes:\n  - {alias: a, ip: 10.0.0.1, user: u}\n  - {alias: b, ip: 10.0.0.2}\n")
    assert list(config.load_text(made.text, "/x").nodes) == ["a", "b"]
