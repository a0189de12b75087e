"""Keys as a terminal sends them: sequences stay whole, a lone Esc is a key. What it is sent: ASCII,
where the locale has nothing else."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from textual.drivers.linux_driver import LinuxDriver
from textual.events import Key

from fleetctl.tui.app import FleetApp
from fleetctl.tui.driver import KeyDriver, is_ascii_only
from tests.tui.stage import Stage
from tests.waiting import eventually


class _Keys(KeyDriver):
    """Reads a pipe in place of a terminal."""

    def __init__(self, fileno: int) -> None:
        self.fileno = fileno
        self.exit_event = threading.Event()
        self._debug = False
        self.keys: list[str] = []

    def process_message(self, message: Any) -> None:
        if isinstance(message, Key):
            self.keys.append(message.key)


@pytest.mark.parametrize(
    ("typed", "keys"),
    [
        ([b"\x1b"], ["escape"]),
        ([b"\x1b[A", b"x"], ["up", "x"]),
        ([b"j", b"\x1b"], ["j", "escape"]),
        (["ö".encode()[:1], "ö".encode()[1:]], ["ö"]),
    ],
)
def test_what_is_typed_are_these_keys(typed: list[bytes], keys: list[str]) -> None:
    reads, writes = os.pipe()
    driver = _Keys(reads)
    reader = threading.Thread(target=driver.run_input_thread)
    reader.start()
    try:
        for part in typed:
            os.write(writes, part)
        eventually(lambda: len(driver.keys) >= len(keys), f"{keys}")
    finally:
        driver.exit_event.set()
        reader.join(10)
        os.close(reads)
        os.close(writes)
    assert not reader.is_alive()
    assert driver.keys == keys


def test_a_browser_keeps_its_own(monkeypatch: pytest.MonkeyPatch) -> None:
    assert FleetApp(Stage()).driver_class is KeyDriver
    monkeypatch.setattr("textual.constants.DRIVER", "textual.drivers.linux_driver:_Other")
    monkeypatch.setattr(
        "textual.drivers.linux_driver._Other", type("_Other", (LinuxDriver,), {}), raising=False
    )
    assert FleetApp(Stage()).driver_class is not KeyDriver


@pytest.mark.parametrize(
    ("environment", "expected"),
    [
        ({}, False),
        ({"LANG": "C"}, True),
        ({"LANG": "POSIX"}, True),
        ({"LC_ALL": "C", "LANG": "en_US.UTF-8"}, True),
        ({"LC_ALL": "", "LC_CTYPE": "UTF-8", "LANG": "C"}, False),
        ({"LANG": "de_DE.ISO-8859-1"}, True),
        ({"LANG": "C.utf8"}, False),
        ({"LANG": "de_DE.UTF-8@euro"}, False),
    ],
)
def test_which_locales_have_ascii_alone(environment: dict[str, str], expected: bool) -> None:
    assert is_ascii_only(environment) is expected


@pytest.mark.skipif(not Path("/proc/self/environ").exists(), reason="Linux tells it")
def test_the_locale_is_that_which_was_given_not_what_python_makes_of_it() -> None:
    env = {k: v for k, v in os.environ.items() if not k.startswith("LC_")} | {"LANG": "C"}
    code = "from fleetctl.tui.driver import *; print(is_ascii_only(given_environment()))"
    done = subprocess.run([sys.executable, "-c", code], env=env, capture_output=True, text=True)
    assert done.stdout == "True\n", done.stderr
