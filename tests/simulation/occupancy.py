"""How full the limit was while somebody waited for a place: the measure of invariant I7."""

from __future__ import annotations

from dataclasses import dataclass, field

from engine.books import Quota


@dataclass(slots=True)
class Occupancy:
    """Sums the occupied share over the time in which an admissible job waits."""

    is_hungry: bool = False
    hungry_ms: int = 0
    filled_ms: float = 0.0
    gaps_ms: list[int] = field(default_factory=list)  # from a place's end to its next use
    _at_ms: int = 0
    _last: Quota | None = None

    def sample(self, now_ms: int, quota: Quota) -> None:
        """Account for the time since the last sample; between two, only expiries happen."""
        if self._last is not None and self.is_hungry and self._last.limit > 0:
            self._account(self._last, now_ms)
        self._at_ms, self._last = now_ms, quota

    def _account(self, last: Quota, now_ms: int) -> None:
        length_ms = now_ms - self._at_ms
        used = min(last.used, last.limit)
        free_ms = 0
        if last.next_free_at_ms is not None and last.used >= last.limit:
            free_ms = max(0, now_ms - max(last.next_free_at_ms, self._at_ms))
            if free_ms or now_ms == last.next_free_at_ms:
                self.gaps_ms.append(free_ms)
        self.hungry_ms += length_ms
        self.filled_ms += (length_ms * used - free_ms) / last.limit

    @property
    def share(self) -> float:
        """The occupied share of the limit, averaged over the hungry time."""
        return self.filled_ms / self.hungry_ms if self.hungry_ms else 1.0

    def gap_ms(self, share: float) -> int:
        """The gap that `share` of all freed places did not exceed."""
        ordered = sorted(self.gaps_ms)
        return ordered[min(len(ordered) - 1, int(len(ordered) * share))] if ordered else 0
