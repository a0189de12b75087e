"""``sw_vers`` of macOS: ``Key:`` and a value behind blanks or tabs."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.number import whole
from fleetctl.probes.parsers.unparsed import Unparsed

_LINE = re.compile(r"(ProductName|ProductVersion|ProductVersionExtra|BuildVersion):\s*(\S.*?)\s*")


class MacosVersion(Struct, frozen=True):
    """The version of macOS. Compare the major number only."""

    version: str
    major: int | None
    name: str | None = None
    extra: str | None = None
    """Of a rapid security response: ``(a)``."""
    build: str | None = None


def parse_sw_vers(text: str) -> MacosVersion | Unparsed:
    """The version in ``text``; also the bare line of ``sw_vers -productVersion``."""
    said = {
        match[1]: match[2]
        for line in text.splitlines()
        if (match := _LINE.fullmatch(line.strip())) is not None
    }
    version = said.get("ProductVersion")
    if version is None and re.fullmatch(r"\d{1,3}(?:\.\d{1,3}){0,3}", text.strip(), re.ASCII):
        version = text.strip()
    if version is None:
        return unparsed(text, "incomplete" if said else "unrecognised")
    return MacosVersion(
        version=version,
        major=whole(version.partition(".")[0]),
        name=said.get("ProductName"),
        extra=said.get("ProductVersionExtra"),
        build=said.get("BuildVersion"),
    )
