"""The proof that no window held more than its limit, from the outcome log alone.

It shares no code with the ledger: a judge that borrows the defendant's book proves nothing.
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final

import msgspec

DAY_S: Final = 86_400
KNOWN_WITHIN_MS: Final = (
    60_000  # a change of the limit may be logged so much later than it was made
)
VIOLATIONS_MAX: Final = 100  # told one by one
ADMITS: Final = frozenset({"accepted", "in_doubt", "unknown"})
GIVES_BACK: Final = frozenset({"failed", "retry", "deferred", "unwritten", "undelivered"})
ARRIVES: Final = frozenset({"delivered", "read"})
STATUSES: Final = frozenset({"held", "sent", *ARRIVES})  # the first one may come before the answer
NOBODYS: Final = "0.0"  # the job of a status that is about no job of ours
UNLIMITED: Final = -1


class Line(msgspec.Struct):
    """What is read of one line; `docs/operations.md` tells what else there is."""

    at: datetime
    portfolio: str
    transition: str
    job: str = ""
    sender: str = ""
    recipient: str = ""
    counted: bool | None = None
    limit: int = UNLIMITED
    scope: str = "portfolio"
    window_seconds: float = DAY_S


class LogError(ValueError):
    """A file is no outcome log; the message says where."""


@dataclass(slots=True)
class Violation:
    """One admission that a full window should have refused."""

    at: str
    job: str
    used: int
    limit: int


@dataclass(slots=True)
class Verdict:
    """What is proven of one window: a portfolio's, or one number's."""

    window: str
    admitted: int = 0  # sends to people who were not counted before
    limit: int = UNLIMITED  # the last one
    peak: int = 0
    debt: int = 0  # most people at once whom only late news brought in
    violations: int = 0
    shown: list[Violation] = field(default_factory=list[Violation])


@dataclass(slots=True)
class _Window:
    verdict: Verdict
    marks: dict[str, dict[str, int]] = field(default_factory=dict[str, dict[str, int]])
    ends: list[tuple[int, str, str]] = field(default_factory=list[tuple[int, str, str]])
    late: set[str] = field(default_factory=set[str])

    def put(self, recipient: str, job: str, at_ms: int) -> None:
        """Count a person from `at_ms` on, for what a job did."""
        jobs = self.marks.setdefault(recipient, {})
        if at_ms > jobs.get(job, -1):
            jobs[job] = at_ms
            heapq.heappush(self.ends, (at_ms, recipient, job))

    def take(self, recipient: str, job: str) -> None:
        """Count a person no more for what a job did not do."""
        jobs = self.marks.get(recipient, {})
        jobs.pop(job, None)
        if not jobs:
            self.marks.pop(recipient, None)
            self.late.discard(recipient)

    def prune(self, until_ms: int) -> None:
        """Forget what is a window old; a send exactly that long ago no longer counts."""
        while self.ends and self.ends[0][0] <= until_ms:
            at_ms, recipient, job = heapq.heappop(self.ends)
            if self.marks.get(recipient, {}).get(job) == at_ms:
                self.take(recipient, job)


class LogProof:
    """Reads a portfolio's log line by line, in the order in which the ledger wrote it."""

    def __init__(self, limit: int | None = None, window_s: float = DAY_S) -> None:
        self._stated = limit
        self._window_ms = round(window_s * 1_000)
        self._now_ms = 0
        self._limits: list[tuple[int, int]] = []  # since when, in order
        self._scope = "portfolio"
        self._windows: dict[str, _Window] = {}
        self._seen: set[str] = {NOBODYS}  # jobs that were admitted
        self.lines = 0

    def learn(self, lines: Iterable[bytes], name: str) -> None:
        """Take the limits from a file, before the files are read: they may be logged late."""
        for number, raw in enumerate(lines, start=1):
            if b'"limit"' not in raw:
                continue
            line = _read(raw, name, number)
            if line.transition == "limit":
                self._limits.append((_ms(line.at), line.limit))
                self._scope = line.scope
                self._window_ms = round(line.window_seconds * 1_000)
        self._limits.sort(key=lambda known: known[0])

    @property
    def knows_a_limit(self) -> bool:
        """Return whether there is anything to hold the windows against."""
        return self._stated is not None or bool(self._limits)

    def read(self, lines: Iterable[bytes], name: str) -> None:
        """Follow one file; LogError names the line that cannot be read."""
        for number, raw in enumerate(lines, start=1):
            line = _read(raw, name, number)
            self.lines += 1
            if line.recipient:
                self._follow(line)

    def verdicts(self) -> list[Verdict]:
        """Return what was found of each window."""
        return [self._windows[name].verdict for name in sorted(self._windows)]

    def _follow(self, line: Line) -> None:
        at_ms = _ms(line.at)
        self._now_ms = max(self._now_ms, at_ms)
        window = self._window(line)
        window.prune(self._now_ms - self._window_ms)
        if line.transition in GIVES_BACK:
            window.take(line.recipient, line.job)
        elif line.counted and self._admits(line):
            self._seen.add(line.job)
            self._admit(window, line, at_ms)
        elif line.counted and line.transition in ARRIVES:
            if line.recipient not in window.marks:
                window.late.add(line.recipient)
                window.verdict.debt = max(window.verdict.debt, len(window.late))
            window.put(line.recipient, line.job, at_ms)
            window.prune(self._now_ms - self._window_ms)

    def _admits(self, line: Line) -> bool:
        """Return whether a line is the first that tells of a job's place, or moves it."""
        is_first = line.transition in STATUSES and line.job not in self._seen
        return is_first or line.transition in ADMITS

    def _admit(self, window: _Window, line: Line, at_ms: int) -> None:
        verdict, is_known = window.verdict, line.recipient in window.marks
        if line.transition == "unknown" and line.job in window.marks.get(line.recipient, {}):
            return  # it counts since its doubt began
        window.put(line.recipient, line.job, at_ms)
        if is_known:
            return
        verdict.admitted += 1
        used, limit = len(window.marks) - len(window.late), self._limit(at_ms)
        verdict.peak, verdict.limit = max(verdict.peak, used), limit
        if limit != UNLIMITED and used > limit:
            verdict.violations += 1
            if len(verdict.shown) < VIOLATIONS_MAX:
                verdict.shown.append(Violation(line.at.isoformat(), line.job, used, limit))

    def _limit(self, at_ms: int) -> int:
        """Return the highest limit that may have been known when the send was admitted."""
        if self._stated is not None:
            return self._stated
        since = [limit for known_ms, limit in self._limits if known_ms <= at_ms - KNOWN_WITHIN_MS]
        near = [
            limit for known_ms, limit in self._limits if abs(known_ms - at_ms) < KNOWN_WITHIN_MS
        ]
        possible = (since[-1:] + near) or [self._limits[0][1]]
        return UNLIMITED if UNLIMITED in possible else max(possible)

    def _window(self, line: Line) -> _Window:
        name = line.sender if self._scope == "phone_number" else line.portfolio
        if name not in self._windows:
            self._windows[name] = _Window(Verdict(name))
        return self._windows[name]


def _read(raw: bytes, name: str, number: int) -> Line:
    try:
        return msgspec.json.decode(raw, type=Line)
    except msgspec.DecodeError as error:
        raise LogError(f"{name} line {number} is no line of an outcome log: {error}") from error


def _ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1_000)
