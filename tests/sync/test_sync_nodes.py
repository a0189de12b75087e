"""Syncs to real nodes: what arrives, what is left alone, what is said where it cannot be done."""

from __future__ import annotations

import asyncio
import os
import shutil
import subprocess
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

import pytest

from fleetctl.config import load_text
from fleetctl.fleet import LiveFleet
from fleetctl.link import shell
from fleetctl.model.syncing import NodeSync
from fleetctl.sync import comparing, tarball
from tests.launch.conftest import installed
from tests.openssh import Server, bounded, until

Results = dict[str, NodeSync]


class Code:
    """A folder of code here, and nodes to which it is synced.

    :param nodes: by name what nodes.yaml says of each.
    """

    def __init__(self, folder: Path, nodes: Mapping[str, str], sync: str = "{}") -> None:
        self.folder = folder
        folder.mkdir(exist_ok=True)
        listed = "".join(f"  {name}: {{{text}}}\n" for name, text in nodes.items())
        on = ", ".join(nodes)
        self._text = (
            f"fleet: f\ninternet: null\nnodes:\n{listed}"
            f"jobs: {{j: {{sync: {sync}, services: {{s: {{on: [{on}], command: x}}}}}}}}\n"
        )
        self.nodes = list(nodes)

    def write(self, **files: str) -> None:
        """``a__b`` is the file a/b."""
        for name, text in files.items():
            path = self.folder / name.replace("__", "/")
            path.parent.mkdir(exist_ok=True)
            path.write_text(text)

    def service(self) -> LiveFleet:
        fleet = load_text(self._text, str(self.folder / "nodes.yaml"))
        return LiveFleet(fleet, fleet.jobs["j"])

    def sync(self, *, dry_run: bool = False, force: bool = False) -> Results:
        found: Results = {}

        async def body() -> None:
            async with self.service() as service:
                await service.sync(
                    self.nodes,
                    lambda result: found.update({result.node: result}),
                    dry_run=dry_run,
                    force=force,
                )

        bounded(body())
        return found


def files(folder: Path) -> dict[str, str]:
    """All files below ``folder``, with their content; of links the target."""
    return {
        str(path.relative_to(folder)): f"-> {path.readlink()}"
        if path.is_symlink()
        else path.read_text()
        for path in sorted(folder.rglob("*"))
        if path.is_symlink() or not path.is_dir()
    }


def test_two_nodes_get_the_code_and_then_only_what_changed(
    make_sshd: Callable[..., Server], client_home: Path, tmp_path: Path
) -> None:
    servers = {"a": make_sshd(), "b": make_sshd()}
    code = Code(
        tmp_path / "code",
        {
            name: (
                f"workdir: ~/my code, ssh: {{host: 127.0.0.1, port: {s.port}, user: {s.user}, "
                f"identity_file: {s.key}, known_hosts: {s.known_hosts}}}"
            )
            for name, s in servers.items()
        },
        "{delete: true, exclude: ['*.big']}",
    )
    there = {name: server.home / "my code" for name, server in servers.items()}
    code.write(run="one", sub__deep="two", sub__old="three", weights="4" * 400_000)
    code.write(**{"#odd; 'name'": "x", "a.big": "x"})
    (code.folder / "run").chmod(0o755)
    (code.folder / "link").symlink_to("run")

    would = code.sync(dry_run=True)
    assert {r.state for r in would.values()} == {"would sync"} and not there["a"].exists()
    first = code.sync()
    assert [(r.state, r.way, r.note) for r in first.values()] == [("synced", "rsync", "")] * 2
    wanted = {path: text for path, text in files(code.folder).items() if path != "a.big"}
    assert first["a"].files == would["a"].files == tuple(sorted(wanted))
    assert files(there["a"]) == files(there["b"]) == wanted
    assert (there["b"] / "run").stat().st_mode & 0o777 == 0o755
    assert {r.state for r in code.sync().values()} == {"same"}

    code.write(run="changed here", new="five")
    (code.folder / "sub/old").unlink()
    (there["a"] / "run").write_text("changed there")
    for folder in there.values():
        (folder / "sub/output").write_text("of the job")
    second = code.sync()
    assert (second["a"].state, second["a"].changed_there) == ("changed there", ("run",))
    assert files(there["a"])["run"] == "changed there" and "new" not in files(there["a"])
    assert (second["b"].files, second["b"].deleted) == (("new", "run"), ("sub/old",))
    forced = code.sync(force=True)
    assert (forced["a"].state, forced["b"].state) == ("synced", "same")
    wanted = {path: text for path, text in files(code.folder).items() if path != "a.big"}
    assert files(there["a"]) == files(there["b"]) == {**wanted, "sub/output": "of the job"}


