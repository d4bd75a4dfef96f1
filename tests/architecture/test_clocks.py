"""Time and chance are arguments: one clock and one generator, made in the wiring."""

import ast
from collections.abc import Sequence
from pathlib import Path
from typing import Final

import pytest

from tests.architecture.source_tree import HOUSE, dotted, faults_in, nodes_of, python_files, short

WIRING: Final = {"adapters/clock.py"}
DURATIONS: Final = {
    "adapters/redis/embedded.py": "how long to wait for another process; decides nothing else",
    "adapters/live.py": "how long its own server took to stop, for the log; decides nothing",
}
"""Who may also ask how much time has passed, and why that changes no decision."""

WALL_CLOCKS: Final = {
    *("time.time", "time.time_ns", "time.gmtime", "time.localtime", "time.ctime"),
    *("datetime.now", "datetime.utcnow", "datetime.today", "date.today"),
    *("datetime.datetime.now", "datetime.datetime.utcnow", "datetime.datetime.today"),
    *("datetime.date.today", "uuid.uuid1"),
}
DURATION_CLOCKS: Final = {
    *("time.monotonic", "time.monotonic_ns", "time.perf_counter", "time.perf_counter_ns"),
    *("time.process_time", "time.thread_time"),
}
GENERATORS: Final = {"random.Random", "random.SystemRandom"}  # made in the wiring, passed on


def full_names(nodes: Sequence[ast.AST]) -> dict[str, str]:
    """Return what each imported name stands for: `from time import time as t` is time.time."""
    names: dict[str, str] = {}
    for node in nodes:
        if isinstance(node, ast.ImportFrom) and not node.level:
            names |= {its.asname or its.name: f"{node.module}.{its.name}" for its in node.names}
        elif isinstance(node, ast.Import):
            names |= {its.asname: its.name for its in node.names if its.asname}
    return names


def used_names(nodes: Sequence[ast.AST]) -> list[tuple[int, str]]:
    """Return every dotted name that is read, with its line, under its full name."""
    names = full_names(nodes)
    used: list[tuple[int, str]] = []
    for node in nodes:
        if isinstance(node, ast.Name | ast.Attribute):
            first, dot, rest = dotted(node).partition(".")
            used.append((node.lineno, names.get(first, first) + dot + rest))
    return used


def is_forbidden(name: str, path: str) -> bool:
    if path in WIRING:
        return False
    if name in WALL_CLOCKS:
        return True
    if name in DURATION_CLOCKS:
        return path not in DURATIONS
    return name.startswith("random.") and name not in GENERATORS


def forbidden_names(path: Path) -> list[tuple[int, str]]:
    used = used_names(nodes_of(path))
    return [(line, name) for line, name in used if is_forbidden(name, short(path))]


def test_nobody_but_the_wiring_reads_a_clock_or_rolls_a_die() -> None:
    assert faults_in(python_files(*HOUSE), forbidden_names) == {}


@pytest.mark.parametrize(
    ("source", "caught"),
    [
        ("import time\nnow = time.time()", True),
        ("import time as t\nnow = t.time()", True),
        ("from time import time as now\nnow()", True),
        ("from datetime import datetime, UTC\ndatetime.now(UTC)", True),
        ("import datetime\ndatetime.datetime.now()", True),
        ("import random\nrandom.random()", True),
        ("from random import choice\nchoice([1])", True),
        ("import time\nstart = time.monotonic()", True),
        ("import random\ndef f(rng: random.Random) -> float:\n    return rng.random()", False),
        ("from random import Random\ndef f(rng: Random) -> None: ...", False),
        ("import asyncio\nasync def f(): await asyncio.sleep(1)", False),
    ],
)
def test_a_planted_clock_is_caught(source: str, *, caught: bool) -> None:
    used = used_names(list(ast.walk(ast.parse(source))))
    assert any(is_forbidden(name, "engine/planted.py") for _, name in used) is caught
