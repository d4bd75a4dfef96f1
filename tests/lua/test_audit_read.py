"""audit_read: a recount of the raw keys finds what does not agree with the books."""

from __future__ import annotations

import pytest

from engine.model import DeliveryStatus
from engine.outcomes import Accepted, InDoubt, Retry
from tests.lua.slot_state import PORTFOLIO, Slot

TAG = "ps:{acme}:"


async def busy(slot: Slot) -> None:
    """Have jobs in as many places as there are."""
    await slot.furnish(places=5)
    await slot.queue(*range(1, 8))
    await slot.claim()
    await slot.settle(Accepted("wamid.1"), job=1)
    await slot.receive(DeliveryStatus.DELIVERED, job=1)
    await slot.settle(Accepted("wamid.5"), job=5)
    await slot.settle(InDoubt("silence"), job=2)
    await slot.settle(Retry(131000, slot.now_ms + 500, "unknown"), job=3)


async def test_a_sound_slot_has_nothing_wrong_and_is_not_touched(slot: Slot) -> None:
    await busy(slot)
    before = await slot.state(everything=True)
    assert await slot.ledger.audit(PORTFOLIO) == []
    assert await slot.changes(before, everything=True) == {}


async def test_an_empty_slot_has_nothing_wrong(slot: Slot) -> None:
    assert await slot.ledger.audit(PORTFOLIO) == []


FAULTS = [
    pytest.param(f"LPOP {TAG}k:1", "states add up to", id="a job is lost"),
    pytest.param(f"HDEL {TAG}open 1.4", "s:in_flight 1, recount 0", id="a lease is lost"),
    pytest.param(f"HDEL {TAG}aside 1.3", "w:retry 1, recount 0", id="a delayed job is lost"),
    pytest.param(f"HDEL {TAG}done:1:0 1", "s:accepted 2, recount 1", id="an end is lost"),
    pytest.param(f"ZREM {TAG}doubts 1.2", "doubt without its time", id="a doubt has no end"),
    pytest.param(f"HINCRBY {TAG}src:campaign:a d:delivered 1", "d:delivered 2", id="a count"),
    pytest.param(f"HSET {TAG}src:campaign:a s:failed 1", "s:failed 1, recount 0", id="an end more"),
    pytest.param(f"HINCRBY {TAG}src:campaign:a enqueued 1", "enqueued 8", id="the total"),
]


@pytest.mark.parametrize(("command", "told"), FAULTS)
async def test_a_planted_fault_is_found(slot: Slot, command: str, told: str) -> None:
    await busy(slot)
    await slot.client.execute_command(*command.split())
    wrong = await slot.ledger.audit(PORTFOLIO)
    assert any(told in line for line in wrong), wrong


async def test_ends_that_are_no_longer_kept_are_no_fault_but_other_lost_jobs_are(
    slot: Slot,
) -> None:
    await busy(slot)
    await slot.client.delete(f"{TAG}done:1:0")  # as it expires
    assert await slot.ledger.audit(PORTFOLIO) == []
    await slot.client.execute_command("LPOP", f"{TAG}k:1")
    assert "states add up to" in str(await slot.ledger.audit(PORTFOLIO))
