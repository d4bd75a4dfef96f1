"""The sockets in the wall: what the engine asks of its ledger."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Protocol

from engine.model import (
    Category,
    DeliveryStatus,
    Gate,
    JobKey,
    Lane,
    PortfolioId,
    RecipientKey,
    Row,
    SenderId,
    SourceState,
    TemplateStatus,
    WabaId,
)
from engine.outcomes import Outcome
from engine.shutting import NOTHING_SHUT, Shut

FOREVER_MS = 9_000_000_000_000  # the year 2255: until somebody opens it


@dataclass(slots=True)
class Batch:
    """Jobs of one lane, to be queued in one step."""

    portfolio: PortfolioId
    lane: Lane
    rows: Sequence[Row]
    rows_max: int = 0  # jobs that their source takes at all; 0 is no bound
    tally: str = ""  # counts under this name, for a day, what is queued: as uploads ask for it
    once_each: bool = False  # nobody is queued twice, whatever the keys of the rows


@dataclass(frozen=True, slots=True)
class NotNew:
    """A row that was not queued: a duplicate of `known`, another body under its key, or no room."""

    index: int  # its place in the batch
    known: JobKey | None  # the job it repeats, where that is remembered
    conflict: bool  # same key, other body
    over: bool = False  # it is new, and its source has no room for it


@dataclass(slots=True)
class Enqueued:
    """What became of a batch: its new rows got consecutive sequences from `first` on."""

    lane: int
    first: int
    accepted: int
    not_new: list[NotNew]
    refused: str = ""  # `full`, `cancelled`, `ended` (its template), `stale`: nothing was queued
    sequence: int = 0
    due_at_ms: int = FOREVER_MS


# --- claim -------------------------------------------------------------------------------------


@dataclass(slots=True)
class Settlement:
    """How one claimed job's write ended."""

    key: JobKey
    attempt: int
    outcome: Outcome


@dataclass(slots=True)
class Ask:
    """A worker's wish: up to `most` jobs of a portfolio, of which at most `low` low in priority.

    `counter` grows by one a wish of `worker`; the same again asks for what is still leased of it.
    `settlements` are recorded first, in the same step, also where the wish itself is refused.
    """

    portfolio: PortfolioId
    worker: str
    counter: int
    most: int
    low: int
    known_sequence: int = 0
    settlements: Sequence[Settlement] = ()


@dataclass(slots=True)
class Claimed:
    """One job that may be written now, at its send time."""

    key: JobKey
    attempt: int  # 1 for the first write
    send_at_us: int
    lease_until_ms: int
    due_ms: int  # since when it could have left, for the queue histogram
    recipient: RecipientKey
    content: int
    tail: bytes
    lane: Lane
    counted: bool  # whether it holds a place in the window
    failures: int = 0  # definite ones so far; a claim that was given back is none


@dataclass(slots=True)
class Refusals:
    """How many job steps of a claim one gate refused, for one sender."""

    sender: SenderId
    gate: Gate
    count: int


@dataclass(slots=True)
class Answer:
    """What a claim gave: jobs, and when it is worth asking again.

    `refused` is empty, or `clock`, `recovering` or `stale`; then there are no jobs.
    """

    jobs: list[Claimed]
    come_back_at_ms: int = FOREVER_MS
    more: bool = False  # it stopped early: ask again now
    rescue_at_ms: int = FOREVER_MS  # when these jobs' lease, a doubt or a waiting job runs out
    sequence: int = 0
    refused: str = ""
    refusals: list[Refusals] = field(default_factory=list)
    ignored: list[JobKey] = field(default_factory=list)  # of the settlements, as Settled has them
    closed: list[tuple[Gate, str]] = field(default_factory=list)


# --- settle, again, rescue ---------------------------------------------------------------------


@dataclass(slots=True)
class Settled:
    """What settling did: keys whose outcome changed nothing, and what it closed on the way."""

    ignored: list[JobKey]
    closed: list[tuple[Gate, str]]  # gate and key; told again, what is closed still is there again
    sequence: int = 0
    due_at_ms: int = FOREVER_MS


