"""What the engine has been told of the world, in books of the judge's own."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from tests.simulation.judge import Judge

FOREVER_MS = 9_000_000_000_000
UNLIMITED = 10**9


@dataclass(frozen=True, slots=True)
class News:
    """One aspect of a gate, when it became so, and until when it closes; 0 is open."""

    at_ms: int
    until_ms: int


@dataclass
class KnownWorld:
    """Of each aspect the newest news counts; of one moment the stricter.

    A gate is open when no aspect of it closes. Limits and rates are kept alike.
    """

    judge: Judge
    now_ms: Callable[[], int]
    later: Callable[[int, Callable[[], None]], None]  # at a moment, do this
    aspects: dict[tuple[str, str], News] = field(default_factory=dict[tuple[str, str], News])
    limit_at_ms: int = 0
    qualities: dict[str, tuple[int, str]] = field(default_factory=dict[str, tuple[int, str]])

    def told(self, gate: str, aspect: str, at_ms: int, until_ms: int) -> None:
        """Take news of a gate, in whatever order it comes."""
        known = self.aspects.get((gate, aspect))
        news = News(at_ms, until_ms)
        if known is not None and (known.at_ms, known.until_ms) >= (news.at_ms, news.until_ms):
            self.judge.seen.add("old_news")
            return
        self.aspects[(gate, aspect)] = news
        if until_ms:
            self.judge.seen.add(f"closed_{aspect}")
        self._tell(gate)
        if self.now_ms() < until_ms < FOREVER_MS:
            # A moment early: whoever waits for its end may be woken first in that very millisecond.
            self.later(until_ms - 1, lambda: self._tell(gate, until_ms))

    def is_open(self, gate: str, at_ms: int = 0) -> bool:
        """Return whether nothing that was told closes a gate now, or at a moment."""
        closing = [news for (name, _), news in self.aspects.items() if name == gate]
        return all(news.until_ms <= (at_ms or self.now_ms()) for news in closing)

    def _tell(self, gate: str, at_ms: int = 0) -> None:
        self.judge.told(gate, self.now_ms(), is_open=self.is_open(gate, at_ms))

    def told_limit(self, places: int, at_ms: int) -> None:
        """Take news of the limit."""
        if at_ms >= self.limit_at_ms:
            self.limit_at_ms = at_ms
            self.judge.told_limit(self.now_ms(), UNLIMITED if places < 0 else places)

    def told_quality(self, sender: str, quality: str, at_ms: int, mps: int) -> None:
        """Take news of a number's quality, and what rate that leaves it."""
        known_ms, _ = self.qualities.get(sender, (0, ""))
        if at_ms >= known_ms:
            self.qualities[sender] = (at_ms, quality)
            self.judge.told_rate(sender, self.now_ms(), mps)
            self.judge.seen.add(f"quality_{quality}")
