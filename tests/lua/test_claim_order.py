"""claim: priority, fair shares, first in first out, and who gets a freed place.

With it its parts: part_order, part_fresh, part_turns, part_rings, part_rings_end.
"""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from engine.model import Lane, Priority, SenderId
from engine.ports import Answer
from tests.builders import a_portfolio, a_recipient, a_row, a_sender, a_source
from tests.lua.slot_state import LANE, OTHER, PORTFOLIO, SENDER, SPAN_MS, Slot


def lane_of(priority: Priority, source: str = LANE.source) -> Lane:
    """Return the lane of a priority."""
    return replace(LANE, priority=priority, source=source)


def sources(answer: Answer) -> Counter[str]:
    """Return how many jobs each source got."""
    return Counter(job.lane.source for job in answer.jobs)


async def test_a_higher_priority_goes_first(slot: Slot) -> None:
    await slot.furnish()
    for number, priority in enumerate([3, 2, 0], 1):
        await slot.queue(number, lane=lane_of(Priority(priority)))
    assert [job.lane.priority for job in (await slot.claim()).jobs] == [0, 2, 3]


async def test_jobs_of_a_lane_leave_first_in_first_out(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(*range(1, 10))
    assert await slot.take(most=4) == [1, 2, 3, 4]
    slot.now_ms += 10
    assert await slot.take(most=5) == [5, 6, 7, 8, 9]


async def test_sources_share_by_weight(slot: Slot) -> None:
    await slot.furnish(places=1_000)
    await slot.put_source(a_source(weight=3), "campaign:b")
    for source in (LANE.source, "campaign:b"):
        await slot.queue(*range(1, 81), lane=lane_of(Priority.MARKETING, source))
    shares: Counter[str] = Counter()
    for _ in range(8):
        shares += sources(await slot.claim(most=10))
        slot.now_ms += 20
    assert shares == {LANE.source: 20, "campaign:b": 60}


async def test_two_lanes_of_a_source_share_its_weight(slot: Slot) -> None:
    await slot.furnish(places=1_000)
    await slot.put_source(a_source(), "campaign:b")
    await slot.queue(*range(1, 81))
    await slot.queue(*range(1, 81), lane=replace(LANE, template=""))
    await slot.queue(*range(1, 81), lane=lane_of(Priority.MARKETING, "campaign:b"))
    for number in range(1, 81):
        until_ms = slot.now_ms + 10**6
        await slot.ledger.open_window(PORTFOLIO, LANE.sender, a_recipient(number), until_ms)
    shares: Counter[str] = Counter()
    for _ in range(8):
        shares += sources(await slot.claim(most=10))
        slot.now_ms += 20
    assert shares.total() == 80
    assert abs(shares[LANE.source] - shares["campaign:b"]) <= 2


async def test_a_source_that_slept_gets_no_credit_for_it(slot: Slot) -> None:
    await slot.furnish(places=1_000)
    await slot.queue(*range(1, 61))
    await slot.claim(most=10)
    slot.now_ms += 20
    await slot.queue(*range(1, 61), lane=lane_of(Priority.MARKETING, "campaign:b"))
    assert sources(await slot.claim(most=10)) == {LANE.source: 5, "campaign:b": 5}


async def test_one_send_in_twenty_is_offered_to_a_lower_priority(slot: Slot) -> None:
    await slot.furnish(places=1_000)
    await slot.queue(*range(1, 61), lane=lane_of(Priority.UTILITY))
    await slot.queue(*range(1, 61))
    given: Counter[int] = Counter()
    for _ in range(6):
        given += Counter(int(job.lane.priority) for job in (await slot.claim(most=10)).jobs)
        slot.now_ms += 20
    assert given == {int(Priority.UTILITY): 58, int(Priority.MARKETING): 2}


async def test_freed_places_go_to_the_higher_priority(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1)
    await slot.queue(2, 3)
    assert await slot.take() == [1]
    await slot.queue(4, lane=lane_of(Priority.UTILITY))
    assert await slot.take() == []
    await slot.put_portfolio(a_portfolio(2))
    assert [job.lane.priority for job in (await slot.claim()).jobs] == [Priority.UTILITY]


async def test_a_place_waits_for_no_sender_that_cannot_send(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.put_sender(a_sender(), OTHER)
    await slot.queue(1, 2)
    await slot.queue(3, lane=replace(LANE, sender=OTHER))
    assert await slot.take() == [1]
    await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 10**6))
    await slot.put_portfolio(a_portfolio(2))
    (job,) = (await slot.claim()).jobs
    assert job.lane.sender == SenderId("t")


async def test_all_that_wait_leave_when_the_limit_is_raised_at_the_pace_of_their_sender(
    slot: Slot,
) -> None:
    await slot.furnish(places=1, mps=100)
    await slot.queue(*range(1, 60))
    await slot.claim()
    slot.now_ms += 10
    await slot.claim()
    await slot.put_portfolio(a_portfolio(1_000))
    given = 0
    for _ in range(10):
        slot.now_ms += 20
        given += len((await slot.claim()).jobs)
    assert 20 <= given <= 22  # 200 ms at 100 a second, and no burst


async def test_whoever_waits_leaves_the_moment_the_oldest_place_falls_free(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.enqueue(a_row(1), a_row(2))
    answer = await slot.claim()
    assert answer.come_back_at_ms == slot.now_ms + 5_000 + SPAN_MS
    slot.now_ms = answer.come_back_at_ms - 1
    assert await slot.take() == []
    slot.now_ms += 1
    assert await slot.take() == [2]


async def test_where_one_priority_is_busy_senders_the_wish_does_not_reach_keep_their_turn(
    slot: Slot,
) -> None:
    await slot.furnish(places=100)
    await slot.put_sender(a_sender(throughput_mps=1_000), OTHER)
    await slot.queue(1, 2, 3)
    await slot.queue(4, 5, 6, lane=replace(LANE, sender=OTHER))
    before = await slot.state(everything=True)
    answer = await slot.claim(most=2)
    assert {job.lane.sender for job in answer.jobs} == {SENDER}
    changes = await slot.changes(before, everything=True)
    assert not [name for name in changes if name in {"due t", "s:t turn", "s:t next_us"}]
    assert answer.more
    assert len((await slot.claim(most=4)).jobs) == 4


async def test_where_several_priorities_are_busy_every_due_sender_is_weighed(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.put_sender(a_sender(), OTHER)
    await slot.queue(1, 2, 3)
    login = replace(LANE, sender=OTHER, priority=Priority.AUTHENTICATION)
    await slot.queue(4, lane=login)
    assert [job.lane for job in (await slot.claim(most=2)).jobs] == [login, LANE]


async def test_a_lane_asleep_behind_its_sender_wakes_though_others_are_busy(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.put_sender(a_sender(), OTHER)
    await slot.queue(1)
    assert len((await slot.claim()).jobs) == 1
    await slot.queue(2, lane=replace(LANE, sender=OTHER))
    assert await slot.take() == []  # parked for a place
    await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 1_000), OTHER)
    await slot.put_portfolio(a_portfolio(places=2))
    assert await slot.take() == []  # and now asleep behind its sender
    assert (await slot.state(everything=True))["meta busy"] == "0|0|0|0|1"
    await slot.queue(3, 4, 5)
    slot.now_ms += 1_000
    answer = await slot.claim()
    assert [job.lane.sender for job in answer.jobs] == [OTHER]
    assert (await slot.state(everything=True))["meta busy"][-2:] == "|0"
