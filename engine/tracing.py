"""Callers' traces go where their jobs went, and are kept beside them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Protocol

from engine.errors import InvalidJobError, LedgerError
from engine.events import Emit, LedgerFailed
from engine.model import JobKey, PortfolioId


class Traces(Protocol):
    """The traces of jobs, beside the ledger: a job that brings none costs nothing anywhere.

    All raise LedgerError when the store cannot answer.
    """

    async def keep(self, portfolio: PortfolioId, traces: Mapping[JobKey, bytes]) -> None:
        """Keep the traces of jobs; the first that a job came with stays."""
        ...

    async def of(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> dict[JobKey, bytes]:
        """Return the traces of those that have one."""
        ...


class Traced(Protocol):
    """A job as it was asked for."""

    @property
    def trace(self) -> bytes:
        """Return its caller's trace, packed; empty for none."""
        ...


class Placed(Protocol):
    """What became of it at the door."""

    @property
    def portfolio(self) -> PortfolioId | None:
        """Return where it is."""
        ...

    @property
    def key(self) -> JobKey | None:
        """Return which job it is."""
        ...

    @property
    def errors(self) -> list[InvalidJobError]:
        """Return why it is none."""
        ...


async def keep_traces(
    traces: Traces | None, jobs: Sequence[Traced], results: Sequence[Placed], emit: Emit
) -> None:
    """Keep the traces of what is queued; a store that is away is told, and takes no job back."""
    found: dict[PortfolioId, dict[JobKey, bytes]] = {}
    for job, result in zip(jobs, results, strict=True):
        is_queued = result.portfolio is not None and not result.errors
        if job.trace and is_queued and result.portfolio is not None and result.key is not None:
            found.setdefault(result.portfolio, {})[result.key] = job.trace
    for portfolio, its in found.items():
        try:
            if traces is not None:
                await traces.keep(portfolio, its)
        except LedgerError as error:
            emit(LedgerFailed(portfolio, "traces", error, 0))
