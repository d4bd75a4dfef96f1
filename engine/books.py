"""The books: what a ledger says when it is asked, without changing anything."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Protocol

from engine.model import DeliveryStatus, Gate, JobKey, JobState, PortfolioId, Priority, SenderId
from engine.quiet import ZoneStanding

ASIDE_MAX = 2_000  # jobs kept aside that are told by their sender; more are told by their source


@dataclass(slots=True)
class Quota:
    """A window's account at this moment."""

    limit: int
    used: int
    debt: int
    reserved: int
    available: int
    next_free_at_ms: int | None


@dataclass(slots=True)
class Counts:
    """A source's books: each job in exactly one state, each accepted one in one delivery status."""

    enqueued: int
    states: dict[JobState, int]
    waiting: dict[Gate, int]
    delivery: dict[DeliveryStatus, int]


@dataclass(frozen=True, slots=True)
class Holders:
    """Whose gates a job stands behind."""

    sender: SenderId
    source: str
    template: str  # its key; empty for free-form


@dataclass(slots=True)
class JobView:
    """Where one job stands."""

    key: JobKey
    state: JobState
    attempt: int = 0
    delivery: DeliveryStatus = DeliveryStatus.NONE
    gate: Gate | None = None
    until_ms: int | None = None  # of a doubt: when it is decided, or looked at again
    code: int = 0
    wamid: str = ""
    misfit: str = ""  # where and why a failed job's message no longer fitted its template
    sender: SenderId | None = None  # of a doubt
    zone: str | None = None  # whose quiet hours hold it, where they do
    holders: Holders | None = field(default=None, compare=False)  # of one that has not left


@dataclass(slots=True)
class Depth:
    """What one sender has to do, and how fast it may.

    The sender `""` stands for jobs kept aside of sources that have several senders, where so many
    are kept aside that counting each would hold up others.
    """

    sender: SenderId
    rate_mps: int  # in force now: what Meta grants, or less when it taught us so; 0 if unknown
    jobs: dict[tuple[Priority, JobState | Gate], int]  # not ended: by state, or gate while waiting
    oldest_due_ms: dict[Priority, int]  # since when the front rows of its lanes may leave
    closed_until_ms: int = 0  # until when it or its account holds all of that; 0: neither does


@dataclass(frozen=True, slots=True)
class Move:
    """One step of a job, by the name that the outcome log has for it."""

    at_ms: int
    transition: str


@dataclass(frozen=True, slots=True)
class Past:
    """The steps of a job in their order, from `since_ms` on; None is from its begin."""

    moves: list[Move]
    since_ms: int | None = None


class Pasts(Protocol):
    """What became of single jobs, as far as the outcome log is kept."""

    async def of(self, portfolio: PortfolioId, key: JobKey, most: int) -> Past:
        """Return a job's steps; looks at no more than the `most` newest records of the log."""
        ...


class Comebacks(Protocol):
    """Jobs that wait alone: behind `schedule`, `pair`, `rate` or `retry`."""

    async def next_ms(
        self, portfolio: PortfolioId, source: str = "", sender: str = ""
    ) -> dict[Gate, int]:
        """Return when the next of them may leave, gate by gate; of one source or sender only.

        Where very many wait, a gate whose next comes far behind the others' is left out.
        """
        ...


class Books(Protocol):
    """Reading, without changing anything."""

    async def quota(self, portfolio: PortfolioId, sender: SenderId | None = None) -> Quota:
        """Return the account of the portfolio's window, or of one sender's."""
        ...

    async def counts(self, portfolio: PortfolioId, source: str) -> Counts:
        """Return the books of one source."""
        ...

    async def job(self, portfolio: PortfolioId, key: JobKey) -> JobView | None:
        """Return where a job stands; None when there is no such job."""
        ...

    async def depths(self, portfolio: PortfolioId) -> list[Depth]:
        """Return what each sender has to do, sorted by sender; O(lanes + open), in bites."""
        ...

    async def audit(self, portfolio: PortfolioId) -> list[str]:
        """Recount everything from the raw state; return what does not agree, best empty."""
        ...


class ZonedBooks(Books, Protocol):
    """Books that tell of a source's time zones, too."""

    async def zones(self, portfolio: PortfolioId, source: str) -> list[ZoneStanding]:
        """See QuietLedger.zones."""
        ...


def shown_counts(counts: Counts) -> dict[str, object]:
    """Return the books as the API shows them: each job in exactly one place."""
    shown: dict[str, object] = {state.value: counts.states.get(state, 0) for state in JobState}
    shown["waiting"] = {gate.value: number for gate, number in counts.waiting.items()}
    return shown
