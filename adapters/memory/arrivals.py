"""Which messages came in lately, with nothing behind it, for tests."""

from __future__ import annotations

from collections.abc import Sequence

from engine.inbound import HEARD_MS, Arrival


class MemoryArrivals:
    """See engine.inbound.Arrivals."""

    def __init__(self) -> None:
        self._heard_ms: dict[Arrival, int] = {}

    async def new(self, arrivals: Sequence[Arrival], now_ms: int) -> list[bool]:
        """See Arrivals.new."""
        known = {name: at for name, at in self._heard_ms.items() if at > now_ms - HEARD_MS}
        found: list[bool] = []
        for arrival in arrivals:
            found.append(arrival not in known)
            known.setdefault(arrival, now_ms)
        self._heard_ms = known
        return found
