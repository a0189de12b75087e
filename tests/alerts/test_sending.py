"""What is sent by real programs, how they are ended, and what is said of them."""

from __future__ import annotations

import asyncio
import json
import sys
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
from msgspec.structs import replace

from fleetctl.alerts import sending
from fleetctl.alerts.deciding import test_message as message_of_test
from fleetctl.alerts.sending import send
from fleetctl.model.alerts import AlertRule, Command, Desktop, Destination, Message, Url
from tests.alerts.seen import BEGIN, fleet
from tests.waiting import eventually

RULE = fleet("[{on: problem, to: desktop}]").alerts[0]
HOSTILE = '" & (do shell script "touch /tmp/owned") & "$(id) <b>'


def message(rule: AlertRule, title: str = "home: test") -> Message:
    return replace(message_of_test("home", rule, BEGIN), title=title)


def sent(
    to: Destination, folder: Path, env_file: str = "", deadline_s: float = 60, title: str = "t"
) -> str:
    rule = replace(RULE, folder=str(folder))
    if env_file:
        (folder / "env").write_text(env_file)
        rule = replace(rule, env_file=str(folder / "env"))
    return asyncio.run(send(rule, to, message(rule, title), deadline_s))


def test_a_command_gets_the_message_and_its_variables(tmp_path: Path) -> None:
    line = 'cat > got; printf %s "$TOKEN" > token; echo fine'
    assert sent(Command((line,)), tmp_path, "TOKEN='a b'\n") == ""
    got = json.loads((tmp_path / "got").read_text())
    assert (got["schema"], got["state"], got["rule"]) == ("fleetctl.alert/1", "test", "1")
    assert (tmp_path / "token").read_text() == "a b"


def test_words_are_no_shell_s(tmp_path: Path) -> None:
    assert sent(Command(("touch", "a b", "$(id)")), tmp_path) == ""
    assert sorted(path.name for path in tmp_path.iterdir()) == ["$(id)", "a b"]


@pytest.mark.parametrize(
    ("line", "says"),
    [
        ("echo no; exit 3", "it ended with exit code 3; it said: no"),
        ("echo $TOKEN; exit 1", "it ended with exit code 1; it said: (hidden)"),
        ("printf '\\033[2J'; exit 1", "it ended with exit code 1; it said: \\x1b[2J"),
        ("kill -9 $$", "it ended with exit code -9"),
        ("exec <&-; exit 1", "it ended with exit code 1"),
    ],
)
def test_how_it_ended_is_said(line: str, says: str, tmp_path: Path) -> None:
    assert sent(Command((line,)), tmp_path, "TOKEN=very-secret\n") == says


def test_what_it_prints_is_bounded(tmp_path: Path) -> None:
    said = sent(Command(("head -c 30000000 /dev/zero | tr '\\0' x; exit 1",)), tmp_path)
    assert said.endswith("x" * 200)
    assert len(said) < 300


def test_one_that_does_not_end_is_ended_with_all_it_began(tmp_path: Path) -> None:
    line = "sleep 4731 & echo $! > child; echo $$ > self; trap '' TERM; wait"
    said = sent(Command((line,)), tmp_path, deadline_s=1)
    assert said.startswith("it did not end within 1 s, and was ended")
    for name in ("child", "self"):
        pid = (tmp_path / name).read_text().strip()
        eventually(lambda pid=pid: not alive(pid), f"{name} is gone")  # type: ignore[misc]


def test_one_that_leaves_something_behind_that_holds_its_output_is_ended(tmp_path: Path) -> None:
    said = sent(Command(("sleep 4732 & echo $! > child",)), tmp_path, deadline_s=1)
    assert said.startswith("it did not end within 1 s")
    pid = (tmp_path / "child").read_text().strip()
    eventually(lambda: not alive(pid), "it is gone")


