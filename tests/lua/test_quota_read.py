"""quota_read: a window's account at this moment, and nothing changed by asking."""

from __future__ import annotations

from engine.books import Quota
from engine.model import DeliveryStatus
from engine.outcomes import Accepted, InDoubt
from engine.ports import PortfolioSpec, Receipt
from tests.builders import a_recipient, a_sender, a_source, a_template
from tests.lua.slot_state import LEASE_MS, OTHER, PORTFOLIO, SENDER, SPAN_MS, Slot


async def test_an_account_tells_used_reserved_free_and_when_a_place_falls_free(
    slot: Slot,
) -> None:
    await slot.furnish(places=3)
    await slot.queue(1, 2, 3)
    await slot.claim()
    await slot.settle(Accepted("wamid.1"), job=1)
    await slot.settle(InDoubt("silence"), job=2)
    before = await slot.state(everything=True)
    quota = await slot.ledger.quota(PORTFOLIO)
    assert quota == Quota(3, 3, 0, 2, 0, slot.now_ms + SPAN_MS)
    assert await slot.changes(before, everything=True) == {}


async def test_a_free_place_is_not_waited_for(slot: Slot) -> None:
    await slot.furnish(places=3)
    await slot.queue(1)
    await slot.claim()
    assert await slot.ledger.quota(PORTFOLIO) == Quota(3, 1, 0, 1, 2, None)


async def test_a_debt_is_told_with_the_moment_it_is_paid(slot: Slot) -> None:
    await slot.furnish(places=1)
    for number in range(3):
        at_ms = slot.now_ms - 10 * number
        receipt = Receipt(None, 0, a_recipient(number + 1), DeliveryStatus.DELIVERED, at_ms)
        await slot.ledger.receive(PORTFOLIO, [receipt])
    # The last of the three to go makes room: a place is free when none counts.
    assert await slot.ledger.quota(PORTFOLIO) == Quota(1, 3, 2, 0, 0, slot.now_ms + SPAN_MS)


async def test_an_unlimited_portfolio_still_counts(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(1, 2)
    await slot.claim()
    assert await slot.ledger.quota(PORTFOLIO) == Quota(-1, 2, 0, 2, -1, None)


async def test_each_number_has_its_own_account_where_the_scope_says_so(slot: Slot) -> None:
    await slot.put_portfolio(PortfolioSpec(3, "phone_number"))
    await slot.put_sender(a_sender(throughput_mps=1_000))
    await slot.put_sender(a_sender(places=7), OTHER)
    await slot.put_template(a_template())
    await slot.put_source(a_source())
    await slot.queue(1, 2)
    await slot.claim()
    assert await slot.ledger.quota(PORTFOLIO, SENDER) == Quota(3, 2, 0, 2, 1, None)
    assert await slot.ledger.quota(PORTFOLIO, OTHER) == Quota(7, 0, 0, 0, 7, None)


async def test_an_open_send_counts_from_the_end_of_its_lease(slot: Slot) -> None:
    await slot.furnish(places=1)
    await slot.queue(1)
    await slot.claim()
    frees_ms = slot.now_ms + LEASE_MS + SPAN_MS
    assert (await slot.ledger.quota(PORTFOLIO)).next_free_at_ms == frees_ms
    slot.now_ms = frees_ms - 1
    assert await slot.used() == 1
    slot.now_ms += 1
    assert await slot.used() == 0
