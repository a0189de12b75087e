"""docs/cli.md compared with the code: every command, every option, every field of the JSON."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from importlib import import_module
from pathlib import Path
from pkgutil import iter_modules

import click
import msgspec
import pytest

from fleetctl import cli
from fleetctl.logs.lines import LogLine
from fleetctl.model.status import FleetStatus

PAGE = (Path(__file__).parents[2] / "docs" / "cli.md").read_text("utf-8")
SECTIONS = dict(re.findall(r"^#{2,4} (.+)\n((?:(?!#{2,4} ).*\n)*)", PAGE, re.M))
"""The text below each heading, up to the next heading of any level."""
SCHEMA = msgspec.json.schema(FleetStatus)["$defs"]


def commands(group: click.Group, path: str = "") -> Iterator[tuple[str, click.Command]]:
    context = click.Context(group)
    for name in group.list_commands(context):
        command = group.get_command(context, name)
        assert command is not None
        yield f"{path}{name}", command
        if isinstance(command, click.Group):
            yield from commands(command, f"{path}{name} ")


def options(command: click.Command) -> set[str]:
    """All names of the options that `--help` shows, but for `--help` itself."""
    return {
        name
        for option in command.params
        if isinstance(option, click.Option) and not option.hidden
        for name in option.opts
    }


COMMANDS = dict(commands(cli.command))


def code(text: str) -> list[str]:
    """The text in backticks, but not in code blocks."""
    return re.findall(r"`([^`\n]+)`", re.sub(r"^```.*?^```", "", text, flags=re.M | re.S))


def example(heading: str) -> str:
    """The JSON below a heading, without comments."""
    found = re.search(r"^```jsonc?\n(.*?)^```", SECTIONS[heading], re.M | re.S)
    assert found is not None
    return re.sub(r" +// .*", "", found[1])


def again(shown: object, kind: type[FleetStatus | LogLine]) -> object:
    """``shown`` as fleetctl would print it: with all of its fields and no others."""
    return json.loads(msgspec.json.encode(msgspec.convert(shown, kind)))


def test_every_command_is_there() -> None:
    assert set(cli.COMMANDS) <= set(COMMANDS)
    assert set(COMMANDS) <= set(SECTIONS)


def test_every_module_with_a_command_is_listed() -> None:
    """In the command line's help, and in the README."""
    modules = [module.name for module in iter_modules(cli.__path__)]
    held = {name for name in modules if hasattr(import_module(f"{cli.__name__}.{name}"), "command")}
    assert held == set(cli.COMMANDS)
    readme = (Path(__file__).parents[2] / "README.md").read_text("utf-8")
    assert {name for name in held if f"`fleetctl {name}" not in readme} == set()


@pytest.mark.parametrize("name", COMMANDS)
def test_options_in_a_command_s_table_are_its_options(name: str) -> None:
    rows = re.findall(r"^\| (`-.*?) \|", SECTIONS[name], re.M)
    documented = [word.split()[0] for row in rows for word in code(row)]
    assert sorted(documented) == sorted(options(COMMANDS[name]))


def test_no_other_option_is_named_anywhere() -> None:
    known = {"-h", "--help", *options(cli.command)}
    known.update(*map(options, COMMANDS.values()))
    named = {
        word.strip("[]")
        for text in code(PAGE)
        for word in text.split()
        if re.match(r"\[?--?[a-z]", word)
    }
    assert named <= known
    assert options(cli.command) <= named


def test_the_status_in_the_page_has_every_field_and_no_other() -> None:
    """What a program reads from it must be what fleetctl prints."""
    shown = json.loads(example("fleetctl.status/1"))
    assert again(shown, FleetStatus) == shown
    fields = {field for shape in SCHEMA.values() for field in shape["properties"]}
    assert {field for field in fields if f'"{field}":' not in PAGE} == set()
    assert shown["nodes"]
    assert shown["services"]
    assert shown["problems"][0]["fix"]["steps"]


def test_every_word_a_field_can_hold_is_explained() -> None:
    words = {
        word
        for shape in SCHEMA.values()
        for field in shape["properties"].values()
        for word in field.get("enum", ())
    }
    assert {"unreachable", "restarting", "warning", "return"} <= words
    assert words <= set(code(SECTIONS["fleetctl.status/1"]))


def test_the_log_line_in_the_page_is_one() -> None:
    shown = json.loads(example("Log lines"))
    assert again(shown, LogLine) == shown
