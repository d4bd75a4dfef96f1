"""The rows of a source that wait, are claimed or in doubt, as the ledger itself keeps them.

part_rows.lua and part_serve.lua say what is where. They are read bite by bite while jobs come and
go: a row that waits all the while is met at least once, one that moves maybe twice.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Container, Sequence

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.scripts import Client
from engine.model import JobKey, PortfolioId, SenderId
from engine.results import WaitingRow

BITE = 1_000
SEQUENCE_BYTES = 5
TAIL_AT = 32
OPEN_AT, ASIDE_AT = 7, 1  # where the row begins in what is kept of an open job, and of one aside


async def waiting_rows(
    client: Client, portfolio: PortfolioId, source: str
) -> AsyncIterator[list[WaitingRow]]:
    """Yield them some at a time; LedgerAwayError when the server cannot answer."""
    numbers = await reply_to(client.lrange(keys.lanes_of(portfolio, source), 0, -1))
    lanes: dict[int, SenderId] = {}
    for number in map(int, numbers):
        name = await reply_to(client.hget(keys.lane(portfolio, number), "sender"))
        lanes[number] = SenderId((name or b"").decode())
    for number, sender in lanes.items():
        for name in (keys.queue(portfolio, number), keys.parked(portfolio, number)):
            async for rows in _from_the_end(client, name):
                yield [_row(number, sender, row) for row in rows]
    async for jobs in _aside(client, keys.later(portfolio), lanes):
        kept = await reply_to(client.hmget(keys.aside(portfolio), jobs))
        yield [
            _row(_lane(job), lanes[_lane(job)], row[ASIDE_AT:])
            for job, row in zip(jobs, kept, strict=True)
            if row
        ]
    cursor = 0
    while True:
        asked = client.hscan(keys.open_jobs(portfolio), cursor, count=BITE)
        cursor, found = await reply_to(asked)
        yield [
            _row(_lane(job), lanes[_lane(job)], record[OPEN_AT:], is_claimed=True)
            for job, record in found.items()
            if _lane(job) in lanes
        ]
        if not cursor:
            return


async def _from_the_end(client: Client, name: str) -> AsyncIterator[list[bytes]]:
    """Yield a list from its end: claims take from its front, which moves no place behind it."""
    at = 0
    while rows := await reply_to(client.lrange(name, -at - BITE, -at - 1)):
        yield rows
        at += BITE


async def _aside(
    client: Client, name: str, lanes: Container[int]
) -> AsyncIterator[Sequence[bytes]]:
    """Yield the jobs of these lanes that are kept aside."""
    cursor = 0
    while True:
        cursor, found = await reply_to(client.zscan(name, cursor, count=BITE))
        jobs = [job for job, _ in found if _lane(job) in lanes]
        if jobs:
            yield jobs
        if not cursor:
            return


def _lane(job: bytes) -> int:
    return int(job.partition(b".")[0])


def _row(lane: int, sender: SenderId, row: bytes, *, is_claimed: bool = False) -> WaitingRow:
    sequence = int.from_bytes(row[:SEQUENCE_BYTES], "big")
    return WaitingRow(JobKey(lane, sequence), sender, row[TAIL_AT:], is_claimed)
