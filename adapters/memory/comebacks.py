"""When the next of the jobs that wait alone comes back, gate by gate."""

from __future__ import annotations

from typing import Any

from engine.model import Gate, PortfolioId


class MemoryComebacks:
    """See engine.books.Comebacks."""

    def __init__(self, ledger: Any) -> None:  # noqa: ANN401 (a MemoryLedger, or one with walls)
        self._ledger = ledger

    async def next_ms(
        self, portfolio: PortfolioId, source: str = "", sender: str = ""
    ) -> dict[Gate, int]:
        """See Comebacks.next_ms."""
        slot, _ = self._ledger.slot(portfolio)
        first: dict[Gate, int] = {}
        for key, (_, gate) in slot.later.items():
            lane = slot.lanes[key.lane].lane
            if source in ("", lane.source) and sender in ("", lane.sender):
                moment_ms = slot.later_at.moment(str(key))
                first[gate] = min(first.get(gate, moment_ms), moment_ms)
        return first
