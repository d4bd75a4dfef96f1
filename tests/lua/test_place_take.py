"""place_take: a send that is no job takes a place and a send time in one step, or is refused."""

from __future__ import annotations

import asyncio

import pytest

from engine.errors import LedgerAwayError
from engine.model import (
    Category,
    Gate,
    Priority,
    SenderId,
    TemplateStatus,
)
from engine.ports import FOREVER_MS, Ask
from engine.template_ports import Place, PlaceWish
from tests.builders import a_portfolio, a_recipient, a_template
from tests.lua.slot_state import PORTFOLIO, SENDER, SPAN_MS, TEMPLATE, Slot


async def take(
    slot: Slot, number: int = 1, sender: SenderId = SENDER, priority: int = Priority.MARKETING
) -> Place:
    wish = PlaceWish(sender, a_recipient(number), TEMPLATE, Priority(priority))
    return await slot.ledger.take_place(PORTFOLIO, wish)


async def test_it_counts_the_person_and_moves_the_next_send_time(slot: Slot) -> None:
    await slot.furnish(mps=100)
    before = await slot.state()
    assert await take(slot) == Place(send_at_us=slot.now_ms * 1_000, taken_ms=slot.now_ms)
    assert await slot.changes(before) == {"win: 1": 0}
    assert (await take(slot, 2)).send_at_us == slot.now_ms * 1_000 + 10_000
    await slot.queue(3)
    slot.now_ms += 10
    assert (await slot.claim()).jobs[0].send_at_us == slot.now_ms * 1_000 + 10_000
    assert await slot.used() == 3


async def test_the_limit_is_never_passed_however_many_ask_at_once(slot: Slot) -> None:
    await slot.furnish(places=5)
    await slot.queue(*range(1, 20))
    tried = asyncio.gather(*[take(slot, 100 + number) for number in range(10)])
    claimed, answers = await asyncio.gather(slot.claim(3), tried)
    taken = [each for each in answers if each.gate is None]
    assert len(claimed.jobs) + len(taken) == 5
    assert await slot.used() == 5
    refused = next(each for each in answers if each.gate)
    assert (refused.gate, refused.send_at_us) == (Gate.QUOTA, 0)
    assert refused.until_ms >= slot.now_ms + SPAN_MS


async def test_one_who_counts_already_needs_no_place(slot: Slot) -> None:
    await slot.furnish(places=1)
    await take(slot)
    assert (await take(slot)).gate is None
    assert (await take(slot, 2)).gate is Gate.QUOTA


async def test_what_is_kept_back_for_others_is_closed_to_it(slot: Slot) -> None:
    await slot.furnish(places=2)
    await slot.put_portfolio(a_portfolio(2, reserve=(0.5, 0.0, 0.0, 0.0)))
    assert (await take(slot, 1)).gate is None
    assert (await take(slot, 2)).gate is Gate.QUOTA
    assert (await take(slot, 2, priority=Priority.AUTHENTICATION)).gate is None


async def test_inside_a_service_window_nothing_counts(slot: Slot) -> None:
    await slot.furnish(places=0)
    await slot.ledger.open_window(PORTFOLIO, SENDER, a_recipient(1), slot.now_ms + 10_000)
    place = await take(slot)
    assert (place.gate, place.taken_ms) == (None, 0)
    assert await slot.used() == 0


async def test_a_person_is_written_to_no_faster_than_meta_allows(slot: Slot) -> None:
    await slot.furnish()
    gates = [(await take(slot)).gate for _ in range(46)]
    assert gates == [None] * 44 + [Gate.PAIR] * 2


@pytest.mark.parametrize("status", sorted(set(TemplateStatus) - {"APPROVED"}))
async def test_only_an_approved_template_gets_one(slot: Slot, status: TemplateStatus) -> None:
    await slot.furnish(category=Category.UTILITY)
    await slot.put_template(a_template(status=status))
    assert await take(slot) == Place(Gate.TEMPLATE, FOREVER_MS)


async def test_an_unknown_sender_gets_none_and_a_lost_tail_gives_nobody_any(slot: Slot) -> None:
    await slot.furnish()
    assert await take(slot, sender=SenderId("x")) == Place(Gate.SENDER, FOREVER_MS)
    await slot.ledger.claim([Ask(PORTFOLIO, "w", 1, 1, 1, known_sequence=10**6)])
    before = await slot.state(everything=True)
    with pytest.raises(LedgerAwayError):
        await take(slot)
    assert await slot.changes(before, everything=True) == {}


async def test_a_clock_that_differs_gets_none(slot: Slot) -> None:
    await slot.furnish()
    wish = (SENDER, a_recipient(1), TEMPLATE, 3)
    reply = await slot.run("place_take", *wish, tolerance_ms=2_000)
    assert reply[0] == b"clock"
