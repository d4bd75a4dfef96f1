"""A recount of more jobs than one step may hold: bucket by bucket, while the ledger goes on.

The books are read before and after. Jobs that have not ended are recounted in the same step as the
books and must agree exactly, both times. Ends are recounted between: of a source that stood still
meanwhile each kind must agree exactly; of another one as many must be there as had ended before,
and no more than have ended after. Memory holds a few numbers of each source.
"""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from typing import Final

from adapters.redis.scripts import Argument, Reply

BUCKETS_AT_ONCE: Final = 8  # steps of one round trip: other calls come between them
ENDS: Final = frozenset(
    f"s:{name}" for name in ("accepted", "failed", "expired", "suppressed", "unknown")
)
LIVE: Final = frozenset({"s:in_flight", "s:in_doubt"})

Run = Callable[[str, Sequence[Sequence[Argument]]], Awaitable[Sequence[Reply]]]


@dataclass(slots=True)
class _Source:
    """A source's books, and what its jobs say that have not ended."""

    queued: int
    books: dict[str, int]
    live: dict[str, int]

    def lines(self, name: str) -> list[str]:
        """Return what is wrong with it as it stands."""
        lines: list[str] = []
        for word in sorted(self.books.keys() | self.live.keys()):
            told, seen = self.books.get(word, 0), self.live.get(word, 0)
            if (word.startswith("w:") or word in LIVE) and seen != told:
                lines.append(f"{name}: {word} {told}, recount {seen}")
        states = (told for word, told in self.books.items() if word.startswith(("s:", "w:")))
        total, enqueued = self.queued + sum(states), self.books.get("enqueued", 0)
        if total != enqueued:
            lines.append(f"{name}: enqueued {enqueued}, states add up to {total}")
        return lines

    @property
    def ends(self) -> dict[str, int]:
        """Return what its books say of ended jobs; that they were cancelled, their source says."""
        return {
            word: told
            for word, told in self.books.items()
            if told and (word in ENDS or word.startswith("d:"))
        }

    @property
    def ended(self) -> int:
        """Return how many of its jobs have ended in a way that each of them tells."""
        return sum(told for word, told in self.books.items() if word in ENDS)


@dataclass(slots=True)
class _Standing:
    """All books at one moment."""

    is_complete: bool
    sources: dict[str, _Source]
    buckets: list[tuple[int, int]]
    lines: list[str]


@dataclass(slots=True)
class _Ends:
    """What the kept ends of a source say."""

    seen: dict[str, int] = field(default_factory=dict[str, int])
    has_gap: bool = False


async def recount(run: Run) -> list[str]:
    """Return what does not agree, best nothing; `run` calls a script, once for each argument list.

    LedgerError when the ledger cannot answer.
    """
    before = await _standing(run)
    ends: dict[str, _Ends] = {}
    places = [(lane, at) for lane, count in before.buckets for at in range(count)]
    for start in range(0, len(places), BUCKETS_AT_ONCE):
        for reply in await run("audit_ends", places[start : start + BUCKETS_AT_ONCE]):
            if reply:
                _add(ends.setdefault(reply[0].decode(), _Ends()), reply)
    after = await _standing(run)
    lines = [*before.lines, *after.lines]
    for name, now in after.sources.items():
        was = before.sources.get(name)
        lines += now.lines(name)
        if was is not None:
            lines += was.lines(name)
            forgets = not (before.is_complete and after.is_complete)
            lines += _ends_lines(name, was, now, ends.get(name, _Ends()), forgets=forgets)
    return sorted(set(lines))


async def _standing(run: Run) -> _Standing:
    [(complete, sources, lanes, lines)] = await run("audit_books", [[]])
    return _Standing(
        bool(complete),
        {
            sources[at].decode(): _Source(
                sources[at + 1], _numbers(sources[at + 2]), _numbers(sources[at + 3])
            )
            for at in range(0, len(sources), 4)
        },
        [(lanes[at], lanes[at + 1]) for at in range(0, len(lanes), 2)],
        [line.decode() for line in lines],
    )


def _numbers(flat: Sequence[Reply]) -> dict[str, int]:
    return {flat[at].decode(): int(flat[at + 1]) for at in range(0, len(flat), 2)}


def _add(ends: _Ends, reply: Sequence[Reply]) -> None:
    ends.has_gap = ends.has_gap or bool(reply[1])
    for word, number in _numbers(reply[2:]).items():
        ends.seen[word] = ends.seen.get(word, 0) + number


def _ends_lines(name: str, was: _Source, now: _Source, ends: _Ends, *, forgets: bool) -> list[str]:
    """Return what is wrong with the ends of a source.

    Where some are no longer kept, fewer than the books have is what one must expect.
    """
    may_be_less = forgets or ends.has_gap
    lines: list[str] = []
    if was.ends == now.ends:
        for word in sorted(now.ends.keys() | (ends.seen.keys() - {"s:cancelled"})):
            told, seen = now.ends.get(word, 0), ends.seen.get(word, 0)
            if seen != told and not (may_be_less and seen < told):
                lines.append(f"{name}: {word} {told}, recount {seen}")
        return lines
    seen = sum(number for word, number in ends.seen.items() if word in ENDS)
    if seen > now.ended or (seen < was.ended and not may_be_less):
        lines.append(f"{name}: {was.ended} to {now.ended} jobs have ended, recount {seen}")
    return lines
