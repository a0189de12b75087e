"""Framing: no answer can fake another's frame, and an output that is cut off loses only its end."""

from __future__ import annotations

import shutil
import subprocess
from ipaddress import IPv4Address

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.escaping import harmless
from fleetctl.link.local import LocalLink
from fleetctl.link.protocol import Completed
from fleetctl.model.questions import Questions
from fleetctl.probes.node import NodeScript, hanging, node_script, read_node, services_script
from fleetctl.probes.script import Answer, Machine, Script, Texts, compose, read
from tests.launch.jobs import instance
from tests.openssh import bounded

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]

Question = tuple[str, str, str]
"""A probe's name, and its texts for Linux and macOS."""

A, B = ("a", "echo A", "echo mac A"), ("b", "echo B; exit 3", "echo mac B")


def composed(*questions: Question) -> Script:
    """The script with these texts."""
    linux, macos = ({q[0]: q[place] for q in questions} for place in (1, 2))
    return compose({"linux": Texts(linux), "macos": Texts(macos)})


def _output(shell: str, script: Script) -> str:
    done = subprocess.run([shell, "-c", script.text], capture_output=True, timeout=20, check=True)
    assert done.stderr == b""
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_probe_has_its_text_and_its_exit_status(shell: str) -> None:
    script = composed(A, B, ("c", "cat; echo err >&2; printf 'no newline'", "true"))
    answers = read(script, _output(shell, script))
    assert answers.machine.os == "linux"
    assert answers.machine.hostname
    assert answers.machine.arch
    assert answers.by_name == {
        "a": Answer("A\n", 0),
        "b": Answer("B\n", 3),
        "c": Answer("err\nno newline", 0),
    }


@pytest.mark.parametrize("shell", SHELLS)
def test_the_macos_texts_are_asked_where_uname_says_so(shell: str) -> None:
    script = composed(A, B)
    answers = read(script, _with_uname(shell, script, "Darwin mini1 arm64"))
    assert answers.machine == Machine("macos", "mini1", "arm64")
    answers = read(script, _with_uname(shell, script, "Darwin Office Mac mini arm64"))
    assert answers.machine == Machine("macos", "Office Mac mini", "arm64")
    assert answers.by_name["a"] == Answer("mac A\n", 0)


def _with_uname(shell: str, script: Script, said: str) -> str:
    done = subprocess.run(
        [shell, "-c", f"uname() {{ echo '{said}'; }}\n{script.text}"],
        capture_output=True,
        timeout=20,
        check=True,
    )
    return done.stdout.decode()


@pytest.mark.parametrize("shell", SHELLS)
def test_probes_do_not_disturb_each_other(shell: str) -> None:
    nasty = ("nasty", "cd /; PATH=; set -eu; exec 3>&1; exit 5", "true")
    gone = ("gone", "no-such-tool-at-all", "true")
    script = composed(nasty, gone, A)
    answers = read(script, _output(shell, script)).by_name
    assert answers["nasty"] == Answer("", 5)
    assert answers["gone"].exit_status == 127
    assert answers["a"] == Answer("A\n", 0)


def test_tokens_differ_each_time() -> None:
    assert len({composed(A).token for _ in range(50)}) == 50


