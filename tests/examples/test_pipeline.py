"""The pipeline's ranks and API, as real processes on loopback."""

from __future__ import annotations

import http.client
import json
import os
import re
import shutil
import signal
import socket
import struct
import subprocess
import sys
from collections.abc import Iterator, Sequence
from contextlib import ExitStack
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest

from tests.waiting import eventually

EXAMPLE = Path(__file__).parents[2] / "examples" / "pipeline"
WIDTH = 48
VECTOR = struct.pack(f"<{WIDTH}f", *[0.5] * WIDTH)


class Program:
    """One process of the example, with what it prints in a file."""

    def __init__(self, log: Path, *arguments: str) -> None:
        self.log = log
        self._arguments = arguments
        self.start()

    def start(self) -> None:
        with self.log.open("a") as output:
            self.process = subprocess.Popen(
                [sys.executable, *self._arguments],
                cwd=EXAMPLE,
                stdout=output,
                stderr=subprocess.STDOUT,
            )

    def kill(self) -> None:
        self.process.kill()
        self.process.wait()


class Pipeline:
    """Three ranks, the API and the page, each on a port of its own."""

    def __init__(self, folder: Path, stack: ExitStack) -> None:
        with ExitStack() as held:
            self.ports = [_free_port(held) for _ in range(5)]
        places = [f"127.0.0.1:{port}" for port in self.ports]
        ranks = [("mini1", "0-3"), ("ipad", "4-7"), ("mini2", "8-11")]
        then = ["--then", f"ipad={places[1]}", "--then", f"mini2={places[2]}"]
        self.ranks = [
            Program(
                folder / node,
                *("-W", "error", "pipeline.py", "rank", node, "--plain", "--blocks", blocks),
                *("--listen", place, *(then if node == "mini1" else [])),
            )
            for (node, blocks), place in zip(ranks, places, strict=False)
        ]
        where = ["--listen", places[3], "--rank0", f"mini1={places[0]}", "--page", places[4]]
        self.api = Program(folder / "api", "api.py", *where)
        where = ["--listen", places[4], "--api", places[3]]
        self.frontend = Program(folder / "frontend", "frontend.py", *where)
        for program in (*self.ranks, self.api, self.frontend):
            stack.callback(program.kill)

    def ask(self, who: int, method: str, target: str, body: bytes = b"") -> tuple[int, bytes]:
        """Ask a rank (0 to 2), the API (3) or the page (4)."""
        connection = http.client.HTTPConnection("127.0.0.1", self.ports[who], timeout=20)
        try:
            connection.request(method, target, body)
            answer = connection.getresponse()
            return answer.status, answer.read()
        finally:
            connection.close()

    def health(self, who: int) -> dict[str, Any]:
        try:
            return dict(json.loads(self.ask(who, "GET", "/health")[1]))
        except OSError:
            return {}

    def works(self) -> bool:
        assert self.api.process.poll() is None, self.api.log.read_text()
        return self.health(3).get("ready") is True

    def story(self, origin: str = "", **wish: object) -> Story:
        return Story(self.ports[3], f"/generate?{urlencode(wish)}", origin)


class Story:
    """A story that the API streams, by the events that the page reads."""

    def __init__(self, port: int, target: str, origin: str) -> None:
        self._connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        self._connection.request("GET", target, headers={"Origin": origin})
        self.answer = self._connection.getresponse()
        self.text = ""
        self.tokens: list[dict[str, Any]] = []

    def events(self) -> Iterator[tuple[str, dict[str, Any]]]:
        while line := self.answer.readline().decode():
            kind = line.removeprefix("event: ").rstrip("\n")
            event = json.loads(self.answer.readline().decode().removeprefix("data: "))
            assert self.answer.readline() == b"\n"
            if kind == "token":
                self.text += event["text"]
                self.tokens.append(event)
            yield kind, event

    def next(self, wanted: str) -> dict[str, Any]:
        return next(event for kind, event in self.events() if kind == wanted)

    def leave(self) -> None:
        self.answer.close()
        self._connection.close()


