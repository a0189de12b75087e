"""ps(1) with BSD's options, pgrep(1) and pkill(1), from the real /proc."""

from __future__ import annotations

import os
import time

from ..node import PROC, complain, read, say, seconds_up

TICKS = os.sysconf("SC_CLK_TCK")
PAGE = os.sysconf("SC_PAGE_SIZE")
# The common ones; importing `signal` for all would take longer.
SIGNALS = {
    "HUP": 1,
    "INT": 2,
    "QUIT": 3,
    "KILL": 9,
    "USR1": 30,
    "USR2": 31,
    "TERM": 15,
    "STOP": 17,
    "CONT": 19,
}
SHOWN = ("python", "node", "tmux")
"""Programs that come from Homebrew or Xcode, whose environment macOS shows."""
LINUX_SIGNALS = {**SIGNALS, "USR1": 10, "USR2": 12, "STOP": 19, "CONT": 18}


class Process:
    """One process of /proc."""

    def __init__(self, pid: int) -> None:
        """:raises OSError: it has ended."""
        stat = read(f"{PROC}/{pid}/stat")
        if not stat:
            raise OSError(pid)
        head, _, tail = stat.rpartition(")")
        fields = tail.split()
        self.pid = pid
        self.name = head.partition("(")[2]
        self.state = fields[0]
        self.ppid, self.pgid, self.session, self.terminal, self.foreground = map(int, fields[1:6])
        self.cpu_s = (int(fields[11]) + int(fields[12])) / TICKS
        self.nice = int(fields[16])
        self.started_s = int(fields[19]) / TICKS
        self.size_kb = int(fields[20]) // 1024
        self.resident_kb = int(fields[21]) * PAGE // 1024
        self.uid = os.stat(f"{PROC}/{pid}").st_uid

    @property
    def arguments(self) -> str:
        return _shown(self._words()) or f"({self.name})"

    def _words(self) -> list[str]:
        words = read(f"{PROC}/{self.pid}/cmdline").rstrip("\0").split("\0")
        if words[:2] == ["/.lab/python", "-IS"]:  # one of the lab's own programs
            words = [words[2].rpartition("/")[2], *words[3:]]
        return words

    @property
    def environment(self) -> str:
        """Empty for programs of macOS itself: the kernel withholds theirs, also from root
        (`cs_restricted`: xnu bsd/kern/kern_sysctl.c, sysctl_procargsx)."""
        if self._restricted:
            return ""
        return _shown(read(f"{PROC}/{self.pid}/environ").rstrip("\0").split("\0"))

    @property
    def _restricted(self) -> bool:
        try:
            folder, _, name = os.readlink(f"{PROC}/{self.pid}/exe").rpartition("/")
        except OSError:
            return True
        called = self.program.rpartition("/")[2]  # differs for the lab's own programs
        shown = name.startswith(SHOWN) and called.startswith(SHOWN)
        return folder.endswith(("/bin", "/sbin")) and not shown

    @property
    def program(self) -> str:
        return self._words()[0] or self.name

    @property
    def status(self) -> str:
        letter = {"D": "U", "T": "T", "t": "T", "Z": "Z", "R": "R"}.get(self.state, "S")
        lead = "s" if self.session == self.pid else ""
        front = "+" if self.terminal and self.foreground == self.pgid else ""
        return letter + lead + front


def _booted_s() -> int:
    """When the machine started; the same at each call, unlike now minus the uptime."""
    lines = [line.split() for line in read(f"{PROC}/stat").splitlines()]
    return next((int(line[1]) for line in lines if line[:1] == ["btime"]), 0)


def _shown(words: list[str]) -> str:
    """Strings as ps prints them: strvis(3) with VIS_TAB, VIS_NL and VIS_NOSLASH (adv_cmds,
    ps/print.c)."""
    return " ".join(words).replace("\n", "\\012").replace("\t", "\\011")


def everything() -> list[Process]:
    found = []
    for entry in os.listdir(PROC):
        if entry.isdigit():
            try:
                found.append(Process(int(entry)))
            except OSError:
                continue
    return sorted(found, key=lambda p: p.pid)


def main(argv: list[str], name: str) -> int:
    return _ps(argv) if name == "ps" else _pgrep(argv, name)


def account(uid: int) -> str:
    for line in read("/etc/passwd").splitlines():
        fields = line.split(":")
        if len(fields) > 2 and fields[2] == str(uid):
            return fields[0]
    return str(uid)


