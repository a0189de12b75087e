"""Parsers: recorded texts with results written by hand, and any text, which never raises.

Texts in ``tests/fixtures`` have their source beside them; those in this file have the form of the
tool's output.
"""

from __future__ import annotations

import time
from datetime import UTC, datetime
from ipaddress import IPv4Address
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fleetctl.model.facts import NO_ANSWER, OF_BUSYBOX, Listener, TcpConnection
from fleetctl.model.records import Health
from fleetctl.probes.asked.records import read_records
from fleetctl.probes.asked.runs import Runs, read_runs
from fleetctl.probes.asked.sockets import read_listeners
from fleetctl.probes.asked.system import read_system
from fleetctl.probes.asked.tmux import TmuxServer, read_tmux
from fleetctl.probes.parsers.lsof import parse_lsof, parse_lsof_connections
from fleetctl.probes.parsers.ss import parse_ss, parse_ss_connections
from fleetctl.probes.parsers.unparsed import Unparsed
from fleetctl.probes.probe import Unanswered, cannot_read, or_why
from fleetctl.probes.script import Answer, Machine

FIXTURES = Path(__file__).parent.parent / "fixtures"
PI, MAC = Machine("linux", "pi4", "aarch64"), Machine("macos", "mini1", "arm64")

# the machine

PI_TEXT = """\
version debian 12
uptime 93784.32
load 0.52
online 0-3
MemTotal: 8245440
MemAvailable: 6001232
millidegrees 48312
throttled=0x50005
Filesystem     1024-blocks     Used Available Capacity Mounted on
/dev/mmcblk0p2    61058616 10270308  48224588      18% /
"""


def test_a_raspberry_pi() -> None:
    system = read_system(PI, Answer(PI_TEXT, 0))
    assert (system.os, system.os_version, system.hostname, system.arch) == (
        "linux", "debian 12", "pi4", "aarch64",
    )  # fmt: skip
    assert (system.uptime_s, system.load1, system.cpus) == (93784, 0.52, 4)
    assert system.memory_total_bytes == 8245440 * 1024
    assert system.memory_used_bytes == (8245440 - 6001232) * 1024
    assert system.disk_free_bytes == 48224588 * 1024
    assert (system.temperature_c, system.throttled) == (48.3, True)


@pytest.mark.parametrize(
    ("bits", "throttled"),
    [("0x0", False), ("0x50000", False), ("0x1", True), ("0x8", True), ("0xe000d", True)],
)
def test_only_present_throttling_counts(bits: str, throttled: bool) -> None:
    assert read_system(PI, Answer(f"throttled={bits}\n", 0)).throttled is throttled


def _mac_text() -> str:
    return (
        "version macOS 15.3.1\nnow 1769086400\n"
        "kern.boottime: { sec = 1769000000, usec = 123456 } Wed Jan 21 12:53:20 2026\n"
        "vm.loadavg: { 2.44 2.11 1.98 }\nhw.ncpu: 10\nhw.memsize: 17179869184\n"
        + (FIXTURES / "macos/vm_stat/intel-4k-old.txt").read_text()
        + "Pages occupied by compressor:         1000.\n"
        "Filesystem 1024-blocks     Used Available Capacity  Mounted on\n"
        "/dev/disk3s5 239362496 93023232 128123456    43%    /System/Volumes/Data\n"
    )


def test_a_mac() -> None:
    system = read_system(MAC, Answer(_mac_text(), 0))
    assert (system.os_version, system.uptime_s) == ("macOS 15.3.1", 86400)
    assert (system.load1, system.cpus) == (2.44, 10)
    assert system.memory_total_bytes == 17179869184
    assert system.memory_used_bytes == (924164 + 391749 + 1000) * 4096
    assert system.disk_free_bytes == 128123456 * 1024
    assert (system.temperature_c, system.throttled) == (None, None)


def test_a_mac_that_writes_numbers_with_commas() -> None:
    assert read_system(MAC, Answer("vm.loadavg: { 2,44 2,11 1,98 }\n", 0)).load1 == 2.44


def test_the_load_as_the_kernel_writes_it() -> None:
    first = (FIXTURES / "linux/proc-loadavg/jc.txt").read_text().split()[0]
    assert read_system(PI, Answer(f"load {first}\n", 0)).load1 == 0.0


