"""part_name, part_moves: a lane of a zone keeps it when it is moved, restored or forgotten."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.redis.keys import tag
from engine.model import Category, JobKey, Lane, Priority, SourceState
from engine.outcomes import Accepted
from engine.ports import Batch
from engine.template_ports import Repoint
from tests.builders import a_row, a_source, a_template
from tests.lua.slot_state import LANE, PORTFOLIO, SENDER, SOURCE, START_MS, Slot
from tests.lua.test_claim_restore import keys, restore
from tests.lua.test_lanes_prune import days_pass
from tests.lua.test_quiet_put import LIMA, ROME, put
from tests.lua.test_source_forget import forget

OTHER = "W/other/en"
FAR = ((START_MS + 30 * 86_400_000, START_MS + 40 * 86_400_000),)  # when a zone opens
BED = f"asleep:schedule:{SOURCE}|{ROME.zone}"


async def asleep(slot: Slot, *, expires_at_ms: int = 0) -> None:
    """Have a job sleep in a zone that is shut for a month."""
    await slot.furnish()
    await put(slot, rome=FAR)
    await slot.queue(1, lane=ROME, expires_at_ms=expires_at_ms)
    await slot.claim()
    assert await slot.client.exists(tag(PORTFOLIO) + BED)


async def test_a_pruned_lane_leaves_its_bed_and_its_name(slot: Slot) -> None:
    await asleep(slot, expires_at_ms=START_MS + 1_000)
    slot.now_ms += 1_000
    assert (await slot.ledger.rescue(PORTFOLIO)).expired == [JobKey(1, 1)]
    await days_pass(slot)
    for name in (BED, "lanes", "lane:1"):
        assert not await slot.client.exists(tag(PORTFOLIO) + name), name
    assert (await slot.queue(2, lane=ROME)).lane == 2
    slot.now_ms = FAR[0][0]
    assert await slot.take() == [1], "the zone is known, also when it had no lane for a while"


@pytest.mark.parametrize("priority", [Priority.MARKETING, Priority.UTILITY], ids=str)
async def test_a_lane_whose_template_becomes_one_of_codes_wakes_at_once(
    slot: Slot, priority: Priority
) -> None:
    lane = replace(ROME, priority=priority)
    await slot.furnish()
    await put(slot, rome=FAR)
    await slot.queue(1, lane=lane)
    assert await slot.take() == []
    await slot.put_template(a_template(category=Category.UTILITY))
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], FAR[0][0])  # updates wait as well
    await slot.put_template(a_template(category=Category.AUTHENTICATION))
    assert await slot.take() == [1]
    assert not await slot.client.exists(tag(PORTFOLIO) + BED)


async def test_a_lane_whose_quiet_hours_are_lifted_wakes_at_once(slot: Slot) -> None:
    await asleep(slot)
    await slot.ledger.end_quiet(PORTFOLIO, SOURCE)
    assert await slot.take() == [1]


async def test_a_lane_that_gets_another_template_leaves_its_bed_and_keeps_its_zone(
    slot: Slot,
) -> None:
    await asleep(slot)
    await slot.put_template(a_template(), OTHER)
    await slot.put_source(a_source(state=SourceState.PAUSED))
    wish = Repoint({SENDER: OTHER}, Priority.MARKETING, b"new")
    await slot.ledger.repoint(PORTFOLIO, SOURCE, wish)
    assert not await slot.client.exists(tag(PORTFOLIO) + BED)
    assert (await slot.queue(2, lane=replace(ROME, template=OTHER))).lane == 1
    assert (await slot.queue(3, lane=replace(LANE, template=OTHER))).lane == 2
    await slot.put_source(a_source())
    await put(slot, none=FAR)
    assert await slot.take() == []
    assert await slot.client.exists(tag(PORTFOLIO) + BED)
    slot.now_ms = FAR[0][0]
    assert sorted(await slot.take()) == [1, 1, 2]


async def test_lanes_of_zones_that_move_to_a_category_stay_apart(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, lane=ROME)
    await slot.queue(2, lane=LIMA)
    await slot.put_template(a_template(category=Category.UTILITY))
    moved = [replace(lane, priority=Priority.UTILITY) for lane in (ROME, LIMA)]
    assert [(await slot.queue(3 + at, lane=lane)).lane for at, lane in enumerate(moved)] == [1, 2]
    assert {job.lane.zone for job in (await slot.claim()).jobs} == {ROME.zone, LIMA.zone}
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_claim_is_not_restored_into_a_lane_of_another_zone(slot: Slot) -> None:
    await slot.furnish()
    before = {key: await slot.client.dump(key) for key in await keys(slot)}
    await slot.queue(1, lane=ROME)
    claimed = (await slot.claim()).jobs
    await slot.client.flushall()
    for key, kept in before.items():
        assert kept is not None
        await slot.client.restore(key, 0, kept)
    others: tuple[Lane, ...] = (LIMA, LANE)
    for lane in others:
        assert (await slot.queue(2, lane=lane)).lane <= len(others)
    assert await restore(slot, claimed) == 1
    assert len((await slot.claim()).jobs) == len(others)


async def test_rows_are_not_restored_into_a_lane_of_another_zone(slot: Slot) -> None:
    await slot.furnish()
    before = {key: await slot.client.dump(key) for key in await keys(slot)}
    row = a_row(1)
    answer = await slot.enqueue(row, lane=ROME)
    await slot.client.flushall()
    for key, kept in before.items():
        assert kept is not None
        await slot.client.restore(key, 0, kept)
    await slot.queue(2, lane=LIMA)
    await slot.ledger.restore_enqueued(Batch(PORTFOLIO, ROME, [row]), answer)
    assert [job.recipient for job in (await slot.claim()).jobs] != [row.recipient]


async def test_nothing_of_the_zones_of_a_forgotten_source_stays(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, lane=ROME)
    await slot.claim()
    await slot.settle(Accepted("wamid"))
    await put(slot, rome=FAR)
    await days_pass(slot)
    await slot.client.zadd(tag(PORTFOLIO) + "openings", {f"quiet:{SOURCE}|{ROME.zone}": 1})
    assert await forget(slot)
    left = [key async for key in slot.client.scan_iter(match=tag(PORTFOLIO) + f"*{SOURCE}*")]
    assert left == []
    assert not await slot.client.exists(tag(PORTFOLIO) + "openings")
