"""What many depths and pulses come to: senders, gates, totals, errors and the pace."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from datetime import UTC, datetime
from typing import Final

from adapters.breath import breathe
from adapters.console.shapes import (
    Closed,
    ErrorShown,
    Pace,
    SenderShown,
    Totals,
    Waiting,
    WindowShown,
    moment,
)
from adapters.console.words import MEANINGS
from engine.books import Depth
from engine.directory import Directory, Sender
from engine.facts import of_sender
from engine.model import Gate, JobState
from engine.ports import FOREVER_MS
from engine.pulses import Pulse, errors_by_code, paces_per_s, rates_per_s
from engine.senders import (
    PAUSE,
    QUALITY,
    STATUS,
    UNGUARDED,
    QualityGuard,
    account_closures,
    sender_closures,
    value_of,
)

RATE_OVER_MS: Final = 10_000
PULSES_LATE_MS: Final = 2_500  # what a worker does now is told within so long
HISTORY_MS: Final = 600_000
STEP_MS: Final = 5_000
NAMED_MAX: Final = 5  # senders named beside a gate or a code
ERRORS_MAX: Final = 30


class Sums:
    """All depths of one picture, added up."""

    def __init__(
        self,
        directory: Directory,
        pulses: Sequence[Pulse],
        now_ms: int,
        guard: QualityGuard = UNGUARDED,
    ) -> None:
        self.totals = Totals()
        self._directory = directory
        self._guard = guard
        self._now_ms = now_ms
        until_ms = now_ms - PULSES_LATE_MS
        self._rates = rates_per_s(pulses, until_ms - RATE_OVER_MS, until_ms)
        self.totals.rate = sum(self._rates.values())
        self._senders: dict[str, SenderShown] = {}
        self._gates: dict[Gate, dict[str, int]] = {}  # gate -> sender -> jobs

    async def look_around(self) -> None:
        """Look at each sender first: what it is and what closes it."""
        for place, sender in enumerate(list(self._directory.senders.values())):
            self._senders[sender.id] = self._shown(sender)
            await breathe(place)

    def add(self, depth: Depth) -> None:
        """Add what one sender has to do."""
        shown = self._senders.get(depth.sender)
        self.totals.rate_limit += depth.rate_mps
        if shown is not None:
            shown.rate_limit = depth.rate_mps
            oldest_ms = min(depth.oldest_due_ms.values(), default=self._now_ms)
            shown.oldest_seconds = max(0, self._now_ms - oldest_ms) / 1_000
        for (_, word), jobs in depth.jobs.items():
            if isinstance(word, Gate):
                self.totals.waiting += jobs
                senders = self._gates.setdefault(word, {})
                senders[depth.sender] = senders.get(depth.sender, 0) + jobs
                if shown is not None:
                    shown.waiting[word.value] = shown.waiting.get(word.value, 0) + jobs
            else:
                _add_state(self.totals, word, jobs)
                if shown is not None:
                    _add_state(shown, word, jobs)

    def senders(self) -> list[SenderShown]:
        """Return all senders: those that need somebody first, then the busiest."""
        return sorted(self._senders.values(), key=_urgency)

    def waiting(self, windows: Sequence[WindowShown]) -> list[Waiting]:
        """Return the gates that hold jobs back, the most first."""
        rows: list[Waiting] = []
        for gate, senders in self._gates.items():
            most = sorted((name for name in senders if name), key=lambda name: -senders[name])
            rows.append(
                Waiting(
                    gate=gate.value,
                    jobs=sum(senders.values()),
                    meaning=MEANINGS[gate],
                    senders=[self._label(name) for name in most[:NAMED_MAX]],
                    until=self._opens(gate, most, windows),
                )
            )
        return sorted(rows, key=lambda row: -row.jobs)

    def _opens(
        self, gate: Gate, senders: Iterable[str], windows: Sequence[WindowShown]
    ) -> datetime | None:
        """Return the earliest moment at which a gate lets somebody through, where it is known."""
        if gate is Gate.QUOTA:
            moments = [each.next_free_at for each in windows if each.next_free_at is not None]
            return min(moments, default=None)
        ends = [
            closed.until
            for name in senders
            if name in self._senders
            for closed in self._senders[name].closed_by
            if closed.gate == gate.value and closed.until is not None
        ]
        return min(ends, default=None)

    def _label(self, sender: str) -> str:
        shown = self._senders.get(sender)
        return shown.label if shown else sender

    def _shown(self, sender: Sender) -> SenderShown:
        facts, label = self._directory.facts, sender.alias or sender.id
        closures = [
            *sender_closures(facts, sender.id, self._guard),
            *account_closures(facts, sender.waba_id),
        ]
        closed = [
            Closed(
                each.gate.value,
                each.aspect,
                each.sentence,
                moment(each.fact.until_ms),
                is_whole=each.is_whole,
            )
            for each in closures
            if each.fact.until_ms > self._now_ms
        ]
        pause = facts.get(of_sender(sender.id, PAUSE))
        return SenderShown(
            id=sender.id,
            label=label,
            portfolio=sender.portfolio_id,
            display_phone_number=sender.display_phone_number,
            rate=round(self._rates.get(label, 0.0), 2),
            rate_limit=sender.throughput,
            throughput=sender.throughput,
            quality=value_of(facts, of_sender(sender.id, QUALITY)) or "UNKNOWN",
            status=value_of(facts, of_sender(sender.id, STATUS)) or "UNKNOWN",
            closed_by=closed,
            is_paused=pause is not None and pause.until_ms >= FOREVER_MS,
        )


def error_rows(pulses: Sequence[Pulse], title_of: Callable[[str], str]) -> list[ErrorShown]:
    """Return Meta's codes of the last minutes, the most frequent first."""
    rows: list[ErrorShown] = []
    for code, senders in errors_by_code(pulses, 0).items():
        most = sorted(senders, key=lambda name: -senders[name])[:NAMED_MAX]
        rows.append(ErrorShown(code, title_of(code), sum(senders.values()), most))
    return sorted(rows, key=lambda row: -row.times)[:ERRORS_MAX]


def pace_of(pulses: Sequence[Pulse], now_ms: int) -> Pace:
    """Return the pace of the last minutes, without the moment that is not told yet."""
    until_ms = (now_ms - PULSES_LATE_MS) // STEP_MS * STEP_MS
    begin_ms = until_ms - HISTORY_MS
    accepted, others = paces_per_s(pulses, begin_ms, STEP_MS, HISTORY_MS // STEP_MS)
    return Pace(
        begin=datetime.fromtimestamp(begin_ms / 1_000, UTC),
        step_seconds=STEP_MS / 1_000,
        accepted=[round(each, 2) for each in accepted],
        others=[round(each, 2) for each in others],
    )


def _add_state(to: Totals | SenderShown, state: JobState, jobs: int) -> None:
    match state:
        case JobState.QUEUED:
            to.queued += jobs
        case JobState.IN_FLIGHT:
            to.in_flight += jobs
        case JobState.IN_DOUBT:
            to.in_doubt += jobs
        case _:
            pass  # a ledger tells nothing else of jobs that have not ended


def _urgency(sender: SenderShown) -> tuple[bool, bool, float, int, str]:
    has_work = sender.queued + sum(sender.waiting.values()) + sender.in_doubt
    return (not sender.closed_by, not sender.in_doubt, -sender.rate, -has_work, sender.label)
