"""Repairs on a node whose sudo wants a password, or allows only some commands."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from fleetctl.errors import RepairRefused
from fleetctl.link.local import LocalLink
from fleetctl.model.repairs import StepOutcome
from fleetctl.model.status import RepairStep
from fleetctl.model.sudo import SudoPassword
from fleetctl.quoting import quote
from fleetctl.repair.applying import Repairer
from tests.openssh import bounded
from tests.repair.conftest import Machine

SECRET = "pass wörd'$x"
FORWARD = RepairStep(
    "sudo sysctl -w net.ipv4.ip_forward=1", "", "sudo sysctl -w net.ipv4.ip_forward=0"
)
ADDRESS = RepairStep("sudo ip addr add 10.9.9.9/32 dev eth0", "")


@pytest.fixture
def asking(machine: Machine) -> Callable[..., Machine]:
    """Lets sudo want the password; notes arguments, environment and what it read."""

    def make(listed: str = "", free: str = "") -> Machine:
        """
        :param listed: commands that ``-l`` allows without a password; a pattern of ``case``.
        :param free: those that it really runs without one.
        """
        machine.stub("as-root", (machine.bin / "sudo").read_text())
        machine.stub(
            "sudo",
            f"""{{ printf '%s\\n' "$*"; env; }} >>{machine.home}/seen
wanted() {{ echo 'sudo: a password is required' >&2; exit 1; }}
case "$*" in
"-n -l "*) case "$3" in {listed or "none"}) exit 0;; esac; wanted ;;
"-n "*) case "$2" in {free or "none"}) exec as-root "$@";; esac; wanted ;;
"-k -S -p  "*)
    IFS= read -r line
    echo asked >>{machine.home}/asked
    [ "$line" = {quote(SECRET)} ] || {{
        printf 'Sorry, try again.\\nsudo: no password was provided\\n' >&2
        echo 'sudo: 1 incorrect password attempt' >&2; exit 1
    }}
    shift 4; [ "$1" != -v ] || exit 0
    exec as-root -n "$@" ;;
