"""Several processes are told different things at once: the ledger obeys all of it in the end."""

import asyncio
from random import Random
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis.keys import tag
from adapters.redis.ledger import RedisLedger
from adapters.redis.registry import RedisRegistry
from adapters.redis.seal import Seal
from engine.directory import Portfolio, Sender
from engine.facts import Fact, Source, of_account, of_portfolio, of_sender
from engine.keeper import Keeper
from engine.model import Gate, JobKey, PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS, Batch, SourceSpec
from engine.senders import QualityGuard
from engine.terms import Terms
from tests.builders import a_lane, a_row

P1, SENDER, WABA = PortfolioId("p1"), SenderId("1065"), WabaId("1022")
NOW_MS = 1_800_000_000_000


class Process:
    """A process of a deployment, with what it knows by itself."""

    def __init__(self, client: Redis) -> None:
        self.registry = RedisRegistry(client, Seal("the seal of this test"))
        self.ledger = RedisLedger(client, Terms(), lambda: NOW_MS, tolerance_ms=0)
        self.keeper = Keeper(
            self.registry,
            self.ledger,
            emit=lambda _event: None,
            now_ms=lambda: NOW_MS,
            guard=QualityGuard(0.5, 0.25),
        )


def news(rng: Random) -> list[Fact]:
    """Return much that is told about one number, its account and its portfolio."""
    kinds = [
        (of_sender(SENDER, "pause"), [("paused", FOREVER_MS), ("", 0)]),
        (of_sender(SENDER, "status"), [("OFFLINE", FOREVER_MS), ("CONNECTED", 0)]),
        (of_sender(SENDER, "quality"), [("RED", 0), ("YELLOW", 0), ("GREEN", 0)]),
        (of_sender(SENDER, "throughput"), [("80", 0), ("1000", 0)]),
        (of_account(WABA, "ban"), [("DISABLE", FOREVER_MS), ("REINSTATE", 0)]),
        (of_account(WABA, "answer"), [("131042", NOW_MS + 9), ("opened", 0)]),
        (of_portfolio(P1, "limit"), [("250", 0), ("2000", 0), ("-1", 0)]),
    ]
    told = []
    for at_ms in range(1, 30):
        name, values = rng.choice(kinds)
        value, until_ms = rng.choice(values)
        told.append(Fact(name, value, at_ms, Source.WEBHOOK, until_ms))
    rng.shuffle(told)
    return told


async def a_job_of(process: Process) -> JobKey:
    """Queue a job of the number, to see what holds it back."""
    lane = a_lane(source="direct:api", sender=SENDER, template="")
    await process.ledger.put_source(P1, lane.source, SourceSpec())
    [enqueued] = await process.ledger.enqueue([Batch(P1, lane, [a_row()])])
    return JobKey(enqueued.lane, enqueued.first)


@pytest.mark.parametrize("seed", range(4))
async def test_the_ledger_obeys_the_newest_of_everything(redis_client: Redis, seed: int) -> None:
    rng = Random(seed)
    processes = [Process(redis_client) for _ in range(3)]
    await processes[0].ledger.load()
    await processes[0].registry.put(Portfolio(P1, 250))
    await processes[0].registry.put(Sender(SENDER, P1, WABA, "+1 555 0100"))
    key = await a_job_of(processes[0])
    told = news(rng)
    await asyncio.gather(*(rng.choice(processes).keeper.tell(fact) for fact in told))

    newest = {fact.id: fact for fact in sorted(told, key=lambda fact: fact.at_ms)}
    pause, status, quality = (
        newest[of_sender(SENDER, aspect)] for aspect in ("pause", "status", "quality")
    )
    share = {"RED": b"0.25", "YELLOW": b"0.5"}.get(quality.value)
    view = await processes[0].ledger.job(P1, key)
    assert view is not None
    ends_ms = max(pause.until_ms, status.until_ms)
    accounts = (newest[of_account(WABA, aspect)].until_ms for aspect in ("ban", "answer"))
    account_ends_ms = max(accounts)
    if ends_ms:
        assert (view.gate, view.until_ms) == (Gate.SENDER, ends_ms)
    elif account_ends_ms:
        assert (view.gate, view.until_ms) == (Gate.ACCOUNT, account_ends_ms)
    else:
        assert view.gate is None
    [depth] = await processes[0].ledger.depths(P1)
    assert depth.rate_mps == int(newest[of_sender(SENDER, "throughput")].value)
    market: Any = await redis_client.hget(f"{tag(P1)}s:{SENDER}", "market")
    assert (market.split(b"|")[0] if market else None) == share
    limit = int(newest[of_portfolio(P1, "limit")].value)
    assert (await processes[0].ledger.quota(P1)).limit == limit
    await processes[0].registry.refresh()
    assert processes[0].registry.directory.portfolios[P1].messaging_limit == limit