@dataclass(slots=True)
class Again:
    """The answer to a quick retry: a new send time, or the gate that forbids it."""

    send_at_us: int = 0
    attempt: int = 0
    gate: Gate | None = None
    sequence: int = 0


@dataclass(slots=True)
class Rescued:
    """What ran out: leases that became doubts, doubts that their policy settled, waiting jobs."""

    doubted: list[JobKey]
    repeated: list[JobKey]
    unknown: list[JobKey]
    expired: list[JobKey] = field(default_factory=list)  # unknown, where they followed a doubt
    rescue_at_ms: int = FOREVER_MS
    sequence: int = 0
    due_at_ms: int = FOREVER_MS


class Ledger(Protocol):
    """Jobs, quota, pace and leases of each portfolio; every call is one atomic step.

    All raise LedgerError when the store cannot answer: send nothing then. Each may be made again.
    """

    async def enqueue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        """Queue each batch; a row whose dedupe value its source knows is not queued again."""
        ...

    async def claim(self, asks: Sequence[Ask]) -> list[Answer]:
        """Record what wishes tell, then take jobs in fair order through all gates, on a lease."""
        ...

    async def settle(self, portfolio: PortfolioId, settlements: Sequence[Settlement]) -> Settled:
        """Record outcomes and end leases; one that comes late is evidence, never a step back."""
        ...

    async def again(self, portfolio: PortfolioId, key: JobKey, attempt: int) -> Again:
        """Ask for a new send time for a job still leased, after a write that never happened."""
        ...

    async def rescue(self, portfolio: PortfolioId) -> Rescued:
        """Turn leases that ran out into doubts, settle doubts and end jobs whose time is over."""
        ...


class Recovery(Protocol):
    """Telling a ledger that lost its tail again what a process knows it had done."""

    async def restore_enqueued(self, batch: Batch, answer: Enqueued) -> None:
        """Queue again the rows of a batch that the ledger does not know, under their old keys."""
        ...

    async def restore_claimed(self, portfolio: PortfolioId, jobs: Sequence[Claimed]) -> int:
        """Put jobs back under the leases they had; return how many could not be found."""
        ...


# --- receive -----------------------------------------------------------------------------------


@dataclass(slots=True)
class Receipt:
    """One status a webhook brought. `key` is None for a send that is not ours."""

    key: JobKey | None
    attempt: int
    recipient: RecipientKey
    status: DeliveryStatus
    at_ms: int
    wamid: str = ""
    code: int = 0  # why it failed
    counted: bool = True  # False when Meta says it was inside a service window
    undelivered: bool = True  # a failure after which nobody was reached: the place is given back
    sender: str = ""  # the number it left from; a send that is not ours counts in its window
    throttled: bool = False  # a failure that says that its sender was too fast, ours or not


@dataclass(slots=True)
class Received:
    """What the statuses did: jobs in doubt they settled, and repeats they cancelled."""

    settled: list[JobKey]
    cancelled_repeats: list[JobKey]
    sequence: int = 0
    due_at_ms: int = FOREVER_MS
    closed: list[tuple[Gate, str]] = field(default_factory=list)  # as Settled.closed


class Receipts(Protocol):
    """Evidence from webhooks: any order, any number of times, before or after the response."""

    async def receive(self, portfolio: PortfolioId, receipts: Sequence[Receipt]) -> Received:
        """Fold statuses into the jobs and the window; the same one again changes nothing."""
        ...

    async def open_window(
        self, portfolio: PortfolioId, sender: SenderId, recipient: RecipientKey, until_ms: int
    ) -> None:
        """Note that this person wrote: free-form may be sent, and nothing counts, until then."""
        ...


