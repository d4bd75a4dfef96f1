"""Rows of jobs that failed for good: read by a script, tied to the jobs that replay them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Final

from adapters.redis import keys
from adapters.redis.asking import reply_to
from adapters.redis.calls import Calls
from adapters.redis.connect import Client
from adapters.redis.scripts import Scripts
from engine.dead import DeadRow, Links, WhyNot
from engine.model import JobKey, Lane, NowMs, PortfolioId, Priority, SenderId, parse_key

AT_ONCE: Final = 500  # jobs of one script call
LANE_FIELDS: Final = ["source", "sender", "template", "priority", "zone"]


class RedisDeadRows:
    """See engine.dead.DeadRows. A tie is kept as long as an ended job, from the newest on."""

    def __init__(
        self, client: Client, scripts: Scripts, calls: Calls, now_ms: NowMs, *, keep_ms: int
    ) -> None:
        self._client = client
        self._scripts = scripts
        self._calls = calls
        self._now_ms = now_ms
        self._keep_ms = keep_ms

    async def read(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> list[DeadRow]:
        """See DeadRows.read."""
        lanes: dict[int, Lane | None] = {}
        rows: list[DeadRow] = []
        for start in range(0, len(jobs), AT_ONCE):
            some = jobs[start : start + AT_ONCE]
            names = [str(key) for key in some]
            call = self._calls.call("dead_read", portfolio, self._now_ms(), names)
            [reply] = await self._scripts.run([call])
            lanes |= await self._lanes(portfolio, {key.lane for key in some} - lanes.keys())
            rows += [
                _row(key, lanes[key.lane], reply[2 * at].decode(), reply[2 * at + 1])
                for at, key in enumerate(some)
            ]
        return rows

    async def replayed(self, portfolio: PortfolioId, jobs: Mapping[JobKey, JobKey]) -> None:
        """See DeadRows.replayed."""
        if not jobs:
            return
        pipeline = self._client.pipeline(transaction=False)
        for old, new in jobs.items():
            for key, field, other in ((old, f"as {old}", new), (new, f"of {new}", old)):
                pipeline.hset(keys.replays(portfolio, key), field, str(other))
                pipeline.pexpire(keys.replays(portfolio, key), self._keep_ms)
        names = [str(key) for key in jobs]
        pipeline.hdel(keys.dead_rows(portfolio), *names)
        pipeline.zrem(keys.dead_at(portfolio), *names)
        await reply_to(pipeline.execute())

    async def links(self, portfolio: PortfolioId, job: JobKey) -> Links:
        """See DeadRows.links."""
        asked = self._client.hmget(keys.replays(portfolio, job), [f"as {job}", f"of {job}"])
        later, earlier = await reply_to(asked)
        return Links(
            parse_key(later.decode()) if later else None,
            parse_key(earlier.decode()) if earlier else None,
        )

    async def _lanes(self, portfolio: PortfolioId, numbers: set[int]) -> dict[int, Lane | None]:
        pipeline = self._client.pipeline(transaction=False)
        for number in numbers:
            pipeline.hmget(keys.lane(portfolio, number), LANE_FIELDS)
        found = await reply_to(pipeline.execute()) if numbers else []
        return {number: _lane(fields) for number, fields in zip(numbers, found, strict=True)}


def _lane(fields: Sequence[bytes | None]) -> Lane | None:
    if fields[3] is None:
        return None
    source, sender, template, priority, zone = [(value or b"").decode() for value in fields]
    return Lane(source, SenderId(sender), template, Priority(int(priority)), zone)


def _row(key: JobKey, lane: Lane | None, why: str, row: bytes) -> DeadRow:
    """Read a row as part_rows.lua packs it."""
    if why or lane is None:
        why_not = WhyNot(why) if why else WhyNot.NO_JOB
        return DeadRow(key, None if why_not is WhyNot.NO_JOB else lane, why_not=why_not)
    return DeadRow(key, lane, row[32:], row[17], int.from_bytes(row[20:26], "big"))
