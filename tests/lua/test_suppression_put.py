"""suppression_put: a person is refused for one category or for all, and allowed again."""

from __future__ import annotations

from engine.model import Category
from tests.builders import a_recipient
from tests.lua.slot_state import GONE, PORTFOLIO, Slot


async def test_a_category_and_all_of_them_are_kept_apart(slot: Slot) -> None:
    before = await slot.state()
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), Category.MARKETING)
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    assert await slot.changes(before) == {
        "suppressed 1:marketing": True,
        "suppressed 1:": True,
    }


async def test_taking_one_back_leaves_the_other(slot: Slot) -> None:
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), Category.MARKETING)
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    before = await slot.state()
    await slot.ledger.unsuppress(PORTFOLIO, a_recipient(1), None)
    assert await slot.changes(before) == {"suppressed 1:": GONE}


async def test_the_same_twice_is_once(slot: Slot) -> None:
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    before = await slot.state()
    await slot.ledger.suppress(PORTFOLIO, a_recipient(1), None)
    assert await slot.changes(before) == {}
    await slot.ledger.unsuppress(PORTFOLIO, a_recipient(1), None)
    await slot.ledger.unsuppress(PORTFOLIO, a_recipient(1), None)
    assert await slot.state() == {}


async def test_many_are_told_of_in_one_step_the_last_of_each_counts(slot: Slot) -> None:
    members = [a_recipient(number) + b":" for number in (1, 2, 3)]
    pairs = [(members[0], 1), (members[1], 1), (members[2], 1), (members[1], 0), (members[2], 1)]
    before = await slot.state()
    await slot.run("suppression_put", *(part for pair in pairs for part in pair))
    assert await slot.changes(before) == {"suppressed 1:": True, "suppressed 3:": True}
