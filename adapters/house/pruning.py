"""What is over is forgotten, some of it every minute, by whichever API process comes first."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from random import SystemRandom
from typing import Final

from adapters.house.shared import House, log
from adapters.redis.pruning import RedisPruner
from engine.pruning import Pruning

EVERY_S: Final = 60.0


def pruning(house: House) -> Callable[[], Awaitable[None]]:
    """Return the step that forgets lanes, sources and campaigns in which nothing is left."""
    ledger, now_ms, rng = house.ledger, house.clock.now_ms, SystemRandom()
    pruner = RedisPruner(house.client, ledger.scripts, ledger.calls, now_ms)
    its = Pruning(pruner, house.registry, now_ms)

    async def prune() -> None:
        await asyncio.sleep(EVERY_S * (0.5 + rng.random()))
        for portfolio in list(house.registry.directory.portfolios.values()):
            for campaign in await its.step(portfolio.id):
                log.info("campaign_forgotten", portfolio=portfolio.id, campaign=campaign.id)

    return prune
