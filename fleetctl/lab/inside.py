"""What runs first inside the lab's namespaces: mounts, host name, kernel settings, process 1.

Run as a script by the interpreter that runs fleetctl (`python -E -s -S inside.py keeper|machines`),
with a JSON document on stdin and one JSON line as its answer on stdout. It imports only the
standard library, all at the beginning: a machine's root file system may lack Python.

`keeper` becomes process 1 of the lab's PID namespace and mounts the disks of all machines.
`machines` runs in that namespace and starts one process 1 per machine. Their PID namespaces are
below the keeper's, so that everything ends with the keeper.
"""

from __future__ import annotations

import ctypes
import json
import os
import socket
import stat
import sys
import time
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

if TYPE_CHECKING:
    from fleetctl.lab import confinement
else:
    import confinement  # a script's own folder is the first that is searched

MS_RDONLY, MS_NOSUID, MS_NODEV, MS_REMOUNT = 0x1, 0x2, 0x4, 0x20
MS_BIND, MS_REC, MS_SLAVE = 0x1000, 0x4000, 0x80000
MNT_DETACH = 2
CLONE_NEWTIME = 0x80
CLONE_ALL = 0x00020000 | 0x04000000 | 0x08000000 | 0x20000000 | 0x40000000  # NS UTS IPC PID NET

SYSTEM_FOLDERS = ("usr", "etc", "opt", "bin", "sbin", "lib", "lib32", "lib64", "libx32")
"""The host's folders under a machine's: read from the host, written to its own disk."""

HIDDEN = "/.lab"
"""A node's folder for the lab's own files; the same as in fleetctl.lab.personality."""
MAC_FOLDERS = ("usr", "etc", "lib", "lib32", "lib64", "libx32", "bin", "sbin")
DEVICES = {"null": (1, 3), "zero": (1, 5), "full": (1, 7), "random": (1, 8), "urandom": (1, 9)}
DEVICES["tty"] = (5, 0)  # Documentation/admin-guide/devices.txt

# Process 1: adopts and reaps orphans, forever. `wait` reaps every child that ends.
INIT = "while :; do sleep 2147483647 & wait $!; done"
PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_libc = ctypes.CDLL(None, use_errno=True)


def _check(result: int, *what: str) -> None:
    if result != 0:
        error = ctypes.get_errno()
        raise OSError(error, f"{os.strerror(error)}: {' '.join(what)}")


def _mount(source: str, target: str, kind: str = "", flags: int = 0, data: str = "") -> None:
    result = _libc.mount(
        source.encode(), target.encode(), kind.encode() or None, flags, data.encode() or None
    )
    _check(result, "mount", kind, source, "on", target)


def _tmpfs(target: str, mode: str, size: str = "25%") -> None:
    _mount("tmpfs", target, "tmpfs", MS_NOSUID | MS_NODEV, f"mode={mode},size={size}")


def keeper(spec: dict[str, Any]) -> NoReturn:
    """Mount the disks: one tmpfs per machine, each with its own size."""
    # Slave: unmounts of the host happen here too, mounts of the lab stay invisible to the host.
    _mount("none", "/", flags=MS_REC | MS_SLAVE)
    _tmpfs(spec["disks"], "700", "1m")
    for folder, size in spec["sizes"].items():
        Path(folder).mkdir()
        _mount("tmpfs", folder, "tmpfs", MS_NODEV, f"mode=755,size={size}")
    _mount("sysfs", "/sys", "sysfs", MS_NOSUID | MS_NODEV)  # shows the switch's ports
    _become_init("lab-keeper", sys.stdout.fileno(), {"pid": _host_pid()})


def machines(specs: list[dict[str, Any]]) -> dict[str, Any]:
    """Start every machine; answers with the process 1 or the error of each."""
    pipes = {spec["key"]: _fork(spec) for spec in specs}
    answers = {}
    for key, pipe in pipes.items():
        with os.fdopen(pipe) as lines:
            answers[key] = json.loads(lines.read() or '{"error": "it died while it started"}')
    for _ in specs:
        os.wait()
    return {"machines": answers}


def _fork(spec: dict[str, Any]) -> int:
    """Start one machine. Returns the pipe with its answer."""
    answer, write = os.pipe()
    if os.fork():
        os.close(write)
        return answer
    try:
        os.setsid()
        _check(_libc.unshare(CLONE_ALL), "unshare")
        _start_clocks()
        if os.fork():
            os._exit(0)  # the new process is now a child of the keeper
        _boot(spec, write)
    except Exception as error:  # noqa: BLE001 - a forked child must not return; this is its answer
        os.write(write, json.dumps({"error": str(error)}).encode())
    finally:
        os._exit(1)


def _start_clocks() -> None:
    """Let the machine's uptime begin now; without time namespaces it is the host's."""
    offsets = Path("/proc/self/timens_offsets")
    if not offsets.exists():
        return
    _check(_libc.unshare(CLONE_NEWTIME), "unshare the clocks")
    for name, clock in (("monotonic", time.CLOCK_MONOTONIC), ("boottime", time.CLOCK_BOOTTIME)):
        seconds, nanoseconds = divmod(-time.clock_gettime_ns(clock), 10**9)
        with offsets.open("w") as file:
            file.write(f"{name} {seconds} {nanoseconds}\n")


