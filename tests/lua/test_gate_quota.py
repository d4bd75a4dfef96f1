"""gate_quota: the limit, its ceilings and the edge of the rolling window.

With it its parts: part_window, part_proofs.
"""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import DeliveryStatus, Gate, Lane, Priority
from engine.outcomes import Accepted
from engine.ports import PortfolioSpec, Receipt
from tests.builders import a_portfolio, a_recipient
from tests.lua.slot_state import LANE, LEASE_MS, PORTFOLIO, SPAN_MS, START_MS, Slot


def lane_of(priority: Priority) -> Lane:
    """Return the lane of a priority."""
    return replace(LANE, priority=priority)


async def occupy(slot: Slot, *ages_ms: int) -> None:
    """Have people 101, 102, … count since `ages_ms` ago."""
    receipts = [
        Receipt(None, 0, a_recipient(101 + n), DeliveryStatus.DELIVERED, slot.now_ms - age_ms)
        for n, age_ms in enumerate(ages_ms)
    ]
    await slot.ledger.receive(PORTFOLIO, receipts)


@pytest.mark.parametrize(
    ("places", "used", "given"),
    [
        pytest.param(1, 0, 1, id="a limit of one lets one go"),
        pytest.param(1, 1, 0, id="and no second"),
        pytest.param(3, 2, 1, id="one below the limit"),
        pytest.param(3, 3, 0, id="exactly at the limit"),
        pytest.param(3, 4, 0, id="in debt"),
        pytest.param(0, 0, 0, id="no places at all"),
        pytest.param(-1, 9, 1, id="unlimited"),
    ],
)
async def test_a_new_person_needs_a_free_place(
    slot: Slot, places: int, used: int, given: int
) -> None:
    await slot.furnish(places=places)
    await occupy(slot, *range(used))
    await slot.queue(1)
    assert len(await slot.take()) == given
    assert await slot.used() == used + given


@pytest.mark.parametrize(
    ("left_ms", "given"),
    [
        pytest.param(1, [], id="a millisecond before the edge it counts"),
        pytest.param(0, [1], id="at the edge it does not: the window is half open"),
        pytest.param(-1, [1], id="nor after it"),
    ],
)
async def test_the_edge_of_the_window(slot: Slot, left_ms: int, given: list[int]) -> None:
    await slot.furnish(places=1)
    await occupy(slot, SPAN_MS - left_ms)
    await slot.queue(1)
    assert await slot.take() == given


@pytest.mark.parametrize(("left_ms", "given"), [(1, []), (0, [2]), (-1, [2])])
async def test_the_edge_for_a_person_whose_next_message_is_in_flight(
    slot: Slot, left_ms: int, given: list[int]
) -> None:
    """The open send holds the place beyond the edge of the first proof; its own end frees it."""
    await slot.furnish(places=1)
    await occupy(slot, SPAN_MS - 1)  # person 101 is about to fall out
    await slot.queue(101)
    assert await slot.take() == [1]
    slot.now_ms += 2
    await slot.queue(2)
    assert await slot.take() == []  # the first proof is gone, the open send still counts
    slot.now_ms = START_MS + LEASE_MS + SPAN_MS - left_ms
    assert await slot.take() == given


async def test_a_counted_person_needs_no_place_and_takes_none(slot: Slot) -> None:
    await slot.furnish(places=1)
    await occupy(slot, 100)
    await slot.queue(101, 101)
    assert await slot.take() == [1, 2]
    assert await slot.used() == 1


@pytest.mark.parametrize(
    ("priority", "goes"),
    [
        (Priority.AUTHENTICATION, True),
        (Priority.SERVICE, True),
        (Priority.UTILITY, False),
        (Priority.MARKETING, False),
    ],
)
async def test_in_debt_only_those_who_wait_for_an_answer_repeat(
    slot: Slot, priority: Priority, *, goes: bool
) -> None:
    await slot.furnish(places=1)
    await occupy(slot, 100, 100)
    await slot.queue(101, lane=lane_of(priority))
    assert bool(await slot.take()) == goes


@pytest.mark.parametrize(
    ("priority", "given"),
    [(Priority.AUTHENTICATION, 9), (Priority.UTILITY, 7), (Priority.MARKETING, 5)],
)
async def test_what_a_higher_priority_keeps_back_is_closed_to_a_lower(
    slot: Slot, priority: Priority, given: int
) -> None:
    await slot.furnish()
    await slot.put_portfolio(PortfolioSpec(10, headroom=0.1, reserve=(0.2, 0.0, 0.2, 0.0)))
    await slot.queue(*range(1, 11), lane=lane_of(priority))
    assert len(await slot.take()) == given


async def test_who_finds_no_place_is_parked_and_counted_as_refused(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2, 3)
    answer = await slot.claim()
    refusals = [(its.gate, its.count) for its in answer.refusals]
    assert refusals == [(Gate.QUOTA, 2)]
    state = await slot.state(everything=True)
    assert [row.to for row in state["k:1"]] == [2, 3]
    assert state["wait::3 00000001"] == 0
    assert (await slot.claim()).refusals == []  # nobody touches them again in vain


async def test_a_person_with_two_proofs_counts_until_the_later_one_ends(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Accepted("wamid.1"))
    slot.now_ms += 30_000
    await slot.queue(1)
    await slot.claim()
    await slot.settle(Accepted("wamid.2"), job=2)
    slot.now_ms = START_MS + SPAN_MS
    assert await slot.used() == 1
    slot.now_ms += 30_000
    assert await slot.used() == 0


async def test_a_gate_switched_off_lets_everybody_pass(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.QUOTA}))
    await off.furnish(places=1)
    await off.queue(1, 2, 3)
    assert await off.take() == [1, 2, 3]


async def test_a_lowered_limit_stops_what_is_parked_too(slot: Slot) -> None:
    await slot.furnish(places=2)
    await slot.queue(1, 2, 3)
    assert await slot.take() == [1, 2]
    await slot.put_portfolio(a_portfolio(1))
    slot.now_ms += LEASE_MS + SPAN_MS - 1
    assert await slot.take() == []
    slot.now_ms += 1
    assert await slot.take() == [3]
