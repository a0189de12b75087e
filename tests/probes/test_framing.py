"""Answers of all probes in one output: none fakes another's; torn, it loses only its end."""

from __future__ import annotations

import shutil
import subprocess

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.link.local import LocalLink
from fleetctl.link.protocol import Completed
from fleetctl.probes.node import node_script, read_node, services_script
from fleetctl.probes.probe import Answer, Machine, Probe, Script, compose, read
from tests.openssh import bounded

SHELLS = [shell for shell in ("dash", "bash") if shutil.which(shell)]

A, B = Probe("a", "echo A", "echo mac A"), Probe("b", "echo B; exit 3", "echo mac B")


def _output(shell: str, script: Script) -> str:
    done = subprocess.run([shell, "-c", script.text], capture_output=True, timeout=20, check=True)
    assert done.stderr == b""
    return done.stdout.decode("utf-8", "replace")


@pytest.mark.parametrize("shell", SHELLS)
def test_each_probe_has_its_text_and_its_exit_status(shell: str) -> None:
    script = compose((A, B, Probe("c", "cat; echo err >&2; printf 'no newline'", "true")))
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
    script = compose((A, B))
    answers = read(script, _with_uname(shell, script, "Darwin mini1 arm64"))
    assert answers.machine == Machine("macos", "mini1", "arm64")
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
def test_one_probe_can_disturb_no_other(shell: str) -> None:
    nasty = Probe("nasty", "cd /; PATH=; set -eu; exec 3>&1; exit 5", "true")
    gone = Probe("gone", "no-such-tool-at-all", "true")
    script = compose((nasty, gone, A))
    answers = read(script, _output(shell, script)).by_name
    assert answers["nasty"] == Answer("", 5)
    assert answers["gone"].exit_status == 127
    assert answers["a"] == Answer("A\n", 0)


def test_tokens_differ_each_time() -> None:
    assert len({compose((A,)).token for _ in range(50)}) == 50


FRAMED = st.lists(
    st.tuples(
        st.text(max_size=30) | st.sampled_from(["\x1e", "\x1ea 0\n", "\n\x1eb 0\n", "x\n\n"]),
        st.integers(0, 255),
    ),
    min_size=1,
    max_size=5,
)


def _framed(said: list[tuple[str, int]]) -> tuple[Script, str]:
    script = Script("", "0123456789ab", tuple(f"p{i}" for i in range(len(said))))
    output = f"Linux pi4 aarch64\n\n\x1e{script.token} uname 0\n"
    for i, (text, status) in enumerate(said):
        output += f"{text}\n\x1e{script.token} p{i} {status}\n"
    return script, output


@given(FRAMED)
def test_no_output_fakes_a_frame(said: list[tuple[str, int]]) -> None:
    script, output = _framed(said)
    answers = read(script, output)
    assert answers.machine == Machine("linux", "pi4", "aarch64")
    assert answers.by_name == {f"p{i}": Answer(*one) for i, one in enumerate(said)}


@given(FRAMED, st.integers(0, 300))
def test_an_output_torn_anywhere_gives_whole_answers_or_none(
    said: list[tuple[str, int]], cut: int
) -> None:
    script, output = _framed(said)
    whole = read(script, output).by_name
    torn = read(script, output[: max(0, len(output) - cut)]).by_name
    assert list(torn.items()) == list(whole.items())[: len(torn)]


@given(st.text(max_size=200))
def test_any_output_can_be_read(output: str) -> None:
    script = Script("", "0123456789ab", ("a",))
    assert read(script, output).by_name == {}
    read(script, output.replace("a", "\n\x1e0123456789ab "))


def _of_this_machine(script: Script) -> Completed:
    return bounded(LocalLink("here").run(script.text, timeout_s=25))


def test_this_machine_answers_every_probe() -> None:
    script = node_script("some-fleet", "here")
    done = _of_this_machine(script)
    assert (done.exit_status, done.error_text) == (0, "")
    answers = read(script, done.text)
    assert set(answers.by_name) == set(script.names)
    facts = read_node(script, done.text)
    assert facts.unknown == {}
    system = facts.system
    assert system is not None
    assert system.os == "linux"
    missing = [f for f in system.__struct_fields__ if getattr(system, f) is None]
    assert set(missing) <= {"temperature_c", "throttled"}  # a sensor and a Pi's own tool
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


def test_a_torn_answer_says_what_is_not_known() -> None:
    script = node_script("some-fleet", "here")
    text = _of_this_machine(script).text
    for cut in range(0, len(text), 7):
        facts = read_node(script, text[:cut])
        answered = set(read(script, text[:cut]).by_name)
        assert set(facts.unknown) == set(script.names) - answered
        assert (facts.panes is None) == ("tmux" not in answered)
        assert (facts.listeners is None) == ("listeners" not in answered)
        assert (facts.runs is None) == ("runs" not in answered)


@given(st.text(max_size=400))
def test_facts_are_read_from_any_output(output: str) -> None:
    script = Script("", "0123456789ab", ("system", "tmux", "records", "listeners", "runs"))
    read_node(script, output)
    mark = "\n\x1e0123456789ab "
    for os_name in ("Linux", "Darwin"):
        framed = f"{os_name} n m{mark}uname 0\n" + "".join(
            f"{output}{mark}{name} {status}\n" for status in (1, 0) for name in script.names
        )
        read_node(script, framed)


@pytest.mark.parametrize("shell", SHELLS)
def test_every_text_parses_also_the_macos_ones(shell: str) -> None:
    for script in (node_script("fleet", "pi4"), services_script("fleet", "pi4")):
        subprocess.run([shell, "-n", "-c", script.text], check=True, timeout=10)
        assert "Darwin" in script.text
