"""The tests themselves: every file asserts, and none sleeps in the hope that it is enough."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source_tree import dotted, functions_in, python_files, short, tree_of

test_files = [path for path in python_files("tests") if path.name.startswith("test_")]
every_test_file = pytest.mark.parametrize("path", test_files, ids=short)


def asserts(node: ast.AST) -> bool:
    """Whether something in the node can fail a test on purpose."""
    return any(
        isinstance(its, ast.Assert)
        or (isinstance(its, ast.Call) and dotted(its.func) in {"pytest.raises", "pytest.fail"})
        for its in ast.walk(node)
    )


@every_test_file
def test_a_test_file_asserts(path: Path) -> None:
    assert asserts(tree_of(path))
    assert any(function.name.startswith("test_") for function in functions_in(path)) or any(
        isinstance(node, ast.Assign | ast.ClassDef) for node in tree_of(path).body
    )


@every_test_file
def test_no_test_sleeps_for_a_second(path: Path) -> None:
    """A short sleep inside a loop that asks is fine; a long one is hope."""
    text = path.read_text(encoding="utf-8")
    on_virtual_time = "tests.virtual_time" in text or "tests.unit.pool_world" in text
    if "simulation" in path.parts or on_virtual_time:
        return  # its seconds pass at once
    long = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.Call)
        and dotted(node.func) in {"time.sleep", "asyncio.sleep"}
        and node.args
        and isinstance(node.args[0], ast.Constant)
        and isinstance(node.args[0].value, int | float)
        and node.args[0].value >= 1
    ]
    assert long == []


def test_there_are_tests() -> None:
    assert len(test_files) > 5
