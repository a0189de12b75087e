"""launch/logger.sh: every byte is written to segments that are named by offset."""

from __future__ import annotations

import fcntl
import os
import subprocess
import sys
import termios
import time
from contextlib import suppress
from pathlib import Path

import psutil
import pytest

from tests.logs.loggers import LOGGER, Logger, assert_contiguous, segments
from tests.waiting import eventually

SHELLS = ("dash", "bash")


@pytest.fixture(params=SHELLS)
def shell(request: pytest.FixtureRequest) -> str:
    chosen: str = request.param
    return chosen


def test_the_script_parses_everywhere(shell: str) -> None:
    subprocess.run([shell, "-n", LOGGER], check=True)


def test_random_bytes_arrive_exactly(tmp_path: Path, shell: str) -> None:
    data = os.urandom(200_000) + b"\0\r\n\x1b no newline at the end"
    logger = Logger(tmp_path / "log", shell=shell)
    logger.write(data[:1])
    eventually(
        lambda: segments(tmp_path / "log") == {0: data[:1]}, "a single byte is there at once"
    )
    logger.write(data[1:])
    logger.finish()
    assert segments(tmp_path / "log") == {0: data}


def test_nothing_at_all_leaves_an_empty_segment(tmp_path: Path, shell: str) -> None:
    Logger(tmp_path / "log", shell=shell).finish()
    assert segments(tmp_path / "log") == {0: b""}


def test_fifty_megabytes_at_full_speed_are_kept_whole(tmp_path: Path) -> None:
    block = os.urandom(1 << 20)
    logger = Logger(tmp_path / "log", limit=8 << 20, keep=100)
    for number in range(50):
        logger.write(b"%08d" % number + block)
    logger.finish()
    found = segments(tmp_path / "log")
    assert b"".join(found.values()) == b"".join(b"%08d" % n + block for n in range(50))
    assert next(iter(found)) == 0
    assert_contiguous(found)
    assert all(len(data) <= 16 << 20 for data in found.values())


