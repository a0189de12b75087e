"""What a process on a node may do: its capabilities, and the system calls that it is refused.

A node is root with namespaces of its own, but its kernel and its user 0 are the machine's. What
could reach beyond the namespaces is taken away for good: no process on a node, nor anything that
it starts, gets it back. Imported by scripts that have nothing but the standard library.

The numbers are those of linux/capability.h, linux/prctl.h, linux/seccomp.h, linux/audit.h,
asm/unistd_64.h (x86_64) and asm-generic/unistd.h (aarch64).
"""

from __future__ import annotations

import ctypes
import errno
import os
import struct

KEPT = {
    "CAP_CHOWN": (0, "root gives files to accounts"),
    "CAP_DAC_OVERRIDE": (1, "root writes into everybody's folders"),
    "CAP_FOWNER": (3, "root changes the mode of everybody's files"),
    "CAP_FSETID": (4, "chmod g+s stays, as in /var/mail"),
    "CAP_KILL": (5, "root ends everybody's processes; it sees those of its node alone"),
    "CAP_SETGID": (6, "logins, sudo, su"),
    "CAP_SETUID": (7, "logins, sudo, su"),
    "CAP_NET_BIND_SERVICE": (10, "sshd on port 22"),
    "CAP_NET_ADMIN": (12, "ip, route, sysctl net.*, repairs, in the node's own network"),
    "CAP_NET_RAW": (13, "ping and traceroute of the node's own network"),
    "CAP_SYS_CHROOT": (18, "sshd shuts the part of it that talks to strangers into /run/sshd"),
    "CAP_AUDIT_WRITE": (29, "sshd ends logins that it cannot tell the kernel's audit of"),
}
"""Each capability that root has on a node, with its number and why. All others are dropped."""

DENIED = {
    # what capabilities forbid already
    "init_module": (175, 105),
    "finit_module": (313, 273),
    "delete_module": (176, 106),
    "kexec_load": (246, 104),
    "kexec_file_load": (320, 294),
    "reboot": (169, 142),
    "open_by_handle_at": (304, 265),
    "iopl": (172, None),
    "ioperm": (173, None),
    "swapon": (167, 224),
    "swapoff": (168, 225),
    "acct": (163, 89),
    "setns": (308, 268),
    "mount": (165, 40),
    "umount2": (166, 39),
    "pivot_root": (155, 41),
    "open_tree": (428, 428),
    "move_mount": (429, 429),
    "fsopen": (430, 430),
    "fsconfig": (431, 431),
    "fsmount": (432, 432),
    "fspick": (433, 433),
    "mount_setattr": (442, 442),
    # what some kernels let every user do, with much of the kernel behind it
    "bpf": (321, 280),
    "perf_event_open": (298, 241),
    "userfaultfd": (323, 282),
    # keyrings are those of the machine's users
    "add_key": (248, 217),
    "request_key": (249, 218),
    "keyctl": (250, 219),
}
"""The calls that fail with EPERM, by their numbers on x86_64 and aarch64; None: not there.

``unshare`` and ``clone`` fail likewise if they ask for a user namespace, in which a process would
have every capability again; so does ``socket`` with the one family that leads out of a network
namespace, to what the machine is a virtual machine of, vsock(7).
"""
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""In the order of the numbers above. Without a filter on others: capabilities are dropped there."""
_UNSHARE, _CLONE, _CLONE3, _SOCKET = (272, 97), (56, 220), (435, 435), (41, 198)
_CLONE_NEWUSER = 0x10000000
_AF_VSOCK = 40
_X32 = 0x40000000
"""Where the numbers of x86_64's other set of system calls begin."""

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/filter.h
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _FIRST_ARGUMENT = 0, 4, 16  # offsets in struct seccomp_data

_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER = 22, 2
_PR_CAPBSET_READ, _PR_CAPBSET_DROP = 23, 24
_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL = 47, 4
_CAPABILITY_VERSION = 0x20080522

_libc = ctypes.CDLL(None, use_errno=True)


