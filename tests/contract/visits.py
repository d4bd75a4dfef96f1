"""What a run of random histories has to visit, and how each answer tells that it did."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from typing import Any

from engine.dead import DeadRow, WhyNot
from engine.model import Category, DeliveryStatus, Gate, JobKey, JobState
from engine.ports import FOREVER_MS, Cancelled
from engine.quiet import ZoneStanding
from tests.contract.histories import History
from tests.contract.outcomes import GATES_THAT_CLOSE

TRANSITIONS = (
    "queued > in_flight",
    "queued > accepted",
    "queued > cancelled",
    "waiting retry > in_flight",
    "waiting rate > in_flight",
    "waiting pair > in_flight",
    "waiting > cancelled",
    "in_flight > accepted",
    "in_flight > failed",
    "in_flight > queued",
    "in_flight > in_doubt",
    "in_flight > waiting retry",
    "in_flight > waiting rate",
    "in_flight > waiting pair",
    "in_flight > cancelled",
    "in_doubt > accepted",
    "in_doubt > failed",
    "in_doubt > queued",
    "in_doubt > waiting retry",
    "in_doubt > unknown",
)
REFUSING_GATES = (
    *(Gate.QUOTA, Gate.RATE, Gate.PAIR, Gate.ACCOUNT, Gate.SENDER),
    *(Gate.TEMPLATE, Gate.WINDOW, Gate.SUPPRESSION, Gate.SOURCE, Gate.SCHEDULE),
)
SHUTTING_GATES = (Gate.SENDER, Gate.ACCOUNT)
MUST_VISIT = (
    *TRANSITIONS,
    *(f"refused by {gate}" for gate in REFUSING_GATES),
    *(f"waiting {gate}" for gate in (Gate.SCHEDULE, Gate.RETRY, Gate.RATE, Gate.PAIR)),
    *(f"books {state}" for state in JobState),
    *(f"delivery {status}" for status in DeliveryStatus if status is not DeliveryStatus.NONE),
    *(f"closed {gate}" for gate in (Gate.RATE, *GATES_THAT_CLOSE)),
    *("Accepted", "Accepted held", "InDoubt", "Unwritten", "Retry", "Dropped", "Suppressed"),
    *(f"Deferred {gate}" for gate in (Gate.PAIR, Gate.RATE, Gate.RETRY, *GATES_THAT_CLOSE)),
    *("duplicate", "conflict", "batch refused full", "batch refused cancelled"),
    *("batch refused ended", "ended with its template", "place taken"),
    *("repointed", "not repointed: it runs"),
    *(f"place refused by {gate}" for gate in (Gate.QUOTA, Gate.PAIR, Gate.SENDER, Gate.TEMPLATE)),
    *("lost reply asked again", "jobs given again", "claim refused stale"),
    "claim refused recovering",
    *("doubted", "repeated", "unknown", "settled by evidence", "cancelled repeat"),
    *("a closing told again", "late outcome ignored", "again granted", "again refused", "debt"),
    *(f"cancel {became.name}" for became in Cancelled if became is not Cancelled.UNFOUND),
    "waiting retry > cancelled",
    *(f"zone {how}" for how in ("open", "shut until", "shut, nobody told")),
    *("expired behind a gate", "queued > unknown", "a walk through a lane"),
    *("dead kept", *(f"dead {why}" for why in WhyNot)),
    *(f"{category} asleep behind {gate}" for category in Category for gate in SHUTTING_GATES),
    *("a category woke", "a share for marketing"),
)


def missing(seen: Counter[str]) -> list[str]:
    """Return what a run should have visited and did not."""
    return [name for name in MUST_VISIT if not seen[name]]


class Visits:
    """What one history met, told by the answers both ledgers gave."""

    def __init__(self, history: History) -> None:
        self._history = history
        self._states: dict[JobKey, str] = {}
        self._shut: set[tuple[Gate, str]] = set()
        self.seen: Counter[str] = history.seen

    def note(self, kind: str, answer: Any) -> None:  # noqa: ANN401 (each kind has its own)
        """Note one step's answer, and hold the jobs it gave."""
        match kind:
            case "claim" | "stale" | "re-ask":
                self._note_claim(kind, answer[0])
            case "rescue":
                self._note_rescue(answer)
            case "settle":
                self._note_settle(answer)
            case "retold":
                self.seen["a closing told again"] += bool(answer.closed)
            case "receive":
                self.seen["settled by evidence"] += len(answer.settled)
                self.seen["cancelled repeat"] += len(answer.cancelled_repeats)
            case "again":
                self.seen["again refused" if answer.gate else "again granted"] += 1
            case "cancel_job":
                self.seen[f"cancel {answer.name}"] += 1
            case "take_place":
                gate = "recovering" if answer == "recovering" else answer.gate
                self.seen[f"place refused by {gate}" if gate else "place taken"] += 1
            case "enqueue":
                self._note_enqueue(answer[0])
            case _:
                self._note_template(kind, answer)

    def _note_template(self, kind: str, answer: Any) -> None:  # noqa: ANN401
        match kind:
            case "repoint":
                self.seen["repointed" if answer >= 0 else "not repointed: it runs"] += 1
            case "end_template":
                self.seen["ended with its template"] += sum(answer.values())
            case _:
                pass

    def note_state(self, key: JobKey, name: str) -> None:
        """Note where a job stands now; a change is a transition."""
        before = self._states.get(key, "queued")
        if before != name:
            self.seen[f"{before} > {name}"] += 1
            self.seen["waiting > cancelled"] += before[:7] == "waiting" and name == "cancelled"
        self._states[key] = name

    def note_books(self, counts: Any, quota: Any) -> None:  # noqa: ANN401
        """Note which states the books have shown."""
        self.seen["debt"] += quota.debt > 0
        for state in counts.states:
            self.seen[f"books {state}"] += 1
        for gate in counts.waiting:
            self.seen[f"waiting {gate}"] += 1
        for status in counts.delivery:
            self.seen[f"delivery {status}"] += 1

    def note_zones(self, zones: list[ZoneStanding]) -> None:
        """Note how zones with waiting jobs stand."""
        for each in zones:
            opens_ms = each.opens_at_ms or 0
            shut = "shut until" if opens_ms < FOREVER_MS else "shut, nobody told"
            self.seen[f"zone {shut if opens_ms else 'open'}"] += each.jobs > 0

    def note_dead(self, rows: Sequence[DeadRow]) -> None:
        """Note which failed jobs may be replayed, and why others may not."""
        for row in rows:
            self.seen[f"dead {row.why_not or 'kept'}"] += 1

    def note_shut(self, asleep: Collection[tuple[Gate, str]]) -> None:
        """Note behind which shut categories lanes sleep now, and which of them woke."""
        shut = {(gate, key) for gate, key in asleep if "|" in key and gate in SHUTTING_GATES}
        for gate, key in shut:
            self.seen[f"{key.rpartition('|')[2]} asleep behind {gate}"] += 1
        self.seen["a category woke"] += len(self._shut - shut)
        self._shut = shut

    def _note_claim(self, kind: str, answer: Any) -> None:  # noqa: ANN401
        if kind == "re-ask":
            self.seen["lost reply asked again"] += 1
            self.seen["jobs given again"] += len(answer.jobs)
        if answer.refused:
            self.seen[f"claim refused {answer.refused}"] += 1
        for refusal in answer.refusals:
            self.seen[f"refused by {refusal.gate}"] += refusal.count
        self._note_settle(answer)
        self._history.remember(answer.jobs)

    def _note_rescue(self, answer: Any) -> None:  # noqa: ANN401
        self.seen["doubted"] += len(answer.doubted)
        self.seen["repeated"] += len(answer.repeated)
        self.seen["unknown"] += len(answer.unknown)
        self.seen["expired behind a gate"] += len(answer.expired)
        self._history.repeated += answer.repeated
        its = (answer.doubted, answer.repeated, answer.unknown, answer.expired)
        self._history.touched = [key for keys in its for key in keys]

    def _note_settle(self, answer: Any) -> None:  # noqa: ANN401
        self.seen["late outcome ignored"] += len(answer.ignored)
        for gate, _ in answer.closed:
            self.seen[f"closed {gate}"] += 1
        for key, name in self._history.outcomes.items():
            if key not in answer.ignored:
                self.seen[name] += 1

    def _note_enqueue(self, answer: Any) -> None:  # noqa: ANN401
        self.seen["duplicate"] += sum(not known.conflict for known in answer.not_new)
        self.seen["conflict"] += sum(known.conflict for known in answer.not_new)
        if answer.refused:
            self.seen[f"batch refused {answer.refused}"] += 1
