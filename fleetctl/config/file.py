"""Finding nodes.yaml, and reading it into a fleet."""

from __future__ import annotations

import os
from pathlib import Path

from msgspec.structs import replace

from fleetctl.config.alerts import read_alerts
from fleetctl.config.clients import check_clients
from fleetctl.config.gateways import check_gateways
from fleetctl.config.jobs import read_job
from fleetctl.config.kept_tree import kept, parsed
from fleetctl.config.networks import read_internet, read_networks
from fleetctl.config.nodes import read_nodes
from fleetctl.config.older import NOTES, is_older, read_older
from fleetctl.config.peers import with_peers
from fleetctl.config.report import START, Report
from fleetctl.config.shape.entry import given
from fleetctl.config.shape.file import FileEntry, HistoryEntry
from fleetctl.config.tree import MAX_SIZE_BYTES, NULL, Mapping, Scalar, Tree, mark_of
from fleetctl.config.validation import read
from fleetctl.errors import ConfigError
from fleetctl.local_files import TooLarge, read_bounded
from fleetctl.model.history_limits import HistoryLimits
from fleetctl.model.topology import Fleet

NAME = "nodes.yaml"
VARIABLE = "FLEETCTL_CONFIG"

_START_HINT = (
    "fleetctl init writes one, docs/nodes-yaml.md shows how; or name another with -f FILE."
)


def find(explicit: Path | None) -> Path:
    """Which file to read: ``explicit`` (from -f), else ``$FLEETCTL_CONFIG``, else ./nodes.yaml,
    else ~/.config/fleetctl/nodes.yaml.

    :raises ConfigError: the named file does not exist, or none is found.
    """
    if explicit is not None:
        return _existing(explicit, "named with -f")
    if named := os.environ.get(VARIABLE):
        return _existing(Path(named), f"named by ${VARIABLE}")
    places = [Path(NAME)]
    home = os.path.expanduser("~")  # noqa: PTH111 -- Path.home() raises where there is no home
    if home != "~":
        places.append(Path(home, ".config", "fleetctl", NAME))
    for place in places:
        if _exists(place):
            return place
    missing = " and no ".join(str(place) for place in places)
    raise ConfigError([f"there is no {missing}"], hint=_START_HINT)


def load(path: Path) -> Fleet:
    """Read the fleet from ``path``.

    :raises ConfigError: the file cannot be read, or has mistakes; the error has all of them.
    """
    return load_with_notes(path)[0]


def load_with_notes(path: Path) -> tuple[Fleet, list[str]]:
    """As :func:`load`, with lines for the user about what is no mistake: notes and warnings.

    :raises ConfigError: as :func:`load`.
    """
    try:
        content = read_bounded(path, MAX_SIZE_BYTES)
    except TooLarge:
        report = Report(str(path))
        report.mistake_at(START, f"the file is larger than {MAX_SIZE_BYTES // 2**20} MiB")
        report.fail()
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else str(error)
        raise ConfigError([f"{path}: cannot be read: {why}"], hint=_START_HINT) from error
    report = Report(str(path))
    text = _decode(content, report)
    return _read(kept(text) or parsed(text, report, keep=True), report, path.parent)


def load_text(text: str, source: str) -> Fleet:
    """Read the fleet from ``text``.

    :param source: a path, for messages and for a relative ``env_file``.
    :raises ConfigError: the text has mistakes; the error has all of them.
    """
    report = Report(source)
    return _read(parsed(text, report), report, Path(source).parent)[0]


def _existing(path: Path, how: str) -> Path:
    if not _exists(path):
        raise ConfigError([f"{path}: there is no such file ({how})"], hint=_START_HINT)
    return path


def _exists(path: Path) -> bool:
    try:
        return path.exists()
    except (OSError, ValueError):  # permission denied, or a name that no file can have
        return False


def _decode(content: bytes, report: Report) -> str:
    encoding = "utf-16" if content.startswith((b"\xff\xfe", b"\xfe\xff")) else "utf-8"
    try:
        return content.decode(encoding)
    except UnicodeDecodeError as error:
        before = content[: error.start].decode(encoding, errors="replace")
        what = f"not {encoding.upper()} text: {error.reason} 0x{content[error.start]:02x}"
        report.mistake_at(mark_of(before, len(before)), f"{what}; save the file as UTF-8")
        report.fail()


def _read(tree: Tree | None, report: Report, folder: Path) -> tuple[Fleet, list[str]]:
    if not isinstance(tree, Mapping):
        if report.clean:
            report.mistake_at(START, f"{_found(tree)}; it needs at least 'fleet' and 'nodes'")
        report.fail()
    older = is_older(tree)
    fleet = read_older(tree, report) if older else _read_fleet(tree, report, folder)
    if not report.clean:
        report.fail()
    check_clients(fleet, report)
    notes = NOTES if older else ()
    return fleet, [*(f"{report.source}: note: {note}" for note in notes), *report.warnings]


def _found(tree: Tree | None) -> str:
    if tree is None or (isinstance(tree, Scalar) and NULL.fullmatch(tree.text)):
        return "the file is empty"
    return f"the file is {'a text' if isinstance(tree, Scalar) else 'a list'}, not a mapping"


def _read_fleet(tree: Tree, report: Report, folder: Path) -> Fleet:
    def locate(written: str) -> str:
        return str((folder / Path(written).expanduser()).absolute())

    file = read(tree, FileEntry, report)
    networks = read_networks(file.networks or {}, report)
    nodes = read_nodes(file, networks, report)
    check_gateways(nodes, networks, report)
    internet = read_internet(file.internet, report)
    bare = Fleet(
        file.fleet, networks, nodes, internet=internet, history=_history_limits(file.history)
    )
    entries = given(file.jobs, None)
    bare = with_peers(bare, entries or {}, report)
    if entries is not None and not entries and not report.wrong("jobs"):
        report.mistake(("jobs",), "jobs is empty; add a job or remove the key")
    jobs = {
        name: read_job(name, entry, bare, locate, report) for name, entry in (entries or {}).items()
    }
    alerts = read_alerts(file.alerts or [], replace(bare, jobs=jobs), locate, report)
    return replace(bare, jobs=jobs, alerts=alerts)


def _history_limits(entry: HistoryEntry | None) -> HistoryLimits:
    usual = HistoryLimits()
    if entry is None:
        return usual
    return HistoryLimits(given(entry.days, usual.days), given(entry.mb, usual.mb))
