"""portfolio_put, with part_slot, part_meta, part_bytes and part_terms: its limit and scope."""

from __future__ import annotations

import pytest

from engine.ports import PortfolioSpec
from tests.builders import a_portfolio
from tests.lua.slot_state import PORTFOLIO, SPAN_MS, START_MS, Slot


async def test_a_limit_is_written_with_what_each_priority_may_use(slot: Slot) -> None:
    before = await slot.state(everything=True)
    spec = PortfolioSpec(1_000, headroom=0.1, reserve=(0.05, 0.0, 0.01, 0.0), used_before=7)
    await slot.put_portfolio(spec)
    assert await slot.changes(before, everything=True) == {
        "meta policy": f"1000|0.1|0.05|0.0|0.01|0|7|{START_MS + SPAN_MS}",
        "meta state": f"{START_MS}|1|0|0",
    }


async def test_the_first_scope_stays_and_the_limit_follows(slot: Slot) -> None:
    await slot.put_portfolio(PortfolioSpec(10, scope="phone_number"))
    await slot.put_portfolio(PortfolioSpec(20, scope="portfolio"))
    policy = (await slot.state(everything=True))["meta policy"].split("|")
    assert (policy[5], policy[0]) == ("1", "20")


async def test_what_was_used_before_counts_for_one_window_and_no_longer(slot: Slot) -> None:
    await slot.put_portfolio(a_portfolio(used_before=7))
    slot.now_ms += SPAN_MS - 1
    assert await slot.used() == 7
    await slot.put_portfolio(a_portfolio(used_before=7))  # telling it again does not prolong it
    slot.now_ms += 1
    assert await slot.used() == 0


@pytest.mark.parametrize(("places", "debt"), [(3, 0), (2, 1), (0, 3), (-1, 0)])
async def test_a_limit_lowered_below_the_count_is_a_debt_and_stops_new_people_at_once(
    slot: Slot, places: int, debt: int
) -> None:
    await slot.furnish(places=3)
    await slot.queue(1, 2, 3)
    assert await slot.take() == [1, 2, 3]
    await slot.put_portfolio(a_portfolio(places))
    await slot.queue(4)
    assert await slot.take() == ([4] if places == -1 else [])
    assert (await slot.ledger.quota(PORTFOLIO)).debt == debt


async def test_raising_the_limit_wakes_every_sender(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1, 2)
    await slot.claim()
    assert "due s" not in await slot.state(everything=True)
    await slot.put_portfolio(a_portfolio(2))
    assert (await slot.state(everything=True))["due s"] == 0
    assert await slot.take() == [2]


async def test_an_unknown_portfolio_has_no_place_to_give(slot: Slot) -> None:
    assert (await slot.ledger.quota(PORTFOLIO)).available == 0


async def test_time_in_a_slot_never_goes_back(slot: Slot) -> None:
    slot.now_ms += 5_000
    await slot.put_portfolio(a_portfolio())
    slot.now_ms -= 3_000
    await slot.put_portfolio(a_portfolio())
    assert (await slot.state(everything=True))["meta state"] == f"{START_MS + 5_000}|2|0|0"
