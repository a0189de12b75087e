"""``fleetctl fix`` at a lab's controller: hub is a Mac and forwards for pi, mini runs Linux."""

from __future__ import annotations

import copy
import json
import re
import signal
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from fleetctl.lab import Lab
from fleetctl.lab.linux import PASSWORD
from fleetctl.quoting import quote
from tests.conftest import MakeLab
from tests.e2e.cluster import NODES, Said, eventually, sh
from tests.e2e.terminal import Terminal

pytestmark = pytest.mark.lab

MISSING = "sudo ip route replace 10.10.0.0/24 via 192.168.50.1 dev eth0"
SUDO_PAGE = Path(__file__).parents[2] / "docs/sudo.md"
FORWARDING = "sudo sysctl -w net.inet.ip.forwarding=1"


def nodes_yaml() -> str:
    nodes = copy.deepcopy(NODES)
    nodes["nodes"]["hub"]["os"] = "macos"
    return yaml.safe_dump({"fleet": "cluster", **nodes}, sort_keys=False)


@pytest.fixture(scope="module")
def cluster(make_lab: MakeLab) -> Lab:
    return make_lab(nodes_yaml())


@pytest.fixture
def lab(cluster: Lab) -> Iterator[Lab]:
    """Healthy, and without records of repairs, before each test."""
    yield cluster
    cluster.heal()
    for node in ("hub", "mini", "pi"):
        sh(cluster, node, "rm -rf ~/.local/state/fleetctl")


def fleetctl(lab: Lab, *arguments: str) -> Said:
    done = lab.run("controller", ["fleetctl", *arguments], timeout_s=60)
    said = Said(done.returncode, done.stdout.decode(), done.stderr.decode(), 0.0)
    assert "Traceback" not in said.err, said.err
    return said


def problems(lab: Lab) -> list[tuple[str, str]]:
    said = fleetctl(lab, "check", "--json")
    return [(p["code"], p["node"]) for p in json.loads(said.out)["problems"]]


def has_route(lab: Lab) -> bool:
    return "10.10.0.0/24 via 192.168.50.1" in sh(lab, "pi", "ip route")


def test_without_problems_there_is_nothing_to_repair_and_nothing_to_undo(lab: Lab) -> None:
    said = fleetctl(lab, "fix")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("nothing to repair")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 0
    said = fleetctl(lab, "fix", "--undo", "--yes")
    assert (said.code, said.err) == (0, "")
    assert said.out.startswith("nothing to undo")


