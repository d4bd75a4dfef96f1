"""person_erase: what a slot holds of a person's messages goes, the books stay right."""

from __future__ import annotations

from engine.books import JobView
from engine.model import DeliveryStatus, JobKey, JobState
from engine.outcomes import Accepted, Dropped, InDoubt, Retry
from tests.builders import a_recipient
from tests.lua.slot_state import PORTFOLIO, SENDER, Slot

ONE, TWO = a_recipient(1), a_recipient(2)


async def erase(slot: Slot, part: str, lane: int = 0) -> int:
    """Erase the first person from one part, bite by bite; return how many jobs were found."""
    cursor, found, bites = b"0", 0, 0
    while cursor != b"0" or not bites:
        reply = await slot.run("person_erase", part, lane, cursor, ONE)
        cursor, found, bites = reply[0], found + reply[1], bites + 1
    return found


async def test_queued_jobs_end_unsent_and_their_numbers_are_gone(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2, 1, 3)
    assert await erase(slot, "queue", 1) == 2
    assert await slot.books() == {"suppressed": 2, "queued": 2}
    rows = await slot.client.lrange(f"ps:{{{PORTFOLIO}}}:q:1", 0, -1)
    assert [row[5:13] for row in rows] == [TWO, a_recipient(3)]
    assert await slot.ledger.audit(PORTFOLIO) == []
    assert await slot.take() == [2, 4]
    assert await slot.ledger.job(PORTFOLIO, JobKey(1, 3)) == JobView(
        JobKey(1, 3), JobState.SUPPRESSED
    )


async def test_what_a_failed_job_said_is_forgotten(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.claim()
    for job in (1, 2):
        await slot.settle(Dropped(131026, "never"), job=job)
    assert await erase(slot, "dead_rows") == 1
    assert await slot.client.hkeys(f"ps:{{{PORTFOLIO}}}:dead_rows") == [b"1.2"]
    assert await slot.client.zrange(f"ps:{{{PORTFOLIO}}}:dead_at", 0, -1) == [b"1.2"]
    assert await erase(slot, "dead_rows") == 0


async def test_a_lane_that_held_nothing_else_leaves_its_ring_and_comes_back(slot: Slot) -> None:
    await slot.furnish()
    before = await slot.state(everything=True)
    await slot.queue(1)
    assert await erase(slot, "queue", 1) == 1
    state = await slot.state(everything=True)
    assert {name for name in state if name.startswith(f"ring:{SENDER}")} == set()
    assert state.get("meta busy3") in {None, b"0", "0", 0}, before
    await slot.queue(2)
    assert await slot.take() == [2]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_who_waits_for_a_place_waits_no_more(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(2, 1)
    await slot.take()
    assert await erase(slot, "parked", 1) == 1
    assert await slot.ledger.audit(PORTFOLIO) == []
    slot.now_ms += 120_000
    await slot.queue(3)
    assert await slot.take() == [3]


async def test_a_long_list_is_read_to_its_front(slot: Slot) -> None:
    await slot.furnish(places=5_000)
    for _ in range(3):
        await slot.queue(1, *range(2, 400), 1, *range(400, 900), 1)
    assert await erase(slot, "queue", 1) == 9
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_what_is_kept_aside_goes_and_what_is_open_is_counted(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 1, 2)
    await slot.queue(1, not_before_ms=slot.now_ms + 900)
    await slot.claim()
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"), job=1)
    await slot.settle(InDoubt("silence"), job=2)
    assert await erase(slot, "open") == 1
    assert await erase(slot, "aside") == 2
    assert await slot.ledger.audit(PORTFOLIO) == []
    books = await slot.books()
    assert (books["suppressed"], books["in_doubt"], books["in_flight"]) == (2, 1, 1)
    slot.now_ms += 2_000
    assert await slot.take() == []


async def test_ended_jobs_lose_their_wamid_and_get_none_again(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.claim()
    for job in (1, 2):
        await slot.settle(Accepted(f"wamid.{job}"), job=job)
    assert await erase(slot, "done", 1) == 1
    assert await erase(slot, "done", 1) == 0
    await slot.receive(DeliveryStatus.DELIVERED, job=1, wamid="wamid.1")
    first, second = [await slot.ledger.job(PORTFOLIO, JobKey(1, job)) for job in (1, 2)]
    assert first is not None
    assert second is not None
    assert (first.wamid, first.delivery) == ("erased", DeliveryStatus.DELIVERED)
    assert second.wamid == "wamid.2"
    assert (await slot.used(), await slot.ledger.audit(PORTFOLIO)) == (2, [])


async def test_an_open_service_window_is_forgotten(slot: Slot) -> None:
    await slot.furnish()
    for person in (ONE, TWO):
        await slot.ledger.open_window(PORTFOLIO, SENDER, person, slot.now_ms + 900)
    before = await slot.state()
    assert await erase(slot, "pairs") == 0
    assert len(await slot.changes(before)) == 1
