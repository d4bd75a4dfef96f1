"""What a comment cites can be found by whoever reads it: no paper that is not in this tree."""

import re
from pathlib import Path

import pytest

from tests.architecture.source_tree import HOUSE, ROOT, lua_files, python_files, short

PAPERS = re.compile(
    r"\b(?:DESIGN|HOUSE|INTERFACE|LIBRARIES|PEERS|PERFORMANCE|RELIABILITY|RULES|SEED)\b"
    r"[: ]+(?:section )?[0-9§]"
)
SHORT = re.compile(r"(?<![\w/.])([A-Z])/[a-z]")
RECORD = re.compile(r"\bADR (\d+)")


def cited(text: str) -> list[str]:
    """Return the papers that a text speaks of as if its reader had them.

    >>> cited("shapes: RULES 4.2; DESIGN section 6"), cited("RULES = 4 # in_force: RULES[x]")
    (['RULES 4', 'DESIGN section 6'], [])
    """
    return PAPERS.findall(text)


@pytest.mark.parametrize("path", [*python_files(*HOUSE, "benchmarks"), *lua_files()], ids=short)
def test_nothing_is_cited_that_is_not_here(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert cited(text) == []
    glossary = (ROOT / "docs/glossary.md").read_text(encoding="utf-8")
    assert {letter for letter in SHORT.findall(text) if f"`{letter}/x`" not in glossary} <= set(
        "ABCD"  # of paths in examples
    )
    numbers = {path.name[:4] for path in (ROOT / "docs/adr").glob("*.md")}
    assert {number.zfill(4) for number in RECORD.findall(text)} <= numbers
