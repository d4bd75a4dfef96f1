"""The jobs of a portfolio whose outcome nobody knows, read from the ledger's own keys."""

from __future__ import annotations

from collections.abc import Awaitable
from dataclasses import dataclass
from typing import Any, cast

from redis import RedisError

from adapters.redis import keys
from adapters.redis.connect import Client
from engine.errors import LedgerAwayError
from engine.model import JobKey, PortfolioId, SenderId, parse_key


@dataclass(frozen=True, slots=True)
class Doubt:
    """One job in doubt, and when its policy decides if no evidence comes."""

    key: JobKey
    sender: SenderId
    source: str
    template: str  # empty for free-form
    decided_at_ms: int


class Doubts:
    """Reads only; a doubt is ended with Ledger.settle. Raises LedgerAwayError."""

    def __init__(self, client: Client) -> None:
        self._client = client

    async def soonest(self, portfolio: PortfolioId, most: int) -> list[Doubt]:
        """Return the doubts that are decided next."""
        index = keys.doubts(portfolio)
        found = await self._asked(self._client.zrange(index, 0, most - 1, withscores=True))
        jobs = {parse_key(name.decode()): int(at) for name, at in found}
        lanes: dict[int, tuple[str, str, str]] = {}
        for number in {key.lane for key in jobs}:
            names = ["source", "sender", "template"]
            asked = self._client.hmget(keys.lane(portfolio, number), names)
            source, sender, template = [(v or b"").decode() for v in await self._asked(asked)]
            lanes[number] = (source, sender, template)
        return [
            Doubt(key, SenderId(lanes[key.lane][1]), lanes[key.lane][0], lanes[key.lane][2], at_ms)
            for key, at_ms in jobs.items()
        ]

    async def _asked(self, call: object) -> Any:  # noqa: ANN401 (redis-py's replies)
        try:
            return await cast("Awaitable[Any]", call)
        except (TimeoutError, RedisError, OSError) as error:
            raise LedgerAwayError(f"Redis does not answer: {type(error).__name__}") from error
