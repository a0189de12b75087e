"""env_file: what is understood, and that no value is ever shown."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from fleetctl.env_file import parse_env, read_env_file
from fleetctl.errors import UsageError
from fleetctl.launch.secrets import Secrets
from tests.launch.jobs import instance


@pytest.mark.parametrize(
    ("text", "variables"),
    [
        ("", {}),
        ("\n\n  # only a remark\n\t\n", {}),
        ("A=1\nB=2", {"A": "1", "B": "2"}),
        ("A=1\nA=2\n", {"A": "2"}),
        ("export A=1\n  export   B = x\n", {"A": "1", "B": "x"}),
        ("A=\nB=''\nC=\"\"\n", {"A": "", "B": "", "C": ""}),
        ("A=two words \n", {"A": "two words"}),
        ("A=one # a remark\nB=two#three\n", {"A": "one", "B": "two#three"}),
        ("A=# nothing\n", {"A": ""}),
        ("A='$HOME # \"x\" \\n'\n", {"A": '$HOME # "x" \\n'}),
        ('A="a\\nb\\tc \\"q\\" \\\\ \\$X"\n', {"A": 'a\nb\tc "q" \\ $X'}),
        ("A='one\ntwo'\nB=\"three\nfour\" # remark\n", {"A": "one\ntwo", "B": "three\nfour"}),
        ("A=$(rm -rf /)`x`\n", {"A": "$(rm -rf /)`x`"}),
        ("A=a'b\"c\n", {"A": "a'b\"c"}),
        ("ünï=1", None),
        ("A=é☃\n", {"A": "é☃"}),
        ("A B=1", None),
        ("1A=1", None),
        ("just words", None),
        ("A='open\nB=2", None),
        ('A="open\nB=2', None),
        ("A='x' y", None),
        ("=1", None),
    ],
)
def test_texts(text: str, variables: dict[str, str] | None) -> None:
    if variables is None:
        with pytest.raises(UsageError):
            parse_env(text, ".env")
    else:
        assert parse_env(text, ".env") == variables


@pytest.mark.parametrize(
    ("text", "line"), [("hush", 1), ("A=1\n\nhush\n", 3), ("A='1\n2'\nB='hush\n", 3)]
)
def test_a_mistake_names_its_line_and_no_value(text: str, line: int) -> None:
    with pytest.raises(UsageError) as caught:
        parse_env(text, "/x/.env")
    assert str(caught.value).startswith(f"/x/.env:{line}: ")
    assert "hush" not in str(caught.value)


@given(st.text())
@example('A="\\')
@example("A=\0")
def test_any_text_is_variables_or_a_usage_error(text: str) -> None:
    try:
        variables = parse_env(text, "source")
    except UsageError as error:
        assert str(error).startswith("source:")
        return
    for name, value in variables.items():
        assert name.isidentifier()
        assert name.isascii()
        assert "\0" not in value


@given(st.dictionaries(st.from_regex(r"[A-Z_][A-Z0-9_]{0,8}", fullmatch=True), st.text()))
def test_what_is_written_in_double_quotes_is_read_back(variables: dict[str, str]) -> None:
    values = {name: value.replace("\0", "") for name, value in variables.items()}
    text = "".join(
        f'{name}="{value.replace(chr(92), chr(92) * 2).replace(chr(34), chr(92) + chr(34))}"\n'
        for name, value in values.items()
    )
    assert parse_env(text, "source") == values


@given(st.text(st.characters(exclude_characters="="), min_size=1).map(lambda t: f"TOP{t}SECRET"))
def test_no_message_contains_a_value(value: str) -> None:
    for text in (f"A=fine\n{value}\n", f"A='{value}", f'A="{value}', f"A='x' {value}"):
        try:
            parse_env(text, "source")
        except UsageError as error:
            assert "TOP" not in str(error)


def test_files(tmp_path: Path) -> None:
    fine = tmp_path / "fine.env"
    fine.write_bytes(b"A=1\r\nB='x'\r\n")
    assert read_env_file(str(fine)) == {"A": "1", "B": "x"}
    binary = tmp_path / "binary.env"
    binary.write_bytes(b"A=\xff\xfe")
    for path, why in (
        (tmp_path / "gone.env", "No such file or directory"),
        (tmp_path, "Is a directory"),
        (binary, "it is not UTF-8 text"),
    ):
        with pytest.raises(UsageError) as caught:
            read_env_file(str(path))
        assert str(caught.value) == f"env_file {path} cannot be read: {why}"


def test_secrets_belong_to_their_instance_and_are_not_shown(tmp_path: Path) -> None:
    (tmp_path / "a.env").write_text("TOKEN=hunter2\n")
    with_file = instance(env_file=str(tmp_path / "a.env"))
    secrets = Secrets([with_file, instance("other")])
    assert secrets.of(with_file) == {"TOKEN": "hunter2"}
    assert secrets.of(instance("other")) == {}
    assert "hunter2" not in repr(secrets) + str(secrets)
