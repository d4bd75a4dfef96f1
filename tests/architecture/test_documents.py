"""What the documents tell people to type exists: every command, every flag, each with its help."""

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer
from typer.testing import CliRunner

from tests.architecture.source_tree import ROOT

FENCED = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
ANY = "…"  # stands for whatever command
LINES_MIN = {
    "README.md": 12,
    "docs/runbook.md": 3,
    "docs/operations.md": 10,
    "docs/security.md": 2,
    "docs/controls.md": 3,
    "docs/figures.md": 1,
    "CHANGELOG.md": 25,
}

Command = Any  # a click command: typer has its own copy of click, without names for its types


def commands_in(text: str) -> Iterator[list[str]]:
    """Yield the words of every `penstock …` in fenced blocks and backticks, without `penstock`.

    >>> list(commands_in("`penstock why x` or\\n```\\npenstock run  # both\\n```\\n"))
    [['run'], ['why', 'x']]
    """
    lines = [line for block in FENCED.findall(text) for line in block.splitlines()]
    lines += INLINE.findall(FENCED.sub("", text))
    for line in lines:
        for part in line.split("&&"):
            if part.split()[:1] == ["penstock"]:
                yield from alternatives(shlex.split(part, comments=True)[1:])


def alternatives(words: list[str]) -> list[list[str]]:
    """Return what `a|b` among the commands stands for.

    >>> alternatives(["dead", "list|drop", "--yes"])
    [['dead', 'list', '--yes'], ['dead', 'drop', '--yes']]
    """
    for place, word in enumerate(words):
        if "|" in word and not word.startswith("-"):
            each = [[*words[:place], one, *words[place + 1 :]] for one in word.split("|")]
            return [found for some in each for found in alternatives(some)]
    return [words]


def unknown_in(words: list[str], root: Command) -> list[str]:
    """Return the words that the program does not know: a command, or flags of the one named.

    >>> [unknown_in(words, PROGRAM) for words in (["why", "x", "--json"], ["sender", "marry"])]
    [[], ['marry']]
    >>> unknown_in(["run", "--lissten=x", "-"], PROGRAM)
    ['--lissten']
    """
    command, rest = root, list(words)
    while rest and hasattr(command, "commands"):
        name = rest.pop(0)
        if name == ANY:
            return sorted(flags_of(rest) - every_flag(root))
        if name not in command.commands:
            return [name]
        command = command.commands[name]
    return sorted(flags_of(rest) - known_to(command))


def flags_of(words: list[str]) -> set[str]:
    """Return the flags among words; a lone `-` is a value."""
    return {word.partition("=")[0] for word in words if re.match(r"--?[A-Za-z]", word)}


def known_to(command: Command) -> set[str]:
    """Return the flags of a command."""
    options = {"--help"}
    for parameter in command.params:
        options |= {*parameter.opts, *parameter.secondary_opts}
    return options


def every_flag(command: Command) -> set[str]:
    """Return the flags of a command and of all below it."""
    below = getattr(command, "commands", {}).values()
    return known_to(command).union(*(every_flag(each) for each in below))


APP: typer.Typer = importlib.import_module("adapters.main").app
PROGRAM: Command = typer.main.get_command(APP)


def leaves(command: Command, *names: str) -> Iterator[tuple[str, Command]]:
    """Yield each command that does something, with its full name."""
    for name, below in getattr(command, "commands", {}).items():
        yield from leaves(below, *names, name)
    if not hasattr(command, "commands"):
        yield " ".join(names), command


COMMANDS = dict(leaves(PROGRAM))
ASKING = ("campaign list", "sender list", "key list", "journey list", "dead list", "audit", "top")


@pytest.mark.parametrize("document", LINES_MIN)
def test_every_command_and_flag_exists(document: str) -> None:
    found = list(commands_in((ROOT / document).read_text(encoding="utf-8")))
    assert len(found) >= LINES_MIN[document]
    unknown = {" ".join(words): wrong for words in found if (wrong := unknown_in(words, PROGRAM))}
    assert unknown == {}


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_and_its_options_say_what_they_do(name: str) -> None:
    command = COMMANDS[name]
    assert command.help
    options = [each for each in command.params if each.param_type_name == "option"]
    assert [each.name for each in options if not each.help] == []


@pytest.mark.parametrize("name", COMMANDS)
def test_a_command_can_answer_a_machine(name: str) -> None:
    assert "--json" in known_to(COMMANDS[name])


@pytest.mark.parametrize("name", COMMANDS)
def test_wrong_usage_ends_with_2(name: str) -> None:
    ended = CliRunner().invoke(APP, [*name.split(), "--married"])
    assert ended.exit_code == 2
    assert "married" in ended.output


@pytest.mark.parametrize("name", ASKING)
def test_a_failure_ends_with_1_and_says_what_to_do(
    name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("PENSTOCK_API_KEY", raising=False)
    ended = CliRunner().invoke(APP, name.split())
    assert ended.exit_code == 1
    assert "set PENSTOCK_API_KEY" in ended.output


def test_every_command_stands_in_a_document() -> None:
    texts = [(ROOT / document).read_text(encoding="utf-8") for document in LINES_MIN]
    told = [words for text in texts for words in commands_in(text)]
    named = {
        name for name in COMMANDS for words in told if words[: name.count(" ") + 1] == name.split()
    }
    assert COMMANDS.keys() - named == set()


CONTROL = re.compile(r"^\| S(\d+) \| .* \| (.*?) \| (.*?) \|$", re.MULTILINE)


def test_each_control_has_the_tests_that_carry_its_number() -> None:
    controls = CONTROL.findall((ROOT / "docs/controls.md").read_text(encoding="utf-8"))
    assert len(controls) >= LINES_MIN["docs/controls.md"]
    for number, holds, files in controls:
        named = [path for path in (ROOT / "tests").rglob("test_*.py") if path.name in files]
        carrying = re.compile(rf"def test_(?:\w+_)?s{number}_")
        found = [path for path in named if carrying.search(path.read_text(encoding="utf-8"))]
        assert bool(found) == holds.startswith("yes"), f"S{number}"
