"""What happened, as values in the past tense; whoever listens counts, logs or forwards them.

Facts about single messages come in batches, so that listening costs a few integers a message.
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass

from engine.facts import Fact
from engine.model import Gate, JobKey, Lane, PortfolioId
from engine.outcomes import Outcome
from engine.ports import Claimed, Receipt, Refusals

Journey = tuple[Claimed, Outcome, int, int]  # job, its end, when it was sent, how long it took (µs)


@dataclass(slots=True)
class JobsEnqueued:
    """A batch was queued; `refused` says why nothing of it was."""

    portfolio: PortfolioId
    lane: Lane
    accepted: int
    duplicates: int
    conflicts: int
    refused: str = ""


@dataclass(slots=True)
class JobsClaimed:
    """The ledger answered a wish; `refused` is its reason to give nothing."""

    portfolio: PortfolioId
    jobs: list[Claimed]
    refusals: list[Refusals]
    refused: str
    took_us: int  # of the whole call, which may have served other portfolios too


@dataclass(slots=True)
class JobsSettled:
    """Outcomes were recorded; `ignored` are keys whose outcome changed nothing."""

    portfolio: PortfolioId
    journeys: list[Journey]
    ignored: list[JobKey]
    took_us: int


@dataclass(slots=True)
class JobsRescued:
    """Leases ran out and became doubts; doubts ran out and were repeated or ended as unknown."""

    portfolio: PortfolioId
    doubted: list[JobKey]
    repeated: list[JobKey]
    unknown: list[JobKey]


@dataclass(slots=True)
class StatusesReceived:
    """Webhook statuses were folded into their jobs and the window."""

    portfolio: PortfolioId
    receipts: list[Receipt]
    settled: list[JobKey]
    cancelled_repeats: list[JobKey]


@dataclass(slots=True)
class StatusesForeign:
    """Statuses of phone numbers that belong to no portfolio we know were left alone."""

    count: int


@dataclass(slots=True)
class GateClosed:
    """An answer of Meta closed a gate for everybody who shares its key.

    `causes` are the answers of one batch that closed such gates; whose account a sender is in, and
    so which of them closed this one, the registry knows.
    """

    portfolio: PortfolioId
    gate: Gate
    key: str
    causes: tuple[Journey, ...] = ()


@dataclass(slots=True)
class FactChanged:
    """Something about a number, an account or a portfolio is not as it was."""

    fact: Fact
    before: Fact | None


@dataclass(slots=True)
class QuickRetried:
    """A write that surely was not accepted was repeated at once, `times` times."""

    portfolio: PortfolioId
    job: Claimed
    times: int
    outcome: Outcome


@dataclass(slots=True)
class JobBroke:
    """One job met an error of ours; it was settled as `outcome` and the loop went on."""

    portfolio: PortfolioId
    job: Claimed
    outcome: Outcome
    error: Exception


@dataclass(slots=True)
class LedgerFailed:
    """The ledger did not answer `call`; it is asked again after `wait_ms`."""

    portfolio: PortfolioId
    call: str
    error: Exception
    wait_ms: int


@dataclass(slots=True)
class SettlementGivenUp:
    """An outcome could not be recorded for a reason that will not pass; its lease will run out."""

    portfolio: PortfolioId
    key: JobKey
    attempt: int
    error: Exception


@dataclass(slots=True)
class LoopFailed:
    """A loop met an error of ours and was started again."""

    loop: str
    error: Exception


@dataclass(slots=True)
class PoolDrained:
    """The pool stopped: jobs given back unwritten, sends cut off, outcomes nobody recorded."""

    returned: int
    doubted: int
    unrecorded: int


Event = (
    JobsEnqueued
    | JobsClaimed
    | JobsSettled
    | JobsRescued
    | StatusesReceived
    | StatusesForeign
    | GateClosed
    | FactChanged
    | QuickRetried
    | JobBroke
    | LedgerFailed
    | SettlementGivenUp
    | LoopFailed
    | PoolDrained
)

Emit = Callable[[Event], None]


def guarded(emit: Emit) -> Emit:
    """Return an `emit` that never raises: a listener's fault must not become a job's."""

    def tell(event: Event) -> None:
        with suppress(Exception):
            emit(event)

    return tell
