"""What the front doors keep beside the ledger, on a Redis Cluster of three nodes."""

from __future__ import annotations

import pytest
from redis.asyncio import RedisCluster

from adapters.redis.answers import RedisAnswers
from adapters.redis.comebacks import RedisComebacks
from adapters.redis.cooldowns import RedisCooldowns
from adapters.redis.ledger import RedisLedger
from adapters.redis.pasts import RedisPasts
from adapters.redis.results import RedisResults
from adapters.redis.seal import Seal
from engine.books import Move
from engine.journeys import Cooling
from engine.model import Gate, JobKey, JobState, Lane, PortfolioId, Priority
from engine.ports import Batch, Cancelled
from engine.results import KeptRows
from tests.builders import (
    SENDER,
    TEMPLATE,
    a_portfolio,
    a_recipient,
    a_row,
    a_sender,
    a_source,
    a_template,
)
from tests.contract.small_world import START_MS, short_terms

PORTFOLIOS = [PortfolioId(f"portfolio-{number}") for number in range(4)]
LANE = Lane("campaign:spring", SENDER, TEMPLATE, Priority.MARKETING)

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.redis]


async def test_results_cooldowns_and_single_cancels_live_in_any_slot(cluster: RedisCluster) -> None:
    ledger = RedisLedger(cluster, short_terms(), lambda: START_MS, tolerance_ms=0)
    await ledger.load()
    results, cooldowns = RedisResults(cluster, ledger), RedisCooldowns(cluster, lambda: START_MS)
    for portfolio in PORTFOLIOS:
        await ledger.put_portfolio(portfolio, a_portfolio(2))
        await ledger.put_sender(portfolio, SENDER, a_sender())
        await ledger.put_template(portfolio, TEMPLATE, a_template())
        await ledger.put_source(portfolio, LANE.source, a_source())
        rows = [a_row(number) for number in (1, 2)]
        await ledger.enqueue([Batch(portfolio, LANE, rows)])
        kept = KeptRows(1, 1, [row.tail for row in rows])
        await results.keep(portfolio, LANE.source, [kept])
        assert await ledger.cancel_job(portfolio, JobKey(1, 2)) is Cancelled.DONE
        (told,) = [each async for each in results.read(portfolio, LANE.source)]
        assert [each.view.state for each in told] == [JobState.QUEUED, JobState.CANCELLED]
        assert [each.tail for each in told] == kept.tails
        await results.reject(portfolio, LANE.source, [b"{}"])
        assert [each async for each in results.rejected(portfolio, LANE.source)] == [[b"{}"]]
        wishes = [(a_recipient(1), b"k"), (a_recipient(2), b""), (a_recipient(1), b"other")]
        taken = await cooldowns.take(portfolio, "journey:w", wishes, 5_000)
        assert taken == [Cooling(), Cooling(), Cooling(START_MS + 5_000)]
        await cooldowns.give_back(portfolio, "journey:w", [a_recipient(1), a_recipient(2)])
        assert await cooldowns.take(portfolio, "journey:w", wishes[2:], 5_000) == [Cooling()]


async def test_pasts_comebacks_and_answers_live_in_any_slot(cluster: RedisCluster) -> None:
    ledger = RedisLedger(cluster, short_terms(), lambda: START_MS, tolerance_ms=0)
    await ledger.load()
    parts = (ledger.scripts, ledger.calls, lambda: START_MS)
    pasts, comebacks, answers = (
        RedisPasts(*parts),
        RedisComebacks(*parts),
        RedisAnswers(cluster, Seal("secret")),
    )
    for portfolio in PORTFOLIOS:
        rows = [a_row(1, not_before_ms=START_MS + 700)]
        await ledger.enqueue([Batch(portfolio, LANE, rows)])
        assert (await pasts.of(portfolio, JobKey(1, 1), 10)).moves == [Move(START_MS, "enqueued")]
        assert await comebacks.next_ms(portfolio) == {Gate.SCHEDULE: START_MS + 700}
        assert await answers.begin(portfolio, b"asked", 60_000) is None
        await answers.keep(portfolio, b"answered")
        assert await answers.begin(portfolio, b"asked", 60_000) == b"answered"
