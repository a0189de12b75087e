"""A node's tmux server over a link, with real tmux."""

from __future__ import annotations

import asyncio
import os
import subprocess
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest

from fleetctl.errors import LinkError, LinkHung, LinkLost, TmuxError
from fleetctl.link.local import LocalLink
from fleetctl.link.protocol import ANSWER_BYTES, Completed
from fleetctl.tmux import server as module
from fleetctl.tmux.server import NodeTmux, Window, attach_script
from tests.openssh import bounded, until

pytestmark = pytest.mark.usefixtures("own_tmux")


@pytest.fixture
def config(tmp_path: Path) -> str:
    path = tmp_path / "tmux.conf"
    path.write_text("set -g history-limit 4321\n")
    return str(path)


@asynccontextmanager
async def _node(link: Any = None) -> AsyncIterator[NodeTmux]:
    tmux = NodeTmux(link or LocalLink("pi4"))
    try:
        yield tmux
    finally:
        tmux.close()


def ask(*argv: str) -> str:
    """The output of a tmux command."""
    done = subprocess.run(
        ["tmux", "-u", "-L", "fleetctl", *argv], capture_output=True, text=True, timeout=10
    )
    return (done.stdout + done.stderr).rstrip("\n")


def windows(session: str = "flotte") -> list[str]:
    return ask("list-windows", "-t", f"={session}", "-F", "#{window_name} #{window_id}").split("\n")