@pytest.mark.parametrize("said", ["-274000", "850000", "", "48312 x"])
def test_nonsense_of_a_sensor_is_no_temperature(said: str) -> None:
    assert read_system(PI, Answer(f"millidegrees {said}\n", 0)).temperature_c is None


@pytest.mark.parametrize(
    ("online", "cpus"),
    [("0", 1), ("0-3", 4), ("0-1,4-7", 6), ("0,2,5", 3), ("", None), ("x", None)],
)
def test_processors_that_are_online(online: str, cpus: int | None) -> None:
    assert read_system(PI, Answer(f"online {online}\n", 0)).cpus == cpus


def test_of_a_silent_machine_only_the_name_is_known() -> None:
    system = read_system(PI, Answer("sh: 1: cannot open /proc/uptime\n", 2))
    fields = {f: getattr(system, f) for f in system.__struct_fields__}
    assert {k: v for k, v in fields.items() if v is not None} == {
        "os": "linux", "arch": "aarch64", "hostname": "pi4",
    }  # fmt: skip


# listeners

SS = """\
LISTEN 0      128      0.0.0.0:22    0.0.0.0:*
LISTEN 0      128    10.10.0.1:65432 0.0.0.0:* users:(("python3",pid=2265,fd=3),("python3",pid=2266,fd=3))
LISTEN 0      128         [::]:22       [::]:*
LISTEN 0      128            *:5201        *:* users:(("iperf3",pid=7,fd=7))
LISTEN 0      4096   127.0.0.53%lo:53 0.0.0.0:*
LISTEN 0      128  [fe80::1%eth0]:631   [::]:* users:(("a b",pid=9,fd=1))
"""  # noqa: E501  # as ss prints it


def test_listeners_of_linux() -> None:
    assert parse_ss(SS) == (
        Listener("0.0.0.0", 22, (), None),
        Listener("10.10.0.1", 65432, (2265, 2266), "python3"),
        Listener("::", 22, (), None),
        Listener("*", 5201, (7,), "iperf3"),
        Listener("127.0.0.53", 53, (), None),
        Listener("fe80::1", 631, (9,), "a b"),
    )


def test_a_process_name_with_quotes() -> None:
    line = 'LISTEN 0 5 0.0.0.0:80 0.0.0.0:* users:(("x",pid=7,",pid=12,fd=3))\n'
    assert parse_ss(line) == (Listener("0.0.0.0", 80, (12,), 'x",pid=7,'),)


# captured: gRPC, which binds IPv4 addresses with an IPv6 socket (iproute2 4.15 to 7.1)
MAPPED = """\
LISTEN 0      4096   [::ffff:192.168.50.2]:50051            *:*    users:(("python3",pid=1974,fd=7))
ESTAB  0      0      [::ffff:192.168.50.2]:50051 [::ffff:192.168.50.1]:49976 users:(("python3",pid=1974,fd=9))
"""  # noqa: E501  # as ss prints it


def test_ipv4_over_ipv6_sockets() -> None:
    assert parse_ss(MAPPED) == (Listener("192.168.50.2", 50051, (1974,), "python3"),)
    own, peer = IPv4Address("192.168.50.2"), IPv4Address("192.168.50.1")
    assert parse_ss_connections(MAPPED) == (TcpConnection(own, peer, 49976, (1974,), 50051),)
    lsof = "p7\ncx\nf3\ntIPv6\nn[::ffff:192.168.50.2]:50051->[::ffff:192.168.50.1]:49976\n"
    assert parse_lsof_connections(lsof) == (TcpConnection(own, peer, 49976, (7,), 50051),)


LSOF = """\
p501
cControlCe
f9
tIPv4
n*:7000
f10
tIPv6
n*:7000
f11
tIPv6
n[::1]:5000
p777
cpython3.11
n10.10.0.1:65432
p778
cpython3.11
n10.10.0.1:65432
"""


def test_listeners_of_macos() -> None:
    assert parse_lsof(LSOF) == (
        Listener("0.0.0.0", 7000, (501,), "ControlCe"),
        Listener("*", 7000, (501,), "ControlCe"),
        Listener("::1", 5000, (501,), "ControlCe"),
        Listener("10.10.0.1", 65432, (777, 778), "python3.11"),
    )


