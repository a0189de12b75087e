"""Wrong calls: one clear sentence, exit code 2, nothing changed."""

from __future__ import annotations

import pytest

from fleetctl.lab import Lab
from tests.e2e.cluster import User, sh
from tests.e2e.conftest import MakeUser

pytestmark = pytest.mark.lab

JOB = {"worker": {"on": ["mini", "pi"], "command": "exec sleep 4990"}}


@pytest.fixture
def job(user: MakeUser) -> User:
    return user(JOB)


def test_unknown_targets(lab: Lab, job: User) -> None:
    for command in ("start", "stop", "restart", "status", "logs"):
        said = job.type(command, "worker@mini", "wroker")
        assert (said.code, said.out) == (2, "")
        assert said.err == (
            "fleetctl: 'wroker' is no node, service or instance. Did you mean 'worker'?\n"
        )
    assert "There are: hub, mini, pi, here, worker" in job.type("start", "zzz*").err
    assert job.type("--job", "jop", "status").err == (
        "fleetctl: there is no job 'jop'. Did you mean 'job'?\n"
    )
    assert sh(lab, "mini", "ls .local 2>/dev/null || true") == ""


def test_no_file(lab: Lab, job: User) -> None:
    job.path.unlink()
    for command in (["status"], ["start"], ["logs", "-f"], ["exec", "pi", "--", "true"]):
        said = job.type(*command)
        assert (said.code, said.out) == (2, "")
        assert said.err.startswith(f"{job.path}: there is no such file")
        assert said.err.count("\n") == 2  # and what to do about it
    done = lab.run("controller", ["fleetctl", "status"], cwd="/")
    assert done.returncode == 2
    assert b"nodes.yaml" in done.stderr


def test_mistakes_in_the_file(job: User) -> None:
    job.path.write_text(job.path.read_text().replace("- mini", "- mimi"))
    said = job.type("start")
    assert said.code == 2
    assert "did you mean 'mini'?" in said.err
    assert f"{job.path.name}:" in said.err


def test_env_file_cannot_be_read(lab: Lab, job: User) -> None:
    service = {"on": "mini", "command": "true", "env_file": "gone.env"}
    job.write({"worker": service})
    said = job.type("start")
    assert (said.code, said.out) == (2, "")
    assert f"env_file {lab.home}/gone.env cannot be read: No such file or directory" in said.err
    (lab.home / "gone.env").write_text("FINE=1\nsecret without a name\n")
    said = job.type("start")
    assert said.code == 2
    assert "gone.env:2: not a NAME=value line" in said.err
    assert "secret" not in said.err
    assert sh(lab, "mini", "ls .local 2>/dev/null || true") == ""


def test_a_file_without_jobs(job: User) -> None:
    text = job.path.read_text()
    job.path.write_text(text[: text.index("jobs:")])
    assert "nodes.yaml has no job to start" in job.type("start").err
    said = job.type("status")
    assert (said.code, said.err) == (0, "")
    assert "4/4 nodes" in said.out
