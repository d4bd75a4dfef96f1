"""Which outcome logs have something new, asked for all at once; and which process writes them."""

from __future__ import annotations

from collections.abc import Mapping
from itertools import islice
from typing import Any, Final

from redis.asyncio.cluster import RedisCluster

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import PortfolioId

EXPORTER: Final = "ps:log_exporter"  # STRING: the process that writes the logs; expires by itself
TURN_MS: Final = 30_000  # who has not asked for it for so long has it no more
AT_ONCE: Final = 200  # logs in one round trip; of each that has news one record comes along


class ExportTurn:
    """Which process of a deployment looks after the outcome logs: the others ask for nothing else.

    It only saves work. That no two write one log at once is the matter of the log's own lock.
    """

    def __init__(self, client: Client, process: str) -> None:
        self._client = client
        self._mine = process.encode()

    async def is_ours(self) -> bool:
        """Take the turn or keep it, as long as this is called; LedgerAwayError."""
        held: bytes | None = await reply_to(self._client.get(EXPORTER))
        if held == self._mine:
            return bool(await reply_to(self._client.pexpire(EXPORTER, TURN_MS)))
        if held is not None:
            return False
        return bool(await reply_to(self._client.set(EXPORTER, self._mine, nx=True, px=TURN_MS)))


async def logs_with_news(
    client: Client, reached: Mapping[PortfolioId, bytes]
) -> frozenset[PortfolioId]:
    """Return which logs have a record after the place that was reached; LedgerAwayError."""
    found: set[PortfolioId] = set()
    places = iter(reached.items())
    while some := dict(islice(places, AT_ONCE)):
        is_cluster = isinstance(client, RedisCluster)
        found |= await (_asked_each(client, some) if is_cluster else _asked_together(client, some))
    return frozenset(found)


async def _asked_together(client: Client, reached: Mapping[PortfolioId, bytes]) -> set[PortfolioId]:
    """Ask one server for many logs with one command."""
    names = {keys.log(portfolio).encode(): portfolio for portfolio in reached}
    places: dict[Any, Any] = dict(zip(names, reached.values(), strict=True))
    reply: Any = await reply_to(client.xread(places, count=1))
    told = reply if isinstance(reply, dict) else [name for name, _ in reply or ()]
    return {names[name] for name in told}


async def _asked_each(client: Client, reached: Mapping[PortfolioId, bytes]) -> set[PortfolioId]:
    """Ask each server of a cluster for its logs, one command a log: each is in its own slot."""
    pipeline = client.pipeline(transaction=False)
    for portfolio, place in reached.items():
        pipeline.xrange(keys.log(portfolio), min=b"(" + place, max="+", count=1)
    replies = await reply_to(pipeline.execute())
    return {portfolio for portfolio, rows in zip(reached, replies, strict=True) if rows}
