"""Every example in a docstring runs and gives what it says."""

import doctest
import importlib
from pathlib import Path

import pytest

from tests.architecture.source_tree import HOUSE, python_files, short

with_examples = [
    path
    for path in python_files(*HOUSE, "tests/architecture")
    if ">>> " in path.read_text(encoding="utf-8") and path != Path(__file__)
]


@pytest.mark.parametrize("path", with_examples, ids=short)
def test_the_examples_hold(path: Path) -> None:
    module = importlib.import_module(short(path).removesuffix(".py").replace("/", "."))
    answer = doctest.testmod(module)
    assert answer.attempted > 0
    assert answer.failed == 0
