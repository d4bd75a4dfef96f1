"""The source as the architecture tests see it: paths, trees, functions, names."""

import ast
import re
from collections.abc import Callable, Iterable, Iterator
from functools import cache
from pathlib import Path
from typing import Final

ROOT: Final = Path(__file__).parents[2]
HOUSE: Final = ("engine", "adapters")
EVERYTHING: Final = (*HOUSE, "benchmarks", "tests")

Function = ast.FunctionDef | ast.AsyncFunctionDef


def python_files(*folders: str) -> list[Path]:
    """Return every module below the folders, in order."""
    return sorted(path for folder in folders for path in (ROOT / folder).rglob("*.py"))


def lua_files() -> list[Path]:
    """Return every script and every piece of one."""
    return sorted((ROOT / "adapters/redis/lua").rglob("*.lua"))


def short(path: Path) -> str:
    """Return a path as a person says it."""
    return path.relative_to(ROOT).as_posix()


@cache
def tree_of(path: Path) -> ast.Module:
    """Return the parsed module."""
    return ast.parse(path.read_text(encoding="utf-8"), filename=str(path))


@cache
def nodes_of(path: Path) -> tuple[ast.AST, ...]:
    """Return every node of the module: each rule goes through them, walking is done once."""
    return tuple(ast.walk(tree_of(path)))


def functions_in(path: Path) -> Iterator[Function]:
    """Yield every function and method, also the nested ones."""
    return (node for node in nodes_of(path) if isinstance(node, Function))


def classes_in(path: Path) -> Iterator[ast.ClassDef]:
    """Yield every class."""
    return (node for node in nodes_of(path) if isinstance(node, ast.ClassDef))


def faults_in(paths: Iterable[Path], rule: Callable[[Path], object]) -> dict[str, object]:
    """Return what a rule finds wrong, by file: one test looks at all files."""
    looked_at = list(paths)
    assert looked_at, "a rule that looks at nothing finds nothing"
    return {short(path): fault for path in looked_at if (fault := rule(path))}


def words_of(name: str) -> set[str]:
    """Return the words of a snake_case or CamelCase name, in lower case.

    >>> sorted(words_of("_HTTPPool_size"))
    ['http', 'pool', 'size']
    """
    return {word.lower() for word in re.findall(r"[A-Z]+(?![a-z])|[A-Z]?[a-z]+|\d+", name)}


def dotted(node: ast.expr) -> str:
    """Return `a.b.c` of an attribute chain, empty when it is something else."""
    match node:
        case ast.Name(id=name):
            return name
        case ast.Attribute(value=owner, attr=name):
            before = dotted(owner)
            return f"{before}.{name}" if before else ""
        case _:
            return ""
