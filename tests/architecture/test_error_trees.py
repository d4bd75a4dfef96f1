"""The trees of errors that captions draw are those of the classes below them."""

import ast
import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import HOUSE, classes_in, dotted, python_files, short, tree_of

BRANCH = re.compile(r"^((?:│   |    )*)(?:├── |└── )(\w+)")


def drawn(caption: str) -> dict[str, str]:
    """Return what a tree says: each error and the one above it.

    >>> drawn("One.\\n\\nA\\n├── B   so\\n│   └── C  so\\n└── D\\n")
    {'B': 'A', 'C': 'B', 'D': 'A'}
    """
    above: list[str] = []
    found: dict[str, str] = {}
    for line in caption.splitlines():
        branch = BRANCH.match(line)
        if branch is None:
            above = [line] if re.fullmatch(r"\w+", line) else above
            continue
        depth = len(branch[1]) // 4 + 1
        above[depth:] = [branch[2]]
        found[branch[2]] = above[depth - 1]
    return found


TREES = {
    path: tree
    for path in python_files(*HOUSE)
    if (tree := drawn(ast.get_docstring(tree_of(path)) or ""))
}


def test_there_are_trees() -> None:
    assert {short(path) for path in TREES} == {"engine/errors.py", "adapters/client/errors.py"}


@pytest.mark.parametrize("path", TREES, ids=short)
def test_a_tree_is_that_of_the_classes(path: Path) -> None:
    own = {its.name: dotted(its.bases[0]) for its in classes_in(path) if its.bases}
    root = next(iter(TREES[path].values()))
    errors = {
        name: parent for name, parent in own.items() if name.endswith("Error") and name != root
    }
    assert TREES[path] == errors
