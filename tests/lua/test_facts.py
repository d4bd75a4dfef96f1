"""What a server keeps between calls, and how it is told that it has changed.

part_facts keeps names, states, templates and senders (part_senders); part_kinds says which sets
(part_waiting's among them) have anything in them; part_busy which priorities have jobs, so that
part_due_senders reads no more than it needs.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import replace
from typing import Any, cast

import pytest

from engine.model import Category, Priority, SourceState, TemplateStatus
from engine.outcomes import InDoubt, Retry
from tests.builders import a_portfolio, a_sender, a_source, a_template
from tests.lua.slot_state import LANE, OTHER, TEMPLATE, Slot


async def of_meta(slot: Slot, field: str) -> str:
    """Return a field of what the slot knows of itself."""
    found: bytes | None = await cast("Any", slot.client).hget("ps:{acme}:meta", field)
    return (found or b"").decode()


Change = Callable[[Slot], Awaitable[None]]


async def pause_source(slot: Slot) -> None:
    """Pause the source."""
    await slot.put_source(a_source(state=SourceState.PAUSED))


async def pause_template(slot: Slot) -> None:
    """Pause the template."""
    await slot.put_template(a_template(status=TemplateStatus.PAUSED))


async def close_sender(slot: Slot) -> None:
    """Close the sender."""
    await slot.put_sender(a_sender(closed_until_ms=slot.now_ms + 60_000))


async def slow_sender(slot: Slot) -> None:
    """Slow the sender: of a second's jobs none is due at once."""
    await slot.put_sender(a_sender(throughput_mps=1))


@pytest.mark.parametrize("change", [pause_source, pause_template, close_sender])
async def test_nobody_goes_by_what_he_kept(slot: Slot, change: Change) -> None:
    await slot.furnish(places=100)
    await slot.queue(*range(1, 20))
    assert len(await slot.take(2)) == 2, "now everything is kept"
    await change(slot)
    assert await slot.take() == []


async def test_a_rate_that_was_kept_is_read_again(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(*range(1, 20))
    assert len(await slot.take(2)) == 2
    await slow_sender(slot)
    assert len(await slot.take()) <= 1


async def test_a_new_category_is_known_at_once(slot: Slot) -> None:
    await slot.furnish(places=100, category=Category.UTILITY)
    await slot.queue(1, 2)
    assert len(await slot.take(1)) == 1
    await slot.put_template(a_template(category=Category.AUTHENTICATION))
    [answer] = [await slot.claim()]
    assert [job.lane.template for job in answer.jobs] == [TEMPLATE]


async def test_no_stamp_comes_twice(slot: Slot) -> None:
    stamps: list[str] = []
    for _ in range(2):  # the second time after all was lost, under the same sequences
        await slot.client.flushall()
        for _ in range(3):
            await slot.put_source(a_source())
            stamps.append((await of_meta(slot, "has")).partition("|")[0])
    assert len(set(stamps)) == len(stamps)


async def test_what_was_kept_of_a_lost_slot_is_not_gone_by(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(1, 2)
    assert len(await slot.take()) == 2
    await slot.client.flushall()
    await slot.furnish(places=100)
    await slot.queue(7, lane=replace(LANE, sender=OTHER))  # lane 1 is another's now
    assert await slot.take() == [], "its sender is not known"


async def test_a_kind_is_noted_with_the_first_and_forgotten_with_the_last(slot: Slot) -> None:
    async def kinds() -> set[str]:
        return set((await of_meta(slot, "has")).partition("|")[2].split())

    await slot.furnish(places=1)
    await slot.queue(1, 2)
    await slot.take()
    assert kinds_of(await kinds()) == {"waiting"}
    await slot.settle(Retry(131000, slot.now_ms + 500, "late"))
    assert kinds_of(await kinds()) >= {"later"}
    slot.now_ms += 500
    await slot.put_portfolio(a_portfolio(places=100))
    assert sorted(await slot.take()) == [1, 2]
    await slot.take()
    assert kinds_of(await kinds()) == set()
    await slot.settle(InDoubt("silence"), job=2)
    assert kinds_of(await kinds()) == {"doubts"}


def kinds_of(kinds: set[str]) -> set[str]:
    """Return those that come and go."""
    return kinds & {"waiting", "later", "doubts", "openings"}


async def test_lanes_with_jobs_are_counted_by_priority(slot: Slot) -> None:
    await slot.furnish(places=100)
    await slot.queue(1)
    await slot.queue(2, lane=replace(LANE, source="campaign:b"))
    await slot.queue(3, lane=replace(LANE, priority=Priority.UTILITY))
    assert await of_meta(slot, "busy") == "0|0|1|2|0"
    await slot.claim()
    assert await of_meta(slot, "busy") == "0|0|0|0|0"
