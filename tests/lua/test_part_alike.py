"""enqueue of a campaign's rows, which come as four texts: part_alike."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

import pytest
from redis.asyncio import Redis

from engine.model import Row
from engine.ports import Batch, Enqueued, NotNew
from tests.builders import a_recipient, a_row, alike_rows
from tests.lua.slot_state import LANE, PORTFOLIO, START_MS, Packed, Slot, State

LONG = 70_000  # bytes of a tail whose length two bytes cannot tell


def people(*numbers: int) -> list[Row]:
    """Return rows as a campaign's are: known by their recipient."""
    return [a_row(number, dedupe=a_recipient(number)) for number in numbers]


async def queue(
    slot: Slot, rows: Sequence[Row], rows_max: int = 0, *, alike: bool = True
) -> Enqueued:
    """Queue rows, as alike ones or one by one."""
    told = alike_rows(rows) if alike else rows
    return (await slot.ledger.enqueue([Batch(PORTFOLIO, LANE, told, rows_max, once_each=True)]))[0]


def known(*indices: int) -> list[NotNew]:
    return [NotNew(index, None, conflict=False) for index in indices]


async def test_who_is_known_or_comes_twice_is_named_and_the_others_are_queued(slot: Slot) -> None:
    await slot.furnish()
    await queue(slot, people(1, 2))
    before = await slot.state()
    answer = await queue(slot, people(2, 3, 3))
    assert (answer.first, answer.accepted, answer.not_new) == (3, 1, known(0, 2))
    assert await slot.changes(before) == {
        "q:1": [Packed(1, 1), Packed(2, 2), Packed(3, 3)],
        "seen:campaign:a 3": True,
        "src:campaign:a enqueued": 3,
    }


async def test_who_comes_twice_among_people_nobody_knew_is_queued_once(slot: Slot) -> None:
    await slot.furnish()
    answer = await queue(slot, people(1, 2, 1, 3, 2))
    assert (answer.accepted, answer.not_new) == (3, known(2, 4))
    assert (await queue(slot, people(1, 2, 3))).accepted == 0
    assert (await slot.state())["q:1"] == [Packed(1, 1), Packed(2, 2), Packed(3, 3)]


async def test_who_found_no_room_is_not_known_for_it(slot: Slot) -> None:
    await slot.furnish()
    answer = await queue(slot, people(1, 1, 2, 3), 2)
    assert answer.not_new == [*known(1), NotNew(3, None, conflict=False, over=True)]
    assert (await queue(slot, people(3), 3)).accepted == 1


async def test_sequences_go_on_past_each_256(slot: Slot) -> None:
    await slot.furnish()
    for first in range(0, 1_200, 300):
        await queue(slot, people(*range(first, first + 300)))
    assert (await slot.state())["q:1"] == [Packed(at + 1, at) for at in range(1_200)]


async def test_what_rows_say_is_claimed_as_it_was_told(slot: Slot) -> None:
    await slot.furnish(places=-1)
    tails = [b"+1", "+49\x1fÄgäß\x1f".encode(), b"+3\x1f" + b"x" * 255, b"+4\x1f" + b"y" * 256]
    await queue(slot, [a_row(at, tail=tail) for at, tail in enumerate(tails)])
    assert [job.tail for job in (await slot.claim()).jobs] == tails


async def told_both_ways(slot: Slot, seed: int, *, alike: bool) -> tuple[list[Enqueued], State]:
    """Queue the same random batches on an emptied slot; return the answers and all that is kept."""
    await slot.client.flushdb()
    rng, slot.now_ms = Random(seed), START_MS
    await slot.furnish()
    answers: list[Enqueued] = []
    for _ in range(12):
        slot.now_ms += rng.choice([-50, 0, 7, 2_000])  # a caller's clock may be behind the slot's
        shared = rng.choice([1, 300]), rng.choice([0, 2]), rng.choice([0, slot.now_ms + 9_000])
        rows = people(*[rng.randrange(400) for _ in range(rng.choice([1, 3, 40, 300]))])
        for place, row in enumerate(rows):
            row.place = place
            row.tail = b"+49\x1f" + bytes([97 + place % 26]) * rng.choice([0, 1, 30, 254, 255, 700])
            row.content, row.repeats_max, row.expires_at_ms = shared
        rows_max = rng.choice([0, 0, 100, 250])
        answers.append(await queue(slot, rows, rows_max, alike=alike))
    state = await slot.state(everything=True)
    del state["meta has"]  # its stamp is of the very call
    return answers, state


@pytest.mark.parametrize("seed", range(8))
async def test_rows_told_alike_are_queued_as_they_would_be_one_by_one(
    slot: Slot, seed: int
) -> None:
    each = await told_both_ways(slot, seed, alike=False)
    assert await told_both_ways(slot, seed, alike=True) == each
    assert {known.over for answer in each[0] for known in answer.not_new} == {False, True}


async def test_a_row_too_long_for_two_bytes_of_length_goes_one_by_one(slot: Slot) -> None:
    await slot.furnish(places=-1)
    rows = people(1, 2)
    rows[0].tail = b"+1\x1f" + b"z" * LONG
    await queue(slot, rows)
    assert [len(job.tail) for job in (await slot.claim()).jobs] == [LONG + 3, len(rows[1].tail)]


async def test_a_full_portfolio_takes_alike_rows_whole_or_not_at_all(redis_client: Redis) -> None:
    slot = Slot(redis_client, queue_max=2)
    await slot.furnish()
    assert (await queue(slot, people(1, 2, 3))).refused == "full"
    assert (await queue(slot, people(1, 2))).accepted == 2


async def test_alike_rows_of_an_older_message_are_stale(slot: Slot) -> None:
    await slot.furnish()
    await queue(slot, [a_row(1, content=1)])
    await slot.client.hset(f"ps:{{{PORTFOLIO}}}:src:{LANE.source}", "version", "2")
    assert (await queue(slot, [a_row(2, content=1)])).refused == "stale"
    assert (await queue(slot, [a_row(2, content=2)])).accepted == 1