def test_macos_tells_the_sockets_of_others_by_netstat_alone() -> None:
    netstat = (
        "tcp4       0      0  10.10.0.1.65432        *.*                    LISTEN     \n"
        "tcp4       0      0  *.22                   *.*                    LISTEN     \n"
        "tcp6       0      0  *.22                   *.*                    LISTEN     \n"
        "tcp46      0      0  *.5201                 *.*                    LISTEN     \n"
        "tcp6       0      0  *.8080                 *.*                    LISTEN     \n"
        "tcp6       0      0  fe80::1%lo0.631        *.*                    LISTEN     \n"
    )
    lsof = "p7\ncpython3\nf3\ntIPv4\nn10.10.0.1:65432\nf4\ntIPv6\nn*:5201\nf5\ntIPv6\nn*:8080\n"
    assert read_listeners("macos", Answer(netstat + lsof, 0)) == (
        Listener("10.10.0.1", 65432, (7,), "python3"),
        Listener("*", 5201, (7,), "python3"),
        Listener("::", 8080, (7,), "python3"),  # by IPV6_V6ONLY
        Listener("0.0.0.0", 22, (), None),
        Listener("::", 22, (), None),
        Listener("fe80::1", 631, (), None),
    )


def test_a_failed_tool_is_not_a_tool_that_found_nothing() -> None:
    assert read_listeners("linux", Answer("ss: not found\n", 127)) is None
    assert read_listeners("linux", Answer("", 0)) == ()
    assert read_listeners("macos", Answer("", 0)) == ()


# tmux

PANE = "3.3a|flotte|@1|0||edp|worker@pi4|0a1b|f00|1769000000.250\n"


def test_own_windows_and_others() -> None:
    text = PANE + "3.3a|flotte|@2|1|137|edp|api@pi4|0a1c|f01|\n3.3a|x|@3|0||||||\n"
    server = read_tmux(Answer(text, 0))
    assert (server.version, server.why) == ("3.3a", "")
    assert server.panes is not None
    first, second = server.panes
    assert (first.session, first.window_id) == ("flotte", "@1")
    assert (first.dead, first.dead_status, first.run) == (False, None, "0a1b")
    assert (first.job, first.instance, first.definition_hash) == ("edp", "worker@pi4", "f00")
    assert first.started_at == datetime.fromtimestamp(1769000000.25, UTC)
    assert (second.dead, second.dead_status, second.started_at) == (True, 137, None)


@pytest.mark.parametrize(
    "said",
    [
        "no server running on /tmp/tmux-1000/fleetctl",
        "error connecting to /private/tmp/tmux-501/fleetctl (No such file or directory)",
    ],
)
def test_no_server_is_no_windows(said: str) -> None:
    assert read_tmux(Answer(f"{said}\ntmux 3.3a\n", 1)) == TmuxServer("3.3a", ())


@pytest.mark.parametrize(
    "said",
    [
        "error connecting to /tmp/tmux-1000/fleetctl (Permission denied)",
        "error connecting to /tmp/tmux-1000/fleetctl (Too many open files)",
        "lost server",
        "server exited unexpectedly",
    ],
)
def test_after_any_other_failure_windows_are_unknown(said: str) -> None:
    assert read_tmux(Answer(f"{said}\ntmux next-3.6\n", 1)) == TmuxServer("3.6", None, said)


def test_no_tmux() -> None:
    missing = read_tmux(Answer("", 127))
    assert missing == TmuxServer(None, None, "tmux is not installed, or not in PATH")
    broken = "tmux: error while loading shared libraries: libevent"
    assert read_tmux(Answer(f"{broken}\n", 1)) == TmuxServer(None, None, broken)
    told = read_tmux(Answer("sh: 0: Cannot fork\n", 2))
    assert told == TmuxServer(None, None, f"{NO_ANSWER}: sh: 0: Cannot fork")


# records

RECORDS = """\
edp/worker@pi4/state:run=0a1b
edp/worker@pi4/state:phase=running
edp/worker@pi4/state:restarts=2
edp/worker@pi4/state:started=1769000000
edp/worker@pi4/state:pid=4711
edp/worker@pi4/ready:0a1b 2
edp/api@pi4/state:run=0a1c
edp/api@pi4/state:phase=ended
edp/api@pi4/state:restarts=0
edp/api@pi4/state:started=
edp/api@pi4/state:pid=
edp/api@pi4/state:ended=1769000009
edp/api@pi4/state:exit=137
edp/api@pi4/ready:0a0a 0
edp/torn@pi4/state:run=0a
-rw------- 1 1000 1000 8388608 Jan 21 12:00 edp/worker@pi4/log/0.log
-rw------- 1 1000 1000     120 Jan 21 12:05 edp/worker@pi4/log/8388608.log
-rw-r--r--@ 1 501  20      7 21 Jan 12:00 edp/api@pi4/log/100.log
"""


