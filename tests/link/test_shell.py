"""Any script reaches ``sh`` unchanged through any login shell."""

from __future__ import annotations

import re
import shutil
import subprocess
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fleetctl.link.shell import (
    START,
    NoiseFilter,
    ScriptOutput,
    Sent,
    command_line,
    local_argv,
    prelude,
    sent,
)
from fleetctl.quoting import quote, quote_path
from tests.thoroughness import examples

MARK = b"\x1efleetctl\x1e\n"
ANY_TEXT = st.text(
    st.characters(blacklist_characters="\x00", blacklist_categories=["Cs"]), max_size=60
)
SHELLS = [shell for shell in ("sh", "dash", "bash", "zsh", "fish", "csh", "tcsh", "ksh", "yash")
          if shutil.which(shell)]  # fmt: skip

AWKWARD = [
    "two words",
    'it\'s "quoted" `twice`',
    "$(echo no) ${HOME} $HOME",
    "back\\slash \\n \\0101 \\\\",
    "line one\nline two\n\nline four",
    "!history !! ^a^b",
    "*?[a-z]{1,2}~",
    "ünïcödé — 日本語 🦊",
    "-n -e %s %%b",
    "tab\tand\rcarriage return",
    "; & | < > ( ) #",
    "\x01\x1b\x7f",
]


def _run(argv: list[str]) -> bytes:
    done = subprocess.run(argv, capture_output=True, check=True, timeout=10)
    return done.stdout


def test_there_are_at_least_three_login_shells_to_try() -> None:
    assert {"sh", "dash", "bash"} <= set(SHELLS)


@pytest.mark.parametrize("shell", SHELLS)
def test_a_login_shell_passes_on_every_awkward_text(shell: str) -> None:
    script = "".join(f"printf '%s\\0' {quote(text)}\n" for text in AWKWARD)
    said = _run([shell, "-c", command_line(script)])
    assert said.startswith(MARK)
    assert said.removeprefix(MARK).split(b"\0")[:-1] == [t.encode() for t in AWKWARD]


@settings(max_examples=examples(60), deadline=None)
@given(ANY_TEXT)
def test_sh_decodes_exactly_the_script_that_was_encoded(script: str) -> None:
    line = command_line(script)
    asked = line.replace("exec sh -c 'eval ", "exec sh -c 'printf %s ")
    assert asked != line
    whole = (prelude() + script).encode()
    # a command substitution drops newlines at the end, which no script needs
    assert _run(["sh", "-c", asked]) == whole.rstrip(b"\n")


@settings(max_examples=examples(30), deadline=None)
@given(ANY_TEXT, st.sampled_from(["sh", "dash", "bash"]))
def test_any_text_arrives_as_one_argument(text: str, shell: str) -> None:
    script = f"printf '%s.' {quote(text)}"
    said = _run([shell, "-c", command_line(script)])
    assert said == MARK + text.encode() + b"."


def test_bytes_of_an_argument_that_are_no_utf_8_arrive_as_they_are() -> None:
    text = b"caf\xe9".decode("utf-8", "surrogateescape")  # how Python hands over such arguments
    script = f"printf %s {quote(text)}"
    assert _run(["sh", "-c", command_line(script)]) == MARK + b"caf\xe9"
    assert _run(list(local_argv(script))) == MARK + b"caf\xe9"


@given(ANY_TEXT)
def test_the_line_is_one_quoted_word_that_no_shell_expands(script: str) -> None:
    line = command_line(script)
    inner = line.removeprefix("exec sh -c '").removesuffix("'")
    assert "'" not in inner
    assert "!" not in inner
    assert "\n" not in inner
    assert line.isascii()


