"""Who is next: stride scheduling between lanes, and a small sure share for those below."""

from __future__ import annotations

from bisect import bisect_left, insort

STRIDE = 1_000_000  # a lane of weight 1 pays this for one job
SHARE_EVERY = 20  # one send in this many is offered to a lower priority first


class Ring:
    """Lanes by what they have used: the one that used least, then the oldest, is next."""

    def __init__(self) -> None:
        self._order: list[tuple[int, int]] = []  # (pass, lane number)
        self._pass: dict[int, int] = {}

    def __len__(self) -> int:
        return len(self._order)

    def __contains__(self, lane: int) -> bool:
        return lane in self._pass

    def first(self) -> int | None:
        """Return the lane to serve next; None when there is none."""
        return self._order[0][1] if self._order else None

    def lanes(self) -> list[int]:
        """Return all lanes, the next one first."""
        return [lane for _, lane in self._order]

    def enter(self, lane: int, passed: int) -> None:
        """Let `lane` in; it gets no credit for having slept, and no penalty."""
        if lane in self._pass:
            return
        least = self._order[0][0] if self._order else 0
        self._put(lane, max(passed, least))

    def charge(self, lane: int, weight: int, siblings: int = 1) -> None:
        """Charge `lane` for one job; `siblings` lanes of one source share its weight.

        Alone in the ring it owes nobody, and is charged nothing.
        """
        if len(self._order) == 1:
            return
        passed = self.leave(lane)
        self._put(lane, passed + STRIDE * siblings // weight)

    def leave(self, lane: int) -> int:
        """Take `lane` out and return what it has used."""
        passed = self._pass.pop(lane)
        del self._order[bisect_left(self._order, (passed, lane))]
        return passed

    def _put(self, lane: int, passed: int) -> None:
        self._pass[lane] = passed
        insort(self._order, (passed, lane))