def test_without_apply_it_only_prints(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    said = fleetctl(lab, "fix")
    assert said.code == 1
    assert "route-missing: pi has no route to fabric" in said.out
    assert f"on pi: {MISSING}\n" in said.out
    assert "leads 10.10.0.0/24 through 192.168.50.1 (until the next boot)" in said.out
    assert "undo: sudo ip route del 10.10.0.0/24 via 192.168.50.1 dev eth0" in said.out
    assert "fix --apply" in said.err
    assert not has_route(lab)


def test_only_the_targets_are_repaired(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    assert fleetctl(lab, "fix", "mini", "--apply", "--yes").code == 0
    assert not has_route(lab)
    assert fleetctl(lab, "fix", "p*", "--apply", "--yes").code == 0
    assert has_route(lab)


def test_applied_it_is_well_twice_changes_nothing_and_undo_brings_it_back(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    lab.fault("forwarding-off", "hub")
    faults = [("forwarding-off", "hub"), ("route-missing", "pi")]
    assert sorted(problems(lab)) == faults

    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 0, said
    assert f"pi: {MISSING} done" in said.out
    assert f"hub: {FORWARDING} done" in said.out
    assert said.out.endswith("all is as nodes.yaml wants it\n")
    assert problems(lab) == []

    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert (said.code, "done" in said.out) == (0, False)

    said = fleetctl(lab, "fix", "--undo", "--yes")
    assert said.code == 0, said
    assert "hub: sudo sysctl -w net.inet.ip.forwarding=0 done" in said.out
    assert sorted(problems(lab)) == faults
    assert fleetctl(lab, "fix", "--undo", "--yes").out.startswith("nothing to undo")


@pytest.mark.long  # 13 s
def test_what_the_first_problem_hid_is_repaired_in_a_further_round(lab: Lab) -> None:
    lab.fault("address-missing", "pi")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 0, said
    assert said.out.index("ip addr add 192.168.50.2/24") < said.out.index(f"pi: {MISSING} done")
    assert problems(lab) == []


@pytest.mark.long  # 12 s
def test_json_is_alone_on_stdout(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    found: list[dict[str, Any]] = []
    for options in ((), ("--apply", "--yes"), ("--undo", "--yes")):
        said = fleetctl(lab, "fix", "--json", *options)
        found.append(json.loads(said.out))
        assert said.code == (0 if options else 1)
    shown, applied, undone = found
    assert {f["schema"] for f in found} == {"fleetctl.fix/1"}
    assert [f["action"] for f in found] == ["show", "apply", "undo"]
    assert [f["ok"] for f in found] == [False, True, True]
    [repair] = shown["repairs"]
    assert (repair["node"], repair["problem"]["code"]) == ("pi", "route-missing")
    [step] = repair["steps"]
    assert (step["command"], step["state"], step["lasts"]) == (MISSING, "not run", False)
    assert applied["repairs"][0]["steps"][0]["state"] == "done"
    assert applied["still_wrong"] == []
    assert [(u["node"], u["state"]) for u in undone["undone"]] == [("pi", "done")]


def test_what_lasts_on_a_mac_is_printed_and_only_run_on_request(lab: Lab) -> None:
    lab.fault("forwarding-not-persistent", "hub")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 0
    assert "printed only" in said.out
    assert "lasts over a reboot" in said.out
    assert problems(lab) == [("forwarding-not-persistent", "hub")]
    said = fleetctl(lab, "fix", "--apply", "--persistent", "--yes")
    assert said.code == 0, said
    assert problems(lab) == []
    assert fleetctl(lab, "fix", "--undo", "--yes").code == 0
    assert problems(lab) == [("forwarding-not-persistent", "hub")]


def test_what_cannot_be_repaired_is_told_with_where_to_read_on(lab: Lab) -> None:
    lab.fault("edge-down", "pi")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 1
    assert "interface-down" in said.out
    assert "fleetctl explain interface-down" in said.out
    assert "done" not in said.out


@pytest.mark.long  # 10 s
def test_other_nodes_are_repaired_although_one_is_lost(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    lab.fault("power-off", "mini")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 1
    assert f"pi: {MISSING} done" in said.out
    assert "fleetctl explain ssh-" in said.out


def test_sudo_that_wants_a_password_is_one_clear_sentence(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    lab.fault("sudo-password", "pi")
    said = fleetctl(lab, "fix", "--apply", "--yes")
    assert said.code == 1
    [line] = said.err.splitlines()
    assert line.startswith("fleetctl: pi does not allow commands as root without a password")
    assert not has_route(lab)


ASKED = "password for sudo on the nodes: "


def broken_behind_passwords(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    lab.fault("forwarding-off", "hub")
    for node in ("hub", "pi"):
        lab.fault("sudo-password", node)


def typed(lab: Lab, password: str, *arguments: str) -> tuple[int, str]:
    """The exit code and output of fix, after the password was typed."""
    argv = ["fleetctl", "fix", "--yes", "--ask-sudo", *arguments]
    with Terminal(lab, argv, columns=250) as terminal:
        terminal.wait_for(ASKED)
        terminal.type(f"{password}\r")
        code = terminal.wait_for_end(40)
        assert "Traceback" not in terminal.text
        return code, terminal.text


def test_a_password_for_sudo_is_asked_for_once_and_is_not_shown(lab: Lab) -> None:
    broken_behind_passwords(lab)
    code, text = typed(lab, PASSWORD, "--apply")
    assert code == 0, text
    assert text.count(ASKED) == 1
    assert not re.search(rf"\b{PASSWORD}\b", text)
    assert f"pi: {MISSING} done" in text
    assert f"hub: {FORWARDING} done" in text
    assert has_route(lab)
    assert typed(lab, PASSWORD, "--undo")[0] == 0
    assert not has_route(lab)


@pytest.mark.long  # 10 s; tests/repair/test_root.py sees it, too
def test_a_wrong_password_for_sudo_is_tried_once_in_the_whole_fleet(lab: Lab) -> None:
    broken_behind_passwords(lab)
    log = "/var/log/sudo.log"
    rule = (
        f"echo 'Defaults logfile={log}' >/etc/sudoers.d/99-log && chmod 440 /etc/sudoers.d/99-log"
    )
    for node in ("hub", "pi"):
        sh(lab, node, rule, user="root")
    try:
        code, text = typed(lab, "wrong", "--apply")
        said = "".join(sh(lab, node, f"cat {log}", user="root") for node in ("hub", "pi"))
    finally:
        for node in ("hub", "pi"):
            sh(lab, node, f"rm -f {log} /etc/sudoers.d/99-log", user="root")
    assert code == 1
    assert "fleetctl: hub: sudo does not accept the password. It is not tried again" in text
    assert "fleetctl: pi was not asked to accept the sudo password, since hub refused it" in text
    assert said.count("incorrect password attempt") == 1
    assert not has_route(lab)


def test_a_password_is_asked_for_on_a_terminal_only_and_only_to_run_commands(lab: Lab) -> None:
    for arguments, sentence in (
        (["--apply", "--yes"], "--ask-sudo needs a terminal to ask for the password on"),
        ([], "--ask-sudo is for running commands. Add --apply or --undo."),
    ):
        argv = ["fleetctl", "fix", "--ask-sudo", *arguments]
        process = lab.popen(
            "controller", argv, stdin=-3, stdout=-1, stderr=-1, start_new_session=True
        )
        out, err = process.communicate(timeout=20)
        assert (process.returncode, out) == (2, b"")
        assert err.decode() == f"fleetctl: {sentence}\n"


@pytest.mark.parametrize(
    ("system", "node", "user"),
    [pytest.param("Linux", "pi", "pi", marks=pytest.mark.long), ("macOS", "hub", "me")],
)
def test_the_least_rule_of_the_page_suffices(lab: Lab, system: str, node: str, user: str) -> None:
    broken_behind_passwords(lab)
    _, section = SUDO_PAGE.read_text("utf-8").split(f"## The least rule on {system}")
    found = re.search(r"^```sudoers\n(.*?)^```", section, re.M | re.S)
    assert found
    account = sh(lab, node, "id -un").strip()
    rule = re.sub(rf"^{user} ALL", f"{account} ALL", found[1], flags=re.M)
    file = "/etc/sudoers.d/fleetctl"
    sh(lab, node, f"printf %s {quote(rule)} >{file}; chmod 440 {file}; visudo -c", user="root")
    try:
        said = fleetctl(lab, "fix", "--apply", "--yes", node)
        assert f"{node}: {MISSING if node == 'pi' else FORWARDING} done" in said.out
        assert said.err == ""
        assert fleetctl(lab, "fix", "--undo", "--yes", node).code == 0
    finally:
        sh(lab, node, f"rm -f {file}", user="root")


@pytest.mark.parametrize("option", ["--apply", "--undo"])
def test_without_a_terminal_nothing_is_changed_unless_told_so(lab: Lab, option: str) -> None:
    lab.fault("route-missing", "pi")
    said = fleetctl(lab, "fix", option)
    assert (said.code, said.out) == (2, "")
    assert "--yes" in said.err
    assert not has_route(lab)


def test_it_asks_for_each_node(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    with Terminal(lab, ["fleetctl", "fix", "--apply"], columns=200) as terminal:
        terminal.wait_for("Run this command on pi? [y/N]")
        assert MISSING in terminal.text
        terminal.type("n\r")
        assert terminal.wait_for_end() == 1
        assert "still wrong" in terminal.text
    assert not has_route(lab)
    with Terminal(lab, ["fleetctl", "fix", "--apply"], columns=200) as terminal:
        terminal.wait_for("Run this command on pi? [y/N]")
        terminal.type("y\r")
        assert terminal.wait_for_end() == 0
    assert has_route(lab)
    with Terminal(lab, ["fleetctl", "fix", "--undo"], columns=200) as terminal:
        terminal.wait_for("Run this command on pi? [y/N]")
        assert terminal.interrupt() == 130
    assert has_route(lab)


def test_ctrl_c_waits_for_the_command_that_runs_and_says_what_was_done(lab: Lab) -> None:
    lab.fault("route-missing", "pi")
    sudo = sh(lab, "pi", "command -v sudo").strip()
    slow = f"""mv {sudo} {sudo}.real && cat >{sudo} <<'EOF'
#!/bin/sh
case "$*" in *"-n ip route replace"*) touch /tmp/begun; sleep 2 ;; esac
exec {sudo}.real "$@"
EOF
chmod 755 {sudo}"""
    sh(lab, "pi", slow, user="root")
    try:
        argv = ["fleetctl", "fix", "--apply", "--yes"]
        process = lab.popen("controller", argv, stderr=-1, stdout=-1, start_new_session=True)
        eventually(lambda: lab.path("pi", "/tmp/begun").exists(), "the repair begins", 20)
        process.send_signal(signal.SIGINT)
        _, err = process.communicate(timeout=20)
    finally:
        sh(lab, "pi", f"mv {sudo}.real {sudo}; rm -f /tmp/begun", user="root")
    assert process.returncode == 130
    text = err.decode()
    assert "stopped; 1 command was run" in text
    assert MISSING in text
    assert has_route(lab)
    assert fleetctl(lab, "fix", "--undo", "--yes").code == 0
    assert not has_route(lab)
