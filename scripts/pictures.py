"""Renews the pictures of docs/pictures, SVG screenshots of the dashboard on a running lab, and its
film: tour.cast and tour.svg.

``python scripts/pictures.py [ACT]...`` needs root on Linux. It builds the lab of nodes.yaml, and
for each act runs itself again on the lab's controller. There the dashboard runs without a terminal,
gets keys, and is pictured once the screen shows what is waited for.
"""

from __future__ import annotations

import asyncio
import os
import re
import sys
import tempfile
import time
from collections.abc import Awaitable, Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import click
from film import Film, animated_svg, asciicast
from textual.pilot import Pilot

from fleetctl import config
from fleetctl.errors import FleetctlError
from fleetctl.fleet import LiveFleet
from fleetctl.lab import Lab
from fleetctl.lab.shipped import ELASTIC_PLACE, elastic, nodes_yaml
from fleetctl.model.targets import choose_job
from fleetctl.tui.app import FleetApp

PICTURES = Path(__file__).parents[1] / "docs/pictures"
SIZE = (120, 36)
WAIT_S = 120.0
ACT_TIMEOUT_S = 400.0
PLAY = "--play"
"""How the script is run on the lab's controller."""
SPARKS = "▁▂▃▄▅▆▇█"
FONTS = "ui-monospace, SFMono-Regular, Menlo, Consolas, 'DejaVu Sans Mono', monospace"
"""Fonts of common systems: a picture on a web page cannot fetch one."""


class Screen:
    """The dashboard's screen and keys."""

    def __init__(self, app: FleetApp, pilot: Pilot[Any], folder: Path) -> None:
        self._app = app
        self._pilot = pilot
        self._folder = folder
        self._film = Film(app)

    @property
    def text(self) -> str:
        width, height = self._app.size
        strips = self._app.screen._compositor.render_strips(self._app.size)
        return "\n".join("".join(s.text for s in line)[:width] for line in strips[:height])

    async def until(self, *patterns: str) -> None:
        """Wait until each of the patterns is somewhere on the screen.

        :raises FleetctlError: one is missing after :data:`WAIT_S`.
        """
        deadline = time.monotonic() + WAIT_S
        while True:
            await self._pilot.pause()
            missing = [p for p in patterns if not re.search(p, self.text)]
            if not missing:
                return
            if time.monotonic() > deadline:
                raise FleetctlError(
                    f"{missing} did not come up within {WAIT_S:g} s; the screen:\n{self.text}"
                )
            await asyncio.sleep(0.02)

    async def type(self, *keys: str) -> None:
        await self._pilot.press(*keys)

    def take(self, name: str) -> None:
        """Write a picture of the screen as it is now."""
        fleet = self._app.service.fleet.name
        picture = self._app.export_screenshot(title=f"fleetctl · {fleet}", simplify=True)
        (self._folder / f"{name}.svg").write_text(without_web_fonts(picture), "utf-8")

    async def signal(self, instance: str, name: str) -> None:
        """Send a signal to an instance of the job."""
        service = self._app.service
        assert service.job is not None
        await service.signal([i for i in service.job.instances if i.name == instance], name)

    def show(self, stays_s: float) -> None:
        """Take the next frame of the film."""
        self._film.take(stays_s)

    def write_film(self, name: str) -> None:
        """Write the film so far."""
        title = f"fleetctl · {self._app.service.fleet.name}"
        frames, columns = self._film.frames, self._film.columns
        (self._folder / f"{name}.cast").write_text(asciicast(frames, columns, title), "utf-8")
        film = animated_svg(frames, columns, title, FONTS)
        (self._folder / f"{name}.svg").write_text(film, "utf-8")


def without_web_fonts(svg: str) -> str:
    """The picture with fonts of the system, and without web addresses to fetch fonts from."""
    svg = re.sub(r"\s*@font-face \{.*?\}", "", svg, flags=re.DOTALL)
    svg = svg.replace("font-family: Fira Code, monospace", f"font-family: {FONTS}")
    return svg.replace("font-family: arial", "font-family: Helvetica, Arial, sans-serif")


# The acts, in their order


async def starting(screen: Screen) -> None:
    """A start of the job in progress."""
    await screen.until(r"(\d+)/\1 nodes", r"nothing is wrong")
    await screen.type("s")
    await screen.until(r"start all of")
    await screen.type("enter")
    await screen.until(r"Starting … [1-4] of 5", r"◐|○")
    screen.take("starting")
    await screen.until(r"Start: 5 of 5 ready")


async def healthy(screen: Screen) -> None:
    """All is well, and every instance logs."""
    talking = [rf"{name} *\|" for name in ("mini1", "mini2", "mini3", "pi4", "pi5")]
    history = rf"pi4 .*[{SPARKS}]{{6}}"
    await screen.until(r"5/5 r(eady|anks)", r"nothing is wrong", history, *talking)
    screen.take("healthy")


async def problem(screen: Screen) -> None:
    """A gateway does not forward: the dashboard, and the problem's page."""
    hit = r"✖ \d+ +pi4 +worker"
    await screen.until(r"✖ forwarding-off +mini3", hit, rf"mini2 .*[{SPARKS}]{{4}}")
    screen.take("dashboard-fault")
    await screen.type("tab", "tab")
    await screen.type("enter")
    await screen.until(r"What repairs it, on mini3", r"sysctl")
    screen.take("problem")


