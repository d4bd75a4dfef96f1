"""border_put: the countries that an account does not write to, until when each."""

from __future__ import annotations

from adapters.redis.keys import tag
from engine.borders import border_of
from engine.model import WabaId
from tests.lua.slot_state import PORTFOLIO, START_MS, Slot

WABA = WabaId("W")


async def test_it_is_written_for_the_gate_and_goes_with_its_last_country(slot: Slot) -> None:
    before = await slot.state()
    until_ms = START_MS + 60_000
    borders = [border_of("IN", until_ms), border_of("RU", until_ms)]
    await slot.ledger.put_borders(PORTFOLIO, WABA, borders)
    packed = f"{until_ms}|+91,IN.;{until_ms}|+7,RU.,!+76,!+77"
    kept = await slot.client.execute_command("HGET", tag(PORTFOLIO) + "borders", "W")
    assert kept == packed.encode()
    await slot.ledger.put_borders(PORTFOLIO, WABA, [])
    assert await slot.changes(before) == {}
