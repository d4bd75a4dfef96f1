"""gate_suppression: who asked not to be written to is not written to."""

from __future__ import annotations

import pytest

from engine.model import Category, Gate, JobState
from tests.builders import a_recipient
from tests.lua.slot_state import PORTFOLIO, End, Slot


@pytest.mark.parametrize(
    ("suppressed", "sent"),
    [
        pytest.param(None, False, id="all categories"),
        pytest.param(Category.MARKETING, False, id="its category"),
        pytest.param(Category.UTILITY, True, id="another category"),
    ],
)
async def test_a_suppressed_person_gets_nothing_of_that_category(
    slot: Slot, suppressed: Category | None, *, sent: bool
) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), suppressed)
    assert bool(await slot.take()) == sent


async def test_a_suppressed_job_ends_and_takes_no_place(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1, 2)
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    before = await slot.state()
    answer = await slot.claim()
    assert [job.key.sequence for job in answer.jobs] == [2]
    assert [(its.gate, its.count) for its in answer.refusals] == [(Gate.SUPPRESSION, 1)]
    changes = await slot.changes(before)
    assert changes["done:1:0 1"]._replace(mark=0) == End("S", fence=0)
    assert await slot.books() == {JobState.SUPPRESSED: 1, JobState.IN_FLIGHT: 1}
    assert "win: 1" not in changes


async def test_a_suppression_taken_back_lets_later_jobs_go(slot: Slot) -> None:
    await slot.furnish()
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    await slot.ledger.unsuppress(PORTFOLIO, a_recipient(1), None)
    await slot.queue(1)
    assert await slot.take() == [1]


async def test_a_gate_switched_off_lets_it_go(slot: Slot) -> None:
    off = Slot(slot.client, gates_off=frozenset({Gate.SUPPRESSION}))
    await off.furnish()
    await off.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    await off.queue(1)
    assert await off.take() == [1]
