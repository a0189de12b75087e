"""The code of a job on a node, and the build of its system: what is read, and real git trees."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest

from fleetctl.model.facts import Build, Code
from fleetctl.model.questions import CodePlace, Questions
from fleetctl.probes.asked.build import read_linux, read_macos
from fleetctl.probes.asked.code import read_code, read_codes
from fleetctl.probes.node import node_script, read_node
from fleetctl.probes.registry import BY_NAME

HEX = "0123456789" * 4
SLOW = "git did not answer within 3 s"


@pytest.mark.parametrize(
    ("text", "code"),
    [
        ("no folder\n", Code("no folder")),
        ("synced abc\nno folder\n", Code("no folder", synced="abc")),
        ("synced \nno git\n", Code("no git", synced="")),
        ("failed 1 \n", Code("no commit", why="git ended with exit code 1")),
        (
            "failed 128 fatal: not a git repository (or any of the parent directories): .git\n",
            Code(
                "no tree",
                why="fatal: not a git repository (or any of the parent directories): .git",
            ),
        ),
        (
            "failed 128 fatal: detected dubious ownership in repository at '/x'\nTo add …\n",
            Code("unknown", why="fatal: detected dubious ownership in repository at '/x'"),
        ),
        ("failed 137 \n", Code("unknown", why="git did not answer within 3 s")),
        (f"commit {HEX}\nexit 0\nchanged 0\n", Code("tree", HEX, changed=0)),
        (
            f'commit {HEX}\nat  M a.py\nat R  old -> new\nat M  "b\\\\303"\nexit 0\nchanged 12\n'
            "diff 0\nsum 4294967295 100\n",
            Code("tree", HEX, 12, ("a.py", "new", "b\\\\303"), sum_of="4294967295 100"),
        ),
        (
            f"commit {HEX}\nat  M a\nexit 0\nchanged 1\ndiff 137\nsum 4294967295 0\n",
            Code("tree", HEX, 1, ("a",), why=SLOW),
        ),
        (
            f"commit {HEX}\nat  M a\nexit 0\nchanged 1\n",
            Code("tree", HEX, 1, ("a",), why="git diff failed"),
        ),
        (f"commit {HEX}\nexit 137\nchanged 0\n", Code("tree", HEX, why=SLOW)),
        (
            f"commit {HEX}\nat fatal: index file corrupt\nexit 128\nchanged 1\n",
            Code("tree", HEX, why="fatal: index file corrupt"),
        ),
        (f"commit {HEX}\n", Code("tree", HEX, why="git status said nothing")),
        ("", None),
        ("commit zzz\n", None),
    ],
)  # fmt: skip
def test_what_is_read_of_code(text: str, code: Code | None) -> None:
    assert read_code(text) == code


def test_the_builds_of_systems() -> None:
    pi = "system debian 12.5, kernel 6.6.20\nkind Raspberry Pi 5 Model B Rev 1.0\n"
    assert read_linux(pi) == Build("Raspberry Pi 5 Model B", "debian 12.5, kernel 6.6.20")
    told = "ProductName:\t\tmacOS\nProductVersion:\t\t15.6\nBuildVersion:\t\t24G84\n"
    assert read_macos(told) == Build("Mac", "macOS 15.6 (24G84)")
    for odd in ("", "kind debian", "sw_vers: command not found"):
        assert (read_linux(odd), read_macos(odd)) == (None, None)


def git(folder: Path, *arguments: str) -> str:
    identity = ("-c", "user.name=a", "-c", "user.email=a@b")
    done = subprocess.run(
        ["git", *identity, *arguments], cwd=folder, capture_output=True, check=True, timeout=30
    )
    return done.stdout.decode().strip()


def ask(home: Path, folder: str, system: str = "Linux", *, synced: bool = False) -> Code | None:
    """What this machine says of ``folder`` with ``dash`` and with ``bash``."""
    code = CodePlace("job", folder, synced)
    script = node_script(
        Questions("f", "n", "check", codes=(code,)), without=frozenset(BY_NAME) - {"code"}
    )
    found = set()
    for shell in ("dash", "bash"):
        text = f"uname() {{ echo '{system} box amd64'; }}\n{script.text}"
        done = subprocess.run(
            [shell, "-c", text], capture_output=True, timeout=30, check=True,
            env={"HOME": str(home), "PATH": "/usr/bin:/bin", "GIT_CEILING_DIRECTORIES": str(home)},
        )  # fmt: skip
        assert done.stderr == b""
        found.add(read_node(script, done.stdout.decode()).codes.get("job"))
    [one] = found
    return one


def test_a_work_tree_says_its_commit_and_what_is_changed(tmp_path: Path) -> None:
    tree = tmp_path / "tree"
    (tree / "deep").mkdir(parents=True)
    git(tree, "init", "-q")
    assert ask(tmp_path, "~/tree") == Code("no commit", why="git ended with exit code 1")
    for name in "abcde":
        (tree / name).write_text(f"{name}\n")
    git(tree, "add", ".")
    git(tree, "commit", "-qm", "first")
    commit = git(tree, "rev-parse", "HEAD")
    (tree / "checkpoint").write_text("git does not know it")
    assert ask(tmp_path, "~/tree/deep") == Code("tree", commit, changed=0)

    (tree / "b").write_text("other\n")
    one = ask(tmp_path, "~/tree")
    assert one
    assert (one.commit, one.changed, one.files) == (commit, 1, ("b",))
    (tree / "b").write_text("another\n")
    two = ask(tmp_path, "~/tree")
    assert two
    assert one.sum_of and two.sum_of and one.sum_of != two.sum_of
    for name in "acde":
        (tree / name).unlink()
    many = ask(tmp_path, "~/tree")
    assert many
    assert (many.changed, len(many.files)) == (5, 3)


def test_what_is_no_work_tree(tmp_path: Path) -> None:
    (tmp_path / "plain").mkdir()
    plain = ask(tmp_path, "~/plain")
    assert plain
    assert plain.state == "no tree"
    assert ask(tmp_path, "~/none") == Code("no folder")
    # git is Apple's, and there are no developer tools
    assert ask(tmp_path, "~/plain", "Darwin") == Code("no git")


def test_what_sync_brought_last(tmp_path: Path) -> None:
    assert ask(tmp_path, "~/none", synced=True) == Code("no folder", synced="")
    state = tmp_path / ".local/state/fleetctl/f/.sync/job@n"
    state.mkdir(parents=True)
    (state / "key").write_text("abc123\n")
    assert ask(tmp_path, "~/none", synced=True) == Code("no folder", synced="abc123")


def test_jobs_whose_code_is_in_one_folder_are_asked_of_it_once() -> None:
    places = (
        CodePlace("train", "~/code", synced=True),
        CodePlace("eval", "~/code", synced=False),
        CodePlace("chat", "~/other", synced=True),
    )
    script = node_script(
        Questions("f", "n", "check", codes=places), without=frozenset(BY_NAME) - {"code"}
    )
    assert script.text.count("; code )") == 2 * 2  # for two systems
    text = "-- folder\nsynced abc\nno git\n-- folder\nsynced \nno folder\n"
    assert read_codes(places, text) == {
        "train": Code("no git", synced="abc"),
        "eval": Code("no git"),
        "chat": Code("no folder", synced=""),
    }
    assert read_codes(places, "") == {}
