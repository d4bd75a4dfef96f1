"""The first look at the server: whether it is fit for a ledger, and what time it is there."""

from __future__ import annotations

import structlog
from redis import RedisError

from adapters.clock import Clock
from adapters.knobs import shown
from adapters.redis.connect import Client
from adapters.redis.fitness import require_fit_server
from adapters.settings import Settings
from engine.errors import LedgerAwayError

log = structlog.get_logger("penstock")


async def meet(client: Client, clock: Clock, settings: Settings) -> None:
    """Look at the server before anything is trusted to it, and set the clock by it."""
    try:
        for finding in await require_fit_server(client):
            log.warning("redis", finding=str(finding))
        await clock.follow(lambda: time_of(client))
    except (RedisError, OSError) as error:
        address = shown("redis_url", settings.redis_url)
        raise LedgerAwayError(
            f"no answer from Redis at {address} ({type(error).__name__}): start it, or set "
            "PENSTOCK_REDIS_URL to where it is, or to `embedded`"
        ) from error


async def time_of(client: Client) -> int:
    """Return the server's time in microseconds since the epoch."""
    seconds, rest_us = await client.time()
    return int(seconds) * 1_000_000 + int(rest_us)