def test_a_tool_of_busybox_is_named() -> None:
    text = "BusyBox v1.36.1 (2024-06-10 07:11:47 UTC) multi-call binary.\n\nUsage: ip [OPTIONS]"
    assert cannot_read(Answer(text, 1)) == Unanswered(OF_BUSYBOX)
    assert or_why(Unparsed(text, "unrecognised")) == Unanswered(OF_BUSYBOX)


@pytest.mark.parametrize(
    ("lines", "age_s"),
    [
        (["up:500.25", "state:up=499.50"], 0.75),
        (["up:500.25", "state:up=x"], None),
        (["up:500.25"], None),
        (["now:1000", "state:started=995"], 4.0),
        (["now:1000", "state:started=1000"], 0.0),
        (["state:started=995"], None),
    ],
)
def test_for_how_long_an_attempt_runs(lines: list[str], age_s: float | None) -> None:
    state = ["state:run=r", "state:phase=running", *lines]
    text = "\n".join(f"job/web@a/{x}" if x.startswith("state:") else x for x in state)
    [record] = read_records(Answer(text, 0)).records.values()
    assert record.age_s == age_s


@pytest.mark.parametrize(
    ("lines", "ago_s", "error_s"),
    [
        (["up:500.25", "boot:x", "state:boot=x", "state:ended_up=490.00"], 10.25, 2.01),
        (["now:1000", "state:ended=995"], 5.0, 3.0),
        (["up:500.25", "boot:y", "state:boot=x", "state:ended_up=490.00", "now:1000"], 0.0, 3.0),
    ],
    ids=["by the uptime", "in whole seconds", "in another boot"],
)
def test_when_an_attempt_ended_is_by_the_clock_of_who_asks(
    lines: list[str], ago_s: float, error_s: float
) -> None:
    """It took four seconds to answer, and the node's clock is of 1970."""
    state = ["state:run=r", "state:phase=ended", "state:ended=1000", *lines]
    text = "\n".join(f"job/web@a/{x}" if x.startswith("state:") else x for x in state)
    now_s = time.time()
    [found] = read_records(Answer(text, 0), now_s - 4).records.values()
    assert found.ended_at
    assert abs(now_s - 2 - ago_s - found.ended_at.timestamp()) < 0.5
    assert found.ended_error_s == pytest.approx(error_s, abs=0.2)


@pytest.mark.parametrize(
    ("lines", "booted"),
    [(["boot:x", "state:boot=x"], False), (["boot:y", "state:boot=x"], True), (["boot:x"], None)],
)
def test_whether_a_node_was_booted_since(lines: list[str], booted: bool | None) -> None:
    state = ["state:run=r", "state:phase=running", *lines]
    text = "\n".join(f"job/web@a/{x}" if x.startswith("state:") else x for x in state)
    [found] = read_records(Answer(text, 0)).records.values()
    assert found.booted_since is booted


def test_an_end_by_a_clock_that_is_not_known_is_as_the_node_says() -> None:
    text = "job/web@a/state:run=r\njob/web@a/state:phase=ended\njob/web@a/state:ended=1000"
    [found] = read_records(Answer(text, 0)).records.values()
    assert (found.ended_at, found.ended_error_s) == (datetime.fromtimestamp(1000, UTC), None)


@pytest.mark.parametrize(
    "lines", ["", "job/web@a/state:phase=\n", "Binary file job/web@a/state matches\n"]
)
def test_a_record_that_cannot_be_read_is_damaged(lines: str) -> None:
    found = read_records(Answer(f"{lines}job/web@a/damaged:yes", 0))
    assert found.damaged == {("job", "web@a")}
    assert found.records == {}


def test_records_and_the_ends_of_logs() -> None:
    found = read_records(Answer(RECORDS, 0))
    records, ends = found.records, found.log_bytes
    assert set(records) == {("edp", "worker@pi4"), ("edp", "api@pi4")}
    worker, api = records["edp", "worker@pi4"], records["edp", "api@pi4"]
    assert (worker.phase, worker.run, worker.pid, worker.restarts) == ("running", "0a1b", 4711, 2)
    assert worker.started_at == datetime.fromtimestamp(1769000000, UTC)
    assert (worker.ready, worker.exit_code, worker.ended_at) == (True, None, None)
    assert (api.phase, api.exit_code, api.pid, api.started_at) == ("ended", 137, None, None)
    assert not api.ready  # an earlier run was ready
    assert ends == {("edp", "worker@pi4"): 8388728, ("edp", "api@pi4"): 107}