def _free_port(held: ExitStack) -> int:
    probe = held.enter_context(socket.socket())
    probe.bind(("127.0.0.1", 0))
    return int(probe.getsockname()[1])


@pytest.fixture(scope="module")
def pipeline(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Pipeline]:
    with ExitStack() as stack:
        made = Pipeline(tmp_path_factory.mktemp("pipeline"), stack)
        eventually(made.works, "all ranks work", 60)
        yield made


def whole(*arguments: str, python: str = sys.executable, plain: bool = True) -> str:
    """What the model writes in one process."""
    argv = [python, "pipeline.py", "story", *arguments, *(["--plain"] if plain else [])]
    done = subprocess.run(argv, cwd=EXAMPLE, capture_output=True, text=True, timeout=60, check=True)
    return done.stdout.rstrip("\n")


def test_the_split_model_writes_what_the_whole_one_writes(pipeline: Pipeline) -> None:
    story = pipeline.story(prompt="The fox", seed=7, temperature=1.0, length=40)
    assert story.next("end") == {"end": "length"}
    assert "The fox" + story.text == whole(
        "The fox", "--seed", "7", "--temperature", "1.0", "--length", "40"
    )
    for token in story.tokens:  # computed by each rank, and the ways to two of them
        assert [len(token["ranks_ms"]), len(token["hops_ms"])] == [3, 2]
        assert all(time > 0 for time in (*token["ranks_ms"], *token["hops_ms"]))


def test_a_rank_that_dies_is_named_and_met_again(pipeline: Pipeline) -> None:
    story = pipeline.story(prompt="A bear", seed=3, length=24)
    for number, place in ((1, "ipad"), (2, "mini2"), (0, "mini1")):
        story.next("token")
        pipeline.ranks[number].kill()
        named = f"rank {number} ({place}, 127.0.0.1:{pipeline.ports[number]}) does not work: "
        assert story.next("waiting")["waiting"].startswith(named)
        assert pipeline.ask(3, "GET", "/health")[0] == 503
        assert pipeline.health(3)["error"] == f"{named}Connection refused"
        pipeline.ranks[number].start()
    assert story.next("end") == {"end": "length"}
    assert "A bear" + story.text == whole("A bear", "--seed", "3", "--length", "24")
    eventually(pipeline.works, "all ranks work")


def test_the_page_and_what_it_asks_for(pipeline: Pipeline) -> None:
    page = pipeline.ask(4, "GET", "/")[1].decode()
    for name in re.findall(r'(?:src|href)="(page\.\w+)"', page):
        status, body = pipeline.ask(4, "GET", f"/{name}")
        assert (status, body) == (200, (EXAMPLE / "page" / name).read_bytes())
    where = json.loads(pipeline.ask(4, "GET", "/where.json")[1])
    assert where == {"api": f"http://127.0.0.1:{pipeline.ports[3]}"}
    assert [(r["node"], r["blocks"]) for r in pipeline.health(3)["ranks"]] == [
        ("mini1", [0, 3]),
        ("ipad", [4, 7]),
        ("mini2", [8, 11]),
    ]
    story = pipeline.story(length=2, origin=f"http://127.0.0.1:{pipeline.ports[4]}")
    assert story.answer.getheader("Access-Control-Allow-Origin") is not None
    assert story.answer.getheader("Content-Type", "").startswith("text/event-stream")
    story.next("end")
    counted = pipeline.ask(3, "GET", "/metrics")[1].decode()
    assert re.search(r'^pipeline_stories_total\{end="length"\} \d+$', counted, re.M)
    assert re.search(r'^pipeline_hop_seconds_total\{rank="2"\} [\d.]+$', counted, re.M)
    status, said = pipeline.ask(3, "GET", "/generate?prompt=%C3%A4")
    assert (status, "does not know the character 'ä'" in json.loads(said)["error"]) == (400, True)
    assert pipeline.ask(3, "GET", "/generate?seed=x")[0] == 422
    stranger = pipeline.story(length=1, origin="http://elsewhere.example")
    assert stranger.answer.getheader("Access-Control-Allow-Origin") is None
    stranger.next("end")


