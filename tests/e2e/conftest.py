"""One lab for each module of end-to-end tests."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Protocol

import pytest

from fleetctl.lab import Lab
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES_YAML, Services, User, eventually
from tests.e2e.guide import GUIDE_MACS, check

_numbers = itertools.count(1)


class MakeUser(Protocol):
    def __call__(self, services: Services) -> User: ...


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    """The small cluster."""
    return make_lab(NODES_YAML)


@pytest.fixture
def lab(cluster: Lab) -> Iterator[Lab]:
    """The small cluster, healthy again after each test."""
    yield cluster
    cluster.heal()


@pytest.fixture
def user(lab: Lab) -> Iterator[MakeUser]:
    """Makes users whose fleets have names of their own."""
    users: list[User] = []

    def make(services: Services) -> User:
        users.append(User(lab, f"fleet{next(_numbers)}", services))
        return users[-1]

    yield make
    for one in users:
        one.leave()


@pytest.fixture(scope="module")
def guide(make_lab: MakeLab) -> Lab:
    """The shipped cluster of Macs and Pis, without faults; its mini3 runs Linux, for which the lab
    needs a fraction of the CPU time."""
    return make_lab(GUIDE_MACS.replace("  mini3:\n    os: macos\n", "  mini3:\n"))


@pytest.fixture
def healed_guide(guide: Lab) -> Iterator[Lab]:
    """Healthy again after each test that broke something, which a check confirms."""
    yield guide
    if guide.state.faults:
        guide.heal()
        eventually(lambda: check(guide)["problems"] == [], "all is well again", timeout_s=20)