# --- catalog -----------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class PortfolioSpec:
    """What the ledger must know of a portfolio."""

    places: int  # unique recipients per window; -1 unlimited
    scope: str = "portfolio"  # or `phone_number`: each sender has its own window
    headroom: float = 0.0
    reserve: tuple[float, float, float, float] = (0.0, 0.0, 0.0, 0.0)
    used_before: int = 0


@dataclass(frozen=True, slots=True)
class SenderSpec:
    """What the ledger must know of a sender."""

    waba: WabaId
    throughput_mps: int = 80  # M/throughput; coexistence numbers 20, upgraded ones 1,000
    closed_until_ms: int = 0  # FOREVER_MS while paused or not connected
    places: int = 0  # its own limit where the scope is `phone_number`; 0 takes the portfolio's
    is_silent: bool = False  # messages leave and no webhook tells of them: doubts are not repeated
    shut: Shut = NOTHING_SHUT  # categories that wait while the others go on
    marketing_share: float = 1.0  # of its send times that the priority marketing may take, above 0


@dataclass(frozen=True, slots=True)
class TemplateSpec:
    """What the ledger must know of a template."""

    status: TemplateStatus
    category: Category
    version: int = 0  # how often its words or its category changed
    lifts: bool = True  # APPROVED also ends what answers closed; not while they are asked about


@dataclass(frozen=True, slots=True)
class SourceSpec:
    """What the ledger must know of a campaign, a journey or the direct callers."""

    state: SourceState = SourceState.RUNNING
    weight: int = 1
    start_at_ms: int = 0  # a scheduled source opens by itself then


class Catalog(Protocol):
    """The state of the world that the gates read in the same atomic step as the claim."""

    async def put_portfolio(self, portfolio: PortfolioId, spec: PortfolioSpec) -> None:
        """Set the limit; a lower one stops new recipients at once. The first scope stays."""
        ...

    async def put_sender(self, portfolio: PortfolioId, sender: SenderId, spec: SenderSpec) -> None:
        """Set a sender's throughput and gate."""
        ...

    async def put_template(self, portfolio: PortfolioId, template: str, spec: TemplateSpec) -> None:
        """Set a template's status; APPROVED releases the lanes parked behind it."""
        ...

    async def put_source(self, portfolio: PortfolioId, source: str, spec: SourceSpec) -> None:
        """Create, pause, resume, stop or cancel a source: O(lanes), for later jobs too."""
        ...

    async def close_account(
        self, portfolio: PortfolioId, waba: WabaId, until_ms: int, shut: Shut = NOTHING_SHUT
    ) -> None:
        """Close a WhatsApp Business Account, or categories of it, until then; 0 opens it."""
        ...


class Cancelled(StrEnum):
    """What became of a job that was to be cancelled; only what waits can be."""

    DONE = "cancelled"  # now, or before
    NO_JOB = ""
    IN_FLIGHT = "in_flight"
    IN_DOUBT = "in_doubt"
    REPEATING = "repeating"  # it was in doubt and waits to be written once more
    ENDED = "ended"
    UNFOUND = "unfound"  # it waits among too many to look through in one step


class Cancellation(Protocol):
    """Taking back single jobs; whole sources are taken back with Catalog.put_source."""

    async def cancel_job(self, portfolio: PortfolioId, key: JobKey) -> Cancelled:
        """End a job that waits as cancelled; its key stays known to its source."""
        ...


class Contents(Protocol):
    """What a source's jobs share, stored once per version, and who must not be written to."""

    async def put_content(self, portfolio: PortfolioId, source: str, body: bytes) -> int:
        """Store a new version of a source's message; return its number, from 1."""
        ...

    async def content(self, portfolio: PortfolioId, source: str, version: int) -> bytes:
        """Return one version; UnknownNameError when there is none."""
        ...

    async def suppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """Refuse sends of `category` (None: all) to this person from now on."""
        ...

    async def unsuppress(
        self, portfolio: PortfolioId, recipient: RecipientKey, category: Category | None
    ) -> None:
        """Take a suppression back."""
        ...
