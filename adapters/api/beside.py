"""What is kept beside a job: its caller's trace, and the jobs it is tied to by a replay."""

from __future__ import annotations

from adapters.api.front import Front
from engine.directory import Portfolio
from engine.model import JobKey
from engine.traces import text_of

TRACEPARENT = "traceparent"


async def beside(front: Front, portfolio: Portfolio, key: JobKey) -> dict[str, object]:
    """Return it as it is shown with the job."""
    traces = await front.traces.of(portfolio.id, [key])
    links = await front.dead_rows.links(portfolio.id, key)

    def shown(other: JobKey | None) -> str | None:
        return front.job_ids.encode(portfolio.number, other) if other is not None else None

    return {
        TRACEPARENT: text_of(traces[key]) if traces else None,
        "replays": shown(links.replays),
        "replayed_as": shown(links.replayed_as),
    }
