"""A TCP connection made by the node's own tools, where its SSH server forwards none.

``AllowTcpForwarding no`` is what hardening guides set. bash is asked first, for it says the same on
every system; netcats differ in their options; a Mac's ``python3`` may be a stub that opens a
window.
"""

from __future__ import annotations

from fleetctl.errors import LinkHung
from fleetctl.link.protocol import Link
from fleetctl.quoting import quote

ANSWER_BYTES = 64 * 1024
_NO_TOOL = 69  # EX_UNAVAILABLE of sysexits.h

_TEXT = r"""
first() { head $take | head -c "$bytes"; }
for tool in bash nc curl python3; do
  command -v $tool >/dev/null 2>&1 && break
  tool=
done
case $tool:$request in
bash:) exec bash -c 'exec 3<>"/dev/tcp/$0/$1"' "$host" "$port" ;;
bash:*) bash -c 'exec 3<>"/dev/tcp/$0/$1" && printf %s "$2" >&3 && head $3 <&3' \
  "$host" "$port" "$request" "$take" | first ;;
nc:)
  said=$(nc -z "$host" "$port" 2>&1) && exit 0
  case $said in *"invalid option"*) exit 69 ;; *) exit 1 ;; esac # some of BusyBox
  ;;
nc:*) printf %s "$request" | nc "$host" "$port" | first ;;
curl:)
  took=$(curl -s --noproxy '*' -m 2 -o /dev/null -w '%{time_connect}' "telnet://$url" </dev/null)
  case $took in *[1-9]*) exit 0 ;; *) exit 1 ;; esac
  ;;
curl:*) curl -s -i -0 --noproxy '*' "http://$url$path" | first ;;
python3:)
  exec python3 -c 'import socket, sys; socket.create_connection(sys.argv[1:])' "$host" "$port"
  ;;
python3:*) python3 -c '
import socket, sys
connection = socket.create_connection(sys.argv[1:3])
connection.sendall(sys.argv[3].encode())
while data := connection.recv(4096):
    sys.stdout.buffer.write(data)
    sys.stdout.flush()
' "$host" "$port" "$request" | first ;;
*) exit 69 ;;
esac
"""


class NoTool(Exception):
    """The node has none of the tools that could ask."""


async def first_line(
    link: Link, host: str, port: int, path: str, request: str, timeout_s: float
) -> bytes:
    """The first 64 bytes, or the line, that ``host:port`` answers to an HTTP ``request``, which is
    for ``path``; empty: none.

    :raises NoTool: it cannot be asked.
    :raises LinkError: the node is lost.
    """
    return (await _run(link, host, port, path, request, timeout_s))[1]


async def answer(
    link: Link, host: str, port: int, path: str, request: str, timeout_s: float
) -> bytes:
    """The first :data:`ANSWER_BYTES` of the answer, once it has ended or they are there; else as
    :func:`first_line`."""
    return (await _run(link, host, port, path, request, timeout_s, whole=True))[1]


async def connects(link: Link, host: str, port: int, timeout_s: float) -> bool:
    """Whether ``host:port`` accepts a connection; raises as :func:`first_line`."""
    return (await _run(link, host, port, "", "", timeout_s))[0] == 0


async def _run(
    link: Link,
    host: str,
    port: int,
    path: str,
    request: str,
    timeout_s: float,
    *,
    whole: bool = False,
) -> tuple[int, bytes]:
    url = f"[{host}]:{port}" if ":" in host else f"{host}:{port}"
    values = {"host": host, "port": str(port), "url": url, "path": path, "request": request}
    values |= {"take": f"-c {ANSWER_BYTES}" if whole else "-n 1"}
    values |= {"bytes": str(ANSWER_BYTES if whole else 64)}
    given = "".join(f"{name}={quote(value)}\n" for name, value in values.items())
    try:
        done = await link.run(given + _TEXT, timeout_s=timeout_s)
    except LinkHung:
        return 1, b""  # nothing answers, as is so behind a firewall
    if done.exit_status == _NO_TOOL:
        raise NoTool
    return done.exit_status, done.stdout
