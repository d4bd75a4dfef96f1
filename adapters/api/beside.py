"""What is kept beside a job: its caller's trace, its history, and what ties it to a replay."""

from __future__ import annotations

from adapters.api.bodies import rfc3339
from adapters.api.front import Front
from engine.books import Move
from engine.directory import Portfolio
from engine.model import JobKey
from engine.traces import text_of

TRACEPARENT = "traceparent"

# Records of the outcome log. Of a portfolio in full swing 50 cost Redis a quarter of a millisecond,
# as much as twenty sends, and whoever waits for a job asks often.
LOOKED_AT = 50
LOOKED_AT_MAX = 200_000  # where all of it is wanted; a second or two, in small steps


async def beside(
    front: Front, portfolio: Portfolio, key: JobKey, *, looks_far: bool = False
) -> dict[str, object]:
    """Return it as it is shown with the job; `looks_far` for all of its history."""
    past = await front.pasts.of(portfolio.id, key, LOOKED_AT_MAX if looks_far else LOOKED_AT)
    traces = await front.traces.of(portfolio.id, [key])
    links = await front.dead_rows.links(portfolio.id, key)

    def shown(other: JobKey | None) -> str | None:
        return front.job_ids.encode(portfolio.number, other) if other is not None else None

    return {
        TRACEPARENT: text_of(traces[key]) if traces else None,
        "replays": shown(links.replays),
        "replayed_as": shown(links.replayed_as),
        "history": [shown_move(each) for each in past.moves],
        "history_since": rfc3339(past.since_ms),
    }


def shown_move(move: Move) -> dict[str, object]:
    """Return one step of a job for the outside."""
    return {"at": rfc3339(move.at_ms), "transition": move.transition}