def alive(pid: str) -> bool:
    """Whether it runs, and is not only still listed."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def test_what_cannot_be_run_is_said(tmp_path: Path) -> None:
    assert "No such file" in sent(Command(("nowhere-to-be-found", "x")), tmp_path)
    assert "No such file" in sent(Command(("true",)), tmp_path / "gone")
    rule = replace(RULE, env_file=str(tmp_path / "none"))
    said = asyncio.run(send(rule, Command(("true",)), message(rule)))
    assert said.startswith("env_file ") and "cannot be read" in said


@pytest.mark.parametrize(("system", "program"), [("linux", "notify-send"), ("darwin", "osascript")])
def test_a_note_on_the_screen_is_words_and_no_script(
    system: str, program: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A stand-in records its arguments: the real ones need a screen."""
    monkeypatch.setattr(sys, "platform", system)
    monkeypatch.setenv("PATH", str(tmp_path))
    assert f"there is no {program} on this machine" in sent(Desktop(), tmp_path)
    stand_in = tmp_path / program
    stand_in.write_text(f"#!/bin/sh\nprintf '%s\\n' \"$@\" > {tmp_path}/said\n")
    stand_in.chmod(0o755)
    assert sent(Desktop(), tmp_path, title=HOSTILE) == ""
    said = (tmp_path / "said").read_text().splitlines()
    assert said[-2] == HOSTILE
    assert not any("do shell script" in word for word in said[:-2])


# by apprise, to a real server


class _Taking(BaseHTTPRequestHandler):
    def do_POST(self) -> None:
        size = int(self.headers["Content-Length"])
        self.server.got.append((self.path, json.loads(self.rfile.read(size))))  # type: ignore[attr-defined]
        self.send_response(self.server.answer)  # type: ignore[attr-defined]
        self.end_headers()

    def log_message(self, *_: object) -> None:
        pass


@pytest.fixture
def server() -> Iterator[Any]:
    one = ThreadingHTTPServer(("127.0.0.1", 0), _Taking)
    one.got, one.answer = [], 200  # type: ignore[attr-defined]
    thread = threading.Thread(target=one.serve_forever, args=(0.05,))
    thread.start()
    yield one
    one.shutdown()
    thread.join()
    one.server_close()


def test_apprise_sends_and_a_secret_stays_one(server: Any, tmp_path: Path) -> None:
    (tmp_path / "apprise.py").write_text("raise SystemExit('not this one')")
    url = Url(f"json://127.0.0.1:{server.server_port}/hook/${{KEY}}")
    assert sent(url, tmp_path, "KEY=s3cret\n") == ""
    [(path, got)] = server.got
    assert (path, got["title"]) == ("/hook/s3cret", "t")
    assert got["message"].startswith("This is a test")
    assert sent(url, tmp_path, "OTHER=1\n") == "its env_file has no KEY"


def test_a_service_that_takes_nothing_is_said(server: Any, tmp_path: Path) -> None:
    server.answer = 500
    said = sent(Url(f"json://u:pw@127.0.0.1:{server.server_port}"), tmp_path)
    assert said.startswith("the service did not take it")
    assert "pw" not in said
    assert "no such URL" in sent(Url("nothing://at/all"), tmp_path)


def test_without_apprise_its_extra_is_named(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    program = tmp_path / "program.py"
    text = sending._APPRISE.read_text("utf-8")
    program.write_text("import sys\nsys.modules['apprise'] = None\n" + text)
    monkeypatch.setattr(sending, "_APPRISE", program)
    assert "fleetctl[serve]" in sent(Url("ntfy://topic"), tmp_path)


def test_no_secret_is_an_argument(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ps shows of the program that sends."""
    program = tmp_path / "program.py"
    program.write_text("import sys\nsys.exit('s3cret' in open('/proc/self/cmdline').read())\n")
    monkeypatch.setattr(sending, "_APPRISE", program)
    assert sent(Url("slack://${KEY}"), tmp_path, "KEY=s3cret\n") == ""


def test_cancelling_ends_the_program(tmp_path: Path) -> None:
    async def cancelled() -> None:
        rule = replace(RULE, folder=str(tmp_path))
        line = Command(("echo $$ > self; exec sleep 4733",))
        task = asyncio.create_task(send(rule, line, message(rule)))
        await asyncio.to_thread(eventually, (tmp_path / "self").exists, "it runs", 30)
        task.cancel()
        await asyncio.gather(task, return_exceptions=True)
        assert task.cancelled()

    asyncio.run(cancelled())
    pid = (tmp_path / "self").read_text().strip()
    eventually(lambda: not alive(pid), "it is gone")
