"""Dead letters: jobs that failed for good, and what they may be replayed with."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum
from hashlib import blake2b
from typing import Final, Protocol

from engine.model import JobKey, Lane, PortfolioId

DEAD_MAX: Final = 10_000  # rows kept in one portfolio; the oldest give way


class WhyNot(StrEnum):
    """Why a job cannot be replayed."""

    NO_JOB = "no_job"  # or it ended so long ago that nobody knows it
    NOT_FAILED = "not_failed"
    REACHED = "reached"  # what came after its failure proves that it may have been taken
    NOT_KEPT = "not_kept"  # a campaign's row, or one that gave way to newer ones


@dataclass(frozen=True, slots=True)
class DeadRow:
    """One job as it was queued, or why it cannot be replayed."""

    key: JobKey
    lane: Lane | None = None  # None where nobody knows it
    tail: bytes = b""
    repeats_max: int = 0
    expires_at_ms: int = 0
    why_not: WhyNot | None = None


@dataclass(frozen=True, slots=True)
class Links:
    """The jobs that one is tied to."""

    replayed_as: JobKey | None = None
    replays: JobKey | None = None


class DeadRows(Protocol):
    """The rows of jobs that failed for good, kept by the same step that ended them.

    All raise LedgerError when the store cannot answer.
    """

    async def read(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> list[DeadRow]:
        """Return what these jobs may be replayed with, in their order."""
        ...

    async def replayed(self, portfolio: PortfolioId, jobs: Mapping[JobKey, JobKey]) -> None:
        """Forget the rows of jobs that were replayed, and note as which jobs."""
        ...

    async def links(self, portfolio: PortfolioId, job: JobKey) -> Links:
        """Return which job replayed this one, and which it replays."""
        ...


def replay_key(job: JobKey) -> bytes:
    """Return how a replay is known to its source: by the job that failed; each is one job."""
    return blake2b(str(job).encode(), digest_size=8, person=b"replay").digest()