def _terminal(process: Process) -> str:
    minor = process.terminal & 0xFF | process.terminal >> 12 & 0xFFF00
    return f"s{minor:03d}" if process.terminal else "??"


def _clock(seconds: float) -> str:
    return f"{int(seconds) // 60}:{seconds % 60:05.2f}"


def _elapsed(seconds: float) -> str:
    minutes, left = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    days, hours = divmod(hours, 24)
    text = f"{minutes:02d}:{left:02d}"
    if hours or days:
        text = f"{hours:02d}:{text}"
    return f"{days}-{text}" if days else text


HEADERS = {
    "pid": "PID", "ppid": "PPID", "pgid": "PGID", "sess": "SESS", "stat": "STAT", "state": "STAT",
    "uid": "UID", "user": "USER", "ruser": "RUSER", "comm": "COMM", "ucomm": "UCOMM",
    "command": "COMMAND", "args": "ARGS", "tty": "TTY", "tt": "TT", "time": "TIME",
    "etime": "ELAPSED",
    "rss": "RSS", "vsz": "VSZ", "ni": "NI", "nice": "NI", "%cpu": "%CPU", "pcpu": "%CPU",
    "%mem": "%MEM", "pmem": "%MEM", "lstart": "STARTED", "start": "STARTED", "pri": "PRI",
}  # fmt: skip
LEFT = {
    "stat",
    "state",
    "user",
    "ruser",
    "comm",
    "ucomm",
    "command",
    "args",
    "tty",
    "tt",
    "lstart",
    "start",
}


def _value(p: Process, key: str, environment: bool) -> str:
    if key in ("command", "args"):
        return f"{p.arguments} {p.environment}".rstrip() if environment else p.arguments
    if key in ("%cpu", "pcpu"):
        return f"{p.cpu_s * 100 / max(seconds_up() - p.started_s, 0.01):.1f}"
    if key in ("%mem", "pmem"):
        total = os.sysconf("SC_PHYS_PAGES") * PAGE // 1024
        return f"{p.resident_kb * 100 / total:.1f}"
    if key in ("lstart", "start"):
        began = _booted_s() + p.started_s
        return time.strftime(
            "%a %b %e %H:%M:%S %Y" if key == "lstart" else "%l:%M%p", time.localtime(began)
        )
    values = {
        "pid": p.pid, "ppid": p.ppid, "pgid": p.pgid, "sess": 0, "stat": p.status,
        "state": p.status, "tt": _terminal(p),
        "uid": p.uid, "rss": p.resident_kb, "vsz": p.size_kb, "ni": p.nice, "nice": p.nice,
        "pri": 31,
        "time": _clock(p.cpu_s), "ucomm": p.name, "comm": p.program, "tty": _terminal(p),
        "etime": _elapsed(seconds_up() - p.started_s),
    }  # fmt: skip
    return account(p.uid) if key in ("user", "ruser") else str(values[key])


def _ps(argv: list[str]) -> int:
    flags = ""
    columns: list[tuple[str, str]] = []
    pids: list[int] = []
    users: list[str] = []
    words = iter(argv)
    for index, word in enumerate(words):
        letters = word[1:] if word.startswith("-") else word
        if not word.startswith("-") and index:
            complain(f"ps: illegal argument: {word}")
            return 1
        for position, letter in enumerate(letters, 1):
            if letter in "opuGgtUO" and not (letter == "u" and not word.startswith("-")):
                rest = letters[position:]
                if letter == "u" and word.startswith("-") and not rest and flags:
                    flags += "u"
                    continue
                value = rest or next(words, "")
                if letter == "o":
                    columns += _columns(value)
                elif letter == "p":
                    pids += [
                        int(part) for part in value.replace(",", " ").split() if part.isdigit()
                    ]
                elif letter in "uU":
                    users += value.replace(",", " ").split()
                break
            if letter not in "AaCcdEefhjLlMmrSTuvwXx":
                complain(
                    f"ps: illegal option -- {letter}\n"
                    "usage: ps [-AaCcEefhjlMmrSTvwXx] [-O fmt | -o fmt]"
                )
                return 1
            flags += letter
    unknown = [key for key, _ in columns if key not in HEADERS]
    if unknown:
        complain(f"ps: {unknown[0]}: keyword not found")
        return 1
    if not columns:
        columns = _columns(_default(flags))
    chosen = [p for p in everything() if _chosen(p, flags, pids, users)]
    if not chosen and pids:
        return 1
    rows = [[_value(p, key, "E" in flags) for key, _ in columns] for p in chosen]
    titles = [title for _, title in columns]
    if any(titles):
        rows.insert(0, titles)
    widths = [max([len(row[i]) for row in rows] + [0]) for i in range(len(columns))]
    for row in rows:
        cells = [
            text.ljust(width) if key in LEFT else text.rjust(width)
            for text, width, (key, _) in zip(row, widths, columns)
        ]
        cells[-1] = row[-1] if columns[-1][0] in LEFT else cells[-1]
        say(" ".join(cells))
    return 0


