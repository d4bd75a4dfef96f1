"""claim and what it walks over: bounded work, and what a job and a recipient cost in memory."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, cast

import pytest

from engine.model import DeliveryStatus, Row
from engine.terms import PROMOTE_MAX, STEPS_MAX
from tests.builders import a_recipient, a_row
from tests.lua.slot_state import PORTFOLIO, SPAN_MS, START_MS, Slot

QUEUED, COUNTED = 20_000, 100_000
BYTES_A_JOB, BYTES_A_RECIPIENT = 160, 115
TAG = "ps:{acme}:"


async def memory_used(slot: Slot) -> int:
    """Return what the server has allocated, in bytes."""
    facts = cast("Mapping[str, Any]", await slot.client.info("memory"))
    return int(facts["used_memory"])


async def count_people(slot: Slot, people: int, at_ms: int) -> None:
    """Have people counted since a moment, as deliveries of earlier messages would."""
    for first in range(1, people, 1_000):
        members = {bytes(a_recipient(first + n)): at_ms for n in range(1_000)}
        await slot.client.zadd(TAG + "win:", cast("Mapping[Any, Any]", members))


def a_campaign_row(number: int) -> Row:
    """A row of 12 digits and two fields of 10 characters."""
    tail = f"+{491510000000 + number}\x1fAnnabellas\x1fSPRINGSALE".encode()
    return a_row(number, tail=tail, dedupe=(number * 2_654_435_761).to_bytes(8))


async def test_one_claim_takes_at_most_so_many_steps_and_says_again_now(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*range(1, STEPS_MAX + 11), expires_at_ms=slot.now_ms + 1)
    slot.now_ms += 1
    answer = await slot.claim()
    assert (answer.jobs, answer.more) == ([], True)
    assert await slot.books() == {"expired": STEPS_MAX, "queued": 10}
    assert not (await slot.claim()).more
    assert await slot.books() == {"expired": STEPS_MAX + 10}


async def test_one_claim_brings_back_a_bounded_number_of_delayed_jobs(slot: Slot) -> None:
    await slot.furnish(places=-1)
    await slot.queue(*range(1, PROMOTE_MAX + 4), not_before_ms=slot.now_ms + 1)
    slot.now_ms += 1
    answer = await slot.claim(most=0)
    assert answer.more
    assert await slot.client.zcard(TAG + "later") == 3


async def server_cpu_s(slot: Slot) -> float:
    """Return what the server has worked so far: the wall tells of neighbours."""
    told: dict[str, Any] = await slot.client.info("cpu")
    return float(told["used_cpu_user"] + told["used_cpu_sys"])


@pytest.mark.slow
async def test_many_places_that_fall_free_at_once_cost_one_claim_little(slot: Slot) -> None:
    await slot.furnish(places=COUNTED)
    await count_people(slot, COUNTED, slot.now_ms)
    await slot.queue(*range(COUNTED + 1, COUNTED + 401))
    assert await slot.take() == []
    slot.now_ms += SPAN_MS
    assert await slot.used() == 0
    before = await slot.client.zcard(TAG + "win:")
    before_s = await server_cpu_s(slot)
    assert len(await slot.take(most=1)) == 1
    assert await server_cpu_s(slot) - before_s < 0.2  # 100,000 at once would take longer
    after = await slot.client.zcard(TAG + "win:")
    assert before - after in range(1, 2_000)


@pytest.mark.slow
async def test_a_queued_campaign_job_costs_little_memory(slot: Slot) -> None:
    await slot.furnish()
    await slot.enqueue(a_campaign_row(1))
    before = await memory_used(slot)
    accepted = 0
    for first in range(2, QUEUED + 2, 1_000):
        rows = [a_campaign_row(first + n) for n in range(1_000)]
        accepted += (await slot.enqueue(*rows)).accepted
    assert accepted == QUEUED
    await slot.client.memory_purge()
    assert (await memory_used(slot) - before) / QUEUED <= BYTES_A_JOB


@pytest.mark.slow
async def test_a_recipient_in_the_window_costs_little_memory(slot: Slot) -> None:
    await slot.furnish()
    await count_people(slot, COUNTED, slot.now_ms)
    cost = await slot.client.memory_usage(TAG + "win:", samples=0)
    assert cost is not None
    assert cost / COUNTED <= BYTES_A_RECIPIENT
    receipt_ms = START_MS + 1
    assert (await slot.receive(DeliveryStatus.SENT, at_ms=receipt_ms)).settled == []
    assert (await slot.ledger.quota(PORTFOLIO)).used == COUNTED
