"""Plain rows and plain acceptances: part_run and part_accepted leave what the long way leaves.

Each test puts one row that is not plain among plain ones; the run must stop there and go on after.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace

import pytest

from engine.model import Category, DeliveryStatus, JobKey
from engine.outcomes import Accepted, Dropped
from engine.ports import Receipt, Settlement
from tests.builders import a_portfolio, a_recipient, a_row, a_sender
from tests.lua.slot_state import LANE, LEASE_MS, PORTFOLIO, SENDER, Slot

LAST = 8  # rows in a lane; the third is the one that is not plain
ODD = 3

Prepare = Callable[[Slot], Awaitable[None]]


async def nothing(slot: Slot) -> None:
    """Leave all rows plain."""


async def opt_out(slot: Slot) -> None:
    """Have the odd one opt out, and somebody else of another category."""
    await slot.ledger.suppress(PORTFOLIO, a_recipient(ODD), Category.MARKETING)
    await slot.ledger.suppress(PORTFOLIO, a_recipient(ODD + 1), Category.UTILITY)


async def write_to_us(slot: Slot) -> None:
    """Have the odd one in a service window."""
    await slot.ledger.open_window(PORTFOLIO, SENDER, a_recipient(ODD), slot.now_ms + 60_000)


@pytest.mark.parametrize(
    ("prepare", "leave", "used"),
    [
        (nothing, [1, 2, 3, 4, 5, 6, 7, 8], 8),
        (opt_out, [1, 2, 4, 5, 6, 7, 8], 7),
        (write_to_us, [1, 2, 3, 4, 5, 6, 7, 8], 7),
    ],
)
async def test_one_odd_row_among_plain_ones(
    slot: Slot, prepare: Prepare, leave: list[int], used: int
) -> None:
    await slot.furnish(places=100)
    await prepare(slot)
    await slot.queue(*range(1, LAST + 1))
    assert await slot.take() == leave
    assert await slot.used() == used


async def test_a_row_whose_time_is_over_ends_and_those_with_time_leave(slot: Slot) -> None:
    await slot.furnish(places=100)
    rows = [a_row(n, expires_at_ms=slot.now_ms + 1_000) for n in range(1, LAST + 1)]
    rows[ODD - 1] = replace(rows[ODD - 1], expires_at_ms=slot.now_ms + 10)
    await slot.enqueue(*rows)
    slot.now_ms += 10
    assert await slot.take() == [1, 2, 4, 5, 6, 7, 8]
    assert (await slot.books())["expired"] == 1


async def test_a_person_who_comes_twice_takes_one_place(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(1, 2)
    await slot.enqueue(a_row(1, dedupe=b"another1"), a_row(4))
    assert await slot.take() == [1, 2, 3, 4]
    assert await slot.used() == 3


async def test_a_run_ends_where_the_places_end(slot: Slot) -> None:
    await slot.furnish(places=5)
    await slot.queue(*range(1, LAST + 1))
    assert await slot.take() == [1, 2, 3, 4, 5]
    assert (await slot.ledger.counts(PORTFOLIO, LANE.source)).waiting == {"quota": 3}


async def test_a_run_ends_where_the_send_times_end(slot: Slot) -> None:
    await slot.furnish(places=100, mps=500)
    await slot.queue(*range(1, 21))
    answer = await slot.claim()
    assert [job.send_at_us - slot.now_ms * 1_000 for job in answer.jobs] == [
        0, 2_000, 4_000, 6_000, 8_000, 10_000
    ]  # fmt: skip


@pytest.mark.parametrize(("most", "low", "given"), [(3, 3, 3), (8, 2, 2), (8, 0, 0)])
async def test_a_run_ends_where_the_wish_ends(slot: Slot, most: int, low: int, given: int) -> None:
    await slot.furnish(places=100)
    await slot.queue(*range(1, LAST + 1))
    assert len((await slot.claim(most, low)).jobs) == given


async def test_names_of_jobs_go_on_over_the_hundreds(slot: Slot) -> None:
    await slot.furnish(places=1_000)
    await slot.queue(*range(1, 251))
    taken: list[int] = []
    while len(taken) < 250:
        taken += await slot.take(50)
        slot.now_ms += 20
    assert taken == list(range(1, 251))
    open_jobs = {name for name in await slot.state() if name.startswith("open ")}
    assert open_jobs == {f"open 1.{n}" for n in range(1, 251)}


async def test_acceptances_of_a_batch_keep_places_books_and_log(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(*range(1, LAST + 1))
    answer = await slot.claim()
    slot.now_ms += 100
    await slot.ledger.settle(
        PORTFOLIO, [Settlement(job.key, job.attempt, Accepted("w")) for job in answer.jobs]
    )
    assert await slot.books() == {"accepted": LAST}
    assert await slot.used() == LAST
    state = await slot.state()
    assert {state[f"win: {n}"] for n in range(1, LAST + 1)} == {100}


async def test_an_acceptance_told_twice_in_a_batch_counts_once(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    told = Settlement(JobKey(1, 1), 1, Accepted("w"))
    settled = await slot.ledger.settle(PORTFOLIO, [told, told])
    assert settled.ignored == [JobKey(1, 1)]
    assert await slot.books() == {"accepted": 1}


async def test_an_acceptance_with_another_proof_keeps_the_later_of_both(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(1, 2)
    await slot.claim()
    slot.now_ms += LEASE_MS // 2
    elsewhere = Receipt(None, 0, a_recipient(1), DeliveryStatus.DELIVERED, slot.now_ms)
    await slot.ledger.receive(PORTFOLIO, [elsewhere])
    await slot.settle(Accepted("w"), job=1)
    await slot.settle(Accepted("w"), job=2)
    state = await slot.state()
    assert state["win: 1"] == state["win: 2"] == LEASE_MS // 2
    assert len(state["proofs: 1"]) == 2


async def test_an_acceptance_between_two_unknown_codes_ends_their_row(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.put_sender(a_sender(throughput_mps=1_000))
    await slot.put_portfolio(a_portfolio(places=100))
    await slot.queue(*range(1, 12))
    answer = await slot.claim()
    told = [
        Settlement(job.key, job.attempt, Dropped(999, "new", strikes=True)) for job in answer.jobs
    ]
    told[2] = replace(told[2], outcome=Accepted("w"))
    settled = await slot.ledger.settle(PORTFOLIO, told[:6])
    assert settled.closed == []
    settled = await slot.ledger.settle(PORTFOLIO, told[6:9])
    assert settled.closed != []  # three after the acceptance, and two more
