"""docs/sudo.md names every command that a repair runs as root."""

from __future__ import annotations

import re
from pathlib import Path

ROOT = Path(__file__).parents[2]


def test_every_tool_of_a_repair_has_its_place_in_the_page() -> None:
    sources = "".join(
        file.read_text("utf-8") for file in (ROOT / "fleetctl/health/repairs").glob("*.py")
    )
    tools = set(re.findall(r'"sudo ([a-z-]+)|"sudo", "([a-z]+)"', sources))
    named = {one for pair in tools for one in pair if one}
    assert {"ip", "sysctl", "networksetup", "nmcli", "sh"} <= named
    page = (ROOT / "docs/sudo.md").read_text("utf-8")
    rules = "".join(re.findall(r"^```sudoers\n(.*?)^```", page, re.M | re.S))
    assert {tool for tool in named if f"/{tool} " not in rules} == {"sh", "apt-get"}
    assert all(f"sudo {tool}" in page for tool in ("sh", "apt-get"))
