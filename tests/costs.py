"""What each file of tests costs: printed after a long run, and what takes longest is begun first.

CPU time of a file is that of the process that runs its tests, and of all that it started and waited
for; not that of servers, such as tmux or the sshd of a lab's node. Those are in what the machine
worked, which is all that it did meanwhile.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Iterator
from resource import RUSAGE_CHILDREN, RUSAGE_SELF, getrusage
from typing import Any

import psutil
import pytest

SHOWN = 20
LONG_S = 60.0
"""How long all tests take at least for a table to be printed."""
LONGEST = (
    "tests/cli/test_fix.py",
    "tests/e2e/test_dashboard.py",
    "tests/e2e/test_bad_days.py",
    "tests/lab/test_macos.py",
    "tests/lab/test_demo.py",
    "tests/launch/test_variables.py",
    "tests/e2e/test_macos.py",
    "tests/e2e/test_controllers.py",
    "tests/e2e/test_sockets.py",
    "tests/e2e/test_attach.py",
    "tests/e2e/test_whole_job.py",
    "tests/e2e/test_logs.py",
    "tests/e2e/test_check.py",
    "tests/e2e/test_screen_and_pipe.py",
    "tests/e2e/test_orphans.py",
    "tests/lab/test_faults.py",
    "tests/lab/test_raspberry.py",
    "tests/lab/test_loopback.py",
    "tests/e2e/test_ready.py",
    "tests/link/test_known_hosts.py",
    "tests/observe/test_cut_answers.py",
    "tests/e2e/test_bad_links.py",
    "tests/tui/test_actions.py",
    "tests/cli/test_unwritable.py",
    "tests/tui/test_switching.py",
    "tests/launch/test_prober.py",
    "tests/tui/test_under_cursor.py",
    "tests/test_architecture.py",
    "tests/cli/test_dashboard.py",
    "tests/hostile/test_floods.py",
    "tests/launch/test_preparing.py",
    "tests/test_wheel.py",
    "tests/launch/test_supervisor.py",
    "tests/access/test_keys.py",
    "tests/sync/test_sharing.py",
    "tests/launch/test_stop.py",
    "tests/link/test_crowd.py",
)
"""By the seconds that they take, as the table shows them: the quick tests' files of 25 s and more.
Most of them wait more than they work."""


def longest_first(items: list[pytest.Item]) -> None:
    """So that the last file that is begun is a short one, and no process is waited for alone."""
    places = {file: place for place, file in enumerate(LONGEST)}
    items.sort(key=lambda item: places.get(_file(item), len(places)))


def _file(item: pytest.Item) -> str:
    return item.nodeid.partition("::")[0]


def _cpu_s() -> float:
    used = (getrusage(RUSAGE_SELF), getrusage(RUSAGE_CHILDREN))
    return sum(part.ru_utime + part.ru_stime for part in used)


def _machine_s() -> tuple[float, float]:
    """For how long the cores of this machine have worked since it started, and have been there."""
    times = psutil.cpu_times()
    idle_s = times.idle + getattr(times, "iowait", 0.0)
    return sum(times) - idle_s, sum(times)


class Costs:
    """A plugin of each process; those that run tests send theirs to the one that prints them."""

    def __init__(self) -> None:
        self._files: dict[str, list[float]] = {}
        """CPU seconds, seconds, and number of tests."""
        self._collecting_s: list[float] = []
        self._machine_s = _machine_s()

    def pytest_collection_finish(self) -> None:
        self._collecting_s.append(_cpu_s())
        gc.freeze()  # what was imported stays; so the tests' own garbage is found in less time

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Iterator[None]:
        cpu_s, began = _cpu_s(), time.monotonic()
        done = yield
        self._add(_file(item), _cpu_s() - cpu_s, time.monotonic() - began, 1)
        return done

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        output = getattr(session.config, "workeroutput", None)
        if output is not None:
            output["costs"] = self._files
            output["collecting_s"] = self._collecting_s

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        output = getattr(node, "workeroutput", {})  # one that was killed has sent nothing
        for file, cost in output.get("costs", {}).items():
            self._add(file, *cost)
        self._collecting_s += output.get("collecting_s", [])

    def _add(self, file: str, *cost: float) -> None:
        before = self._files.get(file, [0.0] * 3)
        self._files[file] = [a + b for a, b in zip(before, cost, strict=True)]

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if not self._files:
            return
        cpu_s, all_s, _ = (sum(costs) for costs in zip(*self._files.values(), strict=True))
        if all_s < LONG_S:
            return
        write = terminalreporter.write_line
        worked_s, there_s = (b - a for a, b in zip(self._machine_s, _machine_s(), strict=True))
        write(f"This machine's cores worked {worked_s:.0f} s of the {there_s:.0f} s that they had.")
        write(f"To collect the tests took each process {max(self._collecting_s):.1f} s.")
        write(f"Of {cpu_s:.0f} s of CPU time of all files, most is that of")
        write("  CPU s       s  tests")
        most = sorted(self._files.items(), key=lambda pair: -pair[1][0])
        for file, (file_cpu_s, file_s, tests) in most[:SHOWN]:
            write(f"{file_cpu_s:7.1f} {file_s:7.1f} {tests:6.0f}  {file}")
        slowest = sorted(self._files, key=lambda file: -self._files[file][1])[: SHOWN // 2]
        if late := [file for file in slowest if file not in LONGEST]:
            write(f"These take long, and are not in LONGEST of tests/costs.py: {', '.join(late)}")