def _host_pid() -> int:
    """This process's id in the host's PID namespace: /proc is still the host's."""
    return int(str(Path("/proc/self").readlink()))


def _boot(spec: dict[str, Any], answer: int) -> NoReturn:
    """As process 1 of the new namespaces: set up the machine, then become its init."""
    pid = _host_pid()
    os.umask(0o022)
    socket.sethostname(spec["hostname"])
    for name, value in spec["sysctl"].items():
        setting = Path("/proc/sys/net", name)
        if setting.exists():  # a kernel without IPv6 has no net/ipv6
            setting.write_text(value)
    _mount("none", "/", flags=MS_REC | MS_SLAVE)
    if spec["root"] == "own":
        _own_root(spec)
    elif spec["root"] == "controller":
        _controller_root(Path(spec["disk"]), spec["reachable"], spec["placed"])
    _mount("proc", spec["proc"], "proc", MS_NOSUID | MS_NODEV)
    # A new sysfs shows this network namespace's interfaces in /sys/class/net.
    _mount("sysfs", spec["sys"], "sysfs", MS_NOSUID | MS_NODEV)
    if spec["root"] == "own":
        _identify_boot(spec["proc"])
        _protect_kernel(spec["proc"], spec["sys"])
        confinement.confine()
        if not spec["mac"]:
            _apply_sysctl_files()
    for daemon in spec["start"]:
        _start(daemon)
    _become_init("init", answer, {"pid": pid})


def _own_root(spec: dict[str, Any]) -> None:
    """The machine's root file system: its own disk over the host's system folders, by overlayfs.

    Between the two are the folders that all machines of the lab with this system share; a Mac's
    /bin and /sbin have only these.
    """
    disk, mac, layers = Path(spec["disk"]), spec["mac"], spec["layers"]
    root = disk / "fs"
    _mount(str(root), str(root), flags=MS_BIND)  # a mount of its own, which can become the root
    for name in MAC_FOLDERS if mac else SYSTEM_FOLDERS:
        host, own = Path("/", name), root / name
        if host.is_symlink() and name not in layers:
            if not own.is_symlink():
                own.symlink_to(host.readlink())
        elif host.is_dir():
            own.mkdir(exist_ok=True)
            below = [layers[name]] if name in layers else []
            if not host.is_symlink():
                below.append(str(host))
            _overlay(below, name, disk, str(own))
    for name, mode in {"tmp": "1777", "run": "755"}.items():
        (root / name).mkdir(exist_ok=True)
        _tmpfs(str(root / name), mode)
    (root / "run/sshd").mkdir()
    linux = ("proc", "sys", "home", "root", "mnt", "media", "srv")
    for name in ("dev", "var", *(("Users",) if mac else linux)):
        (root / name).mkdir(exist_ok=True)
    _devices(root / "dev", spec["proc"])
    _mount("devpts", str(root / "dev/pts"), "devpts", 0, "newinstance,ptmxmode=0666,mode=620,gid=5")
    _tmpfs(str(root / "dev/shm"), "1777")
    lent = {path: path for path in spec["readable"]} | {f"{HIDDEN}/programs": spec["programs"]}
    if mac:
        lent |= {f"{HIDDEN}{path}": path for path in ("/usr", "/opt") if Path(path).is_dir()}
        for name in ("proc", "sys"):
            _folder(root, f"{HIDDEN}/{name}")
    for path, source in lent.items():
        target = _folder(root, path)
        _mount(source, str(target), flags=MS_BIND)
        _mount(source, str(target), flags=MS_BIND | MS_REMOUNT | MS_RDONLY)
    for path, source in spec["mounts"].items():
        target = _folder(root, path)
        _mount(source, str(target), flags=MS_BIND)
        only = MS_RDONLY | MS_NOSUID | MS_NODEV
        _mount(source, str(target), flags=MS_BIND | MS_REMOUNT | only)
    # The host's root is then mounted on top of this one, and taken away: pivot_root(2).
    os.chdir(root)
    _check(_libc.pivot_root(b".", b"."), "pivot_root, which needs a host whose root is a mount")
    _check(_libc.umount2(b".", MNT_DETACH), "unmount the host's root")
    # Only now: a link that the machine's root left here leads to its own files.
    for name in ("cache", "lib", "log", "spool", "tmp", *(("root",) if mac else ())):
        Path("/var", name).mkdir(exist_ok=True)
    Path("/var/tmp").chmod(0o1777)
    if not Path("/var/run").is_symlink():
        Path("/var/run").symlink_to("/run")


def _folder(root: Path, path: str) -> Path:
    """Make the folder ``path`` below ``root``, and those above it.

    :raises OSError: one of them is a symbolic link, which may lead to the host's files.
    """
    folder = root
    for name in path.strip("/").split("/"):
        folder /= name
        if folder.is_symlink():
            raise OSError(f"{folder.relative_to(root)} is a symbolic link on its disk")
        folder.mkdir(exist_ok=True)
    return folder


