"""Starts a command on a node: enters its namespaces, gives up what a node must not have, and execs.

Run as a script (`python -E -s -S enter.py PID UID FOLDER COMMAND…`; the group has the same number),
born in the node's PID namespace. Until the rights are gone nothing of the node's files is read or
run, which its root may have changed; nsenter(1) would exec a program there with all rights.
"""

from __future__ import annotations

import ctypes
import errno
import os
import sys

TYPE_CHECKING = False  # typing takes long to import
if TYPE_CHECKING:
    from fleetctl.lab import confinement
else:
    import confinement  # a script's own folder is the first that is searched

SIGINT, SIGPIPE, SIGXFSZ = 2, 13, 25
SIG_IGN = 1
CANNOT_START, CANNOT_RUN, NOT_FOUND = 125, 126, 127  # as env(1)

_libc = ctypes.CDLL(None, use_errno=True)
_libc.signal.restype = ctypes.c_void_p


def enter(pid: int) -> None:
    """Move into the namespaces of the process, but for that of PIDs, whose child this is."""
    here = os.listdir("/proc/self/ns")  # an older kernel has no time namespaces
    kinds = [kind for kind in ("ipc", "uts", "net", "time", "mnt") if kind in here]
    spaces = [os.open(f"/proc/{pid}/ns/{kind}", os.O_RDONLY) for kind in kinds]
    for space in spaces:
        if _libc.setns(space, 0) != 0:
            error = ctypes.get_errno()
            raise OSError(error, os.strerror(error))
        os.close(space)


def restore_signals() -> None:
    """Undo what Python did to signals: a command must not inherit that."""
    for number in (SIGPIPE, SIGXFSZ):
        _libc.signal(number, None)
    if _libc.signal(SIGINT, None) == SIG_IGN:
        _libc.signal(SIGINT, ctypes.c_void_p(SIG_IGN))


def run(argv: list[bytes], environment: list[bytes]) -> int:
    """Exec the command, found in PATH; returns why not, as errno."""
    words = (ctypes.c_char_p * (len(argv) + 1))(*argv, None)
    pairs = (ctypes.c_char_p * (len(environment) + 1))(*environment, None)
    _libc.execvpe(argv[0], words, pairs)
    return ctypes.get_errno()


def main(pid: int, uid: int, folder: str, argv: list[str]) -> int:
    # Not os.environ: Python adds a locale to that.
    with open("/proc/self/environ", "rb") as file:
        environment = [entry for entry in file.read().split(b"\0") if entry]
    restore_signals()
    try:
        enter(pid)
        confinement.confine()
        if uid:
            os.setgroups([])
            os.setgid(uid)
            os.setuid(uid)
        os.chdir(folder)
    except OSError as error:
        sys.stderr.write(f"{argv[0]} does not start in {folder}: {error.strerror}\n")
        return CANNOT_START
    reason = run([os.fsencode(word) for word in argv], environment)
    sys.stderr.write(f"{argv[0]}: {os.strerror(reason)}\n")
    return NOT_FOUND if reason == errno.ENOENT else CANNOT_RUN


if __name__ == "__main__":
    sys.exit(main(int(sys.argv[1]), int(sys.argv[2]), sys.argv[3], sys.argv[4:]))