def test_stdin_stays_free_for_the_script() -> None:
    done = subprocess.run(
        ["sh", "-c", command_line("read a; read b; echo $b $a")],
        input=b"1\n2\n",
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert done.stdout == MARK + b"2 1\n"


def test_both_streams_are_marked_but_a_terminal_only_once() -> None:
    both = subprocess.run(
        ["sh", "-c", command_line("echo out; echo err >&2")], capture_output=True, timeout=10
    )
    assert (both.stdout, both.stderr) == (MARK + b"out\n", MARK + b"err\n")
    one = subprocess.run(
        ["sh", "-c", command_line("echo out; echo err >&2", terminal=True)],
        capture_output=True,
        timeout=10,
    )
    assert (one.stdout, one.stderr) == (MARK + b"out\n", b"err\n")


def test_path_is_appended_to_and_never_replaced() -> None:
    done = subprocess.run(
        ["/bin/sh", "-c", command_line("echo $PATH")],
        env={"PATH": "/bin:/usr/bin:/first", "HOME": "/h"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    path = done.stdout.removeprefix(MARK).decode().strip()
    assert path.startswith("/bin:/usr/bin:/first:")
    assert path.split(":")[3:] == [
        "/opt/homebrew/bin", "/usr/local/bin", "/h/.local/bin", "/usr/sbin", "/sbin",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("path", "arrives"),
    [
        ("~", "/h o"),
        ("~/", "/h o/."),
        ("~/a b/$x", "/h o/a b/$x"),
        ("~root/x", "~root/x"),
        ("/a'b", "/a'b"),
        ("rel/~", "rel/~"),
        ("~/-x", "/h o/-x"),
    ],
)
def test_a_path_is_one_word_and_only_its_leading_tilde_is_the_home_folder(
    path: str, arrives: str
) -> None:
    done = subprocess.run(
        ["sh", "-c", f"printf %s {quote_path(path)}"],
        env={"HOME": "/h o"},
        capture_output=True,
        check=True,
        timeout=10,
    )
    assert done.stdout.decode() == arrives


def _holds_no_mark(noise: bytes) -> bool:
    first = START.search(noise + MARK)
    return first is not None and first.start() == len(noise)


@given(
    st.binary(max_size=40).filter(_holds_no_mark),
    st.binary(max_size=40),
    st.lists(st.integers(0, 100), max_size=6),
    st.booleans(),
)
def test_noise_is_dropped_however_the_bytes_are_cut(
    noise: bytes, output: bytes, cuts: list[int], terminal: bool
) -> None:
    whole = noise + (MARK.replace(b"\n", b"\r\n") if terminal else MARK) + output
    places = [0, *sorted(min(cut, len(whole)) for cut in cuts), len(whole)]
    seen = NoiseFilter()
    got = b"".join(seen.feed(whole[a:b]) for a, b in pairwise(places))
    assert (got, seen.started, seen.noise) == (output, True, noise)


def test_only_a_bounded_part_of_the_noise_is_kept() -> None:
    seen = NoiseFilter()
    for _ in range(200):
        assert seen.feed(b"noise " * 10_000) == b""
    assert not seen.started
    assert len(seen.noise) < 1_000_000
    assert seen.feed(b"the last word" + MARK + b"output") == b"output"
    assert re.search(b"the last word$", seen.noise)


# scripts with an end


def _printed(how: Sent, data: bytes, size: int) -> tuple[bytes, bool]:
    seen = ScriptOutput(how.end)
    found = b"".join(seen.feed(data[i : i + size]) for i in range(0, len(data), size))
    return found + seen.rest(), seen.ended


@pytest.mark.parametrize("shell", SHELLS)
@pytest.mark.parametrize("long", [False, True])
def test_a_script_ends_with_its_mark_and_its_status(shell: str, long: bool) -> None:
    awkward = "'\"" * 15_000 if long else "'\""
    how = sent(f"printf %s {quote(awkward)}; cat; echo err >&2; exit 7")
    assert bool(how.first) == long
    done = subprocess.run(
        [shell, "-c", how.line], input=how.first + b"stdin", capture_output=True, timeout=20
    )
    assert done.returncode == 7
    assert _printed(how, done.stdout, 4096) == (awkward.encode() + b"stdin", True)
    assert _printed(how, done.stderr, 4096) == (b"err\n", True)


@pytest.mark.parametrize("script", ["echo (", "kill -9 $$", "exec sh -c 'exit 3'", "exit 0"])
def test_the_mark_comes_whatever_the_script_does(script: str) -> None:
    how = sent(script)
    done = subprocess.run(["sh", "-c", how.line], capture_output=True, timeout=20)
    assert _printed(how, done.stdout, 4096) == (b"", True)


@pytest.mark.parametrize("eaten", [1, 2, 5000])
def test_a_long_script_of_which_less_arrives_is_not_run(eaten: int) -> None:
    how = sent("echo ran; #" + "x" * 200_000)
    for torn in (how.first[eaten:], how.first[: -eaten - 1]):
        done = subprocess.run(["sh", "-c", how.line], input=torn, capture_output=True, timeout=20)
        assert done.returncode == 65
        assert b"ran" not in done.stdout
        assert b"less of the command arrived than was sent" in done.stderr


@settings(max_examples=examples(200), deadline=None)
@given(
    st.lists(st.sampled_from([b"\x1e", b"\x1efleetctl", b" ab\x1e", b"\n", b"x"]), max_size=12),
    st.integers(1, 9),
    st.booleans(),
)
def test_an_end_mark_is_found_in_any_pieces(words: list[bytes], size: int, ends: bool) -> None:
    said = b"".join(words)
    how = Sent("", end="ab")
    mark = b"\x1efleetctl ab\x1e\n"
    data = b"noise" + MARK + said + (mark + b"after" + MARK + mark if ends else b"")
    before, found, _ = (said + mark).partition(mark) if ends else said.partition(mark)
    assert _printed(how, data, size) == (before, bool(found))
