"""``ipconfig getsummary DEVICE`` of macOS: whether Wi-Fi is joined, mostly without its name."""

from __future__ import annotations

import re

from msgspec import Struct

from fleetctl.probes.parsers.failures import unparsed
from fleetctl.probes.parsers.unparsed import Unparsed

_SSID = re.compile(r"^\s*SSID : ?(.*?)\s*$", re.MULTILINE)  # and not BSSID
_LINK = re.compile(r"^\s*LinkStatusActive : (TRUE|FALSE)\s*$", re.MULTILINE)


class WifiSummary(Struct, frozen=True):
    """The state of one interface."""

    link_active: bool | None
    associated: bool
    """It has joined a network: there is a line for its name."""
    ssid: str | None
    withheld: bool
    """macOS knows the name and keeps it for itself."""


def parse_ipconfig_getsummary(text: str) -> WifiSummary | Unparsed:
    """The summary in ``text``."""
    ssid, link = _SSID.search(text), _LINK.search(text)
    if ssid is None and link is None and "<dictionary> {" not in text:
        return unparsed(text)
    name = "" if ssid is None else ssid[1]
    withheld = name == "<redacted>"
    return WifiSummary(
        link_active=None if link is None else link[1] == "TRUE",
        associated=bool(name),
        ssid=None if withheld else name or None,
        withheld=withheld,
    )
