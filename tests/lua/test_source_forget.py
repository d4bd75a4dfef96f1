"""source_forget: the books and keys of a source go when it has been without lanes for long."""

from __future__ import annotations

from typing import Any, cast

import pytest

from adapters.redis.keys import tag
from engine.errors import UnknownNameError
from engine.model import SourceState
from engine.outcomes import Accepted
from tests.builders import a_row, a_source
from tests.lua.slot_state import PORTFOLIO, SOURCE, Slot
from tests.lua.test_lanes_prune import days_pass


async def forget(slot: Slot, until_ms: int | None = None) -> bool:
    """Run it once."""
    until_ms = slot.now_ms if until_ms is None else until_ms
    return bool(await slot.run("source_forget", SOURCE, until_ms))


async def over(slot: Slot) -> None:
    """Have a source without lanes."""
    await slot.furnish()
    await slot.ledger.put_content(PORTFOLIO, SOURCE, b"{}")
    row = a_row(1, dedupe=b"one     ", fingerprint=b"body    ")
    await slot.enqueue(row)
    await slot.queue(2, dedupe=b"two     ")
    await slot.claim()
    for job in (1, 2):
        await slot.settle(Accepted("wamid"), job=job)
    await days_pass(slot)


async def test_nothing_of_a_source_stays(slot: Slot) -> None:
    await over(slot)
    assert await forget(slot)
    left = [key async for key in slot.client.scan_iter(match=tag(PORTFOLIO) + f"*{SOURCE}*")]
    assert left == []
    with pytest.raises(UnknownNameError):
        await slot.ledger.counts(PORTFOLIO, SOURCE)


async def test_it_is_named_until_nothing_of_it_is_found(slot: Slot) -> None:
    await over(slot)
    index = tag(PORTFOLIO) + "idle_sources"
    assert await forget(slot)
    assert await slot.client.zrange(index, 0, -1) == [SOURCE.encode()]
    assert await forget(slot)
    assert await slot.client.zrange(index, 0, -1) == []


async def test_workers_hear_that_its_message_is_no_more(slot: Slot) -> None:
    async def edition() -> int:
        return int(await cast("Any", slot.client).hget(tag(PORTFOLIO) + "meta", "edition") or 0)

    await over(slot)
    before = await edition()
    assert not await forget(slot, slot.now_ms - 1)
    assert await edition() == before
    assert await forget(slot)
    assert await edition() == before + 1


async def test_one_that_had_a_lane_lately_stays(slot: Slot) -> None:
    await over(slot)
    assert not await forget(slot, slot.now_ms - 1)
    assert (await slot.books()) == {"accepted": 2}


async def test_one_that_has_a_lane_stays(slot: Slot) -> None:
    await over(slot)
    await slot.queue(3)
    assert not await forget(slot)
    assert (await slot.books())["queued"] == 1


async def test_one_that_never_had_a_lane_goes_and_opens_no_more(slot: Slot) -> None:
    await slot.put_source(a_source(state=SourceState.SCHEDULED, start_at_ms=slot.now_ms + 5))
    assert await forget(slot)
    assert not await slot.client.exists(tag(PORTFOLIO) + "openings")
