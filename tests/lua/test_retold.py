"""part_late, in settle and claim: what an outcome closed is answered again when it is retold."""

from __future__ import annotations

import pytest

from engine.model import Gate, JobKey, TemplateStatus, WabaId
from engine.outcomes import Accepted, Deferred, Dropped, Outcome, Unwritten
from engine.ports import Ask, Settlement
from tests.builders import a_sender, a_template
from tests.lua.slot_state import PORTFOLIO, START_MS, TEMPLATE, Slot

UNTIL_MS = START_MS + 60_000
SLOW = "slow"


async def in_flight(slot: Slot, jobs: int = 6) -> None:
    await slot.furnish()
    await slot.queue(*range(1, jobs + 1))
    await slot.claim()


ACCOUNT = Deferred(Gate.ACCOUNT, 80007, UNTIL_MS, SLOW)
NUMBER = Deferred(Gate.SENDER, 131048, UNTIL_MS, SLOW)
PAUSED = Deferred(Gate.TEMPLATE, 132015, UNTIL_MS, SLOW)
CLOSING = [
    pytest.param(ACCOUNT, (Gate.ACCOUNT, "W"), id="account"),
    pytest.param(NUMBER, (Gate.SENDER, "s"), id="sender"),
    pytest.param(PAUSED, (Gate.TEMPLATE, f"s|{TEMPLATE}"), id="template"),
]


@pytest.mark.parametrize(("outcome", "gate"), CLOSING)
async def test_a_closing_is_answered_again(
    slot: Slot, outcome: Outcome, gate: tuple[Gate, str]
) -> None:
    await in_flight(slot)
    assert (await slot.settle(outcome)).closed == [gate]
    before = await slot.state()
    again = await slot.settle(outcome)
    assert (again.closed, again.ignored) == ([gate], [JobKey(1, 1)])
    assert await slot.changes(before) == {}


@pytest.mark.parametrize(("outcome", "gate"), CLOSING)
async def test_it_is_answered_along_with_a_wish_too(
    slot: Slot, outcome: Outcome, gate: tuple[Gate, str]
) -> None:
    await in_flight(slot)
    await slot.settle(outcome)
    told = [Settlement(JobKey(1, 1), 1, outcome)]
    (answer,) = await slot.ledger.claim([Ask(PORTFOLIO, "v", 1, 0, 0, 0, told)])
    assert answer.closed == [gate]


async def test_the_fifth_unknown_code_is_answered_again(slot: Slot) -> None:
    await in_flight(slot)
    fifth = [Settlement(JobKey(1, job), 1, Dropped(999, "?", strikes=True)) for job in range(1, 6)]
    gate = (Gate.TEMPLATE, f"s|{TEMPLATE}")
    assert (await slot.ledger.settle(PORTFOLIO, fifth)).closed == [gate]
    assert (await slot.ledger.settle(PORTFOLIO, fifth)).closed == [gate]  # once, not five times


async def test_what_is_open_again_is_not_answered(slot: Slot) -> None:
    await in_flight(slot)
    for job, outcome in enumerate((ACCOUNT, NUMBER, PAUSED), start=1):
        await slot.settle(outcome, job=job)
    await slot.ledger.close_account(PORTFOLIO, WabaId("W"), 0)
    slot.now_ms += 20_000  # by then a closing is known to whoever sets the sender
    await slot.put_sender(a_sender())
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))
    await slot.put_template(a_template())
    for job, outcome in enumerate((ACCOUNT, NUMBER, PAUSED), start=1):
        assert (await slot.settle(outcome, job=job)).closed == []


async def test_what_is_over_meanwhile_is_not_answered(slot: Slot) -> None:
    await in_flight(slot)
    outcome = Deferred(Gate.ACCOUNT, 80007, UNTIL_MS, SLOW)
    await slot.settle(outcome)
    slot.now_ms = UNTIL_MS
    assert (await slot.settle(outcome)).closed == []


async def test_an_answer_under_an_old_fence_closes_nothing_and_tells_what_is_closed(
    slot: Slot,
) -> None:
    await in_flight(slot, 2)
    outcome = Deferred(Gate.SENDER, 131048, UNTIL_MS, SLOW)
    await slot.settle(Unwritten("late"))
    await slot.claim()
    assert (await slot.settle(outcome)).closed == []
    await slot.settle(outcome, job=2)
    assert (await slot.settle(outcome)).closed == [(Gate.SENDER, "s")]


async def test_other_outcomes_and_forgotten_jobs_answer_nothing(slot: Slot) -> None:
    await in_flight(slot)
    for outcome in (Accepted("w"), Dropped(131026, "never"), Deferred(Gate.PAIR, 131056, 1, "")):
        await slot.settle(outcome)
        assert (await slot.settle(outcome)).closed == []
    far = [Settlement(JobKey(99, 1), 1, Deferred(Gate.SENDER, 131048, UNTIL_MS, SLOW))]
    assert (await slot.ledger.settle(PORTFOLIO, far)).closed == []
