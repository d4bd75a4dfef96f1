"""The outcome log: read, written to a file a day, and trimmed; one process at a time does it."""

from __future__ import annotations

import asyncio
import re
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import cast

import msgspec
from redis import exceptions

from adapters.redis import keys
from adapters.redis.ledger import LANES_KNOWN_MAX
from adapters.redis.log_news import logs_with_news
from adapters.redis.log_trimming import BEGIN, LogTrimming, moment_of
from adapters.redis.scripts import Client
from adapters.redis.traces import RedisTraces
from engine.errors import LedgerAwayError
from engine.model import DeliveryStatus, PortfolioId, parse_key
from engine.quota import DAY_MS
from engine.traces import text_of

ENTRY = re.compile(rb"(\d+\.\d+)([A-Z1-5])([+-])(.{8})(.{6})", re.DOTALL)
READ_AT_ONCE = 100  # records, of up to BATCH_MAX jobs each: whoever hears of them has a loop, too
LOCK_MS = 30_000
KINDS = {
    "A": "accepted",
    "H": "accepted",
    "X": "in_doubt",
    "N": "unwritten",
    "R": "retry",
    "D": "deferred",
    "F": "failed",
    "S": "suppressed",
    "L": "in_doubt",
    "P": "repeat",
    "U": "unknown",
    "E": "expired",
    "C": "cancelled",
    **{str(rank): status.value for rank, status in enumerate(DeliveryStatus) if rank},
}


class Record(msgspec.Struct, omit_defaults=True):
    """One line of the exported log; `recipient` is a pseudonym."""

    at: str
    portfolio: str
    transition: str
    job: str = ""
    source: str = ""
    sender: str = ""
    template: str = ""
    recipient: str = ""
    counted: bool | None = None
    jobs: int | None = None  # of an enqueued chunk, from `job` on
    limit: int | None = None  # of a `limit` line: what held from here on; -1 is unlimited
    scope: str = ""  # and whose: the portfolio's, or each phone_number's
    window_seconds: float | None = None
    traceparent: str = ""  # of a job whose caller traces it


Hear = Callable[[PortfolioId, Sequence[Record]], Awaitable[None]]


async def _nobody(_portfolio: PortfolioId, _records: Sequence[Record]) -> None:
    """Tell nobody."""


