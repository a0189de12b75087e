"""What an instance has to do with what follows when a member of its job fails.

The members find the one that decides by its address, a port of its node and a token, which its node
makes and keeps: so that each start, by whichever controller, gives them the same.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Iterable
from typing import assert_never

from msgspec import Struct

from fleetctl.errors import LaunchError, LinkError
from fleetctl.link.links import Links
from fleetctl.model.jobs import GroupRule, Instance, Job
from fleetctl.model.layout import STATE, instance_dir
from fleetctl.model.ready import ALIVE_S
from fleetctl.observe.asking import host_and_port, http_get
from fleetctl.observe.conditions import command_text
from fleetctl.package_files import package_text
from fleetctl.probes.members import members_text
from fleetctl.probes.python3 import one_program
from fleetctl.quoting import quote, quote_path

SILENT_S = 60.0
"""A member of which nothing was heard for so long has failed."""
MOST, WITHIN_S = 3, 600.0
"""So many times within so many seconds all members begin again."""
PROGRAM = (
    "launch/deciding.py",
    "launch/member_wire.py",
    "logs/tidying.py",
    "launch/member_ready.py",
    "launch/member_state.py",
    "launch/member_program.py",
)
"""What runs on each node, of these files."""
_KEY_TIMEOUT_S = 20.0

_KEY = """
import os, socket, sys
def free(port):
    one = socket.socket()
    one.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        one.bind((sys.argv[1], port))
        return one.getsockname()[1]
    except OSError as error:
        if not port:
            sys.exit("it cannot listen on %s: %s" % (sys.argv[1], error.strerror))
try:
    token, port = open(".members").read().split()
except (OSError, ValueError):
    token, port = os.urandom(32).hex(), 0
if not sys.argv[2]:
    port = free(int(port)) or free(0)
with open(".members.new", "w") as file:
    file.write("%s %s" % (token, port))
os.rename(".members.new", ".members")
print(token, port)
"""

LEAVE = """{ read -r one <member.pid && [ "$(birth "${one%% *}")" = "$one" ] &&
kill -s USR1 "${one%% *}"; } 2>/dev/null
"""
"""In the instance's folder, behind members.sh: ends what goes on beside its supervisor."""


class _Key(Struct, frozen=True):
    token: str
    port: int


class Memberships:
    """Those of one start."""

    def __init__(self, fleet: str, job: Job | None, links: Links) -> None:
        self._fleet = fleet
        self._job = job
        self._links = links
        self._lock = asyncio.Lock()
        self._key: _Key | None = None

    async def part(self, instance: Instance, run: str) -> str | None:
        """What it is told of it; ``None``: nothing follows. It contains the token.

        :raises LaunchError: the node that decides cannot be asked, or cannot listen.
        """
        group = instance.group
        if group is None or self._job is None:
            return None
        async with self._lock:
            if self._key is None:
                self._key = await self._ask(instance, group)
        return json.dumps(_part(self._fleet, self._job, group, instance, run, self._key))

    async def _ask(self, instance: Instance, group: GroupRule) -> _Key:
        what = f"{group.node}, which is to decide what follows when a member fails,"
        script = _key_script(self._fleet, group, instance.job)
        try:
            link = await self._links.get(group.node)
            done = await link.run(script, timeout_s=_KEY_TIMEOUT_S)
        except LinkError as error:
            raise LaunchError(instance.name, f"{what} cannot be asked: {error.reason}") from None
        words = done.text.split()
        if done.exit_status != 0 or len(words) != 2 or not words[1].isdigit():
            said = done.error_text.strip() or f"exit status {done.exit_status}"
            raise LaunchError(
                instance.name,
                f"{what} is not ready for that: {said}",
                hint="It needs python3 and its address there; without on_member_failure it does "
                "not.",
            )
        return _Key(words[0], int(words[1]))


def _key_script(fleet: str, group: GroupRule, job: str) -> str:
    folder = quote_path(f"{STATE}/{fleet}/{job}")
    private = package_text("launch/private.sh")
    return f"""umask 077
job={folder}
{private}{members_text()}whole=${{job%/*}}
private "${{whole%/*}}/." "$whole" "$job" && mkdir -p "$job" && cd "$job" || exit
{{ read -r one <{quote(group.first)}/member.pid; }} 2>/dev/null
live=
[ -z "$one" ] || [ "$(birth "${{one%% *}}")" != "$one" ] || live=1
exec python3 -c {quote(_KEY)} {group.address} "$live"
"""


def leave_script(fleet: str, job: str, group: GroupRule) -> str:
    """Ends what decides, so that what is done to the members is not taken for failures."""
    folder = quote_path(instance_dir(fleet, job, group.first))
    return f"{members_text()}cd {folder} 2>/dev/null || exit 0\n{LEAVE}true\n"


def _part(
    fleet: str, job: Job, group: GroupRule, instance: Instance, run: str, key: _Key
) -> dict[str, object]:
    members: dict[str, object] = {}
    if instance.name == group.first:
        members = {i.name: _member(job, i) for i in _members(job.instances)}
    return {
        "rule": group.rule,
        "name": instance.name,
        "first": group.first,
        "address": str(group.address),
        "port": key.port,
        "token": key.token,
        "run": run,
        "signal": instance.stop.signal,
        "grace_s": instance.stop.grace_s,
        "ready": _ready(fleet, instance),
        "members": members,
        "silent_s": SILENT_S,
        "most": MOST,
        "within_s": WITHIN_S,
    }


def _members(instances: Iterable[Instance]) -> list[Instance]:
    return [instance for instance in instances if instance.command is not None]


def _member(job: Job, instance: Instance) -> dict[str, object]:
    needs = [(i.name, instance.waits_until(i)) for i in _members(job.needs(instance))]
    return {"needs": needs, "ready_s": instance.ready.timeout_s}


def _ready(fleet: str, instance: Instance) -> dict[str, object]:
    """By what its node knows, when all begin again, that others may begin."""
    ready = instance.ready
    asked = {
        "kind": ready.kind,
        "value": ready.value,
        "body": ready.body,
        "interval_s": ready.interval_s,
        "timeout_s": ready.timeout_s,
    }
    match ready.kind:
        case "listening":
            return {"kind": "listening", "port": instance.listen.port if instance.listen else 0}
        case "delay":
            return {"kind": "after", "after_s": float(ready.value)}
        case "alive":
            return {"kind": "after", "after_s": ALIVE_S}
        case "log":
            return asked
        case "http":
            get = http_get(ready.value)
            return {**asked, "host": get.host, "port": get.port, "request": get.request}
        case "connect":
            host, port = host_and_port(ready.value)
            return {**asked, "host": host, "port": port}
        case "command":
            return {**asked, "script": command_text(fleet, instance)}
        case _:
            assert_never(ready.kind)


def member_text(instance: Instance, part: str | None) -> str:
    """The part of the supervisor's spec that says how it is a member."""
    if part is None or instance.group is None:
        return "rule=\n"
    return (
        f"rule={instance.group.rule}\n"
        f"member_part() {{\nprintf '%s\\n' {quote(part)}\n}}\n"
        f"member_program() {{\nprintf %s {quote(one_program(PROGRAM))}\n}}\n"
    )
