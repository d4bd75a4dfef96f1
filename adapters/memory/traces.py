"""The traces of jobs, for one process."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from engine.model import JobKey, PortfolioId


class MemoryTraces:
    """See engine.tracing.Traces."""

    def __init__(self) -> None:
        self._kept: dict[tuple[PortfolioId, JobKey], bytes] = {}

    async def keep(self, portfolio: PortfolioId, traces: Mapping[JobKey, bytes]) -> None:
        """See Traces.keep."""
        for key, trace in traces.items():
            self._kept.setdefault((portfolio, key), trace)

    async def of(self, portfolio: PortfolioId, jobs: Sequence[JobKey]) -> dict[JobKey, bytes]:
        """See Traces.of."""
        found = {key: self._kept.get((portfolio, key), b"") for key in jobs}
        return {key: trace for key, trace in found.items() if trace}
