"""claim_restore: jobs go back under the leases they had before a tail was lost."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from engine.model import JobKey
from engine.outcomes import Accepted
from engine.ports import Claimed
from tests.lua.slot_state import LEASE_MS, PORTFOLIO, Packed, Slot


async def lose_claim(slot: Slot) -> list[Claimed]:
    """Claim two jobs on a slot that then loses the claim; return what the worker holds."""
    await slot.furnish()
    await slot.queue(1, 2, 3)
    before = {key: await slot.client.dump(key) for key in await keys(slot)}
    claimed = (await slot.claim(most=2)).jobs
    await slot.client.flushall()
    for key, kept in before.items():
        assert kept is not None
        await slot.client.restore(key, 0, kept)
    return claimed


async def keys(slot: Slot) -> list[bytes]:
    """Return all keys of the server."""
    return [key async for key in slot.client.scan_iter(count=1_000)]


async def restore(slot: Slot, jobs: Sequence[Claimed]) -> int:
    """Tell the slot again what was claimed."""
    return await slot.ledger.restore_claimed(PORTFOLIO, jobs)


async def test_jobs_are_leased_again_as_they_were(slot: Slot) -> None:
    jobs = await lose_claim(slot)
    before = await slot.state()
    assert await restore(slot, jobs) == 0
    changes = await slot.changes(before)
    leases = {name: its for name, its in changes.items() if name.startswith(("claims", "leases"))}
    assert list(leases.values()).count(LEASE_MS) == 1
    assert {name: its for name, its in changes.items() if name not in leases} == {
        "q:1": [Packed(3, 3)],
        "open 1.1": ("F", LEASE_MS, Packed(1, 1, fence=1)),
        "open 1.2": ("F", LEASE_MS, Packed(2, 2, fence=1)),
        "win: 1": LEASE_MS,
        "win: 2": LEASE_MS,
        "src:campaign:a s:in_flight": 2,
    }
    assert (await slot.settle(Accepted("wamid.1"))).ignored == []
    slot.now_ms += LEASE_MS
    assert (await slot.ledger.rescue(PORTFOLIO)).doubted == [JobKey(1, 2)]
    assert await slot.ledger.audit(PORTFOLIO) == []


async def test_telling_it_twice_changes_nothing_more(slot: Slot) -> None:
    jobs = await lose_claim(slot)
    await restore(slot, jobs)
    before = await slot.state()
    assert await restore(slot, jobs) == 0
    assert await slot.changes(before) == {}


async def test_a_job_that_ended_meanwhile_stays_ended(slot: Slot) -> None:
    jobs = await lose_claim(slot)
    await restore(slot, jobs)
    await slot.settle(Accepted("wamid.1"))
    before = await slot.state()
    await restore(slot, jobs[:1])
    assert await slot.changes(before) == {}


async def test_a_job_the_slot_does_not_know_is_counted_as_lost(slot: Slot) -> None:
    jobs = await lose_claim(slot)
    await slot.client.flushall()
    await slot.furnish()
    assert await restore(slot, jobs) == 2


async def test_a_job_whose_lane_number_another_has_taken_is_lost(slot: Slot) -> None:
    jobs = await lose_claim(slot)
    elsewhere = [replace(job, lane=replace(job.lane, source="campaign:b")) for job in jobs]
    before = await slot.state()
    assert await restore(slot, elsewhere) == 2
    assert await slot.changes(before) == {}