async def tour(screen: Screen) -> None:
    """The film: the cursor, a log, layouts, a rank that is killed and started from its problem."""
    await screen.until(r"5/5 r(eady|anks)", r"nothing is wrong", rf"pi4 .*[{SPARKS}]{{4}}")
    screen.show(2.5)
    for node in ("mini2", "mini3", "pi5"):
        await screen.type("down")
        await screen.until(rf"x stop worker@{node}")
        screen.show(0.7)
    await screen.type("l")
    await screen.until(r"Logs · worker@pi5")
    screen.show(2.0)
    await screen.type("L")
    await screen.until(r"Logs · all")
    screen.show(0.6)
    await screen.type("3")
    await screen.until(r"Details|since")
    screen.show(1.8)
    await screen.type("1")
    await screen.until(r"Topology", r"nothing is wrong")
    screen.show(0.8)
    await screen.signal("worker@pi4", "KILL")
    await screen.until(r"service-failed", r"\[s\] start")
    screen.show(3.0)
    await screen.type("tab")
    await screen.until(r"x stop worker@pi4")
    screen.show(1.2)
    await screen.type("s")
    await screen.until(r"start only worker@pi4")
    screen.show(1.0)
    await screen.type("down")
    screen.show(0.8)
    await screen.type("enter")
    await screen.until(r"Start: 1 of 1 ready")
    screen.show(1.6)
    await screen.type("escape")
    await screen.until(r"5/5 r(eady|anks)", r"nothing is wrong")
    screen.show(1.5)
    await screen.type("e")
    await screen.until(r"Timeline", r"worker@pi4")
    screen.show(2.5)
    await screen.type("escape", "question_mark")
    await screen.until(r"Help")
    screen.show(2.5)
    screen.write_film("tour")


ACTS: Mapping[str, Callable[[Screen], Awaitable[None]]] = {
    "starting": starting,
    "healthy": healthy,
    "tour": tour,
    "problem": problem,
}
FAULTS = {"problem": ("forwarding-off", "mini3")}
"""The fault to inject before an act."""


async def play(act: str, folder: Path) -> None:
    """Play one act, on the controller; writes its pictures to ``folder``."""
    fleet = config.load(config.find(None))
    async with LiveFleet(fleet, choose_job(fleet, None)) as service:
        app = FleetApp(service)
        async with app.run_test(size=SIZE, notifications=True) as pilot:
            await ACTS[act](Screen(app, pilot, folder))


def take_all(chosen: Sequence[str]) -> None:
    """Build the lab, play acts in it, replace their pictures, and take it down.

    :param chosen: the acts after the first, which starts the job; empty: all.
    """
    name = f"pictures-{os.getpid()}"
    copies = [(elastic(), ELASTIC_PLACE)]
    with tempfile.NamedTemporaryFile("w", prefix="nodes-", suffix=".yaml") as file:
        # without restarts, so that what is killed in the film stays so
        file.write(re.sub(r"(?m)^ +restart: .*\n", "", nodes_yaml().read_text("utf-8")))
        file.flush()
        _take_all(chosen, Path(file.name), name, copies)


def _take_all(
    chosen: Sequence[str], path: Path, name: str, copies: Sequence[tuple[Path, str]]
) -> None:
    try:
        lab = Lab.up(config.load(path), path, name=name, copies=copies, progress=say)
        with tempfile.TemporaryDirectory(dir=lab.home) as folder:
            for act in [act for act in ACTS if act in {*(chosen or ACTS), "starting"}]:
                if act in FAULTS:
                    lab.fault(*FAULTS[act])
                say(f"playing {act}")
                argv = [sys.executable, str(Path(__file__).resolve()), PLAY, act, folder]
                env = {"COLORTERM": "truecolor", "TERM": "xterm-256color"}
                done = lab.run("controller", argv, env=env, timeout_s=ACT_TIMEOUT_S)
                if done.returncode != 0:
                    raise FleetctlError(f"the act {act!r} failed:\n{done.stderr.decode()[-6000:]}")
            replace_pictures(Path(folder), lab.home)
    finally:
        Lab(name).down()


def replace_pictures(folder: Path, home: Path) -> None:
    """Put the pictures into docs/pictures, with that folder's owner.

    :raises FleetctlError: one shows a name or path of this machine.
    """
    PICTURES.mkdir(exist_ok=True)
    owner = PICTURES.parent.stat()
    for taken in sorted([*folder.glob("*.svg"), *folder.glob("*.cast")]):
        picture = taken.read_text("utf-8")
        plain = picture.replace("&#160;", " ")
        for secret in (os.uname().nodename, str(home), str(PICTURES.parents[1])):
            if secret in plain:
                raise FleetctlError(f"{taken.name} shows {secret!r}, which is this machine's")
        target = PICTURES / taken.name
        target.write_text(picture, "utf-8")
        os.chown(target, owner.st_uid, owner.st_gid)
        say(f"took {target.relative_to(PICTURES.parents[1])}, {len(picture.encode()) >> 10} kB")


def say(line: str) -> None:
    click.echo(f"pictures: {line}", err=True)


def main() -> None:
    try:
        if sys.argv[1:2] == [PLAY]:
            asyncio.run(play(sys.argv[2], Path(sys.argv[3])))
        elif unknown := set(sys.argv[1:]) - set(ACTS):
            say(f"there is no {', '.join(unknown)}; there are {', '.join(ACTS)}")
            sys.exit(2)
        else:
            take_all(sys.argv[1:])
    except FleetctlError as error:
        say(str(error))
        sys.exit(1)


if __name__ == "__main__":
    main()
