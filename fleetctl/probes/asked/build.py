"""Which build of its system a node runs, and which kind of machine it is: equal ones are compared.

Linux: os-release(5), Debian's point release, the kernel, and the model that the firmware tells.
macOS: sw_vers(1), whose build names what updates of one version differ in.
"""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import Build, NodeFacts
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered, cannot_read

_LINUX = r"""[ -r /etc/os-release ] && . /etc/os-release
version=$VERSION_ID
[ "$ID" = debian ] && [ -r /etc/debian_version ] && read -r version </etc/debian_version
read -r kernel </proc/sys/kernel/osrelease
echo "system $ID $version, kernel $kernel"
[ -r /proc/device-tree/model ] && echo "kind $(tr -d '\000' </proc/device-tree/model)" && exit
echo "kind $ID"
"""


def read_linux(text: str) -> Build | None:
    """None: it is not told."""
    said = dict(line.partition(" ")[::2] for line in text.splitlines())
    kind, system = said.get("kind", "").strip(), said.get("system", "").strip()
    return Build(kind.partition(" Rev ")[0][:60], system[:120]) if kind and system else None


def read_macos(text: str) -> Build | None:
    """``sw_vers`` prints ``ProductVersion:`` and ``BuildVersion:``, and blanks or tabs before each
    value. None: it is not told."""
    said = {key: value.strip() for key, _, value in (x.partition(":") for x in text.splitlines())}
    version, build = said.get("ProductVersion", ""), said.get("BuildVersion", "")
    return Build("Mac", f"macOS {version[:30]} ({build[:30]})") if version and build else None


def _linux(told: Told) -> Build | Unanswered:
    return read_linux(told.answer.text) or cannot_read(told.answer)


def _macos(told: Told) -> Build | Unanswered:
    return read_macos(told.answer.text) or cannot_read(told.answer)


def _into(facts: NodeFacts, build: Build) -> NodeFacts:
    return replace(facts, build=build)


PROBE = Probe(
    name="build",
    when="check",
    on={"linux": Ask(_LINUX, _linux), "macos": Ask("sw_vers", _macos)},
    into=_into,
)
