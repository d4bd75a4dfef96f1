"""part_market, in claim: marketing takes its share of a sender's send times, others all of them."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Category, Gate, Lane, Priority
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from tests.builders import a_portfolio, a_sender, a_template
from tests.lua.slot_state import LANE, SENDER, SOURCE, START_MS, Slot

ORDER = "W/order/en"
ORDERS = Lane(SOURCE, SENDER, ORDER, Priority.UTILITY)


async def furnish(slot: Slot, share: float, mps: int = 100) -> None:
    """Make a world in which marketing has a share, with more to do than it can send."""
    await slot.furnish(places=-1)
    await slot.put_template(a_template(category=Category.UTILITY), ORDER)
    await slot.put_sender(a_sender(throughput_mps=mps, marketing_share=share))


async def sent_in(slot: Slot, for_ms: int, low: int = 100) -> list[tuple[Priority, int]]:
    """Claim whenever the ledger says so; return what left, with its send times."""
    found: list[tuple[Priority, int]] = []
    until_ms = slot.now_ms + for_ms
    while slot.now_ms < until_ms:
        answer = await slot.claim(100, low)
        found += [(job.lane.priority, job.send_at_us - START_MS * 1_000) for job in answer.jobs]
        assert answer.come_back_at_ms > slot.now_ms or answer.jobs  # nobody polls
        slot.now_ms = max(slot.now_ms, min(until_ms, answer.come_back_at_ms))
    return found


@pytest.mark.parametrize(
    ("share", "messages"),
    [
        pytest.param(1.0, 101, id="all"),
        pytest.param(0.5, 51, id="half"),
        pytest.param(0.2, 21, id="a fifth"),
        pytest.param(0.013, 2, id="one in 77"),
    ],
)
async def test_marketing_leaves_at_its_share(slot: Slot, share: float, messages: int) -> None:
    await furnish(slot, share)
    await slot.queue(*range(1, 200))
    found = await sent_in(slot, 1_000)
    assert len([at for _, at in found if at <= 1_000_000]) == messages


async def test_what_is_not_marketing_leaves_at_the_full_rate_beside_it(slot: Slot) -> None:
    await furnish(slot, 0.2)
    await slot.queue(*range(1, 200))
    await slot.queue(*range(1_000, 1_200), lane=ORDERS)
    found = await sent_in(slot, 1_000)
    times = [at for _, at in found if at <= 1_000_000]
    assert times == list(range(0, 1_000_001, 10_000))  # no send time is lost
    kinds = [priority for priority, at in found if at <= 1_000_000]
    assert kinds.count(Priority.MARKETING) == 5  # one in twenty: what every lower priority has
    await slot.put_sender(a_sender(throughput_mps=100, marketing_share=0.02))
    start_us = (slot.now_ms - START_MS) * 1_000
    kinds = [priority for priority, at in await sent_in(slot, 1_000) if at >= start_us]
    assert 1 <= kinds.count(Priority.MARKETING) <= 3  # and not even that above its share


RAISED = replace(LANE, source="campaign:raised", priority=Priority.UTILITY)
LOWERED = replace(ORDERS, source="campaign:lowered", priority=Priority.MARKETING)


@pytest.mark.parametrize("priority", [Priority.AUTHENTICATION, Priority.SERVICE, Priority.UTILITY])
async def test_marketing_with_another_priority_leaves_at_its_share_all_the_same(
    slot: Slot, priority: Priority
) -> None:
    await furnish(slot, 0.2)
    await slot.queue(*range(1, 200), lane=replace(RAISED, priority=priority))
    found = await sent_in(slot, 1_000)
    assert len([at for _, at in found if at <= 1_000_000]) == 21


async def test_what_is_not_marketing_is_not_slowed_by_the_priority_it_was_given(
    slot: Slot,
) -> None:
    await furnish(slot, 0.2)
    await slot.queue(*range(1, 200), lane=LOWERED)
    found = await sent_in(slot, 1_000)
    assert len([at for _, at in found if at <= 1_000_000]) == 101


@pytest.mark.parametrize("lanes", [(RAISED, ORDERS), (ORDERS, RAISED)], ids=["first", "second"])
async def test_in_one_priority_what_is_not_marketing_passes_by(
    slot: Slot, lanes: tuple[Lane, Lane]
) -> None:
    await furnish(slot, 0.2)
    for at, lane in enumerate(lanes):
        await slot.queue(*range(1 + at * 1_000, 200 + at * 1_000), lane=lane)
    counts = {RAISED.template: 0, ORDER: 0}
    while slot.now_ms < START_MS + 1_000:
        answer = await slot.claim()
        for job in answer.jobs:
            counts[job.lane.template] += job.send_at_us <= (START_MS + 1_000) * 1_000
        slot.now_ms = answer.come_back_at_ms
    assert counts == {RAISED.template: 21, ORDER: 80}  # no send time is lost


async def test_both_kinds_in_each_other_s_priority_lose_no_send_time(slot: Slot) -> None:
    await furnish(slot, 0.2)
    await slot.queue(*range(1, 200), lane=RAISED)
    await slot.queue(*range(1_000, 1_200), lane=LOWERED)
    found = await sent_in(slot, 1_000)
    assert [at for _, at in found if at <= 1_000_000] == list(range(0, 1_000_001, 10_000))


async def test_marketing_that_waited_for_a_place_leaves_at_its_share_too(slot: Slot) -> None:
    await furnish(slot, 0.1)
    await slot.put_portfolio(a_portfolio(1))
    await slot.queue(*range(1, 30), lane=RAISED)
    assert len((await slot.claim()).jobs) == 1
    slot.now_ms += 250
    assert (await slot.claim()).jobs == []  # all the others are parked
    await slot.put_portfolio(a_portfolio(100))
    found = await sent_in(slot, 1_000)
    assert len(found) in {10, 11}


async def test_a_lone_login_code_finds_its_send_time_free(slot: Slot) -> None:
    await furnish(slot, 0.1)
    await slot.queue(*range(1, 50))
    await slot.claim()
    await slot.queue(90, lane=replace(ORDERS, priority=Priority.AUTHENTICATION))
    (job,) = (await slot.claim()).jobs
    assert job.lane.priority is Priority.AUTHENTICATION
    assert job.send_at_us == (START_MS + 10) * 1_000  # right behind the one that left


async def test_its_share_is_of_the_rate_in_force(slot: Slot) -> None:
    await furnish(slot, 0.5)
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Deferred(Gate.RATE, 130429, slot.now_ms + 60_000, "slow"))
    await slot.queue(*range(2, 90))
    slot.now_ms += 50
    assert len(await sent_in(slot, 900)) in {32, 33}  # half of 70 a second


async def test_the_share_is_kept_beside_its_pace_and_goes_with_the_last_word(slot: Slot) -> None:
    await furnish(slot, 0.5)
    await slot.queue(1, 2, 3)
    await slot.claim()
    fields = await slot.state(everything=True)
    assert fields["s:s market"] == f"0.5|{(START_MS + 20) * 1_000}"
    await slot.put_sender(a_sender(throughput_mps=100, marketing_share=0.25))
    fields = await slot.state(everything=True)
    assert fields["s:s market"] == f"0.25|{(START_MS + 20) * 1_000}"
    await slot.put_sender(a_sender(throughput_mps=100))
    assert "s:s market" not in await slot.state(everything=True)


async def test_waiting_for_its_share_is_the_gate_rate_and_has_its_moment(slot: Slot) -> None:
    await furnish(slot, 0.1)
    await slot.queue(1, 2, 3)
    answer = await slot.claim()
    assert ([its.gate for its in answer.refusals], len(answer.jobs)) == ([Gate.RATE], 1)
    assert answer.come_back_at_ms == START_MS + 90  # send times are given out ten ahead
    slot.now_ms += 50
    answer = await slot.claim()
    assert (answer.jobs, answer.refusals, answer.come_back_at_ms) == ([], [], START_MS + 90)


async def test_without_the_gate_of_the_rate_there_is_no_share(slot: Slot) -> None:
    loose = Slot(slot.client, gates_off=frozenset({Gate.RATE}))
    await furnish(loose, 0.1)
    await loose.queue(*range(1, 20))
    assert len((await loose.claim()).jobs) == 19
    assert (await loose.claim()).come_back_at_ms == FOREVER_MS
