"""Forgetting what a person's rows said: other rows keep their places and their time."""

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


async def test_a_server_that_is_away_is_told() -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}")
    with pytest.raises(LedgerAwayError, match="the rows do not answer"):
        await RowEraser(client, a_directory(), KEYS).erase(P1, WANTED)
    await disconnect(client)
