"""Requirements: how they are written, and which versions hold."""

from __future__ import annotations

import pytest

from fleetctl.model.requirements import Requirement, read_requirement


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("uv", Requirement("uv")),
        ("python3>=3.11", Requirement("python3", ">=", "3.11")),
        (" g++ == 12 ", Requirement("g++", "==", "12")),
        ("python3.12<3.12.4", Requirement("python3.12", "<", "3.12.4")),
        ("a-b_c>1", Requirement("a-b_c", ">", "1")),
        ("iperf3<=3.18", Requirement("iperf3", "<=", "3.18")),
    ],
)
def test_it_is_read_and_written(text: str, found: Requirement) -> None:
    assert read_requirement(text) == found
    assert read_requirement(str(found)) == found


@pytest.mark.parametrize(
    "text",
    ["", "-x", "a b", "a>=", "a>=b", "a=1", "a~=1.2", "a>=1.2rc1", "a>=1.", "./a", "a;b", "$(a)",
     "a>=3.11,<4", "ä", "a\nb"],
)  # fmt: skip
def test_what_is_none(text: str) -> None:
    assert read_requirement(text) is None


@pytest.mark.parametrize(
    ("text", "holds", "not_"),
    [
        ("x", ["0.1", "9"], []),
        ("x>=3.11", ["3.11", "3.11.0", "3.12", "4"], ["3.9.20", "3.1", "2", "3"]),
        ("x>3.11", ["3.12", "4.0"], ["3.11", "3.11.9", "3.10"]),
        ("x==3.11", ["3.11", "3.11.9"], ["3.12", "3.1", "3.10.11"]),
        ("x==3", ["3.11"], ["4"]),
        ("x<=3.11", ["3.11.9", "3.2"], ["3.12", "4"]),
        ("x<3.11", ["3.10.14", "2.7"], ["3.11", "3.11.1"]),
        ("x>=3.11.2", ["3.11.2", "3.12"], ["3.11", "3.11.1"]),
    ],
)
def test_as_many_parts_are_compared_as_are_written(
    text: str, holds: list[str], not_: list[str]
) -> None:
    requirement = read_requirement(text)
    assert requirement
    assert [v for v in (*holds, *not_) if requirement.holds(v)] == holds
