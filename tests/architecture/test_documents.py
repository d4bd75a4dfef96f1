"""What README and runbook tell people to type exists: every command, every flag."""

import importlib
import re
import shlex
from collections.abc import Iterator
from typing import Any

import pytest
import typer

from tests.architecture.source_tree import ROOT

DOCUMENTS = ("README.md", "docs/runbook.md", "docs/operations.md", "docs/security.md")
FENCED = re.compile(r"^```.*?\n(.*?)^```", re.MULTILINE | re.DOTALL)
INLINE = re.compile(r"`([^`\n]+)`")
ANY = "…"  # stands for whatever command
LINES_MIN = {
    "README.md": 12,
    "docs/runbook.md": 3,
    "docs/operations.md": 10,
    "docs/security.md": 2,
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
                yield shlex.split(part, comments=True)[1:]


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


PROGRAM: Command = typer.main.get_command(importlib.import_module("adapters.main").app)


@pytest.mark.parametrize("document", DOCUMENTS)
def test_every_command_and_flag_exists(document: str) -> None:
    found = list(commands_in((ROOT / document).read_text(encoding="utf-8")))
    assert len(found) >= LINES_MIN[document]
    unknown = {" ".join(words): wrong for words in found if (wrong := unknown_in(words, PROGRAM))}
    assert unknown == {}