def test_rotation_keeps_the_newest_segments_and_their_offsets(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "log"
    logger = Logger(folder, limit=1000, keep=3, shell=shell)
    written = b""
    for number in range(3000):
        line = b"line %d\n" % number
        logger.write(line)
        written += line
    logger.finish()
    found = segments(folder)
    assert 1 <= len(found) <= 3
    assert_contiguous(found)
    first = next(iter(found))
    assert b"".join(found.values()) == written[first:]
    assert {p.stem for p in folder.glob("*.idx")} == {str(offset) for offset in found}


def test_a_restart_goes_on_in_the_same_segment_until_the_limit(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "log"
    for data, found in (
        (b"a" * 999, {0: b"a" * 999}),
        (b"b", {0: b"a" * 999 + b"b"}),
        (b"cc", {0: b"a" * 999 + b"bcc", 1002: b""}),
        (b"d", {0: b"a" * 999 + b"bcc", 1002: b"d"}),
    ):
        logger = Logger(folder, limit=1001, keep=2, shell=shell)
        logger.write(data)
        logger.finish()
        assert segments(folder) == found


def test_offsets_go_on_across_restarts_and_rotation(tmp_path: Path, shell: str) -> None:
    folder, written = tmp_path / "log", b""
    for number in range(6):
        data = b"%d" % number * 700
        logger = Logger(folder, limit=1000, keep=2, shell=shell)
        logger.write(data)
        logger.finish()
        written += data
    found = segments(folder)
    assert len(found) == 2
    assert_contiguous(found)
    assert b"".join(found.values()) == written[next(iter(found)) :]


def test_the_index_is_monotone_and_ends_at_the_end(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "log"
    before = int(time.time())
    logger = Logger(folder, limit=2000, keep=9, shell=shell)
    logger.write(b"x" * 500)
    eventually(lambda: (folder / "0.idx").exists(), "the logger runs")
    eventually(
        lambda: (folder / "0.idx").read_text().endswith(" 500\n"), "the sampler notes the growth"
    )
    for _ in range(400):
        logger.write(b"0123456789")
    logger.finish()
    found, after = segments(folder), int(time.time())
    pairs = [
        tuple(map(int, line.split()))
        for offset in found
        for line in (folder / f"{offset}.idx").read_text().splitlines()
    ]
    assert pairs == sorted(pairs)
    assert pairs[0][1] == 0
    assert pairs[-1][1] == 4500
    assert all(before <= second <= after for second, _ in pairs)


def test_the_index_goes_on_where_the_log_is_after_a_restart(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "log"
    for data in (b"x" * 300, b"y" * 200):
        logger = Logger(folder, shell=shell)
        logger.write(data)
        logger.finish()
    offsets = [int(line.split()[1]) for line in (folder / "0.idx").read_text().splitlines()]
    # otherwise the time of the restart would stand at the segment's first byte
    assert offsets == [0, 300, 300, 500]


def _group(logger: Logger) -> list[psutil.Process]:
    """The logger and its processes that still run."""
    found = []
    for process in psutil.process_iter():
        try:
            if os.getsid(process.pid) == logger.process.pid and process.status() != "zombie":
                found.append(process)
        except (ProcessLookupError, psutil.NoSuchProcess):
            continue
    return found


@pytest.mark.parametrize("killed", [False, True])
def test_nothing_outlives_the_logger(tmp_path: Path, shell: str, killed: bool) -> None:
    logger = Logger(tmp_path / "log", limit=100, keep=2, shell=shell)
    for _ in range(5):  # several rotations, so several samplers
        logger.write(b"x" * 90)
    eventually(lambda: len(_group(logger)) > 2, "logger, sampler and dd run")
    if killed:
        logger.kill()
    else:
        logger.finish()
    # its dd ends with the end of the input, its sampler within a second
    assert logger.process.stdin is not None
    logger.process.stdin.close()
    eventually(lambda: not _group(logger), "sampler and dd are gone")


def test_after_a_kill_the_next_logger_goes_on(tmp_path: Path, shell: str) -> None:
    folder = tmp_path / "log"
    first = Logger(folder, shell=shell)
    first.write(b"before\n")
    eventually(lambda: segments(folder) == {0: b"before\n"}, "the first line is written")
    first.kill()
    second = Logger(folder, shell=shell)
    second.write(b"after\n")
    second.finish()
    assert segments(folder) == {0: b"before\nafter\n"}


def test_without_its_folder_it_still_drains(tmp_path: Path, shell: str) -> None:
    done = subprocess.run(
        [shell, LOGGER, str(tmp_path / "not" / "there"), "1000", "2"],
        input=b"x" * 1_000_000,
        timeout=20,
        capture_output=True,
        check=True,
    )
    assert done.stdout == b""


MARKER = b"fleetctl: output was lost here, the disk was full\n"


class SmallDisk:
    """A logger on a tmpfs in a mount namespace of its own."""

    def __init__(self, folder: Path, shell: str, bound: str, segment_bytes: int) -> None:
        folder.mkdir()
        root = os.geteuid() == 0
        maps = () if root else ("--user", "--map-root-user")
        script = 'mount -t tmpfs -o "$5" none "$1" && exec "$0" "$2" "$1" "$3" "$4"'
        words = (shell, str(folder), LOGGER, str(segment_bytes), "2", bound)
        self.process = subprocess.Popen(
            ["unshare", *maps, "--mount", "sh", "-c", script, *words],
            stdin=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,
        )
        self.inside = Path(f"/proc/{self.process.pid}/root") / folder.relative_to("/")
        eventually(lambda: (self.inside / "0.log").exists(), "the logger runs on its small disk")

    def text(self) -> bytes:
        return b"".join(segments(self.inside).values())

    def write(self, data: bytes) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(data)
        self.process.stdin.flush()

    def is_drained(self) -> bool:
        """Whether all that was written is read: what is left would take the room again."""
        assert self.process.stdin is not None
        left = fcntl.ioctl(self.process.stdin, termios.FIONREAD, bytes(4))
        return not int.from_bytes(left, sys.byteorder)

    def feed_until_it_shows(self) -> None:
        def shows() -> bool:
            self.write(b"late\n")
            return b"late\n" in self.text()

        eventually(shows, "it goes on once there is room")

    def ends_with(self) -> bytes:
        """What is in the log once its input has ended."""
        held = os.open(self.inside, os.O_RDONLY)
        self.process.communicate(timeout=20)
        assert self.process.returncode == 0
        try:
            return b"".join(segments(Path(f"/proc/self/fd/{held}")).values())
        finally:
            os.close(held)


def test_on_a_full_disk_it_drains_marks_the_gap_and_goes_on(tmp_path: Path, shell: str) -> None:
    disk = SmallDisk(tmp_path / "log", shell, "size=128k", 1_000_000)
    (disk.inside / "ballast").write_bytes(b"x" * 60_000)
    disk.write(b"early\n")
    eventually(lambda: disk.text() == b"early\n", "the first line is written")
    for _ in range(60):  # far more than fits, and more than a pipe holds
        disk.write(b"y" * 65536)
    eventually(disk.is_drained, "nothing is left")
    (disk.inside / "ballast").unlink()
    disk.feed_until_it_shows()
    text = disk.ends_with()
    assert text.startswith(b"early\ny")
    assert text.index(MARKER) < text.index(b"late\n")


def test_a_gap_is_marked_also_where_nothing_comes_after_it(tmp_path: Path, shell: str) -> None:
    disk = SmallDisk(tmp_path / "log", shell, "size=128k", 1_000_000)
    eventually(lambda: (disk.inside / "0.idx").exists(), "it is begun")
    with pytest.raises(OSError, match="No space left"):
        (disk.inside / "ballast").write_bytes(b"x" * 200_000)
    disk.write(b"lost\n")

    def drains() -> bool:
        with suppress(psutil.NoSuchProcess, OSError):  # one that just ended
            children = psutil.Process(disk.process.pid).children()
            dd = [Path(f"/proc/{child.pid}/fd/1") for child in children if child.name() == "dd"]
            return any(str(out.readlink()) == "/dev/null" for out in dd)
        return False

    eventually(drains, "it throws away what comes")
    (disk.inside / "ballast").unlink()
    assert disk.ends_with() == b"\n" + MARKER


def test_it_outlives_a_disk_that_has_no_room_for_one_more_file(tmp_path: Path, shell: str) -> None:
    """Where dash ends if a special builtin cannot be redirected."""
    disk = SmallDisk(tmp_path / "log", shell, "size=64m,nr_inodes=9", 100)
    eventually(lambda: (disk.inside / "0.idx").exists(), "it is begun")
    with pytest.raises(OSError, match="No space left"):
        for number in range(9):
            (disk.inside / f"ballast{number}").touch()
    for _ in range(300):  # more than it copies into one segment
        disk.write(b"y" * 65536)
    eventually(disk.is_drained, "nothing is left")
    for file in disk.inside.glob("ballast*"):
        file.unlink()
    disk.feed_until_it_shows()
    text = disk.ends_with()
    assert text.startswith(b"y")
    assert text.index(MARKER) < text.index(b"late\n")
