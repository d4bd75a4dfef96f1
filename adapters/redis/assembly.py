"""Each Lua script put together from its parts, within what Lua allows of names."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Sequence
from functools import cache, partial
from importlib.resources import files
from itertools import chain, islice, pairwise

FUNCTION = re.compile(
    r"^local function (\w+)\((?:.*end|[^\n]*\n(?:[ \n][^\n]*\n|\n)*?end)(?:\n|\Z)", re.MULTILINE
)
DECLARED = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*))", re.MULTILINE)
PLAIN = re.compile(r"^local \w+(?:, \w+)*$\n?", re.MULTILINE)  # declared, and nothing given yet
WORD = re.compile(r"\w+")
CAPITALS = re.compile(r"\b[A-Z][A-Z0-9_]*\b")  # all that can name a number
COMMENT = re.compile(r"(^| +)--.*$")
CONSTANTS = re.compile(
    r"^local ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*) = (\d+(?:, \d+)*)$", re.MULTILINE
)
HIDDEN_MAX = 10  # with more names of its own a part is a function: Lua counts these anew in it
USES, LATER = "-- uses:", "-- later:"
BEGIN = re.compile(r"^local function begin_\w+\((.*?)\)", re.MULTILINE)


@cache
def words_in(text: str) -> frozenset[str]:
    """Return the words of a part; most parts stand in many scripts."""
    return frozenset(WORD.findall(text))


@cache
def repeated_in(text: str) -> frozenset[str]:
    """Return the words that stand in a part more than once."""
    return frozenset(word for word, times in Counter(WORD.findall(text)).items() if times > 1)


@cache
def read_scripts() -> dict[str, str]:
    """Return every script's whole text by name: its parts in the order of its `uses:` lines."""
    folder = files("adapters.redis") / "lua"
    texts = {
        path.name.removesuffix(".lua"): path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name.endswith(".lua")
    }
    return {
        name: assemble(name, texts) for name in texts if not name.startswith(("part_", "gate_"))
    }


