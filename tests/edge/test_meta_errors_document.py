"""docs/errors.md says of every error number what the table does with it; write it anew with it.

`python -m tests.edge.test_meta_errors_document` writes the rows after a change of the table.
"""

from __future__ import annotations

import re
from typing import Final

import pytest

from adapters.meta.codes import RESTS, TABLE, Action, Verdict
from engine.ports import FOREVER_MS
from engine.senders import CLOSES_IN_PART
from tests.architecture.source_tree import ROOT

DOCUMENT: Final = ROOT / "docs/errors.md"
HEAD: Final = "| code | meaning | the job | closes | for | attempt | told later, its place |"
RULER: Final = "|---|---|---|---|---|---|---|\n"
ROW: Final = re.compile(r"^\| (\d+) \|.*\|$", re.MULTILINE)
UNITS: Final = ((86_400_000, "d"), (3_600_000, "h"), (60_000, "min"), (1_000, "s"))
JOBS: Final = {
    Action.DEFER: "waits",
    Action.RETRY: "is tried again",
    Action.DROP: "fails",
}


def span(ms: int) -> str:
    """Return a time as people write it."""
    if ms >= FOREVER_MS:
        return "until opened"
    unit_ms, unit = next((each for each in UNITS if ms % each[0] == 0), (1, "ms"))
    return f"{ms // unit_ms} {unit}" if ms else "-"


def row_of(row: Verdict) -> str:
    """Return the line of a number."""
    rest = RESTS.get(row.code)
    job = JOBS[row.action] if row.proves else "is tried again; marketing is in doubt"
    if rest is not None:
        job += f"; marketing to the person rests {span(rest.for_ms)}"
        job += f" after {rest.times} in {span(rest.within_ms)}" if rest.times > 1 else ""
    cells = [
        str(row.code),
        f"[{row.title}]({row.source})",
        job,
        closes(row),
        "curve" if row.action is Action.RETRY and not row.wait_ms else span(row.wait_ms),
        "spent" if row.spends else "kept",
        "given back" if row.undelivered else "stays taken",
    ]
    return f"| {' | '.join(cells)} |"


def closes(row: Verdict) -> str:
    """Return the gate a number closes; where answers still go, that."""
    if row.gate is None:
        return "-"
    is_partial = any(value == str(row.code) for _, value in CLOSES_IN_PART)
    return f"{row.gate.value}, templates only" if is_partial else row.gate.value


def rows() -> list[str]:
    """Return all lines, by number."""
    return [row_of(TABLE[code]) for code in sorted(TABLE)]


def test_the_document_has_each_row_as_it_is() -> None:
    text = DOCUMENT.read_text(encoding="utf-8")
    assert [found.group(0) for found in ROW.finditer(text)] == rows()
    assert HEAD in text


@pytest.mark.parametrize("code", [1752041, 2388019, 131059])
def test_what_no_send_can_meet_is_named_apart(code: int) -> None:
    assert code not in TABLE
    assert f"`{code}`" in DOCUMENT.read_text(encoding="utf-8")


def write() -> None:
    """Write the rows into the document."""
    text = ROW.sub("", DOCUMENT.read_text(encoding="utf-8"))
    before, ruler, after = text.partition(RULER)
    lines = "\n".join(rows())
    DOCUMENT.write_text(f"{before}{ruler}{lines}\n\n{after.strip()}\n", encoding="utf-8")


if __name__ == "__main__":
    write()
