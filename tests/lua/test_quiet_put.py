"""quiet_put, with part_quiet and part_sources: a shut zone sleeps, and wakes when it opens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Category, Gate, JobKey, JobState, Priority, SourceState
from engine.outcomes import Accepted, Unwritten
from engine.ports import FOREVER_MS
from tests.builders import a_source
from tests.lua.slot_state import GONE, LANE, OTHER, PORTFOLIO, SOURCE, START_MS, Slot

ROME, LIMA = replace(LANE, zone="Europe/Rome"), replace(LANE, zone="America/Lima")
HOUR = 3_600_000
OPEN = ((START_MS - HOUR, START_MS + HOUR),)
LATER = ((START_MS + 500, START_MS + HOUR),)


async def put(slot: Slot, **spans: tuple[tuple[int, int], ...]) -> None:
    """Set the calendars of zones; `rome` and `lima` are those of the lanes, `none` is unsorted."""
    names = {"rome": ROME.zone, "lima": LIMA.zone, "none": ""}
    told = {names[name]: its for name, its in spans.items()}
    await slot.ledger.put_quiet(PORTFOLIO, SOURCE, told)


async def test_it_writes_calendars_and_nothing_per_job(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, lane=ROME)
    before = await slot.state()
    await put(slot, rome=((START_MS + 5, START_MS + 9), (START_MS + 20, START_MS + 30)))
    first, second = f"{START_MS + 5},{START_MS + 9};", f"{START_MS + 20},{START_MS + 30};"
    assert await slot.changes(before) == {
        f"quiet:{SOURCE} Europe/Rome": first + second,
        f"src:{SOURCE} quiet": 1,
    }


async def test_only_the_shut_zone_waits_and_it_opens_by_itself(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER, lima=OPEN)
    await slot.queue(1, 2, lane=ROME)
    await slot.queue(3, lane=LIMA)
    before = await slot.state()
    answer = await slot.claim()
    assert [job.lane.zone for job in answer.jobs] == ["America/Lima"]
    assert answer.come_back_at_ms == START_MS + 500
    changed = await slot.changes(before)
    assert changed[f"asleep:schedule:{SOURCE}|Europe/Rome 1"] is True
    assert changed[f"openings quiet:{SOURCE}|Europe/Rome"] == 500
    slot.now_ms += 500
    assert await slot.take() == [1, 2]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_a_sleeping_lane_is_not_looked_at_until_it_opens(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    refusals = [
        [(each.gate, each.count) for each in (await slot.claim()).refusals] for _ in range(3)
    ]
    assert refusals == [[(Gate.SCHEDULE, 1)], [], []]


async def test_a_zone_shuts_in_the_middle_of_a_campaign(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=((START_MS, START_MS + 100), (START_MS + 900, START_MS + HOUR)))
    await slot.queue(1, 2, 3, lane=ROME)
    assert await slot.take(1) == [1]
    slot.now_ms += 100
    assert await slot.take() == []
    await slot.queue(4, lane=ROME)  # what comes later waits as well
    slot.now_ms += 799
    assert await slot.take() == []
    slot.now_ms += 1
    assert await slot.take() == [2, 3, 4]


async def test_what_nobody_told_is_shut(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, none=OPEN)
    await slot.queue(1, lane=ROME)
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], FOREVER_MS)
    await put(slot, rome=OPEN)
    assert await slot.take() == [1]


async def test_a_calendar_that_ends_shuts(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=OPEN)
    await slot.queue(1, lane=ROME)
    slot.now_ms += HOUR
    assert await slot.take() == []
    await put(slot, rome=((slot.now_ms, slot.now_ms + HOUR),))
    assert await slot.take() == [1]


@pytest.mark.parametrize("opens_ms", [200, 5_000])
async def test_another_calendar_moves_the_opening_of_what_sleeps(slot: Slot, opens_ms: int) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    await slot.claim()
    await put(slot, rome=((START_MS + opens_ms, START_MS + HOUR),))
    slot.now_ms += opens_ms - 1
    assert await slot.take() == []
    slot.now_ms += 1
    assert await slot.take() == [1]


async def test_quiet_hours_that_end_wake_everybody_and_keep_the_names_of_zones(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER, none=LATER)
    await slot.queue(1, lane=ROME)
    await slot.queue(2)
    await slot.claim()
    before = await slot.state()
    await slot.ledger.end_quiet(PORTFOLIO, SOURCE)
    changed = await slot.changes(before)
    assert changed[f"src:{SOURCE} quiet"] == 0
    assert changed[f"openings quiet:{SOURCE}|Europe/Rome"] is GONE
    assert {job.lane.zone for job in (await slot.claim()).jobs} == {"", "Europe/Rome"}
    standings = await slot.ledger.zones(PORTFOLIO, SOURCE)
    assert [(each.zone, each.opens_at_ms) for each in standings] == [
        ("", None),
        ("Europe/Rome", None),
    ]


@pytest.mark.parametrize("category", [Category.AUTHENTICATION, Category.UTILITY])
async def test_codes_are_never_held(slot: Slot, category: Category) -> None:
    await slot.furnish(category=category)
    await put(slot, none=LATER)
    await slot.queue(1)
    assert await slot.take() == ([1] if category is Category.AUTHENTICATION else [])


async def test_replies_are_never_held(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, none=LATER)
    reply = replace(LANE, template="", priority=Priority.SERVICE)
    window = f"{LANE.sender}:".encode() + (1).to_bytes(8)
    await slot.run("service_open", window, START_MS + HOUR)
    await slot.queue(1, lane=reply)
    assert await slot.take() == [1]


async def test_another_source_is_not_held(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_source(a_source(), "campaign:b")
    await put(slot, none=LATER)
    await slot.queue(1)
    await slot.queue(2, lane=replace(LANE, source="campaign:b"))
    assert [job.lane.source for job in (await slot.claim()).jobs] == ["campaign:b"]


async def test_with_its_gate_off_nothing_is_held(slot: Slot) -> None:
    loose = Slot(slot.client, gates_off=frozenset({Gate.SCHEDULE}))
    await loose.furnish()
    await put(loose, rome=LATER)
    await loose.queue(1, lane=ROME)
    assert await loose.take() == [1]


async def test_a_job_that_comes_back_at_night_waits_for_the_morning(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=((START_MS, START_MS + 100), (START_MS + 900, START_MS + HOUR)))
    await slot.queue(1, lane=ROME)
    await slot.claim()
    slot.now_ms += 100
    assert (await slot.ledger.again(PORTFOLIO, JobKey(1, 1), 1)).gate is Gate.SCHEDULE
    await slot.settle(Unwritten("late"))
    assert await slot.take() == []
    slot.now_ms += 800
    assert await slot.take() == [1]


async def test_a_parked_job_of_a_shut_zone_takes_no_place(slot: Slot) -> None:
    await slot.furnish(places=1)
    await put(slot, rome=((START_MS, START_MS + 100),), lima=OPEN)
    await slot.queue(1, 2, lane=ROME)
    assert await slot.take() == [1]  # and 2 is parked
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += 60_201
    await slot.queue(3, lane=LIMA)
    assert [job.lane.zone for job in (await slot.claim()).jobs] == ["America/Lima"]


async def test_a_paused_source_stays_paused_when_its_zone_opens(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    await slot.claim()
    await slot.put_source(a_source(state=SourceState.PAUSED))
    slot.now_ms += 500
    assert await slot.take() == []
    await slot.put_source(a_source())
    assert await slot.take() == [1]


async def test_a_cancelled_source_has_nothing_left_to_open(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    await slot.claim()
    await slot.put_source(a_source(state=SourceState.CANCELLED))
    slot.now_ms += 500
    assert await slot.take() == []
    assert await slot.books() == {JobState.CANCELLED: 1}


async def test_the_books_and_a_job_name_the_gate_its_zone_and_its_opening(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    books = await slot.ledger.counts(PORTFOLIO, SOURCE)
    assert books.waiting == {Gate.SCHEDULE: 1}
    view = await slot.ledger.job(PORTFOLIO, JobKey(1, 1))
    assert view is not None
    assert (view.gate, view.zone, view.until_ms) == (Gate.SCHEDULE, "Europe/Rome", START_MS + 500)


async def test_a_job_behind_quiet_hours_is_not_late(slot: Slot) -> None:
    await slot.furnish()
    await put(slot, rome=LATER)
    await slot.queue(1, lane=ROME)
    (depth,) = await slot.ledger.depths(PORTFOLIO)
    assert depth.jobs == {(Priority.MARKETING, Gate.SCHEDULE): 1}
    assert depth.oldest_due_ms == {}


async def test_a_thousand_jobs_and_ten_sleep_and_wake_as_cheaply(slot: Slot) -> None:
    await slot.furnish(places=-1, mps=1_000)
    await put(slot, rome=LATER)
    commands: list[int] = []
    for sender, jobs in ((LANE.sender, 10), (OTHER, 1_000)):
        lane = replace(ROME, sender=sender)
        await slot.queue(*range(jobs), lane=lane)
        await slot.claim()
        before = (await slot.client.info("commandstats"))["cmdstat_zadd"]["calls"]
        await put(slot, rome=LATER)
        after = (await slot.client.info("commandstats"))["cmdstat_zadd"]["calls"]
        commands.append(after - before)
    assert commands == [1, 1]