*) echo "sudo: unexpected $*" >&2; exit 1 ;;
esac
""",
        )
        return machine

    return make


def applied(password: SudoPassword | None, *planned: RepairStep) -> list[StepOutcome]:
    async def body() -> list[StepOutcome]:
        repairer = Repairer(LocalLink("pi5"), "smol", frozenset(), lambda o: None, password)
        await repairer.prepare([step.command for step in planned])
        return [await repairer.apply("forwarding-off", step) for step in planned]

    return bounded(body())


def undone(password: SudoPassword | None) -> list[StepOutcome]:
    async def body() -> list[StepOutcome]:
        repairer = Repairer(LocalLink("pi5"), "smol", frozenset(), lambda o: None, password)
        records = await repairer.records()
        await repairer.prepare([kept.record.step.undo for kept in records])
        return [await repairer.undo(kept) for kept in records]

    return bounded(body())


def asked(machine: Machine) -> int:
    """How often sudo was offered a password."""
    file = machine.home / "asked"
    return len(file.read_text().splitlines()) if file.exists() else 0


def test_the_password_goes_to_sudo_s_stdin_and_nowhere_else(asking: Callable[..., Machine]) -> None:
    machine = asking()
    password = SudoPassword(SECRET)
    assert SECRET not in repr(password)
    reads = RepairStep("sudo sh -c 'cat >$HOME/stdin'", "")
    outcomes = applied(password, FORWARD, reads)
    assert [(o.state, o.said) for o in outcomes] == [("done", "")] * 2
    assert machine.run("sysctl", "-n", "net.ipv4.ip_forward") == "1\n"
    assert [o.state for o in undone(password)] == ["done", "done"]
    assert machine.run("sysctl", "-n", "net.ipv4.ip_forward") == "0\n"
    assert (machine.home / "stdin").read_bytes() == b"", "the command must not read it"
    for file in machine.home.rglob("*"):
        assert not file.is_file() or SECRET not in file.read_text(), file


def test_a_wrong_password_is_tried_once_and_on_no_other_node(
    asking: Callable[..., Machine],
) -> None:
    machine = asking()
    password = SudoPassword("wrong")
    with pytest.raises(RepairRefused, match=r"pi5: sudo does not accept the password\. It is not"):
        applied(password, FORWARD, ADDRESS)
    for _ in range(2):
        with pytest.raises(RepairRefused, match="since pi5 refused it"):
            applied(password, FORWARD)
    assert asked(machine) == 1
    assert machine.records() == []


def test_a_node_that_accepted_it_is_repaired_although_another_refused_it(
    asking: Callable[..., Machine],
) -> None:
    asking()
    password = SudoPassword(SECRET)
    password.accept("pi5")
    password.refuse("pi4")
    assert [o.state for o in applied(password, FORWARD)] == ["done"]


def test_a_rule_for_the_commands_of_the_repair_suffices(asking: Callable[..., Machine]) -> None:
    machine = asking(listed="sysctl|ip", free="sysctl|ip")
    assert [o.state for o in applied(None, FORWARD, ADDRESS)] == ["done", "done"]
    assert [o.state for o in applied(SudoPassword(SECRET), FORWARD)] == ["done"]
    assert asked(machine) == 0, "a password that sudo does not ask for would reach the command"


def test_what_sudo_does_not_allow_is_not_run_and_the_rest_is(
    asking: Callable[..., Machine],
) -> None:
    machine = asking(listed="sysctl", free="sysctl")
    done, refused = applied(None, FORWARD, ADDRESS)
    assert done.state == "done"
    assert (refused.state, refused.said) == (
        "failed",
        "sudo refuses it without a password: sudo: a password is required",
    )
    assert len(machine.records()) == 1


def test_a_command_that_needs_it_although_it_is_listed_gets_the_password(
    asking: Callable[..., Machine],
) -> None:
    """One rule without a password lets `sudo -n -l` answer for all commands of the account."""
    machine = asking(listed="sysctl|ip", free="sysctl")
    outcomes = applied(SudoPassword(SECRET), FORWARD, ADDRESS)
    assert [o.state for o in outcomes] == ["done", "done"]
    assert "10.9.9.9/32" in machine.run("ip", "addr")
    [_, failed] = applied(None, FORWARD, ADDRESS)
    assert (failed.state, failed.said.startswith("sudo refuses it")) == ("failed", True)


def test_commands_that_need_no_root_need_no_sudo(asking: Callable[..., Machine]) -> None:
    machine = asking()
    assert [o.state for o in applied(None, RepairStep("true", ""))] == ["done"]
    assert not (machine.home / "seen").exists()


def test_an_account_that_may_not_use_sudo_at_all(machine: Machine) -> None:
    machine.stub("sudo", "echo 'it is not in the sudoers file.' >&2; exit 1\n")
    with pytest.raises(RepairRefused) as refused:
        applied(None, FORWARD)
    assert "not in the sudoers file" in refused.value.message
    with pytest.raises(RepairRefused, match=r"docs/sudo\.md"):
        applied(SudoPassword(SECRET), FORWARD)


def test_nothing_of_a_command_is_run_by_asking_whether_it_may(
    asking: Callable[..., Machine],
) -> None:
    machine = asking(listed="*")

    touch = f"touch {machine.home}/ran"

    async def body() -> None:
        repairer = Repairer(LocalLink("pi5"), "smol", frozenset(), lambda o: None)
        await repairer.prepare([f"sudo sysctl -w a=1; {touch}", f"sudo sh -c '{touch}' $({touch})"])

    bounded(body())
    assert not (machine.home / "ran").exists()
    assert f"-n -l sysctl -w a=1; {touch}" in (machine.home / "seen").read_text()
