"""gate_border: an account does not write to people of countries that Meta closed to it."""

from __future__ import annotations

import pytest

from engine.borders import BORDER_CODE, Border, border_of
from engine.model import Gate, JobKey, WabaId
from engine.ports import Refusals
from tests.builders import a_row
from tests.lua.slot_state import PORTFOLIO, SENDER, START_MS, End, Slot

UNTIL_MS = START_MS + 60_000
INDIAN, GERMAN = b"+919812345678\x1fAnna", b"+4915112345678\x1fAnna"


async def close(slot: Slot, *borders: Border, waba: str = "W") -> None:
    """Put the borders of an account."""
    await slot.ledger.put_borders(PORTFOLIO, WabaId(waba), list(borders))


async def test_who_lives_there_is_suppressed_with_metas_number_and_costs_no_place(
    slot: Slot,
) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, tail=INDIAN), a_row(2, tail=GERMAN))
    await close(slot, border_of("IN", UNTIL_MS))
    answer = await slot.claim()
    assert [job.key for job in answer.jobs] == [JobKey(1, 2)]
    assert answer.refusals == [Refusals(SENDER, Gate.SUPPRESSION, 1)]
    assert (await slot.state())["done:1:0 1"] == End("S", fence=0, code=BORDER_CODE)
    assert await slot.books() == {"in_flight": 1, "suppressed": 1}
    assert await slot.used() == 1


@pytest.mark.parametrize(
    ("to", "country", "is_refused"),
    [
        pytest.param(b"+16505551234", "US", True, id="a number of the United States"),
        pytest.param(b"+14165551234", "US", False, id="Canada shares +1"),
        pytest.param(b"+14165551234", "1416", True, id="an area of Canada"),
        pytest.param(b"IN.13491208655302741918", "IN", True, id="a user id"),
        pytest.param(b"US.ENT.118157992128868", "US", True, id="a user id of linked portfolios"),
        pytest.param(b"+77012345678", "RU", False, id="Kazakhstan shares +7"),
        pytest.param(b"+79161234567", "RU", True, id="Russia"),
    ],
)
async def test_the_longest_begin_decides(
    slot: Slot, to: bytes, country: str, *, is_refused: bool
) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, tail=to + b"\x1fAnna"))
    await close(slot, border_of(country, UNTIL_MS))
    assert await slot.take() == ([] if is_refused else [1])


async def test_of_two_countries_one_does_not_open_the_other(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, tail=b"+77012345678\x1fAnna"))
    await close(slot, border_of("KZ", UNTIL_MS), border_of("RU", UNTIL_MS))
    assert await slot.take() == []


async def test_another_account_writes_there_and_in_the_end_everybody(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, tail=INDIAN))
    await close(slot, border_of("IN", UNTIL_MS), waba="V")
    assert await slot.take() == [1]
    await close(slot, border_of("IN", UNTIL_MS))
    slot.now_ms = UNTIL_MS
    await slot.enqueue(a_row(2, tail=INDIAN))
    assert await slot.take() == [2]


async def test_a_quick_retry_is_refused_too(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_row(1, tail=INDIAN))
    await slot.claim()
    await close(slot, border_of("IN", UNTIL_MS))
    assert (await slot.ledger.again(PORTFOLIO, JobKey(1, 1), 1)).gate is Gate.SUPPRESSION