def _identify_boot(proc: str) -> None:
    """Give each boot an id of its own: that of the kernel is the host's, and stays the same."""
    file = Path("/run/boot_id")
    file.write_text(Path(proc, "sys/kernel/random/uuid").read_text())
    file.chmod(0o444)
    _mount(str(file), f"{proc}/sys/kernel/random/boot_id", flags=MS_BIND)
    file.unlink()


def _protect_kernel(proc: str, sys: str) -> None:
    """Make read-only what is the host's and root could write without any capability.

    Such as /proc/sysrq-trigger and /proc/sys/kernel/core_pattern. Below /proc/sys/net is the
    machine's own network.
    """
    own = f"{proc}/sys/net"
    _mount(own, own, flags=MS_BIND)
    for mounted in (proc, sys):
        flags = MS_BIND | MS_REMOUNT | MS_RDONLY | MS_NOSUID | MS_NODEV
        _mount("none", mounted, flags=flags)


def _devices(dev: Path, proc: str) -> None:
    """A /dev with nothing of the host's disks and memory."""
    _mount("tmpfs", str(dev), "tmpfs", MS_NOSUID, "mode=755,size=1m")
    for name, (major, minor) in DEVICES.items():
        os.mknod(dev / name, stat.S_IFCHR, os.makedev(major, minor))
        (dev / name).chmod(0o666)
    for name, target in {
        "fd": f"{proc}/self/fd",
        "stdin": "fd/0",
        "stdout": "fd/1",
        "stderr": "fd/2",
        "ptmx": "pts/ptmx",
    }.items():
        (dev / name).symlink_to(target)
    for name in ("pts", "shm"):
        (dev / name).mkdir()


def _apply_sysctl_files() -> None:
    """As systemd-sysctl at boot, but for net.* only: other settings would change the host's."""
    folder = Path("/etc/sysctl.d")
    for path in sorted(folder.glob("*.conf")) if folder.is_dir() else ():
        try:
            lines = path.read_text(errors="replace").splitlines()
        except OSError:
            continue
        for line in lines:
            name, equals, value = line.strip().lstrip("-").partition("=")
            setting = Path("/proc/sys", *name.strip().replace("/", ".").split("."))
            if equals and not name.startswith(("#", ";")) and name.strip().startswith("net"):
                try:
                    setting.write_text(value.strip())
                except OSError:
                    continue  # as systemd-sysctl: the next lines count


def _overlay(lower: list[str], name: str, disk: Path, target: str) -> None:
    """Mount the machine's disk over ``lower``, the first of which is on top."""
    upper, work = disk / "upper" / name, disk / "work" / name
    for folder in (upper, work):
        folder.mkdir(parents=True, exist_ok=True)
    places = f"lowerdir={':'.join(lower)},upperdir={upper},workdir={work}"
    _mount("overlay", target, "overlay", MS_NODEV, places)


def _controller_root(disk: Path, reachable: list[str], placed: dict[str, str]) -> None:
    """The host's file system, except /etc, /tmp and the files in ``placed`` (path to source)."""
    _overlay(["/etc"], "etc", disk, "/etc")
    # Opened before the new /tmp hides them.
    held = [os.open(path, os.O_PATH) for path in reachable]
    _tmpfs("/tmp", "1777")
    for path, fd in zip(reachable, held, strict=True):
        Path(path).mkdir(parents=True, exist_ok=True)
        _mount(f"/proc/self/fd/{fd}", path, flags=MS_BIND | MS_REC)
        os.close(fd)
    for path, source in placed.items():
        target = Path(path)
        ground = next(folder for folder in target.parents if folder.is_dir())
        if not target.exists():
            _overlay([str(ground)], str(ground).strip("/").replace("/", "-"), disk, str(ground))
            target.parent.mkdir(parents=True, exist_ok=True)
            target.touch()
        _mount(source, path, flags=MS_BIND)


def _start(argv: list[str]) -> None:
    """Start a daemon that puts itself into the background; process 1 adopts it."""
    if os.fork() == 0:
        try:
            _let_go()
            os.execve(argv[0], argv, {"PATH": PATH})
        finally:
            os._exit(127)


def _become_init(name: str, answer: int, message: dict[str, Any]) -> NoReturn:
    """Answer, close what was inherited, and exec the small process 1."""
    os.write(answer, json.dumps(message).encode())
    _let_go()
    os.execve("/bin/sh", [name, "-c", INIT], {"PATH": PATH})


def _let_go() -> None:
    """Leave the folder and streams of the parent; Python's other files close on exec."""
    os.chdir("/")
    null = os.open("/dev/null", os.O_RDWR)
    for fd in (0, 1, 2):
        os.dup2(null, fd)


def main() -> None:
    """Run the mode named by the argument; an error is an answer, not a traceback."""
    spec = json.load(sys.stdin)
    try:
        if sys.argv[1] == "keeper":
            keeper(spec)
        answer = machines(spec)
    except OSError as error:
        answer = {"error": str(error)}
    json.dump(answer, sys.stdout)


if __name__ == "__main__":
    main()
