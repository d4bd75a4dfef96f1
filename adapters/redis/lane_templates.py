"""Which lanes send a template: the template of a lane, and the journeys of a template."""

from __future__ import annotations

from collections.abc import Awaitable
from typing import Final, cast

from redis import RedisError

from adapters.redis import keys
from adapters.redis.connect import Client
from engine.errors import LedgerAwayError
from engine.model import PortfolioId

SEPARATOR: Final = b"\x1f"
JOURNEY: Final = b"journey:"


async def read_journeys(client: Client, portfolio: PortfolioId, template: str) -> list[str]:
    """Return the journeys, as `journey:ID`, that ever sent a template; O(lanes), so ask rarely.

    The names of lanes are source, sender, template, priority and, if any, zone.
    """
    asked = cast("Awaitable[list[bytes]]", client.hkeys(f"{keys.tag(portfolio)}lanes"))
    try:
        lanes = [name.split(SEPARATOR) for name in await asked]
    except (RedisError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        raise LedgerAwayError(f"the ledger does not tell its lanes: {kind}") from error
    wanted = template.encode()
    sources = {source for source, _, name, *_ in lanes if name == wanted}
    return sorted(source.decode() for source in sources if source.startswith(JOURNEY))


async def read_template(client: Client, portfolio: PortfolioId, lane: int) -> str:
    """Return `WABA/name/language`; empty for a lane of free-form messages, or none."""
    asked = cast("Awaitable[bytes | None]", client.hget(keys.lane(portfolio, lane), "template"))
    try:
        return (await asked or b"").decode()
    except (RedisError, OSError, TimeoutError) as error:
        kind = type(error).__name__
        raise LedgerAwayError(f"the ledger does not tell a lane's template: {kind}") from error
