"""What kernels print is read: whom they ended for lack of memory, or why that is not known."""

from __future__ import annotations

import subprocess
from datetime import UTC, datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.postmortem.kernel import Kill, kernel_script, read_kernel

JOURNAL = """== clock
1700000100
up 5000.00
== counters
vmstat 3
cgroup /user.slice/user-1000.slice 2
cgroup / 0
== messages
source journal
1700000050.123456 pi5 kernel: python3 invoked oom-killer: gfp_mask=0x140dca
1700000050.234567 pi5 kernel: Out of memory: Killed process 812 (python3) total-vm:9000kB
== end
"""
DMESG = """== clock
1700000100
up 5000.00
== counters
== messages
source dmesg
[ 4950.500000] Memory cgroup out of memory: Killed process 77 (a (b) total-vm:1kB
[   10.000000][  T12] eth0: Link is Down
no time at all: I/O error
== end
"""
MAC = """== clock
1700000100
== counters
== messages
report /Library/Logs/DiagnosticReports/JetsamEvent-2023-11-14-231300.ips
source log show
2023-11-14 22:13:30.500000+0000  mac kernel[0]: (kernel) memorystatus: killing_top pid 431 [py3.12]
== end
"""


def at(seconds: float) -> datetime:
    return datetime.fromtimestamp(seconds, UTC)


def test_journal() -> None:
    found = read_kernel(JOURNAL, ahead_s=10.0)
    assert found.kills == (Kill(812, "python3", at(1700000040.234567)),)
    assert found.counters == (
        "its kernel has ended 3 for lack of memory since its boot",
        "the control group /user.slice/user-1000.slice has lost 2 for lack of memory",
    )
    assert (found.source, found.unreadable) == ("journal", "")


def test_dmesg_counts_from_the_boot() -> None:
    found = read_kernel(DMESG)
    assert found.kills == (Kill(77, "a (b", at(1700000050.5)),)
    assert not found.never
    assert read_kernel("== counters\nvmstat 0\n").never
    assert [line.at for line in found.lines[1:]] == [at(1699995110.0), None]


def test_log_show() -> None:
    found = read_kernel(MAC)
    assert found.kills == (Kill(431, "py3.12", at(1700000010.5)),)
    assert found.lines[0].text.startswith("the system wrote /Library")


@pytest.mark.parametrize(
    ("said", "why"),
    [
        ("", "the node's answer was cut off"),
        ("== messages\nsource log show\n", "it did not answer in time"),
        ("== messages\nunreadable dmesg: no\n== end\n", "dmesg: no"),
        ("== messages\n== end\n", "it said nothing"),
    ],
)
def test_not_known_has_its_reason(said: str, why: str) -> None:
    assert read_kernel(said).unreadable == why


@given(st.text() | st.sampled_from([JOURNAL, DMESG, MAC]).flatmap(lambda t: st.just(t[::2])))
def test_nothing_makes_it_raise(text: str) -> None:
    assert "\x1b" not in str(read_kernel(f"== messages\n{text}\x1b[2J\n"))
    read_kernel(f"== clock\n1\nup 9.9\n== messages\n[{text}] x\n{text} h kernel: y\n")


def test_a_real_kernel_answers() -> None:
    done = subprocess.run(
        ["sh", "-c", kernel_script(600)], capture_output=True, text=True, timeout=40, check=True
    )
    found = read_kernel(done.stdout)
    assert bool(found.source) != bool(found.unreadable), done
    assert done.stderr == ""
