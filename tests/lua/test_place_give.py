"""place_give: what a send that is no job took is given back, and what others prove stays."""

from __future__ import annotations

from engine.model import DeliveryStatus, Priority
from engine.outcomes import Accepted
from engine.template_ports import PlaceWish
from tests.builders import a_recipient
from tests.lua.slot_state import PORTFOLIO, SENDER, TEMPLATE, Slot
from tests.lua.test_place_take import take


async def give(slot: Slot, taken_ms: int, number: int = 1) -> None:
    wish = PlaceWish(SENDER, a_recipient(number), TEMPLATE, Priority.MARKETING)
    await slot.ledger.give_place(PORTFOLIO, wish, taken_ms)


async def test_what_is_given_back_is_free_at_once_and_who_waits_is_called(slot: Slot) -> None:
    await slot.furnish(places=1)
    before = await slot.state()
    place = await take(slot)
    await slot.queue(2)
    assert await slot.take() == []
    await give(slot, place.taken_ms)
    assert (await slot.changes(before)).get("win: 1") is None
    assert await slot.take() == [1]


async def test_what_others_prove_of_that_person_stays_when_a_place_is_given_back(
    slot: Slot,
) -> None:
    await slot.furnish(places=1)
    await slot.queue(1)
    await slot.claim()
    slot.now_ms += 10
    await slot.settle(Accepted("wamid.1"))
    first, second = await take(slot), await take(slot)  # in the same millisecond
    await give(slot, first.taken_ms)
    assert await slot.used() == 1
    slot.now_ms += 10
    await slot.receive(DeliveryStatus.UNDELIVERED, code=131026)
    assert await slot.used() == 1  # the second test send may have reached the person
    await give(slot, second.taken_ms)
    assert await slot.used() == 0
    await give(slot, second.taken_ms)
    assert await slot.used() == 0
