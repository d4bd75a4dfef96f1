"""upload_take: one at a time takes an upload, where it ended; part_room counts what it queued."""

from __future__ import annotations

from dataclasses import replace

import pytest

from adapters.redis.uploads import KEPT_MS, RedisUploads
from engine.model import PortfolioId
from engine.ports import Batch
from engine.results import Taken, Upload
from tests.builders import a_recipient, a_row
from tests.lua.slot_state import LANE, PORTFOLIO, SOURCE, Slot

TALLY = Upload(SOURCE, "people", "").tally


def by(taker: str) -> tuple[PortfolioId, Upload]:
    """Return where the upload is, and that `taker` takes it."""
    return PORTFOLIO, Upload(SOURCE, "people", taker)


def uploads(slot: Slot) -> RedisUploads:
    return RedisUploads(slot.ledger.scripts, slot.ledger.calls, lambda: slot.now_ms)


async def queue(slot: Slot, *numbers: int, rows_max: int = 0) -> int:
    """Queue rows of the upload; return how many were new and had room."""
    batch = Batch(
        PORTFOLIO,
        LANE,
        [a_row(number, dedupe=a_recipient(number)) for number in numbers],
        rows_max,
        TALLY,
    )
    return (await slot.ledger.enqueue([batch]))[0].accepted


async def test_nobody_takes_one_of_which_nothing_was_noted(slot: Slot) -> None:
    before = await slot.state(everything=True)
    assert await uploads(slot).take(*by("a"), anew=False) == Taken(None, 0)
    assert await slot.changes(before, everything=True) == {}


async def test_what_was_queued_counts_though_nobody_noted_it(slot: Slot) -> None:
    await slot.furnish()
    store = uploads(slot)
    await store.take(*by("a"), anew=True)
    await store.note(*by("a"), b"0", [], complete=False)
    assert await queue(slot, 1, 2) == 2
    assert await store.take(*by("b"), anew=False) == Taken(b"0", 2)
    assert await queue(slot, 1, 2, 3) == 1
    assert await store.note(*by("b"), b"3", [], complete=True) == 3


@pytest.mark.parametrize(("complete", "accepted"), [(True, 0), (False, 2)])
async def test_from_its_begin_one_that_was_complete_is_another(
    slot: Slot, accepted: int, *, complete: bool
) -> None:
    await slot.furnish()
    store = uploads(slot)
    await store.take(*by("a"), anew=True)
    await queue(slot, 1, 2)
    await store.note(*by("a"), b"2", [], complete=complete)
    assert await store.take(*by("b"), anew=True) == Taken(b"2", accepted)


async def test_a_source_has_room_for_so_many_and_for_what_it_knows(slot: Slot) -> None:
    await slot.furnish()
    assert await queue(slot, 1, 2, 3, rows_max=2) == 2
    assert await queue(slot, 1, 3, 2, rows_max=3) == 1
    row = replace(a_row(4), dedupe=b"a name..", fingerprint=b"a print.")
    batch = Batch(PORTFOLIO, LANE, [row], 3)
    (answer,) = await slot.ledger.enqueue([batch])
    assert (answer.accepted, [each.over for each in answer.not_new]) == (0, [True])


async def test_it_is_known_for_a_day(slot: Slot) -> None:
    await slot.furnish()
    await uploads(slot).take(*by("a"), anew=True)
    await queue(slot, 1)
    for name in ("upload", "tally"):
        left_ms = await slot.client.pttl(f"ps:{{{PORTFOLIO}}}:{name}:{TALLY}")
        assert 0 < left_ms <= KEPT_MS
