"""Dead letters: jobs that failed for good, found in the outcome log as it is written to files."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from adapters.redis import keys, reading
from adapters.redis.asking import reply_to
from adapters.redis.connect import Client
from engine.model import JobKey, JobState, NowMs, PortfolioId, SenderId, parse_key

MAYBE_DEAD: Final = frozenset({"failed", "retry"})  # a last try that failed is logged as `retry`
AT_ONCE: Final = 50  # senders asked about in one round trip


class Line(Protocol):
    """What is read of a line of the outcome log."""

    @property
    def transition(self) -> str:
        """Return what happened."""
        ...

    @property
    def job(self) -> str:
        """Return to which job."""
        ...

    @property
    def sender(self) -> str:
        """Return whose it was."""
        ...


@dataclass(frozen=True, slots=True)
class DeadLetter:
    """One job that failed for good."""

    key: JobKey
    sender: SenderId
    failed_at_ms: int
    attempt: int
    code: int  # of Meta's last answer; 0 when we dropped it ourselves


class DeadLetters:
    """An index of the failed jobs of each sender, kept as long as the jobs themselves.

    It is behind by as much as the export of the log, some seconds. Noting a job twice changes
    nothing. Every method raises LedgerAwayError when Redis cannot answer.
    """

    def __init__(self, client: Client, now_ms: NowMs, *, keep_ms: int) -> None:
        self._client = client
        self._now_ms = now_ms
        self._keep_ms = keep_ms

    async def note(self, portfolio: PortfolioId, lines: Iterable[Line]) -> None:
        """Take over the jobs among these lines that have failed."""
        maybe = {parse_key(line.job): line for line in lines if line.transition in MAYBE_DEAD}
        ends = await self._ends(portfolio, list(maybe))
        marks: dict[str, dict[str, int]] = {}
        for key in ends:
            marks.setdefault(maybe[key].sender, {})[str(key)] = self._now_ms()
        for sender, members in marks.items():
            index = keys.dead(portfolio, sender)
            await reply_to(self._client.zadd(index, dict(members), nx=True))
            await reply_to(self._client.zremrangebyscore(index, "-inf", self._oldest_ms()))
            await reply_to(self._client.pexpire(index, self._keep_ms))

    async def count(
        self, portfolio: PortfolioId, senders: Sequence[SenderId]
    ) -> dict[SenderId, int]:
        """Return how many dead letters each sender has; some at a time, so that others go on."""
        found: dict[SenderId, int] = {}
        for at in range(0, len(senders), AT_ONCE):
            some = senders[at : at + AT_ONCE]
            pipeline = self._client.pipeline(transaction=False)
            for sender in some:
                pipeline.zcount(keys.dead(portfolio, sender), self._oldest_ms(), "+inf")
            found |= zip(some, map(int, await reply_to(pipeline.execute())), strict=True)
        return found

    async def newest(
        self, portfolio: PortfolioId, sender: SenderId, most: int, skip: int = 0
    ) -> list[DeadLetter]:
        """Return a sender's newest dead letters, but for the first `skip`."""
        index, last = keys.dead(portfolio, sender), skip + most - 1
        found = await reply_to(self._client.zrange(index, skip, last, desc=True, withscores=True))
        failed_at_ms = {parse_key(name.decode()): int(at) for name, at in found}
        ends = await self._ends(portfolio, list(failed_at_ms))
        return [
            DeadLetter(key, sender, at_ms, *ends[key])
            for key, at_ms in failed_at_ms.items()
            if key in ends and at_ms >= self._oldest_ms()
        ]

    async def drop(
        self, portfolio: PortfolioId, sender: SenderId, dropped: Sequence[JobKey]
    ) -> int:
        """Forget some of a sender's; return how many there were. The jobs stay failed."""
        if not dropped:
            return 0
        names = [str(key) for key in dropped]
        return int(await reply_to(self._client.zrem(keys.dead(portfolio, sender), *names)))

    async def _ends(
        self, portfolio: PortfolioId, jobs: Sequence[JobKey]
    ) -> dict[JobKey, tuple[int, int]]:
        """Return attempt and code of those that have failed and are still known."""
        pipeline = self._client.pipeline(transaction=False)
        for key in jobs:
            pipeline.hget(keys.done(portfolio, key), str(key.sequence))
        packed = await reply_to(pipeline.execute()) if jobs else []
        views = [reading.ended(end, key) for key, end in zip(jobs, packed, strict=True) if end]
        return {
            view.key: (view.attempt, view.code) for view in views if view.state is JobState.FAILED
        }

    def _oldest_ms(self) -> int:
        return self._now_ms() - self._keep_ms
