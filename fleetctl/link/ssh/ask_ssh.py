"""What the SSH configuration says for a host, asked of the ``ssh`` that is installed: ``ssh -G``.

So ``Match exec``, tokens, includes, ``/etc/ssh/ssh_config`` and files that ssh refuses mean the
same here as there. An answer takes some milliseconds, which would add up over a large fleet, and is
kept on the disk until one of the files that it rests on changes.
"""

from __future__ import annotations

import asyncio
import os
import pwd
import re
import signal
import tempfile
import time
from asyncio.subprocess import DEVNULL, PIPE
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path

import msgspec
from msgspec import Struct

from fleetctl.link.groups import end_group, start_group
from fleetctl.link.ssh.user_config import words
from fleetctl.local_files import nobody_else_writes, write_private
from fleetctl.patterns import pattern

AT_ONCE = 8
"""So many ssh processes are asked side by side."""

_LOOK_EVERY_S = 1.0
"""So long the files that an answer rests on are not looked at again."""

_READ = pattern(r"^debug1: Reading configuration data (.+?)\r?$", re.MULTILINE)
_NOISE = pattern(r"debug\d: |Pseudo-terminal will not|OpenSSH_")
_CHANGES = re.compile(rb"\$\{|^\s*match\b.*\b(?:exec|localnetwork|version)\b", re.I | re.M)
"""What depends on more than files: such a configuration is asked anew each time."""
_SYSTEM = Path("/etc/ssh/ssh_config")
_LISTS = ("userknownhostsfile", "globalknownhostsfile")
"""Directives whose values ``ssh -G`` writes into one line."""
_SEVERAL = ("identityfile", "certificatefile", "sendenv", "setenv")

_Stamps = dict[str, tuple[int, int, int] | None]


class Refused(Exception):
    """ssh refuses its configuration; the text says why."""


class Answer(Struct, frozen=True):
    """What ssh says for one host."""

    values: dict[str, list[str]]
    files: list[str]
    """Those that it has read."""


class _Kept(Struct):
    """The answers of former commands."""

    about: str
    """Which ssh and which user they are of."""
    files: _Stamps
    answers: dict[str, Answer]


class AskedSSH:
    """Asks ssh about hosts, each once.

    :param ssh: the program.
    :param cache: a file for the answers; without one, they are kept for this object only.
    """

    def __init__(self, ssh: str, cache: Path | None) -> None:
        self._ssh = ssh
        self._cache = cache
        self._asking: dict[str, asyncio.Task[Answer]] = {}
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._defaults: asyncio.Task[dict[str, list[str]]] | None = None
        self._kept = self._read()
        self._changing: dict[str, bool] = {}
        self._looked_s = -_LOOK_EVERY_S
        """When the files were looked at, by the monotonic clock."""

    async def answer(
        self, host: str, user: str | None, port: int | None, timeout_s: float
    ) -> Answer:
        """
        :raises Refused: it refuses the configuration, or does not answer in time.
        """
        key = msgspec.json.encode((host, user, port)).decode()
        self._forget_if_changed()
        if found := self._kept.answers.get(key):
            return found
        if key not in self._asking:
            self._asking[key] = asyncio.create_task(self._ask(host, user, port, timeout_s))
        asking = self._asking[key]
        try:
            answer = await asyncio.shield(asking)
        finally:
            if asking.done():
                self._asking.pop(key, None)
        self._keep(key, answer)
        if not self._asking:
            self._save()
        return answer

    async def _ask(self, host: str, user: str | None, port: int | None, timeout_s: float) -> Answer:
        if self._defaults is None:
            self._defaults = asyncio.ensure_future(self._ask_defaults(timeout_s))
        defaults_asked = self._defaults
        argv = [*(("-l", user) if user else ()), *(("-p", str(port)) if port else ()), "--", host]
        async with self._turn:
            with config_of_home() as options:
                said, errors = await self._run([*options, *argv], timeout_s)
        read = [file for file in _READ.findall(errors) if file not in options]
        defaults = await asyncio.shield(defaults_asked)
        values = {k: v for k, v in _values(said).items() if v != defaults.get(k)}
        values["user"] = values.get("user") or defaults.get("user", [])
        return Answer(_at_home(values), read)

    async def _ask_defaults(self, timeout_s: float) -> dict[str, list[str]]:
        said, _ = await self._run(["-F", "none", "--", "fleetctl.invalid"], timeout_s)
        return _values(said)

    async def _run(self, arguments: Sequence[str], timeout_s: float) -> tuple[str, str]:
        process = await start_group(
            *(self._ssh, "-v", "-G", *arguments), stdin=DEVNULL, stdout=PIPE, stderr=PIPE
        )
        try:
            async with asyncio.timeout(timeout_s):
                said, errors = await process.communicate()
        except TimeoutError:
            raise Refused(
                f"`ssh -G {arguments[-1]}` does not end within its connect_timeout: does a Match "
                "exec of the configuration wait for something?"
            ) from None
        finally:
            await end_group(process, signal.SIGKILL)
        told = errors.decode("utf-8", "replace")
        if process.returncode != 0:
            lines = [line.strip() for line in told.splitlines() if not _NOISE.match(line)]
            raise Refused("; ".join(lines[:3]) or f"`ssh -G` ended with {process.returncode}")
        return said.decode("utf-8", "surrogateescape"), told

    # keeping

    def _about(self) -> str:
        found = Path(self._ssh).stat()
        user = pwd.getpwuid(os.getuid())
        return f"{self._ssh} {found.st_mtime_ns} {user.pw_name} {user.pw_dir} {Path.home()}"

    def _forget_if_changed(self) -> None:
        """Nodes that are connected to at the same time look at the files once."""
        now_s = time.monotonic()
        if now_s < self._looked_s + _LOOK_EVERY_S:
            return
        self._looked_s = now_s
        if any(_stamp(path) != known for path, known in self._kept.files.items()):
            self._kept = self._nothing()

    def _nothing(self) -> _Kept:
        return _Kept(self._about(), {}, {})

    def _read(self) -> _Kept:
        if (
            self._cache
            and nobody_else_writes(self._cache)
            and nobody_else_writes(self._cache.parent)
        ):
            with suppress(OSError, msgspec.MsgspecError, UnicodeDecodeError):
                kept = msgspec.json.decode(self._cache.read_bytes(), type=_Kept)
                if kept.about == self._about():
                    return kept
        return self._nothing()

    def _keep(self, key: str, answer: Answer) -> None:
        """Files are looked at after ssh has read them: one that changed meanwhile is seen next
        time, since its folder's time has changed as well or its own has."""
        canonical = answer.values.get("canonicalizehostname", ["no"])[0] not in ("no", "false")
        if canonical or any(self._changes(file) for file in answer.files):
            return
        folders = {str(Path(file).parent) for file in answer.files}
        for path in (*answer.files, *folders, str(_SYSTEM), str(_user_config())):
            if path not in self._kept.files:
                self._kept.files[path] = _stamp(path)
        self._kept.answers[key] = answer

    def _changes(self, file: str) -> bool:
        if file not in self._changing:
            try:
                self._changing[file] = bool(_CHANGES.search(Path(file).read_bytes()))
            except OSError:
                self._changing[file] = True
        return self._changing[file]

    def _save(self) -> None:
        """Write the answers down for the next command. What cannot be written is asked again."""
        if self._cache is None or not self._kept.answers:
            return
        text = msgspec.json.encode(self._kept)
        with suppress(OSError):
            if not self._cache.exists() or self._cache.read_bytes() != text:
                write_private(self._cache, text)


