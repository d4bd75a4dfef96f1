"""An event loop whose clock jumps to the next timer: weeks pass in seconds, the same each time."""

from __future__ import annotations

import asyncio
import math
import selectors
from collections.abc import Callable, Coroutine
from typing import TypeVar

T = TypeVar("T")

START_MS = 1_800_000_000_000  # a moment in 2027: virtual epochs look like real ones


class DeadlockError(RuntimeError):
    """Every task waits, and no timer is set: nothing would ever happen again."""


class _JumpingSelector(selectors.SelectSelector):
    """Waits for nothing: the clock moves instead, by whole microseconds."""

    now_us = 0

    def select(self, timeout: float | None = None) -> list[tuple[selectors.SelectorKey, int]]:
        if timeout is None:
            raise DeadlockError("every task waits, and no timer is set")
        # Rounded up, or a timer a fraction of a microsecond away would never be reached.
        self.now_us += math.ceil(max(timeout, 0.0) * 1_000_000)
        return []


class VirtualTimeLoop(asyncio.SelectorEventLoop):
    """asyncio.sleep, timeouts and tenacity follow this clock; real I/O must not be used on it."""

    def __init__(self) -> None:
        self._jumping = _JumpingSelector()
        super().__init__(self._jumping)
        # Whole microseconds: with a finer one, floats would stall the loop after some months.
        self._clock_resolution = 1e-6

    def time(self) -> float:
        """Return seconds since the loop was made."""
        return self._jumping.now_us / 1_000_000

    def now_us(self) -> int:
        """Return microseconds since the epoch."""
        return START_MS * 1_000 + self._jumping.now_us

    def now_ms(self) -> int:
        """Return milliseconds since the epoch."""
        return START_MS + self._jumping.now_us // 1_000


def run_virtual(main: Callable[[VirtualTimeLoop], Coroutine[None, None, T]]) -> T:
    """Run `main(loop)` to its end in virtual time and return what it returns."""
    loop = VirtualTimeLoop()
    try:
        return loop.run_until_complete(main(loop))
    finally:
        loop.run_until_complete(loop.shutdown_asyncgens())
        loop.close()
