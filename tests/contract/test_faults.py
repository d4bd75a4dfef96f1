"""The Redis ledger under lost replies, forgotten scripts, refusing servers and wrong clocks."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from typing import Any
from urllib.parse import urlsplit

import pytest
from redis.asyncio import Redis

from adapters.redis.connect import connect, disconnect
from adapters.redis.keys import tag
from adapters.redis.ledger import CLOCK_TOLERANCE_MS, RedisLedger
from engine.errors import LedgerAwayError
from engine.model import Lane, PortfolioId, Priority
from engine.outcomes import Accepted
from engine.ports import FOREVER_MS, Answer, Ask, Batch, Settlement
from engine.terms import Terms
from tests.builders import SENDER, TEMPLATE, a_portfolio, a_row, a_sender, a_source, a_template
from tests.contract.small_world import START_MS
from tests.tcp_proxy import Loss, TcpProxy

PORTFOLIO = PortfolioId("acme")
LANE = Lane("campaign:spring", SENDER, TEMPLATE, Priority.MARKETING)
BREATH_MS = 400  # what is off by 2.5 s is off by more than 2 s for so long, and so is 1.5 s by less


async def furnish(ledger: RedisLedger, rows: int = 5) -> None:
    """Make a world in which `rows` jobs may leave at once."""
    await ledger.put_portfolio(PORTFOLIO, a_portfolio())
    await ledger.put_sender(PORTFOLIO, SENDER, a_sender(throughput_mps=1_000))
    await ledger.put_template(PORTFOLIO, TEMPLATE, a_template())
    await ledger.put_source(PORTFOLIO, LANE.source, a_source())
    await ledger.enqueue([a_batch(rows)])


def a_batch(rows: int) -> Batch:
    """Rows for different people, each with its dedupe value."""
    made = [a_row(number, dedupe=number.to_bytes(8)) for number in range(1, rows + 1)]
    return Batch(PORTFOLIO, LANE, made)


def an_ask(counter: int, most: int = 3) -> Ask:
    """A wish of the one worker."""
    return Ask(PORTFOLIO, "w", counter, most, most)


def machine_ms() -> int:
    """Return this machine's time, which is the server's too."""
    return time.time_ns() // 1_000_000


def a_ledger(client: Redis, *, off_ms: int | None = None) -> RedisLedger:
    """A ledger in simulated time, or one whose clock is `off_ms` away from the server's."""
    if off_ms is None:
        return RedisLedger(client, Terms(), lambda: START_MS, tolerance_ms=0)
    return RedisLedger(client, Terms(), lambda: machine_ms() + off_ms)


@pytest.fixture
async def proxy(server_url: str) -> AsyncIterator[TcpProxy]:
    async with TcpProxy(urlsplit(server_url).path) as standing:
        yield standing


@pytest.fixture
async def far_client(proxy: TcpProxy, redis_client: Redis) -> AsyncIterator[Redis]:
    """A client that reaches the emptied server through the proxy."""
    await redis_client.ping()
    client = connect(f"redis://127.0.0.1:{proxy.port}", connections=1)
    assert isinstance(client, Redis)
    yield client
    await disconnect(client)


async def test_a_claim_whose_reply_was_lost_gives_the_same_jobs_when_asked_again(
    proxy: TcpProxy, far_client: Redis, redis_client: Redis
) -> None:
    ledger = a_ledger(far_client)
    await ledger.load()
    await furnish(ledger)
    proxy.lose_reply_to(tag(PORTFOLIO).encode(), Loss.CUT)
    with pytest.raises(LedgerAwayError):
        await ledger.claim([an_ask(1)])
    assert await redis_client.hlen(tag(PORTFOLIO) + "open") == 3  # it had run
    (again,) = await ledger.claim([an_ask(1)])
    assert [job.key.sequence for job in again.jobs] == [1, 2, 3]
    assert {job.attempt for job in again.jobs} == {1}
    assert await redis_client.hlen(tag(PORTFOLIO) + "open") == 3
    (next_one,) = await ledger.claim([an_ask(2)])
    assert [job.key.sequence for job in next_one.jobs] == [4, 5]
    (late,) = await ledger.claim([an_ask(1)])  # a delayed command claims nothing
    assert (late.refused, late.jobs) == ("stale", [])


async def test_a_job_settled_meanwhile_is_not_given_again(redis_client: Redis) -> None:
    ledger = a_ledger(redis_client)
    await furnish(ledger)
    (first,) = await ledger.claim([an_ask(1)])
    done = Settlement(first.jobs[0].key, 1, Accepted("wamid.1"))
    await ledger.settle(PORTFOLIO, [done])
    (again,) = await ledger.claim([an_ask(1)])
    assert [job.key for job in again.jobs] == [job.key for job in first.jobs[1:]]
    assert again.jobs[0].send_at_us > first.jobs[-1].send_at_us  # fresh send times