# on this machine, which needs no SSH for it


@pytest.fixture
def home(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    path = tmp_path / "home"
    path.mkdir()
    monkeypatch.setenv("HOME", str(path))
    return path


@pytest.fixture
def code(tmp_path: Path, home: Path) -> Code:
    """To this machine, into ``~/code`` of another home folder."""
    made = Code(tmp_path / "code", {"here": "connection: local, workdir: ~/code"}, "{delete: true}")
    made.write(a="1", sub__b="2")
    return made


def fake(home: Path, monkeypatch: pytest.MonkeyPatch, **programs: str) -> None:
    """Programs that are found before all others: sh texts."""
    folder = home / "bin"
    folder.mkdir(exist_ok=True)
    for name, text in programs.items():
        (folder / name).write_text(f"#!/bin/sh\n{text}\n")
        (folder / name).chmod(0o755)
    monkeypatch.setenv("PATH", f"{folder}:{os.environ['PATH']}")


def test_without_rsync_whole_files_go_by_tar(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (code.folder / "link").symlink_to("a")
    code.write(**{"sub__" + "long" * 50: "3", "big": "4" * 300_001})
    (code.folder / "a").chmod(0o700)
    fake(home, monkeypatch, rsync='[ "$1" != --version ] || exit 127; echo used >&2; exit 1')
    [first] = code.sync().values()
    assert (first.state, first.way) == ("synced", "tar")
    assert first.note == "it has no rsync; to install it there: sudo apt-get install -y rsync"
    assert files(home / "code") == files(code.folder)
    assert (home / "code/a").stat().st_mode & 0o777 == 0o700
    assert [r.state for r in code.sync().values()] == ["same"]
    monkeypatch.setattr(shutil, "which", lambda _name: None)
    code.write(a="5")
    assert code.sync()["here"].note.startswith("this machine has no rsync; to install it")


def test_a_node_with_no_tools_but_busybox(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on Alpine."""
    busybox = installed("busybox")
    said = subprocess.run([busybox, "--list"], capture_output=True, text=True, check=True)
    (home / "bin").mkdir()
    for applet in said.stdout.split():
        (home / "bin" / applet).symlink_to(busybox)
    monkeypatch.setenv("PATH", str(home / "bin"))
    monkeypatch.setattr(shell, "_PATH", "")
    (code.folder / "link").symlink_to("a")
    code.write(**{"sub__" + "long" * 50: "3", "-x": "4"})
    (code.folder / "a").chmod(0o700)
    assert code.sync()["here"].way == "tar"
    assert files(home / "code") == files(code.folder)
    assert code.sync()["here"].state == "same"
    (code.folder / "-x").unlink()
    code.write(a="changed")
    (home / "code/sub/b").write_text("9")
    os.utime(home / "code/sub/b", (1, 1))
    assert code.sync()["here"].changed_there == ("sub/b",)
    assert code.sync(force=True)["here"].deleted == ("-x",)
    assert files(home / "code") == files(code.folder)


def test_an_rsync_that_does_not_know_an_option_is_replaced_by_tar(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    says = "rsync: --no-implied-dirs: unknown option\033[2J"
    text = (
        f'[ "$1" = --version ] && echo "openrsync: protocol version 29" && exit\necho "{says}" >&2'
    )
    fake(home, monkeypatch, rsync=f"{text}\nexit 1")
    [done] = code.sync().values()
    assert (done.state, done.way) == ("synced", "tar")
    assert done.note == r"rsync did not work (--no-implied-dirs: unknown option\x1b[2J)"
    assert files(home / "code") == files(code.folder)


def test_files_that_were_there_before_are_kept_if_they_differ(code: Code, home: Path) -> None:
    shutil.copytree(code.folder, home / "code", copy_function=shutil.copyfile)
    (home / "code/link").symlink_to("b")
    (code.folder / "link").symlink_to("a")
    os.utime(home / "code/a", (1, 1))
    [found] = code.sync().values()
    assert found.changed_there == ("link",), "the others have the same content, at another time"
    os.utime(home / "code/sub/b", (1, 1))
    code.write(sub__b="3")
    assert code.sync()["here"].changed_there == ("link", "sub/b")
    assert code.sync(force=True)["here"].ok
    assert files(home / "code") == files(code.folder)


def test_what_was_sent_is_still_known_when_the_node_has_forgotten_it(
    code: Code, home: Path
) -> None:
    (code.folder / "link").symlink_to("a")
    code.sync()
    shutil.rmtree(home / ".local")
    assert code.sync()["here"].files == ("link",), "of links, only what was sent can be known"
    assert code.sync()["here"].state == "same"


def test_a_node_with_nothing_new_says_so_without_its_lists(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code.write(**{" b": "3", "c  d": "4", "\udcff": "5"})
    code.sync()

    def called(*_: object, **__: object) -> None:
        raise AssertionError("compared")

    monkeypatch.setattr(comparing, "compare", called)
    assert code.sync()["here"].state == "same"
    (home / "code/a").write_text("22")
    found = code.sync()["here"]
    assert found.error is not None, "it is compared"


def test_a_file_that_was_left_is_deleted_when_it_is_gone_and_nothing_else_changed(
    tmp_path: Path, home: Path
) -> None:
    nodes = {"here": "connection: local, workdir: ~/code"}
    for sync in ("{}", "{exclude: [b]}", "{exclude: [b], delete: true}"):
        code = Code(tmp_path / "code", nodes, sync)
        code.write(a="1", b="2")
        code.sync()
        assert set(files(home / "code")) == {"a", "b"}, sync
    (code.folder / "b").unlink()
    assert code.sync()["here"].deleted == ("b",)
    assert code.sync()["here"].state == "same"


def test_a_change_within_the_second_and_of_the_same_size_is_seen(code: Code, home: Path) -> None:
    path = code.folder / "a"
    os.utime(path, ns=(10**18, 10**18))
    code.sync()
    path.write_text("2")
    os.utime(path, ns=(10**18, 10**18 + 1000))
    assert code.sync()["here"].files == ("a",)
    assert files(home / "code")["a"] == "2"
    assert code.sync()["here"].state == "same"


def test_a_file_that_becomes_a_folder_and_a_folder_that_becomes_a_file(
    code: Code, home: Path
) -> None:
    code.sync()
    (code.folder / "a").unlink()
    shutil.rmtree(code.folder / "sub")
    code.write(a__x="1", sub="2")
    assert code.sync()["here"].state == "synced"
    assert files(home / "code") == files(code.folder) == {"a/x": "1", "sub": "2"}


def test_the_folder_itself_is_left_as_it_is(code: Code, home: Path) -> None:
    (home / "code").symlink_to(code.folder)
    before = files(code.folder)
    assert code.sync()["here"].state == "same"
    (code.folder / "a").unlink()
    assert code.sync()["here"].state == "same"
    assert files(code.folder) == {path: text for path, text in before.items() if path != "a"}


def test_another_workdir_has_nothing_to_do_with_the_last_one(code: Code, home: Path) -> None:
    code.sync()
    (home / "code").rename(home / "old")
    (home / "code").mkdir()
    (home / "old/a").write_text("changed")
    assert code.sync()["here"].state == "synced"
    assert files(home / "code") == files(code.folder)


def failed(code: Code) -> str:
    [found] = code.sync().values()
    assert found.state == "failed" and found.error
    return str(found.error)


def test_a_workdir_that_is_a_file(code: Code, home: Path) -> None:
    (home / "code").write_text("x")
    assert failed(code).startswith("here: its workdir ~/code is no folder. Move away")
    (home / "code").unlink()
    (home / "code").symlink_to(home / "nowhere" / "deeper")
    (home / "nowhere").write_text("x")
    assert "here: the folder for the code cannot be made there: mkdir: " in failed(code)


def test_a_folder_in_place_of_a_file_is_named(code: Code, home: Path) -> None:
    (home / "code/a/of-the-job").mkdir(parents=True)
    [found] = code.sync().values()
    assert (found.state, found.changed_there) == ("changed there", ("a",))
    [forced] = code.sync(force=True).values()
    assert forced.error and "not all files could be put into their places: mv: " in str(
        forced.error
    )
    assert (home / "code/a/of-the-job").is_dir() and files(home / "code") == {"sub/b": "2"}


def test_a_disk_that_is_too_small(code: Code, monkeypatch: pytest.MonkeyPatch, home: Path) -> None:
    fake(home, monkeypatch, df="echo Filesystem; echo /dev/x 10 8 0 80% /")
    (home / "code").mkdir()
    says = failed(code)
    assert says.startswith("here: its disk has 0B free, and 2B are to be sent; nothing was changed")
    assert files(home / "code") == {}


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can mount a small disk")
@pytest.mark.parametrize("way", ["rsync", "tar"])
def test_a_disk_that_gets_full_changes_nothing(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch, way: str
) -> None:
    fake(home, monkeypatch, df="echo Filesystem; echo /dev/x 10 8 99999999 80% /")
    if way == "tar":
        fake(home, monkeypatch, rsync="exit 127")
    (home / "code").mkdir()
    subprocess.run(["mount", "-t", "tmpfs", "-o", "size=1m", "x", home / "code"], check=True)
    try:
        assert code.sync()["here"].ok
        code.write(a="changed", big=os.urandom(1_500_000).hex())
        says = failed(code)
        assert f"here: {way} failed, and nothing was changed: " in says
        assert says.endswith(". Free some space: fleetctl exec here -- df -h")
        assert files(home / "code") == {"a": "1", "sub/b": "2"}
        (code.folder / "big").unlink()
        assert code.sync()["here"].ok
        assert files(home / "code") == files(code.folder)
    finally:
        subprocess.run(["umount", home / "code"], check=True)


def test_ctrl_c_leaves_nothing_behind(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    code.sync()
    code.write(a="changed")
    begun = home / "begun"
    real = shutil.which("rsync")
    hang = f'case $* in *--server*) touch "{begun}"; exec sleep 60 ;; esac'
    fake(home, monkeypatch, rsync=f'{hang}\nexec {real} "$@"')

    async def body() -> None:
        async with code.service() as service:
            task = asyncio.create_task(service.sync(["here"], lambda _result: None))
            await until(begun.exists, "rsync runs there")
            task.cancel()
            with pytest.raises(asyncio.CancelledError):
                await task

    bounded(body())
    assert files(home / "code") == {"a": "1", "sub/b": "2"}


def test_what_was_changed_while_it_was_sent_is_refused(
    code: Code, home: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    fake(home, monkeypatch, rsync="exit 127")
    real = tarball.send

    async def shorten(*arguments: Any) -> None:
        code.write(sub__b="")
        await real(*arguments)

    monkeypatch.setattr(tarball, "send", shorten)
    assert "sub/b became shorter while it was sent; nothing was changed. Sync again" in failed(code)
    assert files(home / "code") == {}
