"""The scripts that run on a node, and what is written into its files."""

from __future__ import annotations

import re
import secrets
from collections.abc import Iterator

from fleetctl.model.layout import sync_dir
from fleetctl.model.syncing import SyncError
from fleetctl.package_files import package_text
from fleetctl.probes.python3 import python3
from fleetctl.quoting import quote, quote_path
from fleetctl.sync.answer import line
from fleetctl.sync.plan import Plan

NO_STAGE = 73
"""The exit status of a script that could not make the folder for what is sent."""
STAGE = ".fleetctl-sync."
"""With this names on a node begin of what is there until all of it has arrived."""
STALLED_S = 60.0
"""The longest that a transfer may stand still."""


def no_stage(node: str, said: bytes) -> SyncError:
    """The error of a script that ended with :data:`NO_STAGE`."""
    reason = said.decode("utf-8", "replace").strip().partition("\n")[0]
    return SyncError(node, f"the folder for the code cannot be made there: {reason}")


_FULL = re.compile(r"no space left on device|quota exceeded|wrote only \d+ of", re.I)


def not_sent(node: str, program: str, said: str) -> SyncError:
    """The error of a ``program`` that failed there before anything was put into its place."""
    hint = f"Free some space: fleetctl exec {node} -- df -h" if _FULL.search(said) else ""
    return SyncError(node, f"{program} failed, and nothing was changed: {said}", hint=hint)


class Place:
    """Where the code of a job goes on a node.

    :param workdir: as in nodes.yaml.
    :param shared: what is noted there is of the files that nodes share.
    """

    def __init__(
        self, fleet: str, job: str, node: str, workdir: str, *, shared: bool = False
    ) -> None:
        stage = f"{STAGE}{secrets.token_hex(6)}"
        state = sync_dir(fleet, job, node) + ("/shared" if shared else "")
        self._given = (
            f"folder={quote_path(workdir)}\n"
            "case $folder in /*) ;; *) folder=$PWD/$folder ;; esac\n"
            f"stage=$folder/{quote(stage)}\n"
            f"state={quote_path(state)}\n"
        )

    def look(self, key: str) -> str:
        """Its answer is read by :func:`fleetctl.sync.answer.read_copy`.

        :param key: of the tree.
        """
        texts = package_text("sync/describe.sh") + package_text("sync/look.sh")
        return f"key={quote(key)}\n{self._given}{texts}"

    @property
    def digest(self) -> str:
        return self._given + package_text("sync/digest.sh")

    @property
    def place(self) -> str:
        return self._given + package_text("sync/describe.sh") + package_text("sync/place.sh")

    def receive(self, command: str) -> str:
        """Runs ``command``, a shell line, in the new stage, which is taken away if that fails."""
        return (
            self._given
            + f'mkdir -p -- "$folder" && mkdir -- "$stage" && cd -- "$stage" || exit {NO_STAGE}\n'
            + "trap 'exit 1' HUP INT TERM\n"
            + 'trap \'s=$?; cd /; [ "$s" = 0 ] || rm -rf -- "$stage"\' EXIT\n'
            + f"{command}\n"
        )

    def program(self, text: str) -> str:
        """Runs ``text``, a program of Python, in the folder that the files go into."""
        enter = f'mkdir -p -- "$folder" && cd -- "$folder" || exit {NO_STAGE}\n'
        return self._given + enter + python3(text)

    @property
    def discard(self) -> str:
        """Takes the stage away."""
        return self._given + 'rm -rf -- "$stage"\n'


def placing(plan: Plan, key: str) -> str:
    """The stdin of place.sh.

    :param key: of the tree. Where files of earlier syncs are left, it is not kept: whether they are
        to be deleted is a question that it does not answer.
    """
    kept = "" if plan.there.keys() - plan.sent else key
    return "".join(f"{text}\n" for text in [*_placing(plan), f"@{kept}", "."])


def _placing(plan: Plan) -> Iterator[str]:
    yield from (f"-{path}" for path in plan.delete)
    yield from (f"/{path}" for path in plan.emptied())
    yield from (f"*{path}" for path in plan.send)
    yield from (f"+{digest} {path}" for path, digest in plan.sent.items())
    yield from (f"={line(path, entry)}" for path, entry in plan.there.items())
