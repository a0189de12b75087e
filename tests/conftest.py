"""Labs for tests: built once per test module, and always taken down."""

from __future__ import annotations

import itertools
import os
import signal
from collections.abc import Iterator
from pathlib import Path
from statistics import median
from typing import Any, Protocol

import pytest

from fleetctl import config
from fleetctl.lab import Lab
from tests import costs, thoroughness
from tests.warm import WarmLab

_numbers = itertools.count(1)


def pytest_configure(config: pytest.Config) -> None:
    """Tests that run in a script's background are born deaf to Ctrl-C and Ctrl-\\, and so would be
    all that they start."""
    thoroughness.configure(config)
    config.pluginmanager.register(costs.Costs())
    signal.signal(signal.SIGINT, signal.default_int_handler)
    signal.signal(signal.SIGQUIT, signal.SIG_DFL)


def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    tried, left_out = thoroughness.in_one_shell(items)
    config.hook.pytest_deselected(items=left_out)
    items[:] = tried
    costs.longest_first(items)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    """What tests measured in seconds, as properties of their own, whichever process ran them."""
    measured: dict[str, list[float]] = {}
    for reports in terminalreporter.stats.values():
        for report in reports:
            if getattr(report, "when", None) == "call":
                for name, value in report.user_properties:
                    measured.setdefault(name, []).append(value)
    for name, values in measured.items():
        longest = max(values)
        line = f"{name}: {len(values)} times, median {median(values):.1f}, longest {longest:.1f}"
        terminalreporter.write_line(line)


class MakeLab(Protocol):
    """Builds a lab from the text of a nodes.yaml; the keywords are those of :meth:`Lab.up`."""

    def __call__(self, fleet_yaml_text: str, **kw: Any) -> Lab: ...


@pytest.fixture(scope="module")
def make_lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[MakeLab]:
    """A factory of labs that are taken down after the module's tests.

    Their names contain the process id, so that labs of parallel test runs do not collide.
    """
    made: list[Lab] = []

    def make(fleet_yaml_text: str, **kw: Any) -> Lab:
        path = tmp_path_factory.mktemp("lab") / "nodes.yaml"
        path.write_text(fleet_yaml_text)
        name = kw.pop("name", None) or f"test-{os.getpid()}-{next(_numbers)}"
        lab = WarmLab(name)
        made.append(lab)
        WarmLab.up(config.load(path), Path(path), name=name, **kw)
        return lab

    try:
        yield make
    finally:
        for lab in made:
            lab.down()
