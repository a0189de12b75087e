"""nmcli(1): NetworkManager's profiles and devices, acting on the real interfaces.

Output, statuses and escapes are those of NetworkManager 1.42; there is no daemon: commands take
effect themselves.
"""

from __future__ import annotations

from ..node import complain, say
from .answers import INVALID, Output, Refused, full

NAMES = {"connection": "connection", "con": "connection", "c": "connection", "device": "device",
         "dev": "device", "d": "device", "general": "general", "g": "general", "radio": "radio",
         "networking": "networking"}  # fmt: skip


def main(argv: list[str], _name: str) -> int:
    try:
        return _main(argv)
    except Refused as error:
        complain(str(error))
        return error.status


def _main(argv: list[str]) -> int:
    out = Output()
    words = list(argv)
    while words and words[0].startswith("-"):
        option = words.pop(0)
        if option in ("-t", "--terse"):
            out.terse = True
        elif option in ("-f", "--fields", "-g", "--get-values"):
            out.fields = words.pop(0).split(",") if words else []
            out.values_only = option in ("-g", "--get-values")
            out.terse |= out.values_only
        elif option in ("-e", "--escape"):
            out.escape = words.pop(0) != "no" if words else True
        elif option in ("-w", "--wait", "-c", "--colors", "-m", "--mode"):
            words[:1] = []
        elif option not in ("-p", "--pretty", "-a", "--ask", "-s"):
            raise Refused(f"Error: Option '{option}' is unknown, try 'nmcli -help'.", INVALID)
    subject = full(words.pop(0), NAMES) if words else "general"
    if subject == "connection":
        from .connections import connection

        return connection(out, words)
    if subject == "device":
        from .devices import device

        return device(out, words)
    if subject == "general":
        row = {"STATE": "connected", "CONNECTIVITY": "full", "WIFI-HW": "enabled",
               "WIFI": "enabled",
               "WWAN-HW": "missing", "WWAN": "enabled"}  # fmt: skip
        out.table(list(row), [row])
    else:
        say("enabled")
    return 0