class _Program(ctypes.Structure):
    """``struct sock_fprog``."""

    _fields_ = (("length", ctypes.c_ushort), ("code", ctypes.c_char_p))


def confine() -> None:
    """Give up for good, for this process and its children, what a node must not have.

    It must be root. Sessions of other accounts begin with it, too: sudo leads back to root.

    :raises OSError: the kernel refused; what was given up until then stays so.
    """
    _refuse_calls()
    kept = sum(1 << number for number, _reason in KEPT.values())
    for capability in range(64):
        if _libc.prctl(_PR_CAPBSET_READ, capability, 0, 0, 0) < 0:
            break  # the kernel has no more
        if not kept >> capability & 1:
            _check(_libc.prctl(_PR_CAPBSET_DROP, capability, 0, 0, 0), "PR_CAPBSET_DROP")
    _check(_libc.prctl(_PR_CAP_AMBIENT, _PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0), "PR_CAP_AMBIENT")
    header = (ctypes.c_uint32 * 2)(_CAPABILITY_VERSION, 0)
    sets = (ctypes.c_uint32 * 6)()  # effective, permitted, inheritable: the low half, then the high
    _check(_libc.capget(header, sets), "capget")
    own = sets[1] & kept
    _check(_libc.capset(header, (ctypes.c_uint32 * 6)(own, own, 0, 0, 0, 0)), "capset")


def _refuse_calls() -> None:
    code = filter_code(os.uname().machine)
    if code is None:
        return
    program = _Program(len(code) // 8, code)
    result = _libc.prctl(_PR_SET_SECCOMP, _SECCOMP_MODE_FILTER, ctypes.byref(program), 0, 0)
    if result != 0 and ctypes.get_errno() == errno.EINVAL:
        return  # a kernel built without CONFIG_SECCOMP_FILTER
    _check(result, "PR_SET_SECCOMP")


def filter_code(machine: str) -> bytes | None:
    """The instructions of the seccomp(2) filter.

    Programs for another architecture, such as 32-bit ones, are refused every call: its numbers mean
    other calls.

    :param machine: the kernel's architecture, as of ``uname -m``.
    :returns: ``None`` where none was written for it, or for a Python of 32 bits.
    """
    if machine not in ARCHITECTURES or struct.calcsize("P") != 8:
        return None
    column = list(ARCHITECTURES).index(machine)
    refused = [numbers[column] for numbers in DENIED.values()]
    tests = [(_EQUAL, number, "no") for number in refused if number is not None]
    tests += [(_EQUAL, numbers[column], "flags") for numbers in (_UNSHARE, _CLONE)]
    tests.append((_EQUAL, _SOCKET[column], "family"))
    # Its flags are out of a filter's sight; without it, libraries use clone.
    tests.append((_EQUAL, _CLONE3[column], "unknown"))
    if machine == "x86_64":
        tests.insert(0, (_AT_LEAST, _X32, "no"))
    last = [
        (_ANSWER, 0, 0, _ALLOW),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_HAS_BITS, 3, 2, _CLONE_NEWUSER),
        (_LOAD, 0, 0, _FIRST_ARGUMENT),
        (_EQUAL, 1, 0, _AF_VSOCK),
        (_ANSWER, 0, 0, _ALLOW),
        (_ANSWER, 0, 0, _ERRNO | errno.EPERM),
        (_ANSWER, 0, 0, _ERRNO | errno.ENOSYS),
    ]
    places = {"flags": 1, "family": 3, "no": 6, "unknown": 7}  # in `last`
    count = len(tests)
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, ARCHITECTURES[machine])]
    lines += [(_ANSWER, 0, 0, _ERRNO | errno.EPERM), (_LOAD, 0, 0, _NUMBER)]
    lines += [
        (test, count - index - 1 + places[place], 0, number)
        for index, (test, number, place) in enumerate(tests)
    ]
    return b"".join(struct.pack("HBBI", *line) for line in (*lines, *last))


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)}: {what}")
