"""Every script is timed, once a round trip, answered or not; servers tell how they are."""

import pytest
from redis.asyncio import Redis

from adapters.house.waking import WakingLedger
from adapters.redis.connect import connect, disconnect
from adapters.redis.server_health import health_of, read_health
from engine.errors import LedgerAwayError
from engine.model import PortfolioId
from engine.ports import Ask
from engine.terms import Terms
from tests.builders import a_portfolio
from tests.redis_servers import free_port

P = PortfolioId("acme")
NOW_MS = 1_764_000_000_000


class Ticking:
    """A clock that a look moves on by a millisecond."""

    now_us = 0

    def __call__(self) -> int:
        self.now_us += 1_000
        return self.now_us


def a_ledger(client: Redis, told: list[tuple[str, int]]) -> WakingLedger:
    ledger = WakingLedger(client, Terms(), lambda: NOW_MS, Ticking(), keep_days=7)
    ledger.tell_times(lambda script, took_us: told.append((script, took_us)))
    return ledger


async def test_each_round_trip_of_each_script_is_told_once(redis_client: Redis) -> None:
    told: list[tuple[str, int]] = []
    ledger = a_ledger(redis_client, told)
    await ledger.load()
    await ledger.put_portfolio(P, a_portfolio())
    await ledger.claim([Ask(P, "w", 1, 0, 0), Ask(PortfolioId("b"), "w", 1, 0, 0)])
    await ledger.quota(P)
    assert told == [("portfolio_put", 1_000), ("claim", 1_000), ("quota_read", 1_000)]


async def test_what_was_not_answered_took_its_time_too() -> None:
    client = connect(f"redis://127.0.0.1:{free_port()}")
    assert isinstance(client, Redis)
    told: list[tuple[str, int]] = []
    with pytest.raises(LedgerAwayError):
        await a_ledger(client, told).rescue(P)
    assert told == [("rescue", 1_000)]
    with pytest.raises(LedgerAwayError):
        await read_health(client)
    await disconnect(client)


async def test_a_server_tells_its_memory_and_whether_its_file_is_written(
    durable_client: Redis,
) -> None:
    [health] = await read_health(durable_client)
    assert 0 < health.used_bytes < health.most_bytes
    assert health.is_durable
    await durable_client.config_set("maxmemory", str(1 << 30))
    [health] = await read_health(durable_client)
    assert health.most_bytes == 1 << 30


@pytest.mark.parametrize(
    ("facts", "is_durable"),
    [
        ({"aof_enabled": 1, "aof_last_write_status": "ok"}, True),
        ({"aof_enabled": "yes"}, True),
        ({"aof_enabled": 0}, False),
        ({}, False),
        ({"aof_enabled": 1, "aof_last_write_status": "err"}, False),
        ({"aof_enabled": 1, "aof_last_bgrewrite_status": "err"}, False),
    ],
)
def test_a_file_that_is_not_written_is_none(facts: dict[str, object], *, is_durable: bool) -> None:
    assert health_of("redis", {"used_memory": 5} | facts).is_durable is is_durable