def test_who_goes_away_ends_the_story(pipeline: Pipeline) -> None:
    story = pipeline.story(seed=5)
    story.next("token")
    assert pipeline.health(0)["writing"] == 1
    story.leave()
    eventually(lambda: pipeline.health(0)["writing"] == 0, "nothing is written")
    assert "nobody listens" in pipeline.ranks[0].log.read_text()
    left = b'pipeline_stories_total{end="left"} 1'
    eventually(lambda: left in pipeline.ask(3, "GET", "/metrics")[1], "it is counted")


def test_more_stories_than_four_are_refused(pipeline: Pipeline) -> None:
    stories = [pipeline.story(seed=5) for _ in range(4)]
    status, said = pipeline.ask(3, "GET", "/generate")
    assert (status, json.loads(said)) == (503, {"error": "4 stories are being written already"})
    for story in stories:
        story.leave()
    eventually(lambda: pipeline.health(0)["writing"] == 0, "nothing is written")


@pytest.mark.parametrize(
    ("target", "body", "status", "reason"),
    [
        ("/forward", VECTOR, 400, "sequence is no name"),
        ("/forward?sequence=a/b&position=0", VECTOR, 400, "sequence is no name"),
        ("/forward?sequence=a", VECTOR, 400, "position is no whole number"),
        ("/forward?sequence=a&position=-1", VECTOR, 400, "position is no whole number"),
        ("/forward?sequence=a&position=3", VECTOR, 409, "has 0 positions here"),
        ("/forward?sequence=a&position=0", VECTOR[1:], 400, "191 bytes is not 1 to 64 vectors"),
        ("/forward?sequence=a&position=0", b"", 400, "0 bytes"),
        ("/forward?sequence=a&position=0", VECTOR * 65, 400, "12480 bytes"),
        ("/forward?sequence=a&position=0", b"\xff" * len(VECTOR), 400, "not finite"),
        ("/backward", VECTOR, 404, "GET /health and POST /forward"),
    ],
)
def test_a_malformed_request_is_refused(
    pipeline: Pipeline, target: str, body: bytes, status: int, reason: str
) -> None:
    answer = pipeline.ask(1, "POST", target, body)
    assert (answer[0], reason in json.loads(answer[1])["error"]) == (status, True)


@pytest.mark.parametrize(
    ("data", "answer"),
    [
        (b"GET\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET /health HTTP/1.1\r\nContent-Length: 999999\r\n\r\n", b"HTTP/1.1 400 "),
        (b"GET / HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n", b"HTTP/1.1 400 "),
        (b"POST //[ HTTP/1.1\r\n\r\n", b"HTTP/1.1 400 "),
        (b"x" * 9000, b"HTTP/1.1 400 "),
    ],
)
def test_what_is_no_http_is_refused_and_the_connection_closed(
    pipeline: Pipeline, data: bytes, answer: bytes
) -> None:
    with socket.create_connection(("127.0.0.1", pipeline.ports[1]), timeout=10) as raw:
        raw.sendall(data)
        assert raw.makefile("rb").read().startswith(answer)


def test_silent_clients_delay_no_other_and_are_bounded(pipeline: Pipeline) -> None:
    place = ("127.0.0.1", pipeline.ports[1])
    with ExitStack() as stack:
        silent = [stack.enter_context(socket.create_connection(place)) for _ in range(20)]
        silent[0].sendall(b"POST /forward HT")
        assert pipeline.ask(1, "GET", "/health")[0] == 200
        for _ in range(12):
            stack.enter_context(socket.create_connection(place))
        assert pipeline.ask(1, "GET", "/health")[0] == 503
    eventually(lambda: pipeline.ask(1, "GET", "/health")[0] == 200, "there is room again")


