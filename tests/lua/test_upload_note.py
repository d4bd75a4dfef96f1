"""upload_note: only who takes an upload notes how far it came, with what was refused of it."""

from __future__ import annotations

from adapters.redis.results import REJECTS_MAX
from tests.lua.slot_state import PORTFOLIO, SOURCE, Slot
from tests.lua.test_upload_take import by, uploads

REJECTS = f"ps:{{{PORTFOLIO}}}:rejects:{SOURCE}"


async def test_who_lost_it_notes_nothing(slot: Slot) -> None:
    store = uploads(slot)
    await store.take(*by("a"), anew=True)
    assert await store.note(*by("a"), b"1", [b"bad"], complete=False) == 0
    await store.take(*by("b"), anew=False)
    before = await slot.state(everything=True)
    assert await store.note(*by("a"), b"2", [b"bad"], complete=True) is None
    assert await slot.changes(before, everything=True) == {}


async def test_refused_rows_are_kept_with_it_the_newest_where_there_are_many(slot: Slot) -> None:
    store = uploads(slot)
    await store.take(*by("a"), anew=True)
    lines = [b"%d" % number for number in range(REJECTS_MAX)]
    await store.note(*by("a"), b"1", lines, complete=False)
    await store.note(*by("a"), b"2", [b"last"], complete=False)
    kept = await slot.client.lrange(REJECTS, 0, -1)
    assert (len(kept), kept[0], kept[-1]) == (REJECTS_MAX, b"1", b"last")
    assert await slot.client.pttl(REJECTS) > 0
