"""Whose process listens at a port, also where the process itself cannot be seen."""

from __future__ import annotations

_TEXT = """# Whose process has a port
case $(uname -s) in
Linux) uids=$(cat /proc/net/tcp /proc/net/tcp6 2>/dev/null |
  awk -v end={end} '$4 == "0A" && substr($2, length($2) - 4) == end {{ print $8 }}' | sort -u) ;;
Darwin) uids=$([ -z {pid} ] || ps -o uid= -p {pid}) ;;
esac
set -- $uids
[ $# -ne 1 ] || id -nu "$1" 2>/dev/null || echo "$1"
"""


def port_user_text(port: int, pid: int | None) -> str:
    """A POSIX sh text that prints the user of what listens at ``port``; nothing: not known, or
    several do.

    Linux tells the user of each socket (proc_net(5)), macOS that of a process.

    :param pid: of a process that has the port, if it is known.
    """
    return _TEXT.format(end=f":{port:04X}", pid=f"'{pid or ''}'")