async def test_an_enqueue_whose_reply_was_lost_queues_nothing_twice_when_repeated(
    proxy: TcpProxy, far_client: Redis
) -> None:
    ledger = a_ledger(far_client)
    await ledger.load()
    await furnish(ledger, rows=1)
    proxy.lose_reply_to(tag(PORTFOLIO).encode(), Loss.CUT)
    with pytest.raises(LedgerAwayError):
        await ledger.enqueue([a_batch(4)])
    (answer,) = await ledger.enqueue([a_batch(4)])
    assert (answer.accepted, len(answer.not_new)) == (0, 4)
    assert (await ledger.counts(PORTFOLIO, LANE.source)).enqueued == 4


async def forget(client: Redis) -> None:
    """Make the server forget every script and function, as a restart may."""
    await client.script_flush()
    await client.function_flush()


async def test_forgotten_scripts_are_loaded_again(redis_client: Redis) -> None:
    ledger = a_ledger(redis_client)
    await furnish(ledger)
    await forget(redis_client)
    (alone,) = await ledger.claim([an_ask(1)])
    assert len(alone.jobs) == 3


async def test_forgotten_scripts_are_loaded_again_for_several_calls(redis_client: Redis) -> None:
    ledger = a_ledger(redis_client)
    await furnish(ledger)
    await forget(redis_client)
    both = await ledger.claim([an_ask(1, most=1), an_ask(2, most=1)])
    assert [len(answer.jobs) for answer in both] == [1, 1]


async def test_an_unreachable_server_is_away_and_heals(proxy: TcpProxy, far_client: Redis) -> None:
    ledger = a_ledger(far_client)
    await furnish(ledger)
    await proxy.refuse()
    with pytest.raises(LedgerAwayError):
        await ledger.claim([an_ask(1)])
    with pytest.raises(LedgerAwayError):
        await ledger.load()
    await proxy.accept()
    assert len((await ledger.claim([an_ask(1)]))[0].jobs) == 3  # it heals by itself


@pytest.mark.parametrize(
    ("fault", "cure"),
    [
        pytest.param("CONFIG SET maxmemory 1", "CONFIG SET maxmemory 0", id="full"),
        pytest.param("REPLICAOF 127.0.0.1 1", "REPLICAOF NO ONE", id="read-only"),
    ],
)
async def test_a_full_or_read_only_server_is_away_and_heals(
    redis_client: Redis, fault: str, cure: str
) -> None:
    ledger = a_ledger(redis_client)
    await furnish(ledger)
    await redis_client.execute_command(*fault.split())
    try:
        with pytest.raises(LedgerAwayError):
            await ledger.enqueue([a_batch(6)])
        with pytest.raises(LedgerAwayError):
            await ledger.enqueue([a_batch(6), a_batch(7)])
    finally:
        await redis_client.execute_command(*cure.split())
    assert len((await ledger.claim([an_ask(3)]))[0].jobs) == 3


async def claim_with_clock_off(client: Redis, off_ms: int) -> Answer:
    """Furnish with the right time and claim with one that is `off_ms` away, in one breath."""
    while True:
        await client.flushall()
        await furnish(a_ledger(client, off_ms=0))
        began_ms = machine_ms()
        (answer,) = await a_ledger(client, off_ms=off_ms).claim([an_ask(1)])
        if machine_ms() - began_ms < BREATH_MS:
            return answer


@pytest.mark.parametrize("off_ms", [-2_500, 2_500, -86_400_000, 86_400_000])
async def test_a_claim_is_refused_when_the_clocks_differ_by_more_than_two_seconds(
    redis_client: Redis, off_ms: int
) -> None:
    answer = await claim_with_clock_off(redis_client, off_ms)
    assert (answer.refused, answer.jobs) == ("clock", [])
    assert answer.come_back_at_ms < FOREVER_MS
    assert await redis_client.exists(tag(PORTFOLIO) + "open") == 0


@pytest.mark.parametrize("off_ms", [-1_500, 0, 1_500])
async def test_a_claim_goes_on_when_the_clocks_differ_by_less(
    redis_client: Redis, off_ms: int
) -> None:
    assert len((await claim_with_clock_off(redis_client, off_ms)).jobs) == 3


@pytest.mark.parametrize("off_ms", [-86_400_000, 86_400_000])
async def test_other_calls_bring_a_wrong_clock_to_the_edge_of_what_is_allowed(
    redis_client: Redis, off_ms: int
) -> None:
    before_ms = machine_ms()
    await a_ledger(redis_client, off_ms=off_ms).put_portfolio(PORTFOLIO, a_portfolio())
    state: Any = await redis_client.hget(tag(PORTFOLIO) + "meta", "state")
    clock_ms = int(state.partition(b"|")[0])
    edge_ms = CLOCK_TOLERANCE_MS if off_ms > 0 else -CLOCK_TOLERANCE_MS
    assert 0 <= clock_ms - edge_ms - before_ms <= 5_000


async def test_time_never_goes_back_in_a_slot(redis_client: Redis) -> None:
    await furnish(a_ledger(redis_client, off_ms=1_500))
    before: Any = await redis_client.hget(tag(PORTFOLIO) + "meta", "state")
    await a_ledger(redis_client, off_ms=-1_500).put_portfolio(PORTFOLIO, a_portfolio())
    (answer,) = await a_ledger(redis_client, off_ms=-500).claim([an_ask(1, most=1)])
    assert answer.jobs[0].send_at_us // 1_000 >= int(before.partition(b"|")[0])
