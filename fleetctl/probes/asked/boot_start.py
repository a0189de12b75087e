"""What a node has to start instances of the fleet with at its next boot: a systemd user unit, or a
LaunchDaemon."""

from __future__ import annotations

from msgspec.structs import replace

from fleetctl.model.facts import CUT_OFF, BootStart, NodeFacts
from fleetctl.model.layout import boot_daemon, boot_unit
from fleetctl.model.questions import Questions
from fleetctl.probes.probe import Ask, Probe, Told, Unanswered
from fleetctl.quoting import quote_path

_SHOW = """echo "home $HOME"
[ ! -e "$f" ] || { echo file; cat "$f"; }
echo; echo end"""


def _on_linux(questions: Questions) -> str:
    """Lingering is a file named after the account (systemd-logind); with polkit, which brings
    pkcheck, an account may let itself linger. Costs builtins only, where there is no unit."""
    return f"""f={quote_path(boot_unit(questions.fleet))}
u=${{USER:-$(id -un)}}; echo "user $u"
[ ! -d /run/systemd/system ] || echo manager
[ ! -e "/var/lib/systemd/linger/$u" ] || echo lingers
[ ! -L "${{f%/*}}/default.target.wants/${{f##*/}}" ] || echo enabled
! command -v pkcheck >/dev/null || echo own_right
{_SHOW}"""


def _on_macos(questions: Questions) -> str:
    return f"""f={quote_path(boot_daemon(questions.fleet))}
echo "user ${{USER:-$(id -un)}}"; echo manager; echo lingers; echo enabled
{_SHOW}"""


def _read(told: Told) -> BootStart | Unanswered:
    whole, ended, _ = told.answer.text.rpartition("\nend")
    if not ended:
        return Unanswered(CUT_OFF)
    head, there, text = whole.partition("\nfile\n")
    values: dict[str, str] = {}
    for line in head.splitlines():
        key, _, value = line.partition(" ")
        values[key] = value
    return BootStart(
        user=values.get("user", ""),
        home=values.get("home", ""),
        manager="manager" in values,
        text=text if there else None,
        enabled="enabled" in values,
        lingers="lingers" in values,
        own_right="own_right" in values,
    )


def _into(facts: NodeFacts, found: BootStart) -> NodeFacts:
    return replace(facts, boot_start=found)


PROBE = Probe(
    name="boot-start",
    when="check",
    on={"linux": Ask(_on_linux, _read), "macos": Ask(_on_macos, _read)},
    into=_into,
)
