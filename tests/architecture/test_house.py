"""The house's style, where a machine can check it: captions, sizes, names, no hidden circles."""

import ast
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.architecture import source_tree
from tests.architecture.source_tree import (
    EVERYTHING,
    HOUSE,
    Function,
    classes_in,
    faults_in,
    functions_in,
    nodes_of,
    python_files,
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
LIBRARY_NAMES = {"data_received", "update_body_from_data"}  # how a library wants a method called

modules = python_files(*EVERYTHING)
rooms = python_files(*HOUSE)


def wrong_caption(path: Path) -> str:
    text = path.read_text(encoding="utf-8")
    if not text.startswith('"""'):
        return "nothing stands above the caption"
    caption = (ast.get_docstring(tree_of(path)) or "").split("\n")[0]
    if not caption.endswith((".", "?", "!")):
        return f"one sentence on the first line: {caption!r}"
    columns = len(text.split("\n")[0])
    return f"{columns} columns" if columns > CAPTION_COLUMNS_MAX else ""


def test_a_module_begins_with_its_caption() -> None:
    assert faults_in(modules, wrong_caption) == {}


def too_many_lines(path: Path) -> int:
    lines = len(path.read_text(encoding="utf-8").splitlines())
    return lines if lines > LINES_MAX else 0


def test_a_module_is_not_too_long() -> None:
    assert faults_in(modules, too_many_lines) == {}


def long_functions(path: Path) -> dict[str, int]:
    return {
        function.name: lines
        for function in functions_in(path)
        if (lines := (function.end_lineno or 0) - function.lineno + 1) > FUNCTION_LINES_MAX
    }


def test_a_function_is_not_too_long() -> None:
    assert faults_in(modules, long_functions) == {}


def empty_names(path: Path) -> set[str]:
    names = [path.stem, *(its.name for its in classes_in(path))]
    names += [its.name for its in functions_in(path) if not its.name.startswith("test_")]
    bad = {name for name in names if words_of(name) & FORBIDDEN_WORDS or name.startswith("new_")}
    return bad - LIBRARY_NAMES


def test_names_say_what_a_thing_is() -> None:
    assert faults_in(modules, empty_names) == {}


def hidden_imports(path: Path) -> list[int]:
    return [
        node.lineno
        for node in nodes_of(path)
        if (isinstance(node, ast.Name) and node.id == "TYPE_CHECKING")
        or (isinstance(node, ast.Attribute) and node.attr == "TYPE_CHECKING")
    ]


def test_nothing_is_imported_for_type_checking_only() -> None:
    assert faults_in(modules, hidden_imports) == {}, "such blocks hide circles"


def swallowed_failures(path: Path) -> list[int]:
    return [
        node.lineno
        for node in nodes_of(path)
        if isinstance(node, ast.ExceptHandler)
        and all(isinstance(statement, ast.Pass) for statement in node.body)
        and (node.type is None or ast.unparse(node.type) in {"Exception", "BaseException"})
    ]


def test_no_failure_is_swallowed() -> None:
    assert faults_in(modules, swallowed_failures) == {}


def more_than_a_docstring(path: Path) -> bool:
    tree = tree_of(path)
    return not ast.get_docstring(tree) or len(tree.body) != 1


def test_a_package_is_one_docstring() -> None:
    packages = [path for path in modules if path.name == "__init__.py"]
    assert faults_in(packages, more_than_a_docstring) == {}


def relative_imports(path: Path) -> list[int]:
    return [
        node.lineno for node in nodes_of(path) if isinstance(node, ast.ImportFrom) and node.level
    ]


def test_imports_are_absolute() -> None:
    assert faults_in(rooms, relative_imports) == {}


def large_protocols(path: Path) -> list[str]:
    return [
        its.name
        for its in classes_in(path)
        if any(ast.unparse(parent).startswith("Protocol") for parent in its.bases)
        and sum(isinstance(node, Function) for node in its.body) > PROTOCOL_METHODS_MAX
    ]


def test_a_protocol_is_small() -> None:
    assert faults_in(rooms, large_protocols) == {}


PLANTED = (
    """import typing
from . import model
class DataHelper(Protocol):
    def one(self): ...
    def two(self): ...
    def three(self): ...
    async def four(self): ...
    async def five(self): ...
    async def six(self): ...
if typing.TYPE_CHECKING:
    import engine
def long():
    try:
        engine
    except Exception:
        pass
"""
    + "    engine\n" * LINES_MAX
)


@pytest.mark.parametrize(
    ("rule", "fault"),
    [
        (wrong_caption, "nothing stands above the caption"),
        (too_many_lines, 16 + LINES_MAX),
        (long_functions, {"long": 5 + LINES_MAX}),
        (empty_names, {"DataHelper"}),
        (hidden_imports, [10]),
        (swallowed_failures, [15]),
        (more_than_a_docstring, True),
        (relative_imports, [2]),
        (large_protocols, ["DataHelper"]),
    ],
)
def test_a_planted_fault_is_found(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, rule: Callable[[Path], object], fault: object
) -> None:
    monkeypatch.setattr(source_tree, "ROOT", tmp_path)
    planted = tmp_path / "planted.py"
    planted.write_text(PLANTED, encoding="utf-8")
    assert faults_in([planted], rule) == {"planted.py": fault}


def test_the_house_is_there_to_be_looked_at() -> None:
    assert {path.parts[len(path.parts) - 1] for path in python_files("engine")} >= {"model.py"}
    assert len(python_files(*EVERYTHING)) > 20
