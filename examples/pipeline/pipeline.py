"""A character model in three parts on three machines. README.md says how to run it.

Python 3.9 or newer and nothing else; numpy is used where it is installed.
"""

from __future__ import annotations

import argparse
import asyncio
import os
import signal
import socket
import sys
import time

import coordinator
import stage
from log import log
from model import Part, arithmetic, sample
from remote import Place
from text import END, decode, encode
from weights import BLOCKS, CONTEXT


def main() -> int:
    options = _parser().parse_args()
    result: int = options.run(options)
    return result


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="pipeline.py", description=__doc__)
    roles = parser.add_subparsers(required=True)
    shown = argparse.ArgumentDefaultsHelpFormatter

    rank = roles.add_parser(
        "rank", help="some of the blocks; with the first of them, rank 0", formatter_class=shown
    )
    rank.set_defaults(run=_rank)
    rank.add_argument("node", metavar="NODE", help="what to call this machine")
    rank.add_argument("--blocks", type=_blocks, required=True, metavar="FIRST-LAST")
    rank.add_argument(
        "--listen", type=address, required=True, metavar="HOST:PORT", help="the one to listen on"
    )
    rank.add_argument(
        "--then",
        type=place,
        action="append",
        default=[],
        metavar="NODE=HOST:PORT",
        help="the next rank; of rank 0 only, once for each",
    )
    rank.add_argument(
        "--patience",
        type=float,
        default=120,
        metavar="S",
        help="how long rank 0 lets a story wait for a rank that does not work",
    )
    rank.add_argument("--plain", action="store_true", help="do without numpy")

    story = roles.add_parser("story", help="all blocks in this process", formatter_class=shown)
    story.set_defaults(run=_story)
    story.add_argument("prompt", nargs="?", default="", help="how the story begins")
    story.add_argument("--seed", type=int, default=1)
    story.add_argument("--temperature", type=float, default=0.7)
    story.add_argument("--length", type=int, default=CONTEXT, help="at most so many characters")
    story.add_argument("--plain", action="store_true", help="do without numpy")
    return parser


def _rank(options: argparse.Namespace) -> int:
    host, port = options.listen
    first, last = options.blocks
    if bool(options.then) != (first == 0):
        log("--then is for the rank with block 0, and that one needs it")
        return 2
    try:
        part = Part(first, last, maths=arithmetic(options.plain))
    except (OSError, ValueError) as error:
        log(f"cannot read the weights: {error}")
        return 1
    try:
        return asyncio.run(_serve(options, part))
    except OSError as error:
        why = os.strerror(error.errno) if error.errno else error
        log(f"cannot listen on {host}:{port}: {why}")
        return 1


async def _serve(options: argparse.Namespace, part: Part) -> int:
    over = asyncio.Event()
    host, port = options.listen
    loop = asyncio.get_running_loop()
    for number in (signal.SIGINT, signal.SIGTERM):
        loop.add_signal_handler(number, over.set)
    if options.then:
        places = [Place(n, *where) for n, where in enumerate(options.then, 1)]
        head = coordinator.Coordinator(part, options.node, places, options.patience)
        await coordinator.run(head, host, port, over)
    else:
        await stage.run(part, host, port, over)
    log("stopped")
    return 0


def _blocks(text: str) -> tuple[int, int]:
    first, _, last = text.partition("-")
    if not (first.isdecimal() and last.isdecimal() and int(first) <= int(last) < BLOCKS):
        raise argparse.ArgumentTypeError(f"{text!r} is not FIRST-LAST of the blocks 0-{BLOCKS - 1}")
    return int(first), int(last)


def address(text: str) -> tuple[str, int]:
    """An address and a port, for argparse."""
    host, _, port = text.rpartition(":")
    if not host or not port.isdecimal() or not 0 < int(port) < 65536:
        raise argparse.ArgumentTypeError(f"{text!r} is not HOST:PORT")
    try:
        return socket.gethostbyname(host), int(port)
    except OSError as error:
        raise argparse.ArgumentTypeError(f"{host}: {error.strerror}") from error


def place(text: str) -> tuple[str, str, int]:
    """What a machine is called, and where it listens, for argparse."""
    node, _, where = text.partition("=")
    if not node or not node.isprintable():
        raise argparse.ArgumentTypeError(f"{text!r} is not NODE=HOST:PORT")
    return (node, *address(where))


def _story(options: argparse.Namespace) -> int:
    """The unsplit model: what the pipeline must give, too."""
    try:
        tokens = [END, *encode(options.prompt)]
    except ValueError as error:
        log(str(error))
        return 2
    part = Part(0, BLOCKS - 1, maths=arithmetic(options.plain))
    memory = part.memory()
    began, written = time.monotonic(), 0
    print(options.prompt, end="")  # noqa: T201
    while memory.position < CONTEXT:
        for token in tokens:
            x = part.forward(memory, part.embed(token, memory.position))
        logits = part.logits(x)
        tokens = [sample(logits, options.temperature, options.seed, memory.position)]
        if tokens == [END]:
            break
        written += 1
        print(decode(tokens[0]), end="", flush=True)  # noqa: T201
        if written == options.length:
            break
    print(flush=True)  # noqa: T201
    rate = written / (time.monotonic() - began)
    print(f"{rate:.0f} tokens/s with {part.maths.__name__}.py", file=sys.stderr)  # noqa: T201
    return 0


if __name__ == "__main__":
    sys.exit(main())
