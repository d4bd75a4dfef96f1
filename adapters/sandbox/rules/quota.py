"""The quota judge: how many different recipients any moving window held, exactly.

M/messaging-limits (2026-05-08): unique users a business can deliver to, outside a customer service
window, within a moving period. The sandbox counts a recipient from the last acceptance (and, where
the scenario says so, delivery) for one whole window: at `t` a mark made at `s` counts while
`t - window < s <= t`. That is the strictest reading, and the exact one of "in any window".
"""

from __future__ import annotations

from collections import deque

UNLIMITED = -1


class QuotaWindow:
    """The marks of one portfolio (or number), the limit, and the fullest moment seen.

    `reuse_ms` is measured so: once the window has been full, every mark that leaves it opens one
    place at the exact moment `mark + window`, whenever that is noticed (and a message that failed
    after all opens one at its failure). An acceptance of a
    recipient who is not in the window takes the place that has been open longest, and the
    measure is its arrival minus that place's opening. Places that were never taken before the
    window was first full, or since the limit last changed, are not measured, nor those that
    somebody takes who was in the window before: he comes when he comes, and did not wait for a
    place. It includes the client's own guard, and says something about the client only while
    work is waiting.
    """

    def __init__(self, limit: int, window_ms: int) -> None:
        self.limit = limit
        self.fullest = 0
        self.fullest_limit = limit
        self.fullest_at_ms = 0
        self.excess_max = 0
        self.unique_ever: set[str] = set()
        self.reuse_ms: list[int] = []
        self._window_ms = window_ms
        self._marks: dict[str, int] = {}
        self._queue: deque[tuple[int, str]] = deque()
        self._open_places: deque[int] = deque()
        self._void: set[tuple[str, int]] = set()
        self._was_full = False
        self._former_limit = limit
        self._told_at_ms: int | None = 0

    def used(self, at_ms: int) -> int:
        """Return how many recipients the window ending at `at_ms` holds."""
        self._expire(at_ms)
        return len(self._marks)

    def holds(self, recipient: str, at_ms: int) -> bool:
        """Return whether the recipient is counted already and costs nothing more."""
        self._expire(at_ms)
        return recipient in self._marks

    def is_full(self, at_ms: int) -> bool:
        """Return whether one more recipient would exceed the limit in force."""
        return self.limit != UNLIMITED and self.used(at_ms) >= self.limit

    def is_over_lawful(self, at_ms: int, grace_ms: int) -> bool:
        """Return whether one more recipient exceeds what the client had to know."""
        lawful = self.lawful_limit(at_ms, grace_ms)
        return lawful != UNLIMITED and self.used(at_ms) >= lawful

    def lawful_limit(self, at_ms: int, grace_ms: int) -> int:
        """Return the limit the client must keep: a lowered one only once told, and grace."""
        if self._told_at_ms is not None and at_ms > self._told_at_ms + grace_ms:
            return self.limit
        if UNLIMITED in {self.limit, self._former_limit}:
            return UNLIMITED
        return max(self.limit, self._former_limit)

    def assume(self, limit: int) -> None:
        """Take another limit; the client has not heard of it yet."""
        lawful = self.limit
        if self._told_at_ms is None and UNLIMITED in {self._former_limit, self.limit}:
            lawful = UNLIMITED  # two changes before anybody heard of the first
        elif self._told_at_ms is None:
            lawful = max(self._former_limit, self.limit)
        self._former_limit = lawful
        self.limit = limit
        self._told_at_ms = None
        self._was_full = limit != UNLIMITED and len(self._marks) >= limit
        self._open_places.clear()

    def tell(self, at_ms: int) -> None:
        """Note that the client knows the limit now; only the first time counts."""
        if self._told_at_ms is None:
            self._told_at_ms = at_ms

    def count(self, recipient: str, at_ms: int, lawful_limit: int) -> int | None:
        """Mark an accepted recipient, remember the fullest moment, and return the mark before."""
        self._expire(at_ms)
        former_ms = self._marks.get(recipient)
        if former_ms is None:
            if self._open_places:
                open_ms = at_ms - self._open_places.popleft()
                if recipient not in self.unique_ever:
                    self.reuse_ms.append(open_ms)
            self.unique_ever.add(recipient)
        self._marks[recipient] = at_ms
        self._queue.append((at_ms, recipient))
        self._remember(at_ms, lawful_limit)
        return former_ms

    def withdraw(self, recipient: str, mark_ms: int, former_ms: int | None, at_ms: int) -> None:
        """Take back the mark of a message that failed after all; what others prove stays."""
        self._expire(at_ms)
        if self._marks.get(recipient) != mark_ms:
            self._void.add((recipient, mark_ms))
            return
        if (
            former_ms is not None
            and former_ms > at_ms - self._window_ms
            and (recipient, former_ms) not in self._void
        ):
            # Its entry is still queued while it is in the window, and expires there.
            self._marks[recipient] = former_ms
            return
        del self._marks[recipient]
        self._open_place(at_ms)

    def move(self, recipient: str, at_ms: int) -> None:
        """Move a mark to the moment of delivery; one that had left comes back as debt."""
        self._expire(at_ms)
        self._marks[recipient] = at_ms
        self._queue.append((at_ms, recipient))
        if self.limit != UNLIMITED and len(self._marks) >= self.limit:
            self._was_full = True
            self._open_places.clear()

    def _remember(self, at_ms: int, lawful_limit: int) -> None:
        """Keep the fullest moment and the worst excess."""
        used = len(self._marks)
        if used > self.fullest:
            self.fullest, self.fullest_limit, self.fullest_at_ms = used, lawful_limit, at_ms
        if lawful_limit != UNLIMITED and used > lawful_limit + self.excess_max:
            self.excess_max = used - lawful_limit
        if self.limit != UNLIMITED and used >= self.limit:
            self._was_full = True
            self._open_places.clear()

    def _expire(self, at_ms: int) -> None:
        """Let the marks go that left the window by `at_ms`, noting when each place opened."""
        queue, edge_ms = self._queue, at_ms - self._window_ms
        while queue and queue[0][0] <= edge_ms:
            mark_ms, recipient = queue.popleft()
            if self._marks.get(recipient) != mark_ms:
                continue  # a later mark of the same recipient still counts
            del self._marks[recipient]
            self._open_place(mark_ms + self._window_ms)

    def _open_place(self, at_ms: int) -> None:
        """Note that a place fell free, if it is one the measure speaks of."""
        if self._was_full and self.limit != UNLIMITED and len(self._marks) < self.limit:
            self._open_places.append(at_ms)