class OutcomeLog:
    """Exports the logs of portfolios into files, a line a transition, then trims the streams.

    What moves the window stays in the stream for one window; everything older than that and
    written to the file goes. Raises LedgerAwayError when Redis cannot answer.
    """

    def __init__(
        self,
        client: Client,
        directory: Path,
        *,
        process: str,
        span_ms: int,
        heard: Hear = _nobody,
        traces: RedisTraces | None = None,
    ) -> None:
        self._client = client
        self._directory = directory
        self._process = process
        self._traces = traces
        self._heard = heard  # told of every batch before it counts as exported, maybe twice
        self._limits: dict[PortfolioId, tuple[int, int, str]] = {}  # day, as told in its file
        self._reached: dict[PortfolioId, bytes] = {}  # the place, as it was read last
        self._trimming = LogTrimming(client, span_ms)
        self._lanes: dict[tuple[PortfolioId, str], tuple[str, str, str]] = {}

    async def unwritten(
        self, portfolios: Sequence[PortfolioId], now_ms: int
    ) -> frozenset[PortfolioId]:
        """Return whose log has records that are in no file yet; trim those without, in their turn.

        One command for two hundred logs, however many of them are idle.
        """
        reached = {each: self._reached.get(each, BEGIN) for each in portfolios}
        news = await logs_with_news(self._client, reached)
        await self._trimming.look([each for each in portfolios if each not in news], now_ms)
        return news

    async def export(self, portfolio: PortfolioId, now_ms: int) -> int:
        """Write what is new since the last export; return how many lines that were.

        0 when another process is at it, and no more once another one is. The place reached is kept
        in Redis beside the log, so a process that dies writes at most one batch twice, never none.
        """
        try:
            if not await self._is_ours(portfolio):
                return 0
            lines = 0
            while batch := await self._read(portfolio):
                traced = await self._traces.buckets(portfolio) if self._traces else frozenset()
                lines += await self._write(portfolio, batch, traced)
                if not await self._is_ours(portfolio):
                    return lines  # it took longer than a turn: the place is another's by now
                await self._client.set(keys.log_exported(portfolio), batch[-1][0])
                self._reached[portfolio] = batch[-1][0]
                self._trimming.note(portfolio, batch[0][0])
            await self._trimming.look([portfolio], now_ms)
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(str(error)) from error
        return lines

    async def note_limit(
        self, portfolio: PortfolioId, limit: int, scope: str, window_s: float, now_ms: int
    ) -> None:
        """Write the limit in force into the day's file, once a day and when it changes.

        With it the files alone prove that the limit was kept. Does nothing while another process
        exports.
        """
        told = (now_ms // DAY_MS, limit, scope)
        if self._limits.get(portfolio) == told:
            return
        try:
            if not await self._is_ours(portfolio):
                return
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(str(error)) from error
        record = Record(
            at=_rfc3339(now_ms),
            portfolio=portfolio,
            transition="limit",
            limit=limit,
            scope=scope,
            window_seconds=window_s,
        )
        self._append(self._path(portfolio, now_ms), [record])
        self._limits[portfolio] = told

    def _path(self, portfolio: PortfolioId, at_ms: int) -> Path:
        day = datetime.fromtimestamp(at_ms / 1_000, UTC).date()
        return self._directory / f"outcomes-{portfolio}-{day}.ndjson"

    def _append(self, path: Path, records: Sequence[Record]) -> None:
        encoder = msgspec.json.Encoder()
        self._directory.mkdir(parents=True, exist_ok=True)
        with path.open("ab") as file:
            file.write(b"".join(encoder.encode(record) + b"\n" for record in records))

    async def _is_ours(self, portfolio: PortfolioId) -> bool:
        """Return whether the export is this process's; it stays so while the process lives."""
        lock = keys.log_lock(portfolio)
        if await self._client.set(lock, self._process, nx=True, px=LOCK_MS):
            return True
        if await self._client.get(lock) != self._process.encode():
            return False
        return bool(await self._client.pexpire(lock, LOCK_MS))

    async def _read(self, portfolio: PortfolioId) -> list[tuple[bytes, dict[bytes, bytes]]]:
        reached = cast("bytes", await self._client.get(keys.log_exported(portfolio)) or BEGIN)
        self._reached[portfolio] = reached
        after = b"(" + reached
        entries = await self._client.xrange(
            keys.log(portfolio), min=after, max="+", count=READ_AT_ONCE
        )
        return cast("list[tuple[bytes, dict[bytes, bytes]]]", entries)

    async def _write(
        self,
        portfolio: PortfolioId,
        batch: list[tuple[bytes, dict[bytes, bytes]]],
        traced: frozenset[str],
    ) -> int:
        told: list[Record] = []
        for entry_id, fields in batch:
            at_ms = moment_of(entry_id)
            records = [record async for record in self._records(portfolio, at_ms, fields)]
            if traced:
                await self._add_traces(portfolio, records, traced)
            self._append(self._path(portfolio, at_ms), records)
            told += records
            await asyncio.sleep(0)  # sends go on between two records
        await self._heard(portfolio, told)
        return len(told)

    async def _add_traces(
        self, portfolio: PortfolioId, records: Sequence[Record], traced: frozenset[str]
    ) -> None:
        """Add what the callers of these jobs trace; a chunk of several is told without."""
        alone = [each for each in records if each.job and (each.jobs or 1) == 1]
        jobs = [parse_key(each.job) for each in alone]
        assert self._traces is not None
        traces = await self._traces.of_some(portfolio, jobs, traced)
        for record, key in zip(alone, jobs, strict=True):
            record.traceparent = text_of(traces.get(key, b""))

    async def _records(
        self, portfolio: PortfolioId, at_ms: int, fields: dict[bytes, bytes]
    ) -> AsyncIterator[Record]:
        for record in _enqueued(portfolio, at_ms, fields.get(b"enqueued", b"")):
            yield await self._with_lane(portfolio, record)
        for record in moved(portfolio, fields.get(b"moved", b"")):
            yield await self._with_lane(portfolio, record)

    async def _with_lane(self, portfolio: PortfolioId, record: Record) -> Record:
        number = record.job.partition(".")[0]
        if number in ("", "0"):
            return record
        if (portfolio, number) not in self._lanes:
            asked = self._client.hmget(
                keys.lane(portfolio, int(number)), ["source", "sender", "template"]
            )
            found = await cast("Awaitable[list[bytes | None]]", asked)
            if len(self._lanes) >= LANES_KNOWN_MAX:
                self._lanes.clear()  # most of them are long forgotten
            source, sender, template = ((value or b"").decode() for value in found)
            self._lanes[(portfolio, number)] = (source, sender, template)
        record.source, record.sender, record.template = self._lanes[(portfolio, number)]
        return record


def moved(portfolio: PortfolioId, packed: bytes) -> Iterator[Record]:
    """Read the entries of one `moved` record: part_log.lua says what is where."""
    for job, kind, holds, recipient, moment in ENTRY.findall(packed):
        yield Record(
            at=_rfc3339(int.from_bytes(moment, "big")),
            portfolio=portfolio,
            transition=KINDS[kind.decode()],
            job=job.decode(),
            recipient=recipient.hex(),
            counted=holds == b"+",
        )


def _enqueued(portfolio: PortfolioId, at_ms: int, packed: bytes) -> Iterator[Record]:
    if packed:
        lane, first, count = packed.decode().split("|")
        yield Record(
            at=_rfc3339(at_ms),
            portfolio=portfolio,
            transition="enqueued",
            job=f"{lane}.{first}",
            jobs=int(count),
        )


def _rfc3339(at_ms: int) -> str:
    moment = datetime.fromtimestamp(at_ms / 1_000, UTC)
    return moment.isoformat(timespec="milliseconds").replace("+00:00", "Z")
