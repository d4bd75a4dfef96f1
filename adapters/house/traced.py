"""The log lines of jobs that their callers trace: what went wrong with each, as it is exported."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

import structlog

from adapters.redis.outcome_log import Record
from engine.model import PortfolioId

TOLD: Final = {
    transition: f"job_{transition}"
    for transition in ("failed", "retry", "in_doubt", "repeat", "unknown", "undelivered")
}
LINES_MAX: Final = 100  # of one batch of the log; more are only counted


log = structlog.get_logger("penstock")


async def tell_traced(_portfolio: PortfolioId, records: Sequence[Record]) -> None:
    """Write a line for each thing that went wrong with a job that has a trace.

    All is read from the outcome log, so no send waits for it, and what a webhook or a rescue
    decided is told as well as what a worker saw. A job without a trace has no line.
    """
    wrong = [each for each in records if each.traceparent and each.transition in TOLD]
    for record in wrong[:LINES_MAX]:
        log.warning(
            TOLD[record.transition],
            at=record.at,
            job=record.job,
            sender=record.sender,
            source=record.source,
            traceparent=record.traceparent,
        )
    if len(wrong) > LINES_MAX:
        log.warning("traced_jobs_not_told", jobs=len(wrong) - LINES_MAX)
