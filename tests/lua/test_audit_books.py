"""audit_books, with audit_ends and part_recount: a recount in many steps, while jobs go on."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from adapters.redis.auditing import recount
from adapters.redis.scripts import Argument, Reply
from engine.model import DeliveryStatus
from engine.outcomes import Accepted
from tests.lua.slot_state import PORTFOLIO, Slot
from tests.lua.test_audit_read import FAULTS, TAG, busy


async def in_steps(slot: Slot) -> list[str]:
    """Recount as a ledger does that has too many ends for one step."""
    return await recount(lambda script, told: call(slot, script, told))


async def call(slot: Slot, script: str, told: Sequence[Sequence[Argument]]) -> list[Reply]:
    return [await slot.run(script, *each) for each in told]


async def test_a_sound_slot_has_nothing_wrong_and_is_not_touched(slot: Slot) -> None:
    assert await in_steps(slot) == []
    await busy(slot)
    before = await slot.state(everything=True)
    assert await in_steps(slot) == []
    assert await slot.changes(before, everything=True) == {}


@pytest.mark.parametrize(("command", "told"), FAULTS)
async def test_a_planted_fault_is_found(slot: Slot, command: str, told: str) -> None:
    await busy(slot)
    await slot.client.execute_command(*command.split())
    wrong = await in_steps(slot)
    assert any(told in line for line in wrong), wrong


async def test_many_ends_are_no_refusal(slot: Slot, monkeypatch: pytest.MonkeyPatch) -> None:
    await busy(slot)
    monkeypatch.setattr("adapters.redis.ledger.AUDIT_MAX", 0)
    assert await slot.ledger.audit(PORTFOLIO) == []
    await slot.client.execute_command("HDEL", f"{TAG}done:1:0", "1")
    assert await slot.ledger.audit(PORTFOLIO) == [
        "campaign:a: d:delivered 1, recount 0",
        "campaign:a: s:accepted 2, recount 1",
    ]


async def test_ends_that_are_no_longer_kept_are_no_fault_but_other_lost_jobs_are(
    slot: Slot,
) -> None:
    await busy(slot)
    await slot.client.delete(f"{TAG}done:1:0")  # as it expires
    assert await in_steps(slot) == []
    await slot.client.execute_command("LPOP", f"{TAG}k:1")
    assert "states add up to" in str(await in_steps(slot))


@pytest.mark.parametrize("is_lost", [False, True])
async def test_jobs_that_end_meanwhile_are_no_fault_and_one_that_is_lost_is(
    slot: Slot, *, is_lost: bool
) -> None:
    await busy(slot)
    calls: list[str] = []

    async def run(script: str, told: Sequence[Sequence[Argument]]) -> list[Reply]:
        replies = await call(slot, script, told)
        calls.append(script)
        if len(calls) == 1:  # after the first look at the books
            await slot.settle(Accepted("wamid.4"), job=4)
            await slot.receive(DeliveryStatus.READ, job=4)
            if is_lost:
                fields = ["1", "4", "5"]
                await slot.client.execute_command("HDEL", f"{TAG}done:1:0", *fields)
                await slot.client.execute_command("HSET", f"{TAG}done:1:0", "9", b"F0" + b"0" * 20)
        elif script == "audit_ends":
            await slot.receive(DeliveryStatus.READ, job=1)
        return replies

    wrong = await recount(run)
    told = ["campaign:a: 2 to 3 jobs have ended, recount 1"] if is_lost else []
    assert wrong == told
    assert calls == ["audit_books", "audit_ends", "audit_books"]
