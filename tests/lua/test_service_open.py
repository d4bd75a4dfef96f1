"""service_open: a person wrote; the latest moment wins, and windows long closed are forgotten."""

from __future__ import annotations

from tests.builders import a_recipient
from tests.lua.slot_state import GONE, PORTFOLIO, SENDER, Slot


async def opened(slot: Slot, number: int, until_ms: int) -> None:
    """Open the window of one person."""
    await slot.ledger.open_window(PORTFOLIO, SENDER, a_recipient(number), until_ms)


async def test_a_window_is_open_until_its_moment(slot: Slot) -> None:
    before = await slot.state()
    await opened(slot, 1, slot.now_ms + 500)
    assert await slot.changes(before) == {"service s:1": 500}


async def test_an_older_message_does_not_shorten_it(slot: Slot) -> None:
    await opened(slot, 1, slot.now_ms + 500)
    await opened(slot, 1, slot.now_ms + 300)
    assert (await slot.state())["service s:1"] == 500
    await opened(slot, 1, slot.now_ms + 900)
    assert (await slot.state())["service s:1"] == 900


async def test_windows_that_closed_are_forgotten_on_the_way(slot: Slot) -> None:
    await opened(slot, 1, slot.now_ms + 500)
    slot.now_ms += 500
    before = await slot.state()
    await opened(slot, 2, slot.now_ms + 500)
    assert await slot.changes(before) == {"service s:1": GONE, "service s:2": 1_000}


async def test_at_most_two_hundred_are_forgotten_in_one_call(slot: Slot) -> None:
    pairs = {b"s:" + a_recipient(n): slot.now_ms - 1 for n in range(1, 301)}
    await slot.client.zadd("ps:{acme}:service", pairs)
    await opened(slot, 999, slot.now_ms + 500)
    assert await slot.client.zcard("ps:{acme}:service") == 101
