"""The files on the node: any text of a user arrives unchanged."""

from __future__ import annotations

import shlex
import subprocess

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from fleetctl.launch.node_files import pauses, spec_text, stop_script
from fleetctl.model.jobs import Restart, Stop
from tests.launch.jobs import instance
from tests.thoroughness import examples

SHELLS = ["dash", "bash --posix"]
TEXT = st.text(st.characters(exclude_characters="\0", exclude_categories=["Cs"]))
ODD = 'it\'s "$(touch /tmp/pwned)" `x` $HOME \\ \\n\nnext\tünï ☃ !! %s # ~ * \x01\x7f\r'


def sourced(shell: str, spec: str, show: str) -> list[str]:
    """The output of ``show`` after a real shell has sourced ``spec``: NUL after each value."""
    script = f'eval "$(cat; echo :)"\n{show}'
    done = subprocess.run(
        [*shell.split(), "-c", script],
        input=spec.encode(),
        env={"HOME": "/home/odd place", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        timeout=20,
        check=True,
    )
    assert done.stderr == b""
    return done.stdout.decode().split("\0")[:-1]


@pytest.mark.parametrize("shell", SHELLS)
@given(value=TEXT, command=TEXT, folder=TEXT)
@example(value=ODD, command=ODD, folder=ODD)
@example(value="\n\n", command="-n", folder="-")
@settings(max_examples=examples(60), deadline=None)
def test_any_text_arrives_exactly(shell: str, value: str, command: str, folder: str) -> None:
    one = instance(command=command, workdir=f"/x{folder}", env={"VALUE": value})
    spec = spec_text(one, "abc", one.environment("fleet", {"SECRET": value[::-1]}))
    show = (
        'environment; printf \'%s\\0\' "$command" "$workdir" "$run"\n'
        "env -0 | grep -z '^VALUE='; env -0 | grep -z '^SECRET='"
    )
    assert sourced(shell, spec, show) == [
        command,
        f"/x{folder}",
        "abc",
        f"VALUE={value}",
        f"SECRET={value[::-1]}",
    ]


@pytest.mark.parametrize(
    ("workdir", "there"),
    [
        (None, "/home/odd place"),
        ("~", "/home/odd place"),
        ("~/it's $(here)", "/home/odd place/it's $(here)"),
        ("/abs/~/x", "/abs/~/x"),
        ("a~", "a~"),
    ],
)
def test_workdirs(workdir: str | None, there: str) -> None:
    spec = spec_text(instance(workdir=workdir), "r", {})
    assert sourced("dash", spec, "printf '%s\\0' \"$workdir\"") == [there]


def test_settings_of_the_supervisor() -> None:
    one = instance(restart=Restart("always", delay_s=0.5, max=7, max_delay_s=3, reset_after_s=9))
    show = 'printf \'%s\\0\' "$policy" "$max" "$reset_after" "$pauses"'
    assert sourced("dash", spec_text(one, "r", {}), show) == ["always", "7", "9", "0.5 1 2 3"]


def test_fleetctls_variables_override_the_users_and_those_override_secrets() -> None:
    one = instance(rank=2, world_size=4, env={"A": "env", "FLEETCTL_RANK": "9"})
    found = one.environment("fleet", {"A": "secret", "B": "secret"})
    assert found == {
        "A": "env",
        "B": "secret",
        "FLEETCTL_FLEET": "fleet",
        "FLEETCTL_JOB": "job",
        "FLEETCTL_SERVICE": "worker",
        "FLEETCTL_NODE": "pi4",
        "FLEETCTL_RANK": "2",
        "FLEETCTL_WORLD_SIZE": "4",
    }


@pytest.mark.parametrize(
    ("restart", "expected"),
    [
        (Restart(delay_s=3, max_delay_s=60), [3, 6, 12, 24, 48, 60]),
        (Restart(delay_s=1, max_delay_s=1), [1]),
        (Restart(delay_s=5, max_delay_s=2), [2]),
        (Restart(delay_s=0), [0]),
        (Restart(delay_s=1, max=2), [1, 2]),
        (Restart(delay_s=1, max=0), [1]),
    ],
)
def test_pauses(restart: Restart, expected: list[float]) -> None:
    assert pauses(restart) == expected


@given(
    st.floats(0, 1e6), st.floats(0, 1e6), st.integers(0, 1000).filter(lambda number: number >= 0)
)
def test_pauses_grow_up_to_the_limit(delay_s: float, max_delay_s: float, most: int) -> None:
    found = pauses(Restart(delay_s=delay_s, max_delay_s=max_delay_s, max=most))
    assert 1 <= len(found) <= 32
    assert found == sorted(found)
    assert found[-1] <= max_delay_s


def test_stop_script_names_its_instance_and_signal() -> None:
    one = instance("odd-name", stop=Stop("INT", 2.5))
    first = stop_script("fleet", one).splitlines()[0]
    words = shlex.split(first)
    assert words[1:] == [
        "fleet=fleet",
        "job=job",
        "instance=odd-name@pi4",
        "signal=INT",
        "grace=2.5",
    ]
