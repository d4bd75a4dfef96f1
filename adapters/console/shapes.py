"""What the Console shows, as it goes over the wire; no recipient is in it anywhere."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import UTC, datetime

from engine.ports import FOREVER_MS

Moment = datetime | None


@dataclass(slots=True)
class Closed:
    """One reason why a number may not send now."""

    gate: str
    cause: str
    detail: str
    until: Moment  # None: until something changes
    is_whole: bool = True  # False: only some categories of messages wait


@dataclass(slots=True)
class SenderShown:
    """A sender: how fast against how fast it may, and what it still has to do."""

    id: str
    label: str
    portfolio: str
    display_phone_number: str
    rate: float  # messages a second that Meta took, over the last seconds
    rate_limit: int  # messages a second that may leave now
    throughput: int  # messages a second that Meta grants
    quality: str
    status: str
    queued: int = 0
    in_flight: int = 0
    in_doubt: int = 0
    waiting: dict[str, int] = field(default_factory=dict[str, int])  # by gate
    oldest_seconds: float = 0.0
    closed_by: list[Closed] = field(default_factory=list[Closed])
    is_paused: bool = False


@dataclass(slots=True)
class Curve:
    """How many places are free at each moment if nothing else is sent."""

    begin: datetime
    step_seconds: float
    free: list[int]


@dataclass(slots=True)
class WindowShown:
    """A rolling window: a portfolio's, or a sender's where each number has its own."""

    portfolio: str
    sender: str  # its label; empty of a portfolio's
    limit: int  # -1 is unlimited
    used: int
    debt: int
    reserved: int
    available: int  # -1 is unlimited
    kept: int  # places of these that marketing may not take: reserves and headroom
    next_free_at: Moment
    curve: Curve | None  # None where there is no limit


@dataclass(slots=True)
class CampaignShown:
    """A campaign: each job in exactly one place."""

    id: str
    name: str
    state: str
    portfolio: str
    enqueued: int
    counts: dict[str, object]
    delivery: dict[str, int]
    eta: Moment
    warnings: list[str]


@dataclass(slots=True)
class Waiting:
    """The jobs behind one gate, of all senders."""

    gate: str
    jobs: int
    meaning: str
    senders: list[str]  # the labels of those with most
    until: Moment  # the earliest moment at which some of them may leave, where it is known


@dataclass(slots=True)
class ErrorShown:
    """One of Meta's error codes, over the last minutes."""

    code: str
    title: str
    times: int
    senders: list[str]


@dataclass(slots=True)
class Pace:
    """Messages a second over the last minutes, all workers together."""

    begin: datetime
    step_seconds: float
    accepted: list[float]
    others: list[float]  # retries, deferrals, doubts and drops


@dataclass(slots=True)
class Totals:
    """All senders together."""

    rate: float = 0.0
    rate_limit: int = 0
    queued: int = 0
    waiting: int = 0
    in_flight: int = 0
    in_doubt: int = 0
    errors: int = 0


@dataclass(slots=True)
class Overview:
    """One picture of the deployment."""

    at: datetime
    problem: str = ""  # why the rest is older than `at`; empty when it is not
    workers: int = 0
    window_seconds: float = 0.0
    totals: Totals = field(default_factory=Totals)
    pace: Pace | None = None
    senders: list[SenderShown] = field(default_factory=list[SenderShown])
    senders_in_all: int = 0
    windows: list[WindowShown] = field(default_factory=list[WindowShown])
    windows_in_all: int = 0
    campaigns: list[CampaignShown] = field(default_factory=list[CampaignShown])
    campaigns_in_all: int = 0
    waiting: list[Waiting] = field(default_factory=list[Waiting])
    errors: list[ErrorShown] = field(default_factory=list[ErrorShown])


def moment(at_ms: int | None) -> Moment:
    """Return a moment; None for never and for none.

    >>> moment(1_763_000_000_123).isoformat()
    '2025-11-13T02:13:20.123000+00:00'
    >>> moment(0), moment(9_000_000_000_000)
    (None, None)
    """
    if not at_ms or at_ms >= FOREVER_MS:
        return None
    return datetime.fromtimestamp(at_ms / 1_000, UTC)
