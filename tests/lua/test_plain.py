"""part_plain: a wish fulfilled in one go leaves, and answers, what the long way leaves.

With it part_plain_told, part_plain_rows and part_plain_given.

The same history is played twice, on an emptied server each time: once as it is, once with a claim
that never finds a wish plain. After each step the answers and everything in the slot are the same.
"""

from __future__ import annotations

from typing import Final

import pytest
from redis.asyncio import Redis

from tests.lua.history import STEPS, History, assert_alike, changed
from tests.lua.slot_state import Slot

TAKEN: Final = "if plain_jobs then return"
COUNTED: Final = "if plain_jobs then redis.call('INCR', 'plain') return"
LOOKED: Final = "= fulfil_plainly(worker, counter)"


@pytest.mark.parametrize("seed", [1, 3, 4, 6, 8])
async def test_a_wish_in_one_go_leaves_what_the_long_way_leaves(
    redis_client: Redis, seed: int
) -> None:
    with changed("claim", (TAKEN, COUNTED)):
        in_one_go = [step async for step in History(Slot(redis_client), seed).steps()]
    plain = int(await redis_client.get("plain") or 0)
    await redis_client.flushall()
    with changed("claim", (LOOKED, "= nil")):
        await assert_alike(History(Slot(redis_client), seed), in_one_go)
    assert plain > STEPS // 10
