"""The tests themselves: every file asserts, and none sleeps in the hope that it is enough."""

import ast
from collections.abc import Mapping
from pathlib import Path

from tests.architecture.source_tree import (
    dotted,
    faults_in,
    functions_in,
    nodes_of,
    python_files,
    tree_of,
)

PATIENCE_S = 20  # a busy machine stands still for seconds; a test that passes never waits so long
SLEEPS = {"time.sleep": 0, "asyncio.sleep": 0}  # and which of their arguments says how long
WAITS = {"asyncio.timeout": 0, "asyncio.wait_for": 1}

test_files = [path for path in python_files("tests") if path.name.startswith("test_")]


def asserts(node: ast.AST) -> bool:
    """Whether something in the node can fail a test on purpose."""
    return any(
        isinstance(its, ast.Assert)
        or (isinstance(its, ast.Call) and dotted(its.func) in {"pytest.raises", "pytest.fail"})
        for its in ast.walk(node)
    )


def asserts_nothing(path: Path) -> bool:
    has_tests = any(function.name.startswith("test_") for function in functions_in(path)) or any(
        isinstance(node, ast.Assign | ast.ClassDef) for node in tree_of(path).body
    )
    return not (has_tests and asserts(tree_of(path)))


def test_a_test_file_asserts() -> None:
    assert faults_in(test_files, asserts_nothing) == {}


def is_on_virtual_time(path: Path) -> bool:
    """Whether its seconds pass at once."""
    text = path.read_text(encoding="utf-8")
    is_told = "tests.virtual_time" in text or "tests.unit.pool_world" in text
    return "simulation" in path.parts or is_told


def seconds_told(path: Path, places: Mapping[str, int]) -> list[tuple[int, float]]:
    """Return the lines and the written seconds of calls; `places`: which argument has them."""
    if is_on_virtual_time(path):
        return []
    return [
        (node.lineno, said.value)
        for node in nodes_of(path)
        if isinstance(node, ast.Call)
        and len(node.args) > (place := places.get(dotted(node.func), len(node.args)))
        and isinstance(said := node.args[place], ast.Constant)
        and isinstance(said.value, int | float)
    ]


def long_sleeps(path: Path) -> list[int]:
    return [line for line, seconds in seconds_told(path, SLEEPS) if seconds >= 1]


def test_no_test_sleeps_for_a_second() -> None:
    """A short sleep inside a loop that asks is fine; a long one is hope."""
    assert faults_in(test_files, long_sleeps) == {}


def impatience(path: Path) -> list[int]:
    return [line for line, seconds in seconds_told(path, WAITS) if seconds < PATIENCE_S]


def test_who_waits_for_something_has_patience() -> None:
    """What ends a wait too soon on a busy machine is a failure that says nothing."""
    assert faults_in(test_files, impatience) == {}


def test_there_are_tests() -> None:
    assert len(test_files) > 5