def test_sequences_are_forgotten_after_eight_others(pipeline: Pipeline) -> None:
    def forward(sequence: str, position: int) -> int:
        target = f"/forward?sequence={sequence}&position={position}"
        return pipeline.ask(1, "POST", target, VECTOR)[0]

    assert [forward("old", 0), forward("old", 1), forward("old", 1)] == [200, 200, 409]
    assert [forward(f"new{n}", 0) for n in range(8)] == [200] * 8
    assert forward("old", 2) == 409


def test_a_story_without_its_rank_fails_after_a_while_and_names_it(
    pipeline: Pipeline, tmp_path: Path
) -> None:
    with ExitStack() as held:
        port = _free_port(held)
    other = f"127.0.0.1:{pipeline.ports[2]}"
    head = ["pipeline.py", "rank", "one", "--plain", "--blocks", "0-3", "--patience", "0.2"]
    head += ["--listen", f"127.0.0.1:{port}", "--then", f"other={other}"]
    rank = Program(tmp_path / "one", *head)
    try:
        eventually(lambda: "rank 0 at" in rank.log.read_text(), "it listens")
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=20)
        connection.request("POST", "/generate", b"{}")
        *waiting, last = map(json.loads, connection.getresponse().read().splitlines())
        connection.close()
    finally:
        rank.kill()
    why = f"rank 1 (other, {other}) does not work: it has blocks 8-11, and 4 is next"
    assert waiting
    assert all(line == {"waiting": why} for line in waiting)
    assert last == {"end": "failed", "error": why}


def _refused(*arguments: str) -> tuple[int, str]:
    done = subprocess.run(
        [sys.executable, "pipeline.py", "rank", "here", *arguments],
        cwd=EXAMPLE,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return done.returncode, done.stdout + done.stderr


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (["--blocks", "4-12", "--listen", "127.0.0.1:1"], "'4-12' is not FIRST-LAST"),
        (["--blocks", "0-3", "--listen", "127.0.0.1:1"], "--then is for the rank with block 0"),
        (["--blocks", "4-7", "--listen", "127.0.0.1"], "'127.0.0.1' is not HOST:PORT"),
    ],
)
def test_a_wrong_command_line_is_refused(arguments: Sequence[str], reason: str) -> None:
    status, said = _refused(*arguments)
    assert (status, reason in said) == (2, True)


def test_an_address_that_is_taken_is_named(pipeline: Pipeline) -> None:
    where = f"127.0.0.1:{pipeline.ports[1]}"
    status, said = _refused("--blocks", "4-7", "--listen", where)
    assert (status, f"cannot listen on {where}: Address already in use" in said) == (1, True)


def test_a_signal_ends_a_rank_also_in_the_middle_of_a_story(pipeline: Pipeline) -> None:
    story = pipeline.story(seed=5)
    story.next("token")
    for rank in pipeline.ranks:
        rank.process.send_signal(signal.SIGTERM)
        assert rank.process.wait(10) == 0
        assert " stopped\n" in rank.log.read_text()
        assert "Traceback" not in rank.log.read_text()
    story.leave()
    for rank in pipeline.ranks:
        rank.start()
    eventually(pipeline.works, "all ranks work")


def _with_numpy() -> str | None:
    found = [sys.executable, shutil.which("python3", path=os.defpath), shutil.which("python3")]
    ask = ["-c", "import numpy"]
    return next((p for p in found if p and not subprocess.run([p, *ask]).returncode), None)


def test_numpy_writes_what_plain_python_writes() -> None:
    python = _with_numpy()
    if python is None:
        pytest.skip("no Python here has numpy")
    asked = ("The owl", "--temperature", "0", "--length", "30")
    assert whole(*asked, python=python, plain=False) == whole(*asked)


def test_the_weights_are_small() -> None:
    assert (EXAMPLE / "weights.bin").stat().st_size < 1_000_000
