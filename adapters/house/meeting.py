"""The first look at the server: whether it is fit for a ledger, and what time it is there."""

from __future__ import annotations

import structlog
from redis import RedisError
from redis.exceptions import (
    AuthenticationError,
    AuthorizationError,
    InvalidResponse,
    NoPermissionError,
    ResponseError,
)

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
    except (RedisError, OSError, TimeoutError) as error:
        why, remedy = what_is_wrong(error, settings)
        raise LedgerAwayError(f"{why}. {remedy}") from error


def what_is_wrong(error: Exception, settings: Settings) -> tuple[str, str]:
    """Return why a server could not be asked, in its own words where it has some, and a remedy."""
    address = shown("redis_url", settings.redis_url)
    said = next(iter(str(error).splitlines()), "").partition(" : <")[0]  # a client shows itself
    said = said.rstrip(". ") or type(error).__name__
    if isinstance(error, (AuthenticationError, AuthorizationError, NoPermissionError)):
        why = f"Redis at {address} refuses this user or password: {said}"
        return why, "Correct user and password in PENSTOCK_REDIS_URL; docs/security.md has the ACL."
    if isinstance(error, ResponseError):
        why = f"Redis at {address} answers: {said}"
        return why, "Do what it says, or correct PENSTOCK_REDIS_URL."
    why = f"no answer from Redis at {address}: {said}"
    if "Cluster mode is not enabled" in said:
        return why, "Write redis:// in PENSTOCK_REDIS_URL for a server that is no cluster."
    if isinstance(error, InvalidResponse):
        return why, "What answers there is no Redis: correct PENSTOCK_REDIS_URL."
    remedy = "Start it, or set PENSTOCK_REDIS_URL to where it is, or to `embedded`."
    if settings.redis_url.startswith("rediss"):
        remedy += " Where it does not speak TLS, write redis."
    return why, remedy


async def time_of(client: Client) -> int:
    """Return the server's time in microseconds since the epoch."""
    seconds, rest_us = await client.time()
    return int(seconds) * 1_000_000 + int(rest_us)
