"""account_put: an account closes for all its senders until a moment, or opens."""

from __future__ import annotations

from dataclasses import replace

import pytest

from engine.model import Gate, WabaId
from engine.outcomes import Deferred
from engine.ports import FOREVER_MS
from engine.terms import ANSWER_HOLDS_MS
from tests.builders import a_sender
from tests.lua.slot_state import LANE, OTHER, PORTFOLIO, Slot


async def close(slot: Slot, until_ms: int) -> None:
    """Close the account of the furnished sender."""
    await slot.ledger.close_account(PORTFOLIO, WabaId("W"), until_ms)


@pytest.mark.parametrize(
    ("for_ms", "closed"),
    [
        pytest.param(1, True, id="a moment to come closes"),
        pytest.param(0, False, id="this moment is over"),
        pytest.param(86_400_000, True, id="a day"),
    ],
)
async def test_an_account_is_closed_until_its_moment(
    slot: Slot, for_ms: int, *, closed: bool
) -> None:
    await slot.furnish()
    await slot.queue(1)
    before = await slot.state()
    await close(slot, slot.now_ms + for_ms)
    assert await slot.changes(before) == {"accounts W": for_ms}
    assert await slot.take() == ([] if closed else [1])


async def test_opening_wakes_the_senders(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await close(slot, FOREVER_MS)
    assert (await slot.claim()).come_back_at_ms == FOREVER_MS
    await close(slot, 0)
    assert (await slot.state(everything=True))["due s"] == 0
    assert await slot.take() == [1]


async def test_what_an_answer_closed_just_now_opens_a_moment_later(slot: Slot) -> None:
    await slot.furnish()
    await slot.queue(1)
    await slot.claim()
    until_ms = slot.now_ms + ANSWER_HOLDS_MS // 2
    await slot.settle(Deferred(Gate.ACCOUNT, 80007, until_ms, "slow"))
    await close(slot, 0)
    answer = await slot.claim()
    assert (answer.jobs, answer.come_back_at_ms) == ([], until_ms)  # and no longer than it said
    slot.now_ms = until_ms
    assert await slot.take() == [1]


async def test_another_account_goes_on(slot: Slot) -> None:
    await slot.furnish()
    await slot.put_sender(a_sender(waba=WabaId("V")), OTHER)
    await close(slot, FOREVER_MS)
    await slot.queue(1, lane=replace(LANE, sender=OTHER))
    assert await slot.take() == [1]
