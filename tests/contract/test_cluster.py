"""The whole ledger on a Redis Cluster of three nodes: one slot for each portfolio."""

from __future__ import annotations

import pytest
from redis.asyncio import RedisCluster

from adapters.redis.keys import tag
from adapters.redis.ledger import RedisLedger
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from engine.model import (
    Category,
    DeliveryStatus,
    JobKey,
    JobState,
    Lane,
    PortfolioId,
    Priority,
    SenderId,
    SourceState,
    WabaId,
)
from engine.outcomes import Accepted, Dropped
from engine.ports import Ask, Batch, Receipt, Settlement
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

PORTFOLIOS = [PortfolioId(f"portfolio-{number}") for number in range(6)]
LANE = Lane("campaign:spring", SENDER, TEMPLATE, Priority.MARKETING)

pytestmark = [pytest.mark.cluster, pytest.mark.slow, pytest.mark.redis]


class Moment:
    """The time of the one test."""

    now_ms = START_MS

    def __call__(self) -> int:
        return self.now_ms


async def furnish(ledger: RedisLedger, portfolio: PortfolioId) -> None:
    """Make a world of three jobs and one that may not be written to."""
    await ledger.put_portfolio(portfolio, a_portfolio(2))
    await ledger.put_sender(portfolio, SENDER, a_sender(throughput_mps=1_000))
    await ledger.put_template(portfolio, TEMPLATE, a_template())
    await ledger.put_source(portfolio, LANE.source, a_source())
    await ledger.close_account(portfolio, WabaId("other"), START_MS + 1_000, "a test")
    await ledger.suppress(portfolio, a_recipient(4), Category.MARKETING)
    await ledger.open_window(portfolio, SENDER, a_recipient(3), START_MS + 500_000)
    assert await ledger.put_content(portfolio, LANE.source, b"hello") == 1


async def test_the_whole_ledger_runs_on_a_cluster(cluster: RedisCluster) -> None:
    moment = Moment()
    ledger = RedisLedger(cluster, short_terms(), moment, tolerance_ms=0)
    await ledger.load()
    for portfolio in PORTFOLIOS:
        await furnish(ledger, portfolio)
    rows = [a_row(number) for number in range(1, 5)]
    queued = await ledger.enqueue([Batch(portfolio, LANE, rows) for portfolio in PORTFOLIOS])
    assert [answer.accepted for answer in queued] == [4] * len(PORTFOLIOS)
    answers = await ledger.claim([Ask(portfolio, "w", 1, 10, 10) for portfolio in PORTFOLIOS])
    assert [[job.key.sequence for job in answer.jobs] for answer in answers] == [
        [1, 2, 3] for _ in PORTFOLIOS
    ]
    for portfolio, answer in zip(PORTFOLIOS, answers, strict=True):
        await settle_all(ledger, moment, portfolio, answer.jobs[0].key.lane)
    await assert_one_slot_each(cluster)


async def settle_all(
    ledger: RedisLedger, moment: Moment, portfolio: PortfolioId, lane: int
) -> None:
    """Accept the first job, drop the second, leave the third until its lease is over."""
    first, second, third = keys_of(lane)
    settled = await ledger.settle(
        portfolio,
        [Settlement(first, 1, Accepted("wamid.1")), Settlement(second, 1, Dropped(131026, "no"))],
    )
    assert settled.ignored == []
    assert (await ledger.again(portfolio, third, 1)).gate is None
    moment.now_ms += 6_000
    assert (await ledger.rescue(portfolio)).doubted == [third]
    receipts = [
        Receipt(first, 1, a_recipient(1), DeliveryStatus.DELIVERED, moment.now_ms),
        Receipt(third, 1, a_recipient(3), DeliveryStatus.SENT, moment.now_ms),
    ]
    assert (await ledger.receive(portfolio, receipts)).settled == [third]
    assert (await ledger.quota(portfolio)).used == 1
    books = await ledger.counts(portfolio, LANE.source)
    ends = {JobState.ACCEPTED: 2, JobState.FAILED: 1, JobState.SUPPRESSED: 1}
    assert (books.enqueued, books.states) == (4, ends)
    await ledger.put_source(portfolio, LANE.source, a_source(state=SourceState.CANCELLED))
    assert await ledger.content(portfolio, LANE.source, 1) == b"hello"
    assert await ledger.audit(portfolio) == []
    moment.now_ms -= 6_000  # the next portfolio's leases are not over yet


def keys_of(lane: int) -> list[JobKey]:
    """Return the keys of a lane's first three jobs."""
    return [JobKey(lane, sequence) for sequence in (1, 2, 3)]


async def assert_one_slot_each(client: RedisCluster) -> None:
    """Every key of a portfolio lies in that portfolio's slot, and they use more than one node."""
    found: dict[int, set[bytes]] = {}
    async for key in client.scan_iter(count=1_000):
        found.setdefault(client.keyslot(key), set()).add(key)
    slots = {client.keyslot(tag(portfolio)) for portfolio in PORTFOLIOS}
    assert set(found) == slots
    for slot, names in found.items():
        assert len({name.partition(b"}")[0] for name in names}) == 1, slot
    nodes = {client.get_node_from_key(tag(portfolio)).name for portfolio in PORTFOLIOS}  # type: ignore[union-attr]  # every slot has a node
    assert len(nodes) > 1


async def test_seals_change_on_a_cluster_too(cluster: RedisCluster) -> None:
    sender = SenderId("106540352242922")
    await RedisRegistry(cluster, Seal("old")).put_token(sender, "token")
    both = RedisRegistry(cluster, Seal("new", "old"))
    await both.refresh()
    assert await both.reseal() == []
    new = RedisRegistry(cluster, Seal("new"))
    await new.refresh()
    assert new.token_of(sender) == "token"
