"""The sh texts that run iperf3 on nodes. Pure.

What they start ends by itself, when the script's stdin is closed (the controller has gone or has
enough), and after some seconds in any case: macOS has no ``timeout``.
"""

from __future__ import annotations

from fleetctl.quoting import quote

START_S = 8
"""Seconds for connecting, and for what iperf3 does before and after the transfer."""
CONNECT_MS = 2000
TRIES = 15
"""The server listens a moment after it is started: as often a refused connection is tried again."""

# $1: seconds; then the command. fd 3 is the script's stdin.
WATCHED = r"""exec 3<&0
watched() {
most=$1; shift
"$@" </dev/null 3<&- & p=$!
{ read -r _l <&3; kill $p; } >/dev/null 2>&1 </dev/null & g=$!
{ i=0; while kill -0 $p && [ $i -lt $most ]; do sleep 1; i=$((i+1)); done; kill $p; } \
>/dev/null 2>&1 </dev/null 3<&- & w=$!
wait $p; r=$?
kill $g $w 2>/dev/null
return $r
}
"""
VERSION = "iperf3 --version 2>/dev/null | head -n 1 || :\n"
"""Prints a line that begins with ``iperf``, where there is one."""


def most_s(seconds: int) -> int:
    """After how many seconds a transfer of ``seconds`` is ended whatever it does."""
    return seconds + START_S


def server_text(address: str, port: int, seconds: int) -> str:
    """A server for one transfer, on ``address`` only."""
    return (
        f"{WATCHED}watched {most_s(seconds) + START_S} "
        f"iperf3 -s -1 -B {quote(address)} -p {port} 2>&1\n"
    )


def client_text(
    address: str, source: str | None, port: int, seconds: int, *, back: bool, streams: int
) -> str:
    """A transfer to ``address``, or with ``back`` from there."""
    flags = f"-J -c {quote(address)} -p {port} -t {seconds} --connect-timeout {CONNECT_MS}"
    flags += f" -B {quote(source)}" if source else ""
    flags += " -R" if back else ""
    flags += f" -P {streams}" if streams > 1 else ""
    return (
        f"{WATCHED}n=0\nwhile :; do\n"
        f"said=$(watched {most_s(seconds)} iperf3 {flags} 2>&1)\n"
        f'case $said in *"onnection refused"*) [ $n -lt {TRIES} ] || break ;; *) break ;; esac\n'
        "n=$((n+1)); sleep 0.2\ndone\nprintf '%s\\n' \"$said\"\n"
    )


INSTALL = {
    "macos": "brew install iperf3",
    "linux": "sudo -n apt-get install -y iperf3",
}
"""By operating system, the line that installs iperf3."""
