"""template_users: whose jobs wait for a template, or came in for it lately."""

from __future__ import annotations

from dataclasses import replace

from tests.lua.slot_state import LANE, PORTFOLIO, TEMPLATE, Slot

JOURNEY = replace(LANE, source="journey:j")


async def test_a_source_is_a_user_while_its_jobs_wait_and_for_a_while_after(slot: Slot) -> None:
    await slot.furnish(places=1)
    began_ms = slot.now_ms
    await slot.queue(1, lane=JOURNEY)
    await slot.queue(2)
    await slot.claim()
    slot.now_ms += 1_000
    before = await slot.state(everything=True)

    async def users(since_ms: int, template: str = TEMPLATE) -> list[str]:
        return await slot.ledger.users(PORTFOLIO, template, since_ms)

    assert await users(began_ms) == ["campaign:a", "journey:j"]
    # One is in flight and one waits for a place: whichever it is, only that one is a user still.
    assert len(await users(began_ms + 1)) == 1
    assert await users(began_ms, "W/other/en") == []
    assert await slot.changes(before, everything=True) == {}
