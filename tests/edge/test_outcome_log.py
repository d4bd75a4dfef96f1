"""The outcome log is written to a file before it is trimmed, and by one process at a time."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from itertools import product
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from adapters.redis import keys, outcome_log
from adapters.redis.ledger import RedisLedger
from adapters.redis.outcome_log import OutcomeLog, Record
from engine.model import (
    Category,
    Lane,
    PortfolioId,
    Priority,
    RecipientKey,
    Row,
    SenderId,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Accepted, Dropped
from engine.ports import Ask, Batch, PortfolioSpec, SenderSpec, Settlement, TemplateSpec
from engine.terms import Terms
from tests.scrape_stall import watched_loop

P = PortfolioId("acme")
LANE = Lane("campaign:a", SenderId("1001"), "w/t/en", Priority.MARKETING)
NOW_MS = 1_764_000_000_000


async def _two_outcomes(client: Redis) -> None:
    ledger = RedisLedger(client, Terms(), lambda: NOW_MS, tolerance_ms=0)
    await ledger.put_portfolio(P, PortfolioSpec(250))
    await ledger.put_sender(P, LANE.sender, SenderSpec(WabaId("w"), 1_000))
    approved = TemplateSpec(TemplateStatus.APPROVED, Category.MARKETING)
    await ledger.put_template(P, LANE.template, approved)
    rows = [Row(RecipientKey(bytes([n]) * 8), b"+1", dedupe=bytes([n]) * 8) for n in (1, 2)]
    await ledger.enqueue([Batch(P, LANE, rows)])
    [answer] = await ledger.claim([Ask(P, "w", 1, 10, 10)])
    first, second = answer.jobs
    await ledger.settle(
        P,
        [
            Settlement(first.key, first.attempt, Accepted("wamid.1")),
            Settlement(second.key, second.attempt, Dropped(131026, "never")),
        ],
    )


def _lines_in(directory: Path) -> list[dict[str, object]]:
    [path] = directory.iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


async def test_every_transition_becomes_a_line_with_its_lane(
    redis_client: Redis, tmp_path: Path
) -> None:
    """A chunk enqueued and each job settled can be read back without a phone number."""
    await _two_outcomes(redis_client)
    log = OutcomeLog(redis_client, tmp_path, process="one", span_ms=86_400_000)
    assert await log.export(P, NOW_MS) == 3
    lines = _lines_in(tmp_path)
    assert [line["transition"] for line in lines] == ["enqueued", "accepted", "failed"]
    assert lines[0]["jobs"] == 2
    assert lines[1]["recipient"] == "01" * 8
    assert lines[1]["counted"] is True
    assert {line["sender"] for line in lines} == {"1001"}
    assert await log.export(P, NOW_MS) == 0


async def test_only_what_is_written_and_older_than_a_window_is_trimmed(
    redis_client: Redis, tmp_path: Path
) -> None:
    """A record that still moves the window stays in the stream."""
    await _two_outcomes(redis_client)
    log = OutcomeLog(redis_client, tmp_path, process="one", span_ms=86_400_000)
    await log.export(P, NOW_MS)
    assert await redis_client.xlen(keys.log(P)) == 2
    await log.export(P, NOW_MS + 86_400_001)
    assert await redis_client.xlen(keys.log(P)) in (0, 2)  # trimming is approximate: whole nodes


async def test_two_processes_do_not_export_at_once(redis_client: Redis, tmp_path: Path) -> None:
    """The second one finds the first at it and leaves."""
    await _two_outcomes(redis_client)
    first = OutcomeLog(redis_client, tmp_path / "a", process="one", span_ms=1)
    second = OutcomeLog(redis_client, tmp_path / "b", process="two", span_ms=1)
    assert await first.export(P, NOW_MS) == 3
    assert await second.export(P, NOW_MS) == 0


async def test_who_lost_the_turn_on_a_long_log_stops_and_writes_nothing_more_twice(
    redis_client: Redis, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A backlog takes longer than a turn lasts; another process may have it by then."""
    monkeypatch.setattr(outcome_log, "READ_AT_ONCE", 1)
    await _two_outcomes(redis_client)
    other = OutcomeLog(redis_client, tmp_path / "b", process="two", span_ms=1)
    others: list[int] = []

    async def is_overtaken(_portfolio: PortfolioId, _records: Sequence[Record]) -> None:
        await redis_client.delete(keys.log_lock(P))  # as if it had expired
        others.append(await other.export(P, NOW_MS))

    slow = OutcomeLog(redis_client, tmp_path / "a", process="one", span_ms=1, heard=is_overtaken)
    assert (await slow.export(P, NOW_MS), others) == (1, [3])  # the first batch is written twice
    assert await other.export(P, NOW_MS) == 0


async def test_a_long_log_holds_up_no_send_while_it_is_written(
    redis_client: Redis, tmp_path: Path
) -> None:
    """Two hundred settlements of a hundred jobs each are a tenth of a second of work."""
    entry: dict[Any, Any] = {b"moved": (b"0.1A+" + bytes(8) + NOW_MS.to_bytes(6, "big")) * 100}
    pipeline = redis_client.pipeline()
    portfolios = [PortfolioId(f"acme-{number}") for number in range(3)]
    for name, number in product(portfolios, range(200)):
        pipeline.xadd(keys.log(name), entry, id=f"{NOW_MS + number}-0")
    await pipeline.execute()
    log = OutcomeLog(redis_client, tmp_path, process="one", span_ms=86_400_000)
    shares: list[float] = []
    for name in portfolios:  # a full collection may come into one of them
        with watched_loop() as loop:
            await asyncio.sleep(0)  # what comes now is a step that is timed
            assert await log.export(name, NOW_MS) == 20_000
        shares.append(loop.longest_us / loop.total_us)
    assert min(shares) < 1 / 10
