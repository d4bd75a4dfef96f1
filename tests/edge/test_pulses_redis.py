"""Pulses over a real server: what several workers did is seen by everybody, and forgotten."""

import pytest
from redis.asyncio import Redis

from adapters.prometheus.wanted import Latency
from adapters.redis.connect import connect, disconnect
from adapters.redis.freeing import Freeing
from adapters.redis.ledger import RedisLedger
from adapters.redis.pulses import KEEP_MS, OTHER, PULSES, SENDERS_MAX, PulseReader, PulseTeller
from engine.errors import LedgerAwayError
from engine.model import Lane, PortfolioId, Priority, SenderId
from engine.outcomes import Accepted
from engine.ports import Ask, Batch, Settlement
from engine.terms import Terms
from tests.builders import a_portfolio, a_row, a_sender, a_source, a_template

Counts = dict[tuple[str, ...], int]
PORTFOLIO, SENDER = PortfolioId("p1"), SenderId("s1")


class Hands:
    """A clock in somebody's hands, near the server's own."""

    def __init__(self, now_ms: int) -> None:
        self.now_ms = now_ms

    def __call__(self) -> int:
        return self.now_ms


async def hands_at_now(client: Redis) -> Hands:
    seconds, rest_us = await client.time()
    return Hands(int(seconds) * 1_000 + int(rest_us) // 1_000)


async def test_two_workers_are_heard(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    first, second = PulseTeller(redis_client, clock), PulseTeller(redis_client, clock)
    reader = PulseReader(redis_client, clock)
    outcomes: Counts = {("shop", "marketing", "accepted"): 3, ("shop", "utility", "accepted"): 2}
    clock.now_ms += 2_000
    await first.tell(outcomes, {("shop", "130429"): 1})
    await second.tell({("news", "marketing", "retry"): 1}, {})
    told = await reader.newest()
    assert [each.outcomes for each in told] == [{"shop": {"accepted": 5}}, {"news": {"retry": 1}}]
    assert [each.errors for each in told] == [{"shop": {"130429": 1}}, {}]
    assert [each.took_ms for each in told] == [2_000, 2_000]


async def test_only_what_is_new_is_told_and_read(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    teller, reader = PulseTeller(redis_client, clock), PulseReader(redis_client, clock)
    outcomes: Counts = {("shop", "marketing", "accepted"): 3}
    await teller.tell(outcomes, {})
    assert len(await reader.newest()) == 1
    clock.now_ms += 2_000
    await teller.tell(outcomes, {})  # nothing happened: nothing is written
    assert await redis_client.xlen(PULSES) == 1
    outcomes[("shop", "marketing", "accepted")] = 10
    await teller.tell(outcomes, {})
    told = await reader.newest()
    assert [each.outcomes["shop"]["accepted"] for each in told] == [3, 7]


async def test_how_long_calls_took_is_told_to_all(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    teller, other = PulseTeller(redis_client, clock), PulseTeller(redis_client, clock)
    reader = PulseReader(redis_client, clock, keep_ms=60_000)
    for sent in ((10, 1_000_000), (14, 1_800_000)):
        await teller.tell({("shop", "accepted"): sent[0]}, {}, sent)
    await other.tell({("shop", "accepted"): 6}, {}, (6, 200_000))
    told = await reader.newest()
    assert [(each.calls, each.calls_us) for each in told] == [
        (10, 1_000_000),
        (4, 800_000),
        (6, 200_000),
    ]
    assert Latency().follow(told) == 0.1


async def test_old_pulses_are_forgotten(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    teller, reader = PulseTeller(redis_client, clock), PulseReader(redis_client, clock)
    await teller.tell({("shop", "accepted"): 1}, {})
    assert len(await reader.newest()) == 1
    clock.now_ms += KEEP_MS + 60_000
    assert await reader.newest() == []


async def test_a_pulse_of_many_senders_stays_small(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    teller, reader = PulseTeller(redis_client, clock), PulseReader(redis_client, clock)
    await teller.tell({(f"s{n}", "accepted"): n for n in range(1, 1_001)}, {})
    (told,) = await reader.newest()
    assert len(told.outcomes) == SENDERS_MAX
    assert told.outcomes["s1000"] == {"accepted": 1_000}
    assert told.outcomes[OTHER]["accepted"] == sum(range(1, 1_001 - SENDERS_MAX + 1))


async def test_what_cannot_be_read_is_nothing(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    await redis_client.xadd(PULSES, {b"b": b"{not json"})
    await redis_client.xadd(PULSES, {b"other": b"1"})
    told = await PulseReader(redis_client, clock).newest()
    assert [each.outcomes for each in told] == [{}, {}]


async def test_a_server_that_is_away_is_said(redis_client: Redis) -> None:
    clock = await hands_at_now(redis_client)
    gone = connect("redis://127.0.0.1:1/0")
    with pytest.raises(LedgerAwayError):
        await PulseReader(gone, clock).newest()
    with pytest.raises(LedgerAwayError):
        await PulseTeller(gone, clock).tell({("s", "accepted"): 1}, {})
    with pytest.raises(LedgerAwayError):
        await Freeing(gone, clock, 1_000).freed_by(PORTFOLIO, "", [0])
    await disconnect(gone)


async def test_the_curve_is_what_the_ledger_will_do(redis_client: Redis) -> None:
    """Places taken at three moments fall free at three moments, as the ledger itself counts."""
    clock = await hands_at_now(redis_client)
    terms = Terms(window_ms=60_000, guard_ms=0)
    ledger = RedisLedger(redis_client, terms, clock, tolerance_ms=0)
    await ledger.load()
    await ledger.put_portfolio(PORTFOLIO, a_portfolio(100))
    await ledger.put_sender(PORTFOLIO, SENDER, a_sender(throughput_mps=1_000))
    await ledger.put_template(PORTFOLIO, "W/offer/en", a_template())
    await ledger.put_source(PORTFOLIO, "direct:api", a_source())
    lane = Lane("direct:api", SENDER, "W/offer/en", Priority.MARKETING)
    for turn in range(3):
        rows = [a_row(turn * 10 + n) for n in range(1, turn + 2)]
        await ledger.enqueue([Batch(PORTFOLIO, lane, rows)])
        (answer,) = await ledger.claim([Ask(PORTFOLIO, "w", turn + 1, 10, 10)])
        done = [Settlement(job.key, job.attempt, Accepted("wamid")) for job in answer.jobs]
        await ledger.settle(PORTFOLIO, done)
        clock.now_ms += 5_000
    freeing = Freeing(redis_client, clock, terms.span_ms)
    moments_ms = [clock.now_ms + step * 1_000 for step in range(61)]
    freed = await freeing.freed_by(PORTFOLIO, "", moments_ms)
    assert freed == sorted(freed)
    assert (freed[0], freed[-1]) == (0, 6)
    began_ms = clock.now_ms
    for step in (44, 45, 46, 51, 56, 60):
        clock.now_ms = began_ms + step * 1_000
        used = (await ledger.quota(PORTFOLIO)).used
        assert freed[step] == 6 - used, step