HEALTH = """\
edp/api@pi4/state:run=0a1b
edp/api@pi4/state:phase=running
edp/api@pi4/state:restarts=2
edp/api@pi4/health:0a1b 2 4711 failing 5 2 1769000000 http://x/ answered 503
edp/api@pi4/unwell:0a1b 1 3 3 http://x/ answered 503
edp/api@pi4/asks:yes
now:1769000060
"""


def test_what_a_prober_wrote_down() -> None:
    [api] = read_records(Answer(HEALTH, 0)).records.values()
    assert api.health == Health("failing", 5, 2, 60.0, "http://x/ answered 503", asks=True)
    assert api.unwell == "http://x/ answered 503 three times"
    [api] = read_records(Answer(HEALTH.replace("asks:yes", "asks:"), 0)).records.values()
    assert api.health
    assert not api.health.asks


@pytest.mark.parametrize(
    ("old", "new"), [("0a1b 2 4711", "0a1b 1 4711"), ("health:0a1b", "health:ff"), ("failing", "x")]
)
def test_of_another_attempt_nothing_is_known(old: str, new: str) -> None:
    [api] = read_records(Answer(HEALTH.replace(old, new), 0)).records.values()
    assert api.health is None


@pytest.mark.parametrize(
    ("phase", "attempt", "told"),
    [("running", 1, True), ("running", 2, False), ("running", 0, False), ("backoff", 1, True),
     ("ended", 2, True), ("ended", 1, False)],
)  # fmt: skip
def test_why_an_attempt_was_ended(phase: str, attempt: int, told: bool) -> None:
    text = HEALTH.replace("phase=running", f"phase={phase}")
    text = text.replace("unwell:0a1b 1", f"unwell:0a1b {attempt}")
    [api] = read_records(Answer(text, 0)).records.values()
    assert bool(api.unwell) == told


def test_processes_of_runs() -> None:
    found = read_runs(Answer("0a1b 12 12 own\nff 99 - other\n0a1b 13 12 own\ncut 7", 0))
    assert found == Runs({"0a1b": (12, 13), "ff": (99,)}, frozenset({99}))
    states = "0a1b 12 12 own\n0a1b 13 12 own\nstates\n12 T+\n13 S 12 12\n14\nx T"
    found = read_runs(Answer(states, 0))
    assert found == Runs({"0a1b": (12, 13)}, frozenset(), stopped=frozenset({12}))
    assert isinstance(read_runs(Answer("awk: not found", 1)), Unanswered)


# any text at all

SHAPED = st.lists(
    st.sampled_from(
        ["²", "٣", "9" * 5000, "1e999", "nan", "LISTEN 0 1 ", ":", "*:", "\n", " ", "p", "n", "c",
         "0.0.0.0:", 'users:(("', '",pid=', ",fd=1))", "|", "edp/w@n/state:", "phase=running\n",
         "started=", "pid=", "restarts=", "exit=", "/log/", ".log\n", "- 1 1 1 ", "/proc/",
         "edp/w@n/health:", "edp/w@n/unwell:", " failing ", "now:",
         "/environ:FLEETCTL_RUN=", "0a", "uptime ", "load ", "online ", "-", ",", "cpus ",
         "MemTotal: ", "MemAvailable: ", "millidegrees ", "throttled=0x", "boottime sec = ", "%",
         "hw.memsize: ", "page size of ", " bytes", "Pages active: ", ".", "\u2028", "\x85", "7"]
    ),
    max_size=30,
).map("".join)  # fmt: skip


@given(SHAPED | st.text(max_size=80), st.integers(0, 255))
def test_no_text_makes_a_parser_raise(text: str, status: int) -> None:
    answer = Answer(text, status)
    for machine in (PI, MAC, Machine("FreeBSD", "x", "y"), Machine()):
        read_system(machine, answer)
        read_listeners(machine.os, answer)
    read_tmux(answer)
    read_tmux(Answer(f"3.3a|{text}|" * 4, status))
    read_records(answer)
    read_runs(answer)
