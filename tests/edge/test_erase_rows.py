"""Forgetting what a person's rows said: other rows keep their places and their time."""

import asyncio
from typing import Any, cast

import pytest
from redis.asyncio import Redis

from adapters.redis import keys
from adapters.redis.connect import connect, disconnect
from adapters.redis.erase_rows import RowEraser
from adapters.redis.ledger import RedisLedger
from adapters.redis.results import KEPT_MS, RS, RedisResults
from engine.directory import Campaign, Directory
from engine.errors import LedgerAwayError
from engine.model import Category, PortfolioId, Priority, SenderId
from engine.recipients import RecipientKeys
from engine.results import KeptRows
from engine.terms import Terms
from tests.redis_servers import free_port

P1, P2 = PortfolioId("p1"), PortfolioId("p2")
KEYS = RecipientKeys(b"secret-of-a-test")
ANNA, BEN = b"+4915112345678\x1fAnna", b"+4915112345679\x1fBen"
WANTED = [KEYS.key("4915112345678")]


def a_directory() -> Directory:
    directory = Directory()
    for name, portfolio in (("c1", P1), ("c2", P2)):
        directory.campaigns[name] = Campaign(
            id=name,
            name=name,
            portfolio_id=portfolio,
            senders=(SenderId("1"),),
            message={},
            fields=("name",),
            templates=("",),
            category=Category.MARKETING,
            priority=Priority.MARKETING,
            content=1,
        )
    return directory


async def test_rows_of_a_person_are_emptied_and_nobody_elses(redis_client: Redis) -> None:
    results = RedisResults(redis_client, RedisLedger(redis_client, Terms(), lambda: 0))
    for portfolio, source in ((P1, "campaign:c1"), (P2, "campaign:c2")):
        kept = [KeptRows(1, first, [BEN, ANNA, BEN]) for first in range(1, 300, 3)]
        await results.keep(portfolio, source, kept)
    await redis_client.pexpire(keys.rows(P1, "campaign:c1"), 60_000)
    await RowEraser(redis_client, a_directory(), KEYS).erase(P1, WANTED)
    left = await redis_client.hgetall(keys.rows(P1, "campaign:c1"))
    assert (len(left), set(left.values())) == (100, {RS.join([BEN, b"", BEN])})
    assert 0 < await redis_client.pttl(keys.rows(P1, "campaign:c1")) <= 60_000 < KEPT_MS
    others = await redis_client.hgetall(keys.rows(P2, "campaign:c2"))
    assert set(others.values()) == {RS.join([BEN, ANNA, BEN])}


class Together:
    """A client that two share: neither goes on from a page before the other has it, too."""

    def __init__(self, client: Redis, turns: asyncio.Barrier) -> None:
        self._client = client
        self._turns = turns

    def __getattr__(self, name: str) -> Any:  # noqa: ANN401 (redis-py's)
        return getattr(self._client, name)

    async def hscan(self, *arguments: Any, **named: Any) -> Any:  # noqa: ANN401 (redis-py's)
        page = await self._client.hscan(*arguments, **named)
        await self._turns.wait()
        return page


async def test_of_two_who_are_forgotten_at_once_neither_comes_back(redis_client: Redis) -> None:
    results = RedisResults(redis_client, RedisLedger(redis_client, Terms(), lambda: 0))
    await results.keep(P1, "campaign:c1", [KeptRows(1, 1, [ANNA, BEN])])
    turns = asyncio.Barrier(2)
    erasers = [
        RowEraser(cast("Redis", Together(redis_client, turns)), a_directory(), KEYS)
        for _ in range(2)
    ]
    both = ("4915112345678", "4915112345679")
    wishes = [each.erase(P1, [KEYS.key(to)]) for each, to in zip(erasers, both, strict=True)]
    await asyncio.gather(*wishes)
    left = await redis_client.hgetall(keys.rows(P1, "campaign:c1"))
    assert list(left.values()) == [RS.join([b"", b""])]


async def test_a_server_that_is_away_is_told() -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(LedgerAwayError, match="the rows do not answer"):
        await RowEraser(client, a_directory(), KEYS).erase(P1, WANTED)
    await disconnect(client)
