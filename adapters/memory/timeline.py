"""Things by the moment they are due, as a sorted set has them."""

from __future__ import annotations

from bisect import bisect_left, insort

from engine.ports import FOREVER_MS


class Timeline:
    """Things by the moment they are due; ties go by name, as a sorted set has it."""

    def __init__(self) -> None:
        self._moments: dict[str, int] = {}
        self._order: list[tuple[int, str]] = []

    def __contains__(self, name: str) -> bool:
        return name in self._moments

    def put(self, name: str, at_ms: int) -> None:
        """Make `name` due at `at_ms`, whatever it was before."""
        self.drop(name)
        self._moments[name] = at_ms
        insort(self._order, (at_ms, name))

    def sooner(self, name: str, at_ms: int) -> None:
        """Make `name` due at `at_ms` unless it is due before."""
        if self._moments.get(name, FOREVER_MS + 1) > at_ms:
            self.put(name, at_ms)

    def drop(self, name: str) -> None:
        """Forget `name`."""
        at_ms = self._moments.pop(name, None)
        if at_ms is not None:
            del self._order[bisect_left(self._order, (at_ms, name))]

    def moment(self, name: str) -> int:
        """Return when `name` is due; KeyError when it is not."""
        return self._moments[name]

    def is_due(self, name: str, now_ms: int) -> bool:
        """Return whether `name` is due at `now_ms`."""
        return self._moments.get(name, FOREVER_MS) <= now_ms

    def first_ms(self) -> int:
        """Return when the next one is due; FOREVER_MS when there is none."""
        return self._order[0][0] if self._order else FOREVER_MS

    def due(self, now_ms: int, most: int) -> list[str]:
        """Return up to `most` names due at `now_ms`, the earliest first."""
        names: list[str] = []
        for at_ms, name in self._order[:most]:
            if at_ms > now_ms:
                break
            names.append(name)
        return names

    def names(self) -> set[str]:
        """Return all names."""
        return set(self._moments)
