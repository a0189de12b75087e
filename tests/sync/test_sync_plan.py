"""What a sync has to do, by the files here and what a node says of its copy."""

from __future__ import annotations

import pytest

from fleetctl.model.syncing import Entry
from fleetctl.sync.answer import Copy, line, read_copy
from fleetctl.sync.plan import Plan, compare


def file(size: int = 1, mtime: int = 100, mode: int = 0o644) -> Entry:
    return Entry("file", mode, size, mtime)


HERE = file()
NEWER = file(2, 200)
THEIRS = file(3, 300)
LINK = Entry("link", 0, 4, 0, "here")
LINK_THERE = Entry("link", 0, 4, 0)
FOLDER = Entry("other", 0o755, 4096, 50)


def plan(
    here: dict[str, Entry],
    now: dict[str, Entry],
    there: dict[str, Entry] | None = None,
    sent: dict[str, Entry] | None = None,
    *,
    delete: bool = False,
    gone: bool = True,
) -> Plan:
    """``sent``: what the last sync sent, if it is not what is there."""
    there = there or {}
    digests = {path: entry.digest for path, entry in {**there, **(sent or {})}.items()}
    copy = Copy("Linux", "/code", None, None, "", digests, there, now)
    return compare(here, copy, delete=delete, gone=lambda _path: gone)


@pytest.mark.parametrize(
    ("what", "found", "send", "changed"),
    [
        ("new", plan({"a": HERE}, {}), True, None),
        ("same", plan({"a": HERE}, {"a": HERE}, {"a": HERE}), False, None),
        ("same, never synced", plan({"a": HERE}, {"a": HERE}), False, None),
        ("changed here", plan({"a": NEWER}, {"a": HERE}, {"a": HERE}), True, None),
        ("other mode here", plan({"a": file(mode=0o755)}, {"a": HERE}, {"a": HERE}), True, None),
        ("other mode there", plan({"a": HERE}, {"a": file(mode=0o600)}, {"a": HERE}), True, None),
        ("deleted there", plan({"a": HERE}, {}, {"a": HERE}), True, None),
        ("changed there", plan({"a": HERE}, {"a": THEIRS}, {"a": HERE}), True, "changed"),
        ("changed on both", plan({"a": NEWER}, {"a": THEIRS}, {"a": HERE}), True, "changed"),
        ("the same change", plan({"a": NEWER}, {"a": NEWER}, {"a": HERE}), False, None),
        ("touched there", plan({"a": HERE}, {"a": file(1, 300)}, {"a": HERE}), True, "alike"),
        ("there before, other", plan({"a": HERE}, {"a": THEIRS}), True, "changed"),
        ("there before, alike", plan({"a": HERE}, {"a": file(1, 300)}), True, "alike"),
        ("a folder there", plan({"a": HERE}, {"a": FOLDER}), True, "changed"),
        ("time kept coarsely", plan({"a": HERE}, {"a": file(1, 99)}, {"a": file(1, 99)},
                                    {"a": HERE}), False, None),
        ("link", plan({"a": LINK}, {"a": LINK_THERE}, {"a": LINK_THERE}, {"a": LINK}), False, None),
        ("link leads elsewhere", plan({"a": LINK}, {"a": LINK_THERE}, {"a": LINK_THERE},
                                      {"a": Entry("link", 0, 4, 0, "away")}), True, None),
        ("link there before", plan({"a": LINK}, {"a": LINK_THERE}), True, "alike"),
    ],
)  # fmt: skip
def test_a_file_here(what: str, found: Plan, send: bool, changed: str | None) -> None:
    assert found.send == (("a",) if send else ()), what
    assert found.changed_there == (("a",) if changed == "changed" else ()), what
    assert found.alike == (("a",) if changed == "alike" else ()), what
    assert found.delete == (), what


@pytest.mark.parametrize(
    ("what", "found", "deleted", "changed"),
    [
        ("kept", plan({}, {"a": HERE}, {"a": HERE}), False, False),
        ("deleted", plan({}, {"a": HERE}, {"a": HERE}, delete=True), True, False),
        ("excluded by now", plan({}, {"a": HERE}, {"a": HERE}, delete=True, gone=False), False,
         False),
        ("changed there", plan({}, {"a": THEIRS}, {"a": HERE}, delete=True), True, True),
        ("gone there, too", plan({}, {}, {"a": HERE}, delete=True), False, False),
        ("not brought by a sync", plan({}, {"a": HERE}, delete=True), False, False),
        ("a folder here by now", plan({"a/b": HERE}, {"a": HERE}, {"a": HERE}), True, False),
    ],
)  # fmt: skip
def test_a_file_that_is_not_here(what: str, found: Plan, deleted: bool, changed: bool) -> None:
    assert found.delete == (("a",) if deleted else ()), what
    assert found.changed_there == (("a",) if changed else ()), what


def test_what_is_kept_for_the_next_sync() -> None:
    old = {"kept": HERE, "left": HERE, "new": HERE}
    found = plan({"kept": HERE, "new": NEWER}, {**old, "left": THEIRS}, old)
    assert found.there == {"kept": HERE, "left": HERE}, "a later change there is not taken for ours"
    assert found.sent == {"kept": HERE.digest, "new": NEWER.digest}


def test_folders_that_may_be_empty_come_inner_ones_first() -> None:
    old = {"a/b/c": HERE, "a/d": HERE, "e": HERE}
    assert list(plan({}, old, old, delete=True).emptied()) == ["a/b", "a"]


ANSWER = """\
system Linux
rsync rsync  version 3.2.7  protocol version 31
folder /home/me/my code
free_kib 1000
=sent
0123456789ab a b
=there
81a4 12 1795920460 a b
=now
81ed 12 1795920461 a b
a1ff 4 1795920461 link
41ed 4096 1795920461 src
what is this
"""
BSD = """\
=now
0100755 12 1795920461 a b
0120755 4 1795920461 link
040755 96 1795920461 src
"""


def test_the_answer_of_a_node() -> None:
    copy = read_copy(ANSWER)
    assert (copy.system, copy.folder, copy.free_bytes) == ("Linux", "/home/me/my code", 1_024_000)
    assert copy.rsync.startswith("rsync  version 3")
    assert copy.sent == {"a b": "0123456789ab"}
    assert copy.there == {"a b": Entry("file", 0o644, 12, 1795920460)}
    assert copy.now == {
        "a b": Entry("file", 0o755, 12, 1795920461),
        "link": Entry("link", 0, 4, 0),
        "src": Entry("other", 0o755, 4096, 1795920461),
    }
    bsd = read_copy(BSD)
    assert bsd.now["a b"] == copy.now["a b"] and bsd.now["link"] == copy.now["link"]
    assert bsd.now["src"].kind == "other"
    assert read_copy("fault missing\nfree_kib x\n").fault == "missing"
    assert read_copy("fault missing\nfree_kib x\n").free_bytes is None


def test_a_line_that_is_kept_reads_as_it_was_told() -> None:
    entries = read_copy(ANSWER).now
    text = "=there\n" + "".join(f"{line(path, entry)}\n" for path, entry in entries.items())
    assert read_copy(text).there["a b"] == entries["a b"]
    assert read_copy(text).there["link"] == entries["link"]
