"""A process with a network and mounts of its own, for tests that change what the machine has."""

from __future__ import annotations

import ctypes
import multiprocessing
import os
import subprocess
import traceback
from collections.abc import Callable
from multiprocessing.connection import Connection
from pathlib import Path

import pytest

_NEW_MOUNTS, _NEW_NETWORK = 0x00020000, 0x40000000  # CLONE_NEWNS and CLONE_NEWNET of sched.h
_WAIT_S = 100.0

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root makes namespaces")


def in_own_space(work: Callable[[], None]) -> None:
    """Run ``work`` in such a process; what it raises fails the test."""
    ours, theirs = multiprocessing.Pipe(duplex=False)
    process = multiprocessing.get_context("fork").Process(target=_inside, args=(work, theirs))
    process.start()
    theirs.close()
    try:
        told = ours.recv() if ours.poll(_WAIT_S) else "it does not end"
    except EOFError:
        told = "it ended without a word"
    finally:
        process.kill()
        process.join()
    assert told == "", told


def _inside(work: Callable[[], None], tell: Connection) -> None:
    try:
        libc = ctypes.CDLL(None, use_errno=True)
        assert libc.unshare(_NEW_MOUNTS | _NEW_NETWORK) == 0, os.strerror(ctypes.get_errno())
        run("mount", "--make-rprivate", "/")
        run("ip", "link", "set", "lo", "up")
        work()
    except BaseException:  # noqa: BLE001 -- it is told to the test
        tell.send(traceback.format_exc())
    else:
        tell.send("")


def run(*argv: str) -> None:
    subprocess.run(argv, check=True, timeout=10)


def put_in_place_of(file: str, content: str, folder: Path) -> Path:
    """Give ``file`` of this machine another content, for this process and what it starts; returns
    the file to change it in."""
    ours = folder / file.strip("/").replace("/", "-")
    ours.write_text(content)
    run("mount", "--bind", str(ours), file)
    return ours