def test_a_window_opens_in_a_session_that_is_created_if_needed(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            first = await tmux.open_window("flotte", "server", config=config)
            second = await tmux.open_window("flotte", "worker", config=config)
            assert windows() == [f"server {first.window_id}", f"worker {second.window_id}"]
            assert ask("show-options", "-gv", "history-limit") == "4321"
            for window in (first, second):
                assert ask("display-message", "-p", "-t", window.pane_id, "#{pane_dead}") == "0"
                assert ask("display-message", "-p", "-t", window.pane_id, "#{window_id}") == (
                    window.window_id
                )

    bounded(body())


def test_a_session_with_a_longer_name_is_another(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            await tmux.open_window("flotte-two", "a", config=config)
            await tmux.open_window("flotte", "b", config=config)
            assert sorted(ask("list-sessions", "-F", "#{session_name}").split()) == [
                "flotte",
                "flotte-two",
            ]

    bounded(body())


def test_a_window_opens_although_the_login_shell_is_nologin(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As accounts of daemons have; tmux runs a command of one word with that shell."""
    nologin = tmp_path / "nologin"
    nologin.write_text("#!/bin/sh\nexit 1\n")
    nologin.chmod(0o755)
    monkeypatch.setenv("SHELL", str(nologin))

    async def body() -> None:
        async with _node() as tmux:
            for name in ("server", "worker"):
                window = await tmux.open_window("flotte", name, config=config)
                assert ask("display-message", "-p", "-t", window.pane_id, "#{pane_dead}") == "0"
            assert ask("show-options", "-gv", "default-shell") == str(nologin)

    bounded(body())


async def _run(
    tmux: NodeTmux,
    config: str,
    *argv: str,
    log: Path,
    name: str = "w",
    options: dict[str, str] | None = None,
) -> Window:
    window = await tmux.open_window("flotte", name, config=config)
    await tmux.run_in(
        window, argv, options=options or {}, log_command=("sh", "-c", 'exec cat >>"$0"', str(log))
    )
    return window


def _dead(window: Window) -> bool:
    return ask("display-message", "-p", "-t", window.pane_id, "#{pane_dead}") == "1"


def test_no_output_is_lost_in_sixty_starts_at_once(tmp_path: Path, config: str) -> None:
    """Each prints a line at once; twelve windows at a time.

    They run on for a moment, like the supervisor: if a process ends right after its line,
    tmux 3.3a itself loses unread output in about one case of a thousand.
    """

    async def body() -> None:
        async with _node() as tmux:
            for batch in range(0, 60, 12):
                numbers = range(batch, batch + 12)
                logs = [tmp_path / f"{number}.log" for number in numbers]
                opened = await asyncio.gather(
                    *(
                        _run(
                            tmux,
                            config,
                            "sh",
                            "-c",
                            f"echo line {n}; exec sleep 0.2",
                            log=log,
                            name=f"w{n}",
                        )
                        for n, log in zip(numbers, logs, strict=True)
                    )
                )
                for number, log in zip(numbers, logs, strict=True):
                    await until(lambda log=log: log.exists() and log.read_bytes(), f"{log} comes")  # type: ignore[misc]  # mypy has no type for a lambda's default
                    assert (
                        log.read_bytes()
                        .replace(b"\r\n", b"\n")
                        .startswith(f"line {number}\n".encode())
                    )
                for window in opened:
                    await tmux.close_window(window.window_id)

    bounded(body())


def test_the_window_stays_with_the_exit_status(tmp_path: Path, config: str) -> None:
    """On a busy machine tmux 3.3a misses a SIGCHLD in about one case of twenty, and leaves the
    process a zombie until another child of its ends: here that of ``run-shell``.
    """

    def status(window: Window) -> str:
        ask("run-shell", "true")
        return ask("display-message", "-p", "-t", window.pane_id, "#{pane_dead_status}")

    async def body() -> None:
        async with _node() as tmux:
            window = await _run(tmux, config, "sh", "-c", "exit 37", log=tmp_path / "log")
            await until(lambda: status(window) == "37", "the exit status is kept")
            assert _dead(window)

    bounded(body())


AWKWARD = [
    "plain", "two words", "it's", 'a "b"', "$(echo no) $HOME `x`", "a;", "a\\;", ";", "#{host}",
    "##[x]", "%H:%M 100%", "-n", "ünï 🦊", "line\nbreak", "back\\slash", "~/x", "{a}", "=x", "a|b",
]  # fmt: skip


def test_arguments_and_options_arrive_exactly(tmp_path: Path, config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            out = tmp_path / "out"
            script = 'f=$1; shift; printf "%s\\0" "$@" >"$f.new"; mv "$f.new" "$f"; sleep 60'
            options = {f"fleetctl_{i}": text for i, text in enumerate(AWKWARD)}
            window = await _run(
                tmux, config,
                "sh", "-c", script, "sh", str(out), *AWKWARD,
                log=tmp_path / "log", options=options,
            )  # fmt: skip
            await until(out.exists, "the command ran")
            assert out.read_bytes().decode().split("\0")[:-1] == AWKWARD
            for key, text in options.items():
                assert ask("show-options", "-wv", "-t", window.pane_id, f"@{key}") == text

    bounded(body())


def test_an_awkward_path_of_the_log(tmp_path: Path, config: str) -> None:
    folder = tmp_path / "a b #{host} %H 'q' $x ; #h"
    folder.mkdir()

    async def body() -> None:
        async with _node() as tmux:
            log = folder / "log"
            await _run(tmux, config, "sh", "-c", "echo here; exec sleep 60", log=log)
            await until(lambda: log.exists() and log.read_bytes(), "the log is written")
            assert log.read_bytes() == b"here\r\n"

    bounded(body())


def test_a_start_sets_everything_or_nothing(tmp_path: Path, config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            window = await tmux.open_window("flotte", "w", config=config)
            await tmux.close_window(window.window_id)
            marker = tmp_path / "ran"
            with pytest.raises(TmuxError, match=r"^pi4: tmux set-option: .*"):
                await tmux.run_in(window, ("touch", str(marker)), options={}, log_command=("cat",))
            assert not marker.exists()

    bounded(body())


def test_closing_ends_the_window_and_may_be_repeated(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            await tmux.close_window("@99")  # no server at all
            first = await tmux.open_window("flotte", "a", config=config)
            second = await tmux.open_window("flotte", "b", config=config)
            await tmux.close_window(first.window_id)
            assert windows() == [f"b {second.window_id}"]
            await tmux.close_window(first.window_id)
            await tmux.close_window(second.window_id)  # the last one; the server ends with it
            await tmux.close_window(second.window_id)
            again = await tmux.open_window("flotte", "c", config=config)
            assert windows() == [f"c {again.window_id}"]

    bounded(body())


def test_an_exiting_server_has_no_window_and_is_started_again(
    config: str,
) -> None:
    """The error of tmux while its server exits, as it does after its last window."""

    class Ending(LocalLink):
        ending = 0

        async def run(
            self,
            script: str,
            *,
            stdin: bytes = b"",
            timeout_s: float,
            most_bytes: int = ANSWER_BYTES,
        ) -> Completed:
            if self.ending:
                self.ending -= 1
                return Completed(b"", b"server exited unexpectedly\n", 1)
            return await super().run(script, stdin=stdin, timeout_s=timeout_s)

    async def body() -> None:
        link = Ending("pi4")
        async with _node(link) as tmux:
            link.ending = 1
            await tmux.close_window("@1")
            for link.ending in (1, 2, 3):
                window = await tmux.open_window("flotte", "w", config=config)
                await tmux.close_window(window.window_id)

    bounded(body())


def test_a_window_without_its_command_ends_by_itself(
    config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "_HOLD", "exec sleep 0.2")

    async def body() -> None:
        async with _node() as tmux:
            await tmux.open_window("flotte", "w", config=config)
            await until(lambda: "no server" in ask("list-windows", "-a"), "window and server end")

    bounded(body())


def test_a_node_without_a_utf_8_locale(
    tmp_path: Path, config: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("LC_ALL", "C")
    monkeypatch.delenv("LANG", raising=False)

    async def body() -> None:
        async with _node() as tmux:
            log = tmp_path / "log"
            line = "echo grüße 🦊; exec sleep 60"
            window = await _run(tmux, config, "sh", "-c", line, log=log, name="w")
            await until(lambda: log.exists() and log.read_bytes(), "the log is written")
            assert log.read_bytes().decode() == "grüße 🦊\r\n"
            assert windows() == [f"w {window.window_id}"]

    bounded(body())


# refusals


class _Answering(LocalLink):
    """A link that runs no scripts: ``answer`` answers them."""

    def __init__(self, answer: Callable[[], Completed]) -> None:
        super().__init__("pi4")
        self._answer = answer

    async def run(
        self,
        script: str,
        *,
        stdin: bytes = b"",
        timeout_s: float,
        most_bytes: int = ANSWER_BYTES,
    ) -> Completed:
        return self._answer()


def _refused(answer: Callable[[], Completed], kind: type[Exception], config: str) -> Exception:
    async def body() -> Exception:
        async with _node(_Answering(answer)) as tmux:
            window = Window("@1", "%1")
            calls = (
                lambda: tmux.open_window("flotte", "w", config=config),
                lambda: tmux.run_in(window, ("true",), options={}, log_command=("cat",)),
                lambda: tmux.close_window("@1"),
            )
            for call in calls:
                with pytest.raises(kind) as caught:
                    await call()
            return caught.value

    return bounded(body())


def test_no_tmux_on_the_node(config: str) -> None:
    error = _refused(
        lambda: Completed(b"", b"sh: 1: exec: tmux: not found\n", 127), TmuxError, config
    )
    assert str(error).startswith("pi4: tmux is not installed, or not in PATH. Install it:")
    assert isinstance(error, TmuxError)
    assert error.code == "tmux-missing"


@pytest.mark.parametrize(
    ("said", "means"),
    [
        (b"protocol version mismatch (client 8, server 7)", "do not fit"),
        (b"server exited unexpectedly", "went away"),
        (b"open terminal failed: not a terminal", "this kind of terminal"),
    ],
)
def test_a_tmux_that_does_not_fit_says_what_to_do(said: bytes, means: str, config: str) -> None:
    async def body() -> TmuxError:
        async with _node(_Answering(lambda: Completed(b"", said + b"\n", 1))) as tmux:
            with pytest.raises(TmuxError) as caught:
                await tmux.open_window("flotte", "w", config=config)
            return caught.value

    error = bounded(body())
    assert error.code == "tmux-unusable"
    assert means in error.reason
    assert said.decode() in error.reason
    assert error.hint


def test_a_tmux_that_refuses_is_quoted(config: str) -> None:
    error = _refused(
        lambda: Completed(b"", b"create window failed: fork failed: out of memory\n", 1),
        TmuxError,
        config,
    )
    assert "fork failed: out of memory" in str(error)


def test_a_socket_without_permission_does_not_mean_that_no_server_runs(config: str) -> None:
    error = _refused(
        lambda: Completed(b"", b"error connecting to /tmp/x/fleetctl (Permission denied)\n", 1),
        TmuxError,
        config,
    )
    assert "Permission denied" in str(error)


@pytest.mark.parametrize("kind", [LinkLost, LinkHung])
def test_a_lost_node_is_not_a_node_without_sessions(kind: type[LinkError], config: str) -> None:
    def lost() -> Completed:
        raise kind("pi4", "the connection broke")

    error = _refused(lost, kind, config)
    assert str(error) == "pi4: the connection broke"


def test_a_node_that_is_lost_between_commands_gets_no_second_session(config: str) -> None:
    """Only the first command is answered: an error, whatever libtmux would do."""
    count = 0

    class Fading(LocalLink):
        async def run(
            self,
            script: str,
            *,
            stdin: bytes = b"",
            timeout_s: float,
            most_bytes: int = ANSWER_BYTES,
        ) -> Completed:
            nonlocal count
            count += 1
            if count > allowed:
                raise LinkLost("pi4", "the connection broke")
            return await super().run(script, stdin=stdin, timeout_s=timeout_s)

    async def body() -> None:
        async with _node(Fading("pi4")) as tmux:
            with pytest.raises(LinkLost):
                await tmux.open_window("flotte", "w", config=config)

    for allowed in range(2):  # noqa: B007  # Fading reads it
        count = 0
        bounded(body())


def test_a_node_that_hangs_times_out(config: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "COMMAND_TIMEOUT_S", 0.3)

    class Stuck(LocalLink):
        async def run(
            self,
            script: str,
            *,
            stdin: bytes = b"",
            timeout_s: float,
            most_bytes: int = ANSWER_BYTES,
        ) -> Completed:
            return await super().run("sleep 60", timeout_s=timeout_s)

    async def body() -> None:
        async with _node(Stuck("pi4")) as tmux:
            started = time.monotonic()
            with pytest.raises(LinkHung):
                await tmux.close_window("@1")
            assert time.monotonic() - started < 5

    bounded(body())


def test_two_nodes_do_not_mix(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux, _node(_Answering(lambda: Completed(b"", b"", 127))) as other:
            await tmux.open_window("flotte", "w", config=config)
            with pytest.raises(TmuxError):
                await other.open_window("flotte", "w", config=config)
            assert len(windows()) == 1

    bounded(body())


# attaching


def test_attaching_repeatedly_changes_nothing(tmp_path: Path, config: str) -> None:
    """Detached by key, or by losing the terminal; the server never crashes."""

    async def look(window: Window, leave: bytes) -> None:
        script = attach_script("flotte", window.window_id, read_only=False, detach="Ctrl-b d")
        async with LocalLink("pi4").terminal(
            script, term="xterm", columns=100, rows=30
        ) as terminal:
            shown = b""
            while b"shown-here" not in shown:
                try:
                    data = await asyncio.wait_for(terminal.read(), 10)
                except TimeoutError:
                    raise AssertionError((shown, sessions(), processes())) from None
                assert data, shown
                shown += data
            assert "flotte-view-" in sessions()
            terminal.write(leave)
            while leave and await asyncio.wait_for(terminal.read(), 10):
                pass
            assert terminal.exit_status == (0 if leave else None)

    def sessions() -> str:
        return ask("list-sessions", "-F", "#{session_name}")

    def processes() -> str:
        argv = ["ps", "-eo", "pid,ppid,stat,wchan:20,args", "--forest"]
        said = subprocess.run(argv, stdout=subprocess.PIPE, text=True, check=False).stdout
        return "\n".join(line for line in said.splitlines() if "tmux" in line)

    async def body() -> None:
        async with _node() as tmux:
            text = "echo shown-here; sleep 60"
            first = await _run(tmux, config, "sh", "-c", text, log=tmp_path / "1", name="a")
            await _run(tmux, config, "sleep", "60", log=tmp_path / "2", name="b")
            server = ask("display-message", "-p", "#{pid}")
            for leave in [b"\x02d", b""] * 8:
                await look(first, leave)
                await until(lambda: sessions() == "flotte", "the view is gone")
                assert ask("display-message", "-p", "#{pid}") == server
                assert len(windows()) == 2

    bounded(body())


@pytest.mark.parametrize("read_only", [False, True])
def test_the_last_line_names_the_keys_that_come_back(
    tmp_path: Path, config: str, read_only: bool
) -> None:
    async def body() -> None:
        async with _node() as tmux:
            window = await _run(tmux, config, "sleep", "60", log=tmp_path / "1", name="a")
            script = attach_script(
                "flotte", window.window_id, read_only=read_only, detach="Ctrl-b Ctrl-b d"
            )
            async with LocalLink("pi4").terminal(
                script, term="xterm", columns=100, rows=30
            ) as terminal:
                shown = b""
                while b"detach: Ctrl-b Ctrl-b d" not in shown:
                    data = await asyncio.wait_for(terminal.read(), 10)
                    assert data, shown
                    shown += data
                assert (b"read-only" in shown) == read_only

    bounded(body())


def test_attaching_to_a_window_that_is_gone_fails_and_leaves_no_view(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            await tmux.open_window("flotte", "a", config=config)
            done = await LocalLink("pi4").run(
                attach_script("flotte", "@99", read_only=True, detach="Ctrl-b d"), timeout_s=10
            )
            assert done.exit_status != 0
            assert ask("list-sessions", "-F", "#{session_name}") == "flotte"

    bounded(body())


def test_the_user_s_own_server_is_another(config: str) -> None:
    async def body() -> None:
        async with _node() as tmux:
            await tmux.open_window("flotte", "a", config=config)

    bounded(body())
    sockets = Path(os.environ["TMUX_TMPDIR"]).glob("*/*")
    assert [socket.name for socket in sockets] == ["fleetctl"]
