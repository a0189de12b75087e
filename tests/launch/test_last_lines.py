"""What a start that failed tells of the process's own last lines, on a simulated node."""

from __future__ import annotations

import asyncio

from fleetctl.launch.last_lines import LINES
from fleetctl.model.jobs import Restart
from fleetctl.model.ready import Ready
from tests.clock import jumping
from tests.launch.jobs import listen
from tests.launch.test_settling import Waited, worker
from tests.simulated import Process, Program, forever


def dies(text: str) -> Program:
    async def run(process: Process) -> int:
        process.prints(text)
        await asyncio.sleep(1)
        return 1

    return run


def last_lines_of(program: Program, ready: Ready, **more: object) -> tuple[str, ...] | None:
    waited = Waited(worker(ready, listen=listen(), **more))

    async def body() -> None:
        waited.node.log_of(waited.instance).write(b"of an earlier run\n")
        status = await waited.wait(program)
        assert waited.seen[-1] == status, "what is reported has the lines, too"

    jumping(body())
    return waited.seen[-1].last_lines


def test_the_last_lines_of_a_process_that_died() -> None:
    text = "\x1b[1mTraceback\x1b[0m:\r\n\x1b]0;title\x07  File x\r\nValueError: no model\r\n\r\n"
    assert last_lines_of(dies(text), Ready("listening")) == (
        "Traceback:",
        "  File x",
        "ValueError: no model",
    )


def test_there_are_at_most_so_many() -> None:
    lines = [f"line {number}" for number in range(2 * LINES)]
    found = last_lines_of(dies("\n".join(lines)), Ready("listening"))
    assert found == tuple(lines[-LINES:])


def test_only_those_of_the_newest_attempt() -> None:
    attempts: list[int] = []

    async def run(process: Process) -> int:
        attempts.append(process.pid)
        return await dies(f"attempt {len(attempts)}\n")(process)

    restart = Restart("on-failure", delay_s=1, max=2)
    assert last_lines_of(run, Ready("listening"), restart=restart) == ("attempt 3",)


def test_a_process_that_printed_nothing_has_none() -> None:
    assert last_lines_of(dies(""), Ready("listening")) == ()


def test_a_process_that_is_not_ready_in_time_tells_them_as_well() -> None:
    async def run(process: Process) -> int:
        process.prints("loading\n10%\r20%")
        return await forever(process)

    assert last_lines_of(run, Ready("listening", timeout_s=5)) == ("loading", "20%")


def test_the_end_of_the_output_is_waited_for() -> None:
    """It comes through tmux, after the process has ended."""

    async def run(process: Process) -> int:
        asyncio.get_running_loop().call_later(0.2, process.prints, "why\n")
        return 1

    waited = Waited(worker(Ready("listening"), listen=listen()))

    async def body() -> None:
        log = waited.node.log_of(waited.instance)
        write = log.write
        log.write = lambda data: None if data.startswith(b"fleetctl:") else write(data)  # type: ignore[method-assign]
        assert (await waited.wait(run)).last_lines == ("why",)

    jumping(body())


def test_a_ready_instance_is_not_asked() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("alive")))
        assert (await waited.wait()).last_lines is None
        assert not waited.node.of("log")

    jumping(body())


def test_a_log_that_cannot_be_read_leaves_them_unknown() -> None:
    async def body() -> None:
        waited = Waited(worker(Ready("listening"), listen=listen()))
        waited.node.answers["log"] = _refuses
        status = await waited.wait(dies("why\n"))
        assert (status.state, status.last_lines) == ("failed", None)

    jumping(body())


async def _refuses(script: object) -> int:
    return 1
