"""Jobs that failed for good are queued once more, when an operator says so."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass

from engine.contents import SEPARATOR
from engine.dead import DeadRow, DeadRows, WhyNot
from engine.errors import InvalidJobError
from engine.intake import JobRequest, JobStatus, SendJobs
from engine.model import JobKey, NowMs, PortfolioId, SenderId
from engine.tracing import Traces

WORDS = {
    WhyNot.NO_JOB: "there is no such job, or nobody knows it any more",
    WhyNot.NOT_FAILED: "it did not fail for good",
    WhyNot.REACHED: "it may have been taken after all: a status came after its failure",
    WhyNot.NOT_KEPT: "its message is not kept; of a campaign, use retry-failed",
}


@dataclass(slots=True)
class Replayed:
    """What became of one dead letter: the job that replays it, or why there is none."""

    key: JobKey
    sender: SenderId | None = None
    job: JobKey | None = None
    is_new: bool = False  # False where it had been replayed before
    code: str = ""
    detail: str = ""


class ReplayDead:
    """The use case of who looks after dead letters.

    A replay is a job of its own in the lane of the failed one, with the same message, through the
    same checks at the door; the failure stays in the books. Each failure is replayed once, however
    often it is asked for, and none whose message may have been taken.
    """

    def __init__(self, rows: DeadRows, intake: SendJobs, traces: Traces, now_ms: NowMs) -> None:
        self._rows = rows
        self._intake = intake
        self._traces = traces
        self._now_ms = now_ms

    async def run(
        self, portfolio: PortfolioId, jobs: Sequence[JobKey], expires_at_ms: int = 0
    ) -> list[Replayed]:
        """Queue these once more; `expires_at_ms` takes the place of the time they had, 0 keeps it.

        Raises QueueFullError when none could be queued, and LedgerError when nobody knows: the
        same call again replays nothing twice.
        """
        wanted = list(dict.fromkeys(jobs))
        rows = await self._rows.read(portfolio, wanted)
        links = [await self._known(portfolio, row) for row in rows]
        results = [
            known or self._refusal(row, expires_at_ms)
            for row, known in zip(rows, links, strict=True)
        ]
        ready = [
            (row, done)
            for row, done in zip(rows, results, strict=True)
            if not (done.code or done.job)
        ]
        traces = await self._traces.of(portfolio, [row.key for row, _ in ready])
        requests = [
            _request(row, expires_at_ms or row.expires_at_ms, traces.get(row.key, b""))
            for row, _ in ready
        ]
        answers = await self._intake.accept(requests) if requests else []
        tied: dict[JobKey, JobKey] = {}
        for (row, done), answer in zip(ready, answers, strict=True):
            if answer.key is None or answer.errors:
                first = answer.errors[0] if answer.errors else None
                done.code = first.code if first else "refused"
                done.detail = str(first) if first else "it was not queued"
                continue
            done.job, done.is_new = answer.key, answer.status is JobStatus.ACCEPTED
            tied[row.key] = answer.key
        if tied:
            await self._rows.replayed(portfolio, tied)
        return results

    async def _known(self, portfolio: PortfolioId, row: DeadRow) -> Replayed | None:
        """Return the replay that a job without a row has already."""
        if row.why_not is not WhyNot.NOT_KEPT:
            return None
        job = (await self._rows.links(portfolio, row.key)).replayed_as
        return Replayed(row.key, _sender_of(row), job) if job is not None else None

    def _refusal(self, row: DeadRow, expires_at_ms: int) -> Replayed:
        """Return why a job cannot be replayed; nothing against it where it can."""
        sender = _sender_of(row)
        if row.why_not is not None:
            return Replayed(row.key, sender, code=row.why_not.value, detail=WORDS[row.why_not])
        expires_ms = expires_at_ms or row.expires_at_ms
        if 0 < expires_ms <= self._now_ms():
            detail = "its time is over; say until when it may still be sent (expires_at)"
            return Replayed(row.key, sender, code="expired", detail=detail)
        return Replayed(row.key, sender)


def _sender_of(row: DeadRow) -> SenderId | None:
    return row.lane.sender if row.lane is not None else None


def _request(row: DeadRow, expires_at_ms: int, trace: bytes) -> JobRequest:
    """Return a job as its caller asked for it first."""
    assert row.lane is not None
    to, _, body = row.tail.partition(SEPARATOR)
    message: object = json.loads(body)
    if not isinstance(message, dict):  # the ledger gave a row that is no job's
        raise InvalidJobError("the kept message is no object", pointer="", code="not_an_object")
    return JobRequest(
        sender=row.lane.sender,
        to=to.decode(),
        message=message,
        body=body,
        source=row.lane.source,
        priority=row.lane.priority,
        delivery="at_least_once" if row.repeats_max else "at_most_once",
        expires_at_ms=expires_at_ms,
        trace=trace,
        replays=row.key,
    )
