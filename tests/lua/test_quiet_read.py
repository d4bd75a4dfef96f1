"""quiet_read, with part_quiet: zones by name, what stands in each, and when it opens."""

from __future__ import annotations

from dataclasses import replace

from engine.model import SourceState
from engine.ports import FOREVER_MS
from engine.quiet import ZoneStanding
from tests.builders import a_source
from tests.lua.slot_state import LANE, OTHER, PORTFOLIO, SENDER, SOURCE, START_MS, Slot

ROME = "Europe/Rome"
OPEN = ((START_MS, START_MS + 9_000),)
LATER = ((START_MS + 500, START_MS + 9_000),)


async def test_a_source_that_nobody_told_of_has_no_zones(slot: Slot) -> None:
    await slot.furnish()
    assert await slot.ledger.zones(PORTFOLIO, SOURCE) == []
    assert await slot.ledger.zones(PORTFOLIO, "campaign:nobody") == []


async def test_it_counts_each_zone_over_all_senders_and_changes_nothing(slot: Slot) -> None:
    await slot.furnish()
    lane = replace(LANE, zone=ROME)
    await slot.queue(1, 2, lane=lane)
    await slot.queue(3, lane=replace(lane, sender=OTHER))
    await slot.queue(4)
    await slot.ledger.put_quiet(PORTFOLIO, SOURCE, {ROME: LATER, "": OPEN, "Asia/Tokyo": LATER})
    before = await slot.state(everything=True)
    assert await slot.ledger.zones(PORTFOLIO, SOURCE) == [
        ZoneStanding("", jobs=1, held=0, opens_at_ms=None, senders={SENDER: 1}),
        ZoneStanding("Asia/Tokyo", jobs=0, held=0, opens_at_ms=START_MS + 500),
        ZoneStanding(ROME, 3, 3, START_MS + 500, senders={SENDER: 2, OTHER: 1}),
    ]
    assert await slot.changes(before, everything=True) == {}


async def test_a_lane_of_a_zone_nobody_told_is_shut_for_nobody_knows_how_long(slot: Slot) -> None:
    await slot.furnish()
    await slot.ledger.put_quiet(PORTFOLIO, SOURCE, {"": OPEN})
    await slot.queue(1, lane=replace(LANE, zone=ROME))
    standings = await slot.ledger.zones(PORTFOLIO, SOURCE)
    assert standings[1] == ZoneStanding(ROME, 1, 1, FOREVER_MS, senders={SENDER: 1})


async def test_what_another_gate_holds_is_not_held_by_quiet_hours(slot: Slot) -> None:
    await slot.furnish()
    await slot.ledger.put_quiet(PORTFOLIO, SOURCE, {"": LATER})
    await slot.queue(1)
    await slot.put_source(a_source(state=SourceState.PAUSED))
    (standing,) = await slot.ledger.zones(PORTFOLIO, SOURCE)
    assert (standing.jobs, standing.held) == (1, 0)
