"""A small elastic data-parallel training run: one server, and workers that come and go.

Python 3.9 or newer and nothing else. README.md, beside this file, says how to run it.
"""

from __future__ import annotations

import argparse
import ipaddress
import os
import socket
import sys

from log import log
from server import Server
from worker import Worker

ADDRESS = "10.10.0.1:65432"
"""The server's address without ``SMOL_SERVER`` or an option."""


def main() -> int:
    options = _parser().parse_args()
    if options.role == "server":
        log(f"server on {options.node}{_launcher()}")
        try:
            return Server(options.listen, options.steps, options.log_every).run()
        except OSError as error:
            host, port = options.listen
            log(f"cannot listen on {host}:{port}: {error.strerror}")
            return 1
    log(f"worker {options.rank} on {options.node}{_launcher()}")
    worker = Worker(
        options.rank,
        options.node,
        options.server,
        options.pause,
        options.patience,
        options.log_every,
    )
    return worker.run()


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="train.py", description=__doc__)
    roles = parser.add_subparsers(dest="role", required=True)
    shown = argparse.ArgumentDefaultsHelpFormatter
    address = os.environ.get("SMOL_SERVER", ADDRESS)

    server = roles.add_parser(
        "server", help="hold the weights and apply gradients", formatter_class=shown
    )
    server.add_argument(
        "--listen",
        type=_own_address,
        default=address,
        metavar="HOST:PORT",
        help="the one address and port to listen on",
    )
    server.add_argument("--steps", type=_count, metavar="N", help="end after so many steps")

    worker = roles.add_parser(
        "worker", help="compute gradients on a part of the text", formatter_class=shown
    )
    worker.add_argument("rank", type=_count, metavar="RANK")
    worker.add_argument(
        "--server", type=_address, default=address, metavar="HOST:PORT", help="where it listens"
    )
    worker.add_argument(
        "--pause", type=_pause, default=0.2, metavar="S", help="seconds of rest after each step"
    )
    worker.add_argument(
        "--patience",
        type=float,
        default=300,
        metavar="S",
        help="give up after so many seconds without a server",
    )
    for role in (server, worker):
        role.add_argument("node", metavar="NODE")
        role.add_argument("--algorithm", choices=["edp"], default="edp")
        role.add_argument(
            "--log-every", type=_count, default=10, metavar="N", help="steps per log line"
        )
    return parser


def _launcher() -> str:
    """The fleetctl instance that this process is, if fleetctl started it."""
    names = ("FLEET", "JOB", "SERVICE", "NODE", "RANK", "WORLD_SIZE")
    said = {name: os.environ.get(f"FLEETCTL_{name}") for name in names}
    if None in said.values():
        return ""
    return (
        f", started by fleetctl as {said['SERVICE']}@{said['NODE']} of {said['FLEET']}"
        f" (job {said['JOB']}, {said['RANK']} of {said['WORLD_SIZE']})"
    )


def _address(text: str) -> tuple[str, int]:
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    return host, int(port)


def _own_address(text: str) -> tuple[str, int]:
    """One address of this machine; not all, so that only one network reaches the server."""
    host, port = _address(text)
    try:
        number = socket.gethostbyname(host)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{host}: {error.strerror}") from error
    if ipaddress.ip_address(number).is_unspecified:
        raise argparse.ArgumentTypeError(f"{host} means every address; name one")
    return number, port


def _count(text: str) -> int:
    if not text.isdecimal() or int(text) < 1:
        raise argparse.ArgumentTypeError(f"{text!r} is not a whole number from 1 on")
    return int(text)


def _pause(text: str) -> float:
    seconds = float(text)
    if not 0 <= seconds <= 10:
        raise argparse.ArgumentTypeError(f"{text} is not within 0 and 10 seconds")
    return seconds


if __name__ == "__main__":
    sys.exit(main())
