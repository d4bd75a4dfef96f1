"""The judges of pace: throughput of a number, and the rate towards one person."""

from __future__ import annotations

from collections import deque

SECOND_MS = 1_000
RETRY_BASE = 4  # wait 4^X seconds after the X+1st 131056: M/about-the-platform


class Throughput:
    """One number's messages in any sliding second, at arrival; inbound counts too (M/throughput).

    The half-open second `(t - 1000, t]` holds at most `allowed` messages. Refused messages count
    for the peak the report shows, not for the level: else a client could never get back below it.
    """

    def __init__(self) -> None:
        self.peak = 0
        self._arrivals: deque[int] = deque()
        self._level: deque[int] = deque()

    def admits(self, at_ms: int, allowed: int) -> bool:
        """Count one message that arrived and return whether it is within the level."""
        edge_ms = at_ms - SECOND_MS
        arrivals, level = self._arrivals, self._level
        arrivals.append(at_ms)
        while arrivals[0] <= edge_ms:
            arrivals.popleft()
        self.peak = max(self.peak, len(arrivals))
        while level and level[0] <= edge_ms:
            level.popleft()
        if len(level) >= allowed:
            return False
        level.append(at_ms)
        return True


class PairPace:
    """One message per span to the same person, a burst borrowed from the future (131056).

    `repaid` is Meta's page by its example (a burst of 20 waits about 2 minutes): up to `burst`
    messages within one span of the first, and then nothing before all of them are paid for.
    `bucket` is the gentler reading: `burst` tokens, one more each span. Memory is two generations
    of the recipients seen, each as long as the longest debt can last.
    """

    def __init__(self, every_ms: int, burst: int, slack_ms: int, *, is_bucket: bool) -> None:
        self._every_ms = every_ms
        self._burst = burst
        self._slack_ms = slack_ms
        self._is_bucket = is_bucket
        self._young: dict[str, int] = {}
        self._old: dict[str, int] = {}
        self._turned_at_ms = 0

    def admits(self, recipient: str, at_ms: int) -> bool:
        """Return whether one more message may go to the recipient now; counts nothing."""
        return self._next(recipient, at_ms) is not None

    def count(self, recipient: str, at_ms: int) -> None:
        """Count one accepted message."""
        state = self._next(recipient, at_ms)
        if state is None:  # accepted although it breaks the rule: the scenario only records
            state = self._started(at_ms, 1)
        if at_ms - self._turned_at_ms > self._every_ms * self._burst + self._slack_ms:
            self._old, self._young, self._turned_at_ms = self._young, {}, at_ms
        self._young[recipient] = state

    def _started(self, at_ms: int, number: int) -> int:
        """Return the state of `number` messages since `at_ms`, or the bucket's next-free moment."""
        if self._is_bucket:
            return at_ms + self._every_ms
        return at_ms * (self._burst + 1) + number

    def _next(self, recipient: str, at_ms: int) -> int | None:
        """Return the state after one more message, or None when it may not go."""
        state = self._young.get(recipient)
        if state is None:
            state = self._old.get(recipient)
            if state is None:
                return self._started(at_ms, 1)
        if self._is_bucket:
            free_at_ms = max(state, at_ms) + self._every_ms
            room_ms = self._every_ms * self._burst + self._slack_ms
            return free_at_ms if free_at_ms - at_ms <= room_ms else None
        started_at_ms, number = divmod(state, self._burst + 1)
        if at_ms >= started_at_ms + self._every_ms * number - self._slack_ms:
            return self._started(at_ms, 1)
        if at_ms < started_at_ms + self._every_ms and number < self._burst:
            return state + 1
        return None


class RetryPace:
    """After 131056 the same message waits 4^X seconds, X counting its failures from 0."""

    def __init__(self) -> None:
        self.refused: dict[int, tuple[int, int]] = {}

    def admits(self, message: int, at_ms: int) -> bool:
        """Return whether a message refused before has waited long enough, or never was refused."""
        entry = self.refused.get(message)
        if entry is None:
            return True
        failures, refused_at_ms = entry
        wait_ms: int = RETRY_BASE ** (failures - 1) * SECOND_MS
        return at_ms - refused_at_ms >= wait_ms

    def refuse(self, message: int, at_ms: int) -> None:
        """Note one more 131056 for the message."""
        failures = self.refused.get(message, (0, 0))[0]
        self.refused[message] = (failures + 1, at_ms)

    def accept(self, message: int) -> None:
        """Forget a message that went through."""
        self.refused.pop(message, None)
