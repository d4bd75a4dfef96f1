"""The rows of campaigns beside the ledger: what they said, and where each of them stands.

It only reads what the scripts keep: part_books.lua, part_rows.lua and part_serve.lua say what is
where. It is read bucket by bucket and not in one step, so a row may have moved on meanwhile.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import AsyncIterator, Sequence
from typing import Any, cast

from adapters.redis import keys, reading
from adapters.redis.asking import reply_to
from adapters.redis.ledger import RedisLedger
from adapters.redis.scripts import Client
from adapters.redis.waiting_rows import waiting_rows
from engine.books import JobView
from engine.model import JobKey, JobState, Lane, PortfolioId, Priority, SenderId
from engine.results import KeptRows, Result, WaitingRow

BUCKET = keys.DONE_BUCKET
ASK_MAX = 1_000
REJECTS_MAX = 100_000  # of a campaign; the oldest go first
KEPT_MS = 30 * 86_400_000  # after the last upload
RS = b"\x1e"  # between tails; no field holds it


class RedisResults:
    """See engine.results.Results."""

    def __init__(self, client: Client, ledger: RedisLedger) -> None:
        self._client = client
        self._ledger = ledger

    async def keep(self, portfolio: PortfolioId, source: str, kept: Sequence[KeptRows]) -> None:
        """See Results.keep."""
        name = keys.rows(portfolio, source)
        fields = {f"{rows.lane}.{rows.first}": RS.join(rows.tails) for rows in kept}
        pipeline = self._client.pipeline(transaction=False)
        pipeline.hset(name, mapping=cast("Any", fields))
        pipeline.pexpire(name, KEPT_MS)
        await reply_to(pipeline.execute())

    async def read(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[Result]]:
        """See Results.read."""
        tails = _Tails(await reply_to(self._client.hkeys(keys.rows(portfolio, source))))
        state = await reply_to(self._client.hget(keys.source(portfolio, source), "state"))
        numbers = await reply_to(self._client.lrange(keys.lanes_of(portfolio, source), 0, -1))
        for number in map(int, numbers):
            lane, last = await self._lane(portfolio, number)
            for bucket in range(last // BUCKET + 1):
                sequences = range(max(1, bucket * BUCKET), min(last + 1, (bucket + 1) * BUCKET))
                views = await self._views(portfolio, number, bucket, sequences)
                rest = await self._waiting(portfolio, number, sequences, views, state)
                said = await self._said(portfolio, source, number, sequences, tails)
                yield [
                    Result(lane, views.get(at) or _at(rest, number, at), said.get(at, b""))
                    for at in sequences
                ]

    def waiting(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[WaitingRow]]:
        """See Results.waiting."""
        return waiting_rows(self._client, portfolio, source)

    async def reject(self, portfolio: PortfolioId, source: str, lines: Sequence[bytes]) -> None:
        """See Results.reject."""
        name = keys.rejects(portfolio, source)
        pipeline = self._client.pipeline(transaction=False)
        pipeline.rpush(name, *lines)
        pipeline.ltrim(name, -REJECTS_MAX, -1)
        pipeline.pexpire(name, KEPT_MS)
        await reply_to(pipeline.execute())

    async def rejected(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[bytes]]:
        """See Results.rejected."""
        name, start = keys.rejects(portfolio, source), 0
        while lines := await reply_to(self._client.lrange(name, start, start + ASK_MAX - 1)):
            yield lines
            start += len(lines)

    async def _lane(self, portfolio: PortfolioId, number: int) -> tuple[Lane, int]:
        names = ["source", "sender", "template", "priority", "last", "zone"]
        found = await reply_to(self._client.hmget(keys.lane(portfolio, number), names))
        source, sender, template, priority, last, zone = ((each or b"").decode() for each in found)
        lane = Lane(source, SenderId(sender), template, Priority(int(priority)), zone)
        return lane, int(last)

    async def _views(
        self, portfolio: PortfolioId, number: int, bucket: int, sequences: Sequence[int]
    ) -> dict[int, JobView]:
        """Return the rows of a bucket that are under way, kept aside, or ended.

        Ends are read last: what ends while we read is found there.
        """
        views: dict[int, JobView] = {}
        asked_done = self._client.hkeys(keys.done(portfolio, JobKey(number, bucket * BUCKET)))
        ended = {int(each) for each in await reply_to(asked_done)}
        live = [at for at in sequences if at not in ended]
        for start in range(0, len(live), ASK_MAX):
            some = live[start : start + ASK_MAX]
            jobs = [f"{number}.{at}" for at in some]
            pipeline = self._client.pipeline(transaction=False)
            pipeline.hmget(keys.open_jobs(portfolio), jobs)
            pipeline.hmget(keys.aside(portfolio), jobs)
            under_way, aside = await reply_to(pipeline.execute())
            for at, record, kept in zip(some, under_way, aside, strict=True):
                key = JobKey(number, at)
                if record is not None:
                    state = JobState.IN_DOUBT if record[:1] in b"Dd" else JobState.IN_FLIGHT
                    views[at] = JobView(key, state, int.from_bytes(record[20:22], "big"))
                elif kept is not None:
                    gate = reading.GATES[kept[:1].decode()]
                    views[at] = JobView(key, JobState.WAITING, gate=gate)
        ends = await reply_to(
            self._client.hgetall(keys.done(portfolio, JobKey(number, bucket * BUCKET)))
        )
        for name, packed in ends.items():
            views[int(name)] = reading.ended(packed, JobKey(number, int(name)))
        return views

    async def _waiting(
        self,
        portfolio: PortfolioId,
        number: int,
        sequences: Sequence[int],
        views: dict[int, JobView],
        state: bytes | None,
    ) -> JobView:
        """Return how the rows stand that are still in their lane: all of them alike."""
        first = next((at for at in sequences if at not in views), 0)
        key = JobKey(number, first)
        if not first:
            return JobView(key, JobState.QUEUED)
        if state == b"cancelled":
            return JobView(key, JobState.CANCELLED)
        view = await self._ledger.job(portfolio, key)
        is_there = view is not None and view.state in (JobState.QUEUED, JobState.WAITING)
        return view if view is not None and is_there else JobView(key, JobState.QUEUED)

    async def _said(
        self,
        portfolio: PortfolioId,
        source: str,
        number: int,
        sequences: Sequence[int],
        tails: _Tails,
    ) -> dict[int, bytes]:
        """Return what rows said, where it was kept."""
        said: dict[int, bytes] = {}
        if not sequences:
            return said
        firsts = tails.firsts(number, sequences[0], sequences[-1])
        for start in range(0, len(firsts), 16):
            some = firsts[start : start + 16]
            fields = [f"{number}.{first}" for first in some]
            kept = await reply_to(self._client.hmget(keys.rows(portfolio, source), fields))
            for first, joined in zip(some, kept, strict=True):
                for at, tail in enumerate((joined or b"").split(RS) if joined else ()):
                    said[first + at] = tail
        return said


class _Tails:
    """Where kept tails begin, lane by lane."""

    def __init__(self, fields: Sequence[bytes]) -> None:
        self._firsts: dict[int, list[int]] = {}
        for field in fields:
            lane, _, first = field.decode().partition(".")
            self._firsts.setdefault(int(lane), []).append(int(first))
        for firsts in self._firsts.values():
            firsts.sort()

    def firsts(self, lane: int, low: int, high: int) -> list[int]:
        """Return the begins of what may hold rows from `low` to `high`."""
        firsts = self._firsts.get(lane, [])
        begin = max(0, bisect_right(firsts, low) - 1)
        return firsts[begin : bisect_right(firsts, high)]


def _at(rest: JobView, number: int, sequence: int) -> JobView:
    """Return how a row stands that stands as others do."""
    return JobView(JobKey(number, sequence), rest.state, gate=rest.gate, until_ms=rest.until_ms)