def _stamp(path: str) -> tuple[int, int, int] | None:
    try:
        found = Path(path).stat()
    except OSError:
        return None
    return found.st_mtime_ns, found.st_size, found.st_ino


def _user_config() -> Path:
    return Path.home() / ".ssh" / "config"


def _account_home() -> Path:
    return Path(pwd.getpwuid(os.getuid()).pw_dir)


@contextmanager
def config_of_home() -> Iterator[Sequence[str]]:
    """Options by which ssh reads the configuration below ``HOME``, also where that is not the
    account's folder, in which it would look by itself."""
    if Path.home() == _account_home():
        yield ()
        return
    with tempfile.NamedTemporaryFile("w", prefix="fleetctl-ssh-") as file:
        file.write(f'Include "{_user_config()}"\nInclude {_SYSTEM}\n')
        file.flush()
        yield ("-F", file.name)


def _at_home(values: dict[str, list[str]]) -> dict[str, list[str]]:
    """The same, with ``~`` for the folder that stands for it."""
    account, home = _account_home(), Path.home()
    for name in (*_LISTS, "identityagent"):
        if name in values:
            values[name] = [_short(file, account, home) for file in values[name]]
    return values


def _short(file: str, *folders: Path) -> str:
    for folder in folders:
        if file.startswith(f"{folder}/"):
            return f"~{file.removeprefix(str(folder))}"
    return file


def _values(said: str) -> dict[str, list[str]]:
    """The lines of ``ssh -G``."""
    values: dict[str, list[str]] = {}
    for line in said.splitlines():
        name, _, value = line.partition(" ")
        name = name.lower()
        if name in _LISTS:
            values[name] = _files(value)
        elif name in _SEVERAL:
            values.setdefault(name, []).append(value)
        else:
            values[name] = [value]
    return values


def _files(value: str) -> list[str]:
    """ssh writes names of files with blanks between, and with blanks in them as they are."""
    found: list[str] = []
    for word in value.split(" "):
        if found and not word.startswith(("/", "~", "none")):
            found[-1] += f" {word}"
        else:
            found.append(word)
    return found


def place(files: Sequence[str], directive: str, value: str) -> str:
    """Where a directive stands, as ``line 3 of ~/.ssh/config``; empty: in no file of the user's."""
    near = ""
    for file in files:
        if Path(file).is_relative_to(_SYSTEM.parent):
            continue
        with suppress(OSError):
            text = Path(file).expanduser().read_text("utf-8", "replace")
            for number, line in _lines_with(directive, text):
                here = f"line {number} of {_short(file, Path.home(), _account_home())}"
                near = near or here
                with suppress(ValueError):
                    if value.split()[0] in words(line):
                        return here
    return near


def _lines_with(directive: str, text: str) -> Iterator[tuple[int, str]]:
    """The lines that begin with a directive, and their numbers."""
    if directive.lower() not in text.lower():  # most files have none, and may be long
        return
    beginning = re.compile(rf"\s*{directive}\b", re.IGNORECASE)
    for number, line in enumerate(text.splitlines(), 1):
        if beginning.match(line):
            yield number, line
