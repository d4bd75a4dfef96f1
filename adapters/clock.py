"""The one clock: in step with the ledger's, never backwards, deaf to jumps of the machine's own."""

from __future__ import annotations

import time
from collections.abc import Awaitable, Callable

SLOW_US = 250_000  # a sample that took longer tells too little; the next one will do

TimeOf = Callable[[], Awaitable[int]]  # microseconds since the epoch, of the ledger's machine


class Clock:
    """Microseconds since the epoch as the ledger's machine counts them.

    Between two samples it follows the monotonic clock, so that a step of the wall clock moves
    nothing. When a sample says that it is ahead, it stands still until it is not.
    """

    def __init__(self) -> None:
        self._offset_us = time.time_ns() // 1_000 - time.monotonic_ns() // 1_000
        self._last_us = 0

    def now_us(self) -> int:
        """Return this moment in microseconds."""
        now_us = time.monotonic_ns() // 1_000 + self._offset_us
        if now_us < self._last_us:
            return self._last_us
        self._last_us = now_us
        return now_us

    def now_ms(self) -> int:
        """Return this moment in milliseconds."""
        return self.now_us() // 1_000

    async def follow(self, time_of: TimeOf) -> int:
        """Take one sample of the ledger's clock; return how far we were off, in microseconds."""
        before_us = time.monotonic_ns() // 1_000
        theirs_us = await time_of()
        after_us = time.monotonic_ns() // 1_000
        if after_us - before_us > SLOW_US:
            return 0
        offset_us = theirs_us - (before_us + after_us) // 2
        off_us, self._offset_us = offset_us - self._offset_us, offset_us
        return off_us
