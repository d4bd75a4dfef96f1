"""The house's style, where a machine can check it: captions, sizes, names, no hidden circles."""

import ast
from pathlib import Path

import pytest

from tests.architecture.source_tree import (
    EVERYTHING,
    HOUSE,
    classes_in,
    functions_in,
    python_files,
    short,
    tree_of,
    words_of,
)

LINES_MAX = 400
FUNCTION_LINES_MAX = 50
CAPTION_COLUMNS_MAX = 100
PROTOCOL_METHODS_MAX = 5
FORBIDDEN_WORDS = {
    *("util", "utils", "helper", "helpers", "common", "misc", "manager", "handler"),
    *("base", "impl", "data", "info", "obj", "tmp"),
}
LIBRARY_NAMES = {"data_received"}  # how a library wants a method called

every_module = pytest.mark.parametrize("path", python_files(*EVERYTHING), ids=short)
every_room = pytest.mark.parametrize("path", python_files(*HOUSE), ids=short)


@every_module
def test_a_module_begins_with_its_caption(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert text.startswith('"""'), "nothing stands above the caption"
    caption = (ast.get_docstring(tree_of(path)) or "").split("\n")[0]
    assert caption.endswith((".", "?", "!")), f"one sentence on the first line: {caption!r}"
    assert len(text.split("\n")[0]) <= CAPTION_COLUMNS_MAX


@every_module
def test_a_module_is_not_too_long(path: Path) -> None:
    assert len(path.read_text(encoding="utf-8").splitlines()) <= LINES_MAX


@every_module
def test_a_function_is_not_too_long(path: Path) -> None:
    long = {
        function.name: lines
        for function in functions_in(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }
    assert long == {}


@every_module
def test_names_say_what_a_thing_is(path: Path) -> None:
    names = [path.stem, *(its.name for its in classes_in(path))]
    names += [its.name for its in functions_in(path) if not its.name.startswith("test_")]
    bad = [name for name in names if words_of(name) & FORBIDDEN_WORDS or name.startswith("new_")]
    assert set(bad) <= LIBRARY_NAMES


@every_module
def test_nothing_is_imported_for_type_checking_only(path: Path) -> None:
    names = [node.id for node in ast.walk(tree_of(path)) if isinstance(node, ast.Name)]
    attributes = [node.attr for node in ast.walk(tree_of(path)) if isinstance(node, ast.Attribute)]
    assert "TYPE_CHECKING" not in {*names, *attributes}, "such blocks hide circles"


@every_module
def test_no_failure_is_swallowed(path: Path) -> None:
    swallowed = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(statement, ast.Pass) for statement in node.body)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]
    assert swallowed == []


@pytest.mark.parametrize(
    "path", [path for path in python_files(*EVERYTHING) if path.name == "__init__.py"], ids=short
)
def test_a_package_is_one_docstring(path: Path) -> None:
    tree = tree_of(path)
    assert ast.get_docstring(tree)
    assert len(tree.body) == 1


@every_room
def test_imports_are_absolute(path: Path) -> None:
    relative = [
        node.lineno
        for node in ast.walk(tree_of(path))
        if isinstance(node, ast.ImportFrom) and node.level
    ]
    assert relative == []


@every_room
def test_a_protocol_is_small(path: Path) -> None:
    for its in classes_in(path):
        if any(ast.unparse(parent).startswith("Protocol") for parent in its.bases):
            methods = [node.name for node in its.body if isinstance(node, ast.AsyncFunctionDef)]
            methods += [node.name for node in its.body if isinstance(node, ast.FunctionDef)]
            assert len(methods) <= PROTOCOL_METHODS_MAX, its.name


def test_the_house_is_there_to_be_looked_at() -> None:
    assert {path.parts[len(path.parts) - 1] for path in python_files("engine")} >= {"model.py"}
    assert len(python_files(*EVERYTHING)) > 20