FRAMED = st.lists(
    st.tuples(
        st.text(max_size=30) | st.sampled_from(["\x1e", "\x1ea 0\n", "\n\x1eb 0\n", "x\n\n"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=5,
)


def _framed(said: list[tuple[str, int]]) -> tuple[Script, str]:
    script = Script("", "0123456789ab", {})
    output = f"Linux pi4 aarch64\n\n\x1e{script.token} uname 0\n"
    for i, (text, status) in enumerate(said):
        output += f"{text}\n\x1e{script.token} p{i} {status}\n"
    return script, output


@given(FRAMED)
def test_no_output_fakes_a_frame(said: list[tuple[str, int]]) -> None:
    script, output = _framed(said)
    answers = read(script, output)
    assert answers.machine == Machine("linux", "pi4", "aarch64")
    expected = {f"p{i}": Answer(harmless(text), code) for i, (text, code) in enumerate(said)}
    assert answers.by_name == expected


@given(FRAMED, st.integers(0, 300))
def test_an_output_cut_off_anywhere_gives_whole_answers_or_none(
    said: list[tuple[str, int]], cut: int
) -> None:
    script, output = _framed(said)
    whole = read(script, output).by_name
    torn = read(script, output[: max(0, len(output) - cut)]).by_name
    assert list(torn.items()) == list(whole.items())[: len(torn)]


@given(st.text(max_size=200))
def test_any_output_can_be_read(output: str) -> None:
    script = Script("", "0123456789ab", {})
    assert read(script, output).by_name == {}
    read(script, output.replace("a", "\n\x1e0123456789ab "))


QUESTIONS = Questions(
    fleet="some-fleet",
    node="here",
    depth="check",
    echoes={IPv4Address("127.0.0.1"): 22},
    silent=(IPv4Address("127.0.0.2"),),
    ways=(IPv4Address("127.0.0.1"),),
    forwards=True,
    instances=(instance("worker", node="here", command="exec sleep 1"),),
)


def _of_this_machine(script: Script | NodeScript) -> Completed:
    return bounded(LocalLink("here").run(script.text, timeout_s=25))


def test_this_machine_answers_every_probe() -> None:
    script = node_script(QUESTIONS)
    done = _of_this_machine(script)
    assert done.exit_status == 0
    answers = read(script.script, done.text)
    assert set(answers.by_name) == script.script.texts["linux"].asked.keys()
    facts = read_node(script, done.text, done.stderr.decode())
    assert facts.unknown == {}
    assert next(i.name for i in facts.network.interfaces or ()) == "lo"
    assert facts.network.taken[IPv4Address("127.0.0.1")].interface == "lo"
    assert facts.network.echoes[IPv4Address("127.0.0.2")].received == 3
    assert facts.workplaces["job", "worker@here"].workdir == "ok"
    assert facts.reliability.clock_offset_s is not None
    assert abs(facts.reliability.clock_offset_s) < 3
    system = facts.system
    assert system is not None
    assert system.os == "linux"
    missing = [f for f in system.__struct_fields__ if getattr(system, f) is None]
    rates = {"cpu_percent", "net_in_bytes_per_s", "net_out_bytes_per_s"}  # need two looks
    assert set(missing) - rates <= {"temperature_c", "throttled"}  # a sensor and a Pi's own tool
    assert system.cpus is not None
    assert 0 < system.cpus < 10_000
    assert system.memory_total_bytes is not None
    assert system.memory_used_bytes is not None
    assert 0 < system.memory_used_bytes < system.memory_total_bytes
    assert facts.tmux_version is not None
    assert facts.panes == ()
    assert facts.listeners is not None


def test_the_services_alone_need_no_system() -> None:
    script = services_script("some-fleet", "here")
    facts = read_node(script, _of_this_machine(script).text)
    assert (facts.system, facts.unknown) == (None, {})


def test_an_answer_that_is_cut_off_says_what_is_not_known() -> None:
    script = node_script(QUESTIONS)
    text = _of_this_machine(script).text
    for cut in range(0, len(text), 7):
        facts = read_node(script, text[:cut])
        answered = set(read(script.script, text[:cut]).by_name)
        assert script.script.texts["linux"].asked.keys() - answered <= set(facts.unknown)
        assert (facts.network.interfaces is None) == ("interfaces" not in answered)
        if "interfaces" not in answered:  # whose answer holds these, too
            assert {"routes", "neighbours", "ways"} <= facts.unknown.keys()
        assert (facts.panes is None) == ("tmux" not in answered)
        assert (facts.listeners is None) == ("listeners" not in answered)
        assert (facts.runs is None) == ("runs" not in answered)


@given(st.text(max_size=400))
def test_facts_are_read_from_any_output(output: str) -> None:
    script = node_script(QUESTIONS)
    read_node(script, output, output)
    mark = f"\n\x1e{script.script.token} "
    for os_name in ("Linux", "Darwin"):
        framed = f"{os_name} n m{mark}uname 0\n" + "".join(
            f"{output}{mark}{name} {status}\n"
            for status in (1, 0)
            for name in [probe.name for probe in script.asked]
        )
        read_node(script, framed, f"{mark}10.0.0.1 ping 0 {output}\n")


@pytest.mark.parametrize("shell", SHELLS)
def test_every_text_parses_also_the_macos_ones(shell: str) -> None:
    for script in (node_script(QUESTIONS), services_script("some-fleet", "pi4")):
        subprocess.run([shell, "-n", "-c", script.text], check=True, timeout=10)
        assert "Darwin" in script.text


def test_a_probe_that_hangs_is_found_by_the_missing_answers() -> None:
    script = node_script(QUESTIONS)
    text = _of_this_machine(script).text
    assert hanging(script, "") is None
    assert hanging(script, text) == "echoes"
    mark = f"\x1e{script.script.token} forwarding "
    assert hanging(script, text[: text.index(mark)]) == "forwarding"
    assert "forwarding" not in [
        p.name for p in node_script(QUESTIONS, frozenset({"forwarding"})).asked
    ]


@pytest.mark.parametrize("shell", SHELLS)
def test_many_pings_at_once_do_not_mix(shell: str) -> None:
    asked = [IPv4Address("127.0.7.0") + number for number in range(60)]
    script = node_script(Questions("some-fleet", "here", echoes=dict.fromkeys(asked)))
    done = subprocess.run([shell, "-c", script.text], capture_output=True, timeout=30, check=True)
    facts = read_node(script, done.stdout.decode(), done.stderr.decode())
    answered = {a: (e.sent, e.received) for a, e in facts.network.echoes.items()}
    assert answered == dict.fromkeys(asked, (1, 1))


@pytest.mark.parametrize("shell", SHELLS)
def test_after_an_unanswered_ping_the_ssh_port_is_tried(shell: str) -> None:
    # a refused connection is an answer: nothing listens on that port
    script = node_script(Questions("some-fleet", "here", echoes={IPv4Address("127.0.7.1"): 9}))
    mute = "ping() { echo '1 packets transmitted, 0 received, 100% packet loss'; return 1; }\n"
    done = subprocess.run(
        [shell, "-c", mute + script.text], capture_output=True, timeout=30, check=True
    )
    facts = read_node(script, done.stdout.decode(), done.stderr.decode())
    address = IPv4Address("127.0.7.1")
    assert facts.network.echoes[address].received == 0
    assert facts.network.answers_tcp == {address: True}


def test_a_mac_with_macmon_tells_its_temperature() -> None:
    script = node_script(QUESTIONS)
    mark = f"\n\x1e{script.script.token}"
    output = f"Darwin mini1 arm64{mark} uname 0\nversion macOS 15.5{mark} system 0\n"
    sample = '{"temp": {"cpu_temp_avg": 43.5, "gpu_temp_avg": 36.1}}'
    facts = read_node(script, f"{output}{sample}{mark} macmon 0\n")
    assert facts.system is not None
    assert facts.system.temperature_c == 43.5
    for said in ("", "macmon: crashed", "sh: macmon: command not found"):
        facts = read_node(script, f"{output}{said}{mark} macmon 1\n")
        assert facts.system is not None
        assert facts.system.temperature_c is None