def _columns(text: str) -> list[tuple[str, str]]:
    """Keys and titles. As in BSD, `key=` has no title, and `key=TITLE` ends the list."""
    found = []
    while text:
        comma, equals = text.find(","), text.find("=")
        if equals >= 0 and (comma < 0 or equals < comma):
            key, _, title = text.partition("=")
            if title.startswith(",") or not title:
                found.append((key, ""))
                text = title[1:]
                continue
            if "=" in title:  # pid=,ppid= : the next key follows
                found.append((key, ""))
                text = title
                continue
            found.append((key, title))
            break
        key, _, text = text.partition(",")
        found.append((key, HEADERS.get(key, key)))
    return found


def _default(flags: str) -> str:
    if "u" in flags:
        return "user,pid,%cpu,%mem,vsz,rss,tt,stat,start,time,command"
    if "f" in flags:
        return "uid,pid,ppid,pcpu,start,tty,time,command"
    if "j" in flags:
        return "user,pid,ppid,pgid,sess,stat,tt,time,command"
    return "pid,tty,time,command"


def _chosen(p: Process, flags: str, pids: list[int], users: list[str]) -> bool:
    if pids:
        return p.pid in pids
    if users:
        return account(p.uid) in users or str(p.uid) in users
    if set("Ae") & set(flags):
        return True
    if not p.terminal and "x" not in flags:
        return False
    return "a" in flags or p.uid == os.geteuid()


def _pgrep(argv: list[str], name: str) -> int:
    import re

    usage = f"usage: {name} [-Lafilnoqvx] [-P ppid] [-g pgrp] [-u euid] pattern ..."
    number = 15
    flags = ""
    users: list[str] = []
    pattern: str | None = None
    parent = group = 0
    words = iter(argv)
    for word in words:
        if not word.startswith("-") or word == "-":
            pattern = word
            continue
        body = word[1:]
        sent = LINUX_SIGNALS.get(body.removeprefix("SIG")) if name == "pkill" else None
        if name == "pkill" and (sent or body.isdigit()):
            number = sent or int(body)
            continue
        for position, letter in enumerate(body, 1):
            if letter in "uUPgtGFd":
                value = body[position:] or next(words, "")
                if letter in "uU":
                    users += value.split(",")
                elif letter == "P":
                    parent = int(value)
                elif letter == "g":
                    group = int(value)
                break
            if letter not in "afilnoqvxLSI":
                complain(f"{name}: illegal option -- {letter}\n{usage}")
                return 2
            flags += letter
    if pattern is None and not (users or parent or group):
        complain(usage)
        return 2
    search = re.compile(pattern or "", re.I if "i" in flags else 0)
    test = search.fullmatch if "x" in flags else search.search
    ancestors = _ancestors()
    found = [
        p
        for p in everything()
        if p.pid not in ancestors
        and p.state != "Z"
        and bool(test(p.arguments if "f" in flags else p.name)) != ("v" in flags)
        and (not users or account(p.uid) in users or str(p.uid) in users)
        and (not parent or p.ppid == parent)
        and (not group or p.pgid == group)
    ]
    if found and ("n" in flags or "o" in flags):
        found = [sorted(found, key=lambda p: p.started_s)[-1 if "n" in flags else 0]]
    failed = False
    for p in found:
        if name == "pgrep":
            if "q" not in flags:
                say(
                    f"{p.pid} {p.arguments if 'f' in flags else p.name}"
                    if "l" in flags
                    else str(p.pid)
                )
        else:
            try:
                os.kill(p.pid, number)
            except OSError as error:
                complain(f"pkill: signalling pid {p.pid}: {error.strerror}")
                failed = True
    return 3 if failed else 0 if found else 1


def _ancestors() -> set[int]:
    """This process and its ancestors, which pgrep leaves out."""
    found, pid = set(), os.getpid()
    while pid > 0:
        found.add(pid)
        try:
            pid = Process(pid).ppid
        except OSError:
            break
    return found
