"""Stop writing for a sender while nothing comes back: an outage must not turn everything to doubt.

Five consecutive failures within ten seconds open it; every five seconds one
letter probes. So an outage costs at most the letters in flight, five, and the probes.
"""

from dataclasses import dataclass
from typing import Final

TROUBLE_MAX: Final = 5  # consecutive failures that open it
TROUBLE_WITHIN_MS: Final = 10_000
OPEN_FOR_MS: Final = 5_000  # then one letter probes
LONG_AGO_MS: Final = 1  # open, and the next letter may probe


@dataclass(slots=True)
class Breaker:
    """One sender's road to one host."""

    trouble: int = 0  # consecutive failures; 0 on every healthy road
    since_ms: int = 0  # of the first of them
    open_until_ms: int = 0  # 0: closed; otherwise when the next letter may probe

    def refuses_until_ms(self, now_ms: int) -> int:
        """Return until when nothing may be written, or 0 when this letter may (as the probe)."""
        if not self.open_until_ms:
            return 0
        if now_ms < self.open_until_ms:
            return max(self.open_until_ms, now_ms + OPEN_FOR_MS)
        self.open_until_ms = now_ms + OPEN_FOR_MS  # a probe that never ends holds up nothing
        return 0

    def note_trouble(self, now_ms: int) -> None:
        """Count a letter that got no answer from Meta itself."""
        if not self.trouble or now_ms - self.since_ms > TROUBLE_WITHIN_MS:
            self.trouble, self.since_ms = 0, now_ms
        self.trouble += 1
        if self.open_until_ms or self.trouble >= TROUBLE_MAX:
            self.open_until_ms = now_ms + OPEN_FOR_MS

    def note_unwritten(self) -> None:
        """Take a probe back that never left: another letter may probe."""
        self.open_until_ms = min(self.open_until_ms, LONG_AGO_MS)

    def note_answer(self) -> None:
        """Close it: Meta itself answered, whatever it said."""
        self.trouble = 0
        self.open_until_ms = 0
