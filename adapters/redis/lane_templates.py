"""The template of a lane, for who knows a job and not what it sends."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import cast

from redis import RedisError

from adapters.redis import keys
from adapters.redis.connect import Client
from engine.errors import LedgerAwayError
from engine.model import PortfolioId


async def read_template(client: Client, portfolio: PortfolioId, lane: int) -> str:
    """Return `WABA/name/language`; empty for a lane of free-form messages, or none."""
    asked = cast("Awaitable[bytes | None]", client.hget(keys.lane(portfolio, lane), "template"))
    try:
        return (await asked or b"").decode()
    except (RedisError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        raise LedgerAwayError(f"the ledger does not tell a lane's template: {kind}") from error
