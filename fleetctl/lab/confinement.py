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
"""The calls that fail with EPERM, by their numbers on x86_64 and aarch64; None: not there."""
ARCHITECTURES = {"x86_64": 0xC000003E, "aarch64": 0xC00000B7}
"""In the order of the numbers above. Without a filter on others: capabilities are dropped there."""

_LOAD, _EQUAL, _AT_LEAST, _HAS_BITS, _ANSWER = 0x20, 0x15, 0x35, 0x45, 0x06  # linux/filter.h
_ALLOW, _ERRNO = 0x7FFF0000, 0x00050000
_NUMBER, _ARCHITECTURE, _ARGUMENTS = 0, 4, 16  # offsets in struct seccomp_data

_CLONE_NEWUSER, _AF_VSOCK, _TIOCSTI = 0x10000000, 40, 0x5412
_DENIED_BY_ARGUMENT = (
    # In a user namespace of its own a process would have every capability again.
    ((56, 220), 0, _HAS_BITS, _CLONE_NEWUSER),  # clone
    ((272, 97), 0, _HAS_BITS, _CLONE_NEWUSER),  # unshare
    # vsock(7) leads out of a network namespace, to what the machine is a virtual machine of.
    ((41, 198), 0, _EQUAL, _AF_VSOCK),  # socket
    # It types into a terminal, such as the one that `fleetctl lab run` lends.
    ((16, 29), 1, _EQUAL, _TIOCSTI),  # ioctl
)
"""Calls that fail with EPERM if an argument passes a test: numbers, which argument, the test."""
_CLONE3 = 435
"""Its flags are out of a filter's sight; without it, libraries use clone."""
_X32 = 0x40000000
"""Where the numbers of x86_64's other set of system calls begin."""

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
    refuse = (_ANSWER, 0, 0, _ERRNO | errno.EPERM)
    # Instruction, lines to skip if its test is met, and if not, operand.
    lines = [(_LOAD, 0, 0, _ARCHITECTURE), (_EQUAL, 1, 0, ARCHITECTURES[machine]), refuse]
    lines.append((_LOAD, 0, 0, _NUMBER))
    if machine == "x86_64":
        lines += [(_AT_LEAST, 0, 1, _X32), refuse]
    for numbers in DENIED.values():
        number = numbers[column]
        if number is not None:
            lines += [(_EQUAL, 0, 1, number), refuse]
    lines += [(_EQUAL, 0, 1, _CLONE3), (_ANSWER, 0, 0, _ERRNO | errno.ENOSYS)]
    for call, argument, test, value in _DENIED_BY_ARGUMENT:
        lines += [(_EQUAL, 0, 4, call[column]), (_LOAD, 0, 0, _ARGUMENTS + 8 * argument)]
        lines += [(test, 0, 1, value), refuse, (_ANSWER, 0, 0, _ALLOW)]
    lines.append((_ANSWER, 0, 0, _ALLOW))
    return b"".join(struct.pack("HBBI", *line) for line in lines)


def _check(result: int, what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)}: {what}")
