"""An imprint that stayed the same proves that there is nothing to look at, whatever the history."""

from __future__ import annotations

import os
from copy import deepcopy

import pytest
from redis.asyncio import Redis

from adapters.memory.ledger import MemoryLedger
from adapters.redis.ledger import RedisLedger
from engine.imprints import Imprint
from engine.ports import Rescued
from tests.contract.histories import History
from tests.contract.small_world import PORTFOLIO

SEEDS = int(os.environ.get("PENSTOCK_TEST_SEEDS", "3"))
STEPS = 300


class Observer:
    """A worker that believes an imprint, and has the slot rescued when it changed or time came.

    The memory ledger, which answers as Redis does, tells what a rescue would find: of a copy, so
    that nothing is touched by asking.
    """

    def __init__(self, memory: MemoryLedger, redis: RedisLedger) -> None:
        self._memory = memory
        self._redis = redis
        self._imprint: Imprint | None = None
        self._known = Rescued([], [], [])
        self.believed = 0

    async def look(self, now_ms: int) -> None:
        """Compare what it believes with what there is."""
        [imprint] = await self._redis.imprints([PORTFOLIO])
        known, is_due = self._known, now_ms >= min(self._known.due_at_ms, self._known.rescue_at_ms)
        if imprint == self._imprint and not is_due:
            found = await deepcopy(self._memory).rescue(PORTFOLIO)
            assert not [*found.doubted, *found.repeated, *found.unknown, *found.expired]
            assert found.rescue_at_ms >= known.rescue_at_ms, "it would come too late"
            assert found.due_at_ms >= known.due_at_ms, "it would come too late"
            self.believed += 1
        else:
            self._imprint, self._known = imprint, await self._redis.rescue(PORTFOLIO)
            assert await self._memory.rescue(PORTFOLIO) == self._known


@pytest.mark.one_server
@pytest.mark.parametrize("seed", range(3 * SEEDS))
async def test_what_a_worker_believes_of_an_imprint_is_true(redis_client: Redis, seed: int) -> None:
    history = History(seed)
    memory = MemoryLedger(history.terms(), history.clock)
    redis = RedisLedger(redis_client, history.terms(), history.clock, tolerance_ms=0)
    observer, setup = Observer(memory, redis), history.setup()
    for at in range(STEPS):
        kind, do = setup[at] if at < len(setup) else history.step()
        answer = await do(redis)
        assert await do(memory) == answer
        if kind in ("claim", "re-ask"):
            history.remember([job for each in answer for job in each.jobs])
        await observer.look(history.now_ms)
    assert observer.believed


async def test_a_rescue_that_finds_nothing_writes_nothing(redis_client: Redis) -> None:
    """Of two workers that look, each would else look again for ever because of the other."""
    history = History(1)
    redis = RedisLedger(redis_client, history.terms(), history.clock, tolerance_ms=0)
    assert await redis.imprints([PORTFOLIO]) == [Imprint(0, 0)]
    for _, do in history.setup():
        await do(redis)
    await redis.rescue(PORTFOLIO)
    before = await redis.imprints([PORTFOLIO]), await _changes(redis_client)
    history.now_ms += 1_000
    rescued = await redis.rescue(PORTFOLIO)
    assert (await redis.imprints([PORTFOLIO]), await _changes(redis_client)) == before
    assert before[0] == [Imprint(history.now_ms - 1_000, rescued.sequence)]


async def _changes(client: Redis) -> int:
    return int((await client.info("persistence"))["rdb_changes_since_last_save"])