def assemble(name: str, texts: dict[str, str]) -> str:
    """Return one script: its parts, what begins each of them anew, and the script as `main`.

    Nothing but definitions stands outside functions, so a server that keeps functions runs them
    once and not at every call. Lua knows at most 200 locals at a time: numbers stand where their
    names stood, what begins a part has a number, and the parts stand in thirds. What only one part
    uses is seen in that part only, what only one third uses in that third only: none of them uses
    what a later third brings.

    Parts of `later:` lines begin where the script says `begin_later()`, all others at its start.
    """
    groups = groups_of(name, texts, USES, LATER)
    later = frozenset(chain.from_iterable(groups_of(name, texts, LATER)))
    begins = Begins()
    parts = [
        "\n".join(
            begins.take(without_comments(texts[part]), is_later=part in later) for part in group
        )
        for group in groups
    ]
    ends = [0, len(parts) // 3, len(parts) * 2 // 3, len(parts)]
    thirds = [parts[start:end] for start, end in pairwise(ends)]
    body = without_comments(texts[name]).replace("begin_later()", " ".join(begins.later))
    at_once = " ".join(begins.at_once)
    thirds.append([f"local function main(keys, arguments)\n{at_once}\n{body}\nend"])
    thirds = in_thirds(thirds, without_unused(with_numbers([*chain.from_iterable(thirds)])))
    lines = ["local begins = {}"]
    for at, third in enumerate(thirds[:-1]):
        blocks, shared, shown = in_blocks(third, [*chain.from_iterable(thirds[at + 1 :])])
        lines += [*_locals(shown), "do", *_locals(shared), *blocks, "end"]
    return "\n".join([*lines, *thirds[-1]])


class Begins:
    """What begins the parts of a script anew, numbered, and the calls of those."""

    def __init__(self) -> None:
        self.at_once: list[str] = []
        self.later: list[str] = []

    def take(self, part: str, *, is_later: bool) -> str:
        """Return a part whose beginnings are numbers; their calls are noted."""
        calls = self.later if is_later else self.at_once
        return BEGIN.sub(partial(self._numbered, calls), part)

    def _numbered(self, calls: list[str], found: re.Match[str]) -> str:
        number = len(self.at_once) + len(self.later) + 1
        calls.append(f"begins[{number}]({found[1]})")
        return f"begins[{number}] = function({found[1]})"


def in_thirds(thirds: Sequence[Sequence[str]], parts: Sequence[str]) -> list[list[str]]:
    """Return `parts` parted as `thirds` are."""
    rest = iter(parts)
    return [list(islice(rest, len(third))) for third in thirds]


def groups_of(name: str, texts: dict[str, str], *marks: str) -> list[list[str]]:
    """Return the parts a script uses, each followed by those it uses itself."""
    return [
        [part, *chain.from_iterable(groups_of(part, texts, USES))]
        for line in texts[name].splitlines()
        for mark in marks
        if line.startswith(mark)
        for part in line.removeprefix(mark).split()
    ]


def with_numbers(parts: list[str]) -> list[str]:
    """Return `parts` with the numbers that their constants name."""
    numbers: dict[str, str] = {}
    for text in parts:
        for names, values in CONSTANTS.findall(text):
            numbers |= zip(names.split(", "), values.split(", "), strict=True)
    return [
        CAPITALS.sub(lambda word: numbers.get(word.group(), word.group()), CONSTANTS.sub("", text))
        for text in parts
    ]


def without_unused(parts: list[str]) -> list[str]:
    """Return `parts` without functions that nothing in them calls."""
    while True:
        seen, used = set[str](), {"main"}
        for text in parts:
            used |= repeated_in(text) | (seen & words_in(text))
            seen |= words_in(text)
        unused = {found for text in parts for found, name in functions_in(text) if name not in used}
        if not unused:
            return parts
        for text in unused:
            parts = [part.replace(text, "") for part in parts]


@cache
def functions_in(part: str) -> list[tuple[str, str]]:
    """Return the text and the name of each function of a part."""
    return [(found.group(0), found.group(1)) for found in FUNCTION.finditer(part)]


def declared_in(part: str) -> list[str]:
    """Return the names a part gives at its outermost level."""
    declared: list[str] = []
    for is_function, names in DECLARED.findall(part):
        declared += [is_function] if is_function else names.split(", ")
    return declared


def in_blocks(parts: Sequence[str], later: Sequence[str]) -> tuple[list[str], list[str], list[str]]:
    """Return `parts` as blocks that keep to themselves what nobody else uses, and names.

    First the names that several blocks share, then those that what comes later uses, too.
    """
    used = [words_in(part) for part in parts]
    used_later = set[str]().union(*map(words_in, later))
    blocks: list[str] = []
    shared: list[str] = []
    shown: list[str] = []
    for at, part in enumerate(parts):
        beside = set[str]().union(*used[:at], *used[at + 1 :])
        hidden: list[str] = []
        for name in declared_in(part):
            kind = shown if name in used_later else shared if name in beside else hidden
            kind.append(name)
        code = PLAIN.sub("", part)
        code = re.sub(r"^local (?:function (\w+)|(?=\w))", _defined, code, flags=re.MULTILINE)
        start, end = ("do", "end") if len(hidden) < HIDDEN_MAX else ("(function()", "end)()")
        blocks.append("\n".join([start, *_locals(hidden), code, end]))
    return blocks, shared, shown


def _defined(found: re.Match[str]) -> str:
    return f"function {found[1]}" if found[1] else ""


def _locals(names: list[str]) -> list[str]:
    return [f"local {', '.join(names)}"] if names else []


@cache
def without_comments(text: str) -> str:
    """Return the code of a Lua file: its header is for readers, not for the server."""
    lines = (COMMENT.sub("", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip())
