"""part_refusal: rows of what their source no longer is are refused where they would be queued."""

from __future__ import annotations

from dataclasses import replace

from engine.model import Priority
from tests.lua.slot_state import LANE, PORTFOLIO, SOURCE, Slot
from tests.lua.test_source_repoint import OTHER, WISH, furnished


async def test_rows_of_an_older_version_are_refused_in_the_step_that_would_queue_them(
    slot: Slot,
) -> None:
    await furnished(slot)
    assert await slot.ledger.repoint(PORTFOLIO, SOURCE, replace(WISH, version=2)) == 2
    before = await slot.state()
    assert (await slot.queue(3, content=1)).refused == "stale"
    assert (
        await slot.queue(3, content=1, dedupe=b"a name..", fingerprint=b"a print.")
    ).refused == "stale"
    assert await slot.changes(before) == {}
    lane = replace(LANE, template=OTHER, priority=Priority.UTILITY)
    assert (await slot.queue(3, content=2, lane=lane)).accepted == 1
    assert (await slot.queue(4, content=3, lane=lane)).accepted == 1
    assert (await slot.queue(5, lane=lane)).accepted == 1  # it brings its whole message
