"""The jobs of a portfolio whose outcome nobody knows, read from the ledger's own keys."""

from __future__ import annotations

from dataclasses import dataclass

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
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
        found = await reply_to(self._client.zrange(index, 0, most - 1, withscores=True))
        jobs = {parse_key(name.decode()): int(at) for name, at in found}
        lanes: dict[int, tuple[str, str, str]] = {}
        for number in {key.lane for key in jobs}:
            names = ["source", "sender", "template"]
            asked = self._client.hmget(keys.lane(portfolio, number), names)
            source, sender, template = [(v or b"").decode() for v in await reply_to(asked)]
            lanes[number] = (source, sender, template)
        return [
            Doubt(key, SenderId(lanes[key.lane][1]), lanes[key.lane][0], lanes[key.lane][2], at_ms)
            for key, at_ms in jobs.items()
        ]
