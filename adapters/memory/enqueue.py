"""Jobs come in: known ones are named, new ones get the next places in their lane."""

from __future__ import annotations

from adapters.memory.records import Job, LaneState, SourceStateOf
from adapters.memory.slot import Slot
from engine.contents import WHOLE
from engine.model import Gate, JobKey, JobState, Lane, Row, SourceState
from engine.ports import Batch, Enqueued, NotNew, SourceSpec
from engine.quota import DAY_MS
from engine.terms import TEMPLATE_OVER


def enqueue(slot: Slot, batch: Batch, now_ms: int) -> Enqueued:
    """Queue the new rows of a batch."""
    source = slot.sources.get(batch.lane.source)
    if source is None:
        source = slot.sources[batch.lane.source] = SourceStateOf(SourceSpec())
    refused = _refused(slot, source, batch)
    if refused:
        due_ms = slot.next_due_ms(now_ms)
        return Enqueued(0, 0, 0, [], refused, slot.sequence, due_ms)
    lane = _lane(slot, batch.lane)
    first, not_new = lane.last + 1, []
    for index, row in enumerate(batch.rows):
        known = source.seen.get(row.dedupe) if row.dedupe else None
        if known is not None and _is_remembered(batch, row, known[2], now_ms):
            key, fingerprint, _ = known
            conflict = bool(row.fingerprint) and fingerprint != row.fingerprint
            not_new.append(NotNew(index, key if row.fingerprint else None, conflict))
            continue
        if batch.once_each and row.recipient in source.seen:
            not_new.append(NotNew(index, None, conflict=False))
            continue
        if 0 < batch.rows_max <= source.enqueued:
            not_new.append(NotNew(index, None, conflict=False, over=True))
            continue
        append(slot, source, lane, row, now_ms, once_each=batch.once_each)
    slot.sequence += 1
    slot.wake(lane, now_ms)
    lane.at_ms = now_ms
    accepted = len(batch.rows) - len(not_new)
    if batch.tally:
        slot.tallies[batch.tally] = slot.tallies.get(batch.tally, 0) + accepted
    # A lane asleep is due to nobody, and yet its jobs may expire.
    due_ms = min(slot.next_due_ms(now_ms), max(now_ms, slot.expiring.first_ms()))
    return Enqueued(lane.number, first, accepted, not_new, "", slot.sequence, due_ms)


def _is_remembered(batch: Batch, row: Row, day: int, now_ms: int) -> bool:
    """Return whether a known key still counts: a campaign's for good, others for the next day."""
    if not row.fingerprint or batch.lane.source.startswith("campaign:"):
        return True
    return day >= now_ms // DAY_MS - 1


def _refused(slot: Slot, source: SourceStateOf, batch: Batch) -> str:
    if source.spec.state is SourceState.CANCELLED:
        return "cancelled"
    spec = slot.templates.get(batch.lane.template)
    if spec is not None and spec.status in TEMPLATE_OVER:
        return "ended"
    most = slot.terms.queue_max
    if most and waiting_jobs(slot) + len(batch.rows) > most:
        return "full"
    is_stale = bool(batch.rows) and 0 < batch.rows[0].content < min(source.version, WHOLE)
    return "stale" if is_stale else ""


def waiting_jobs(slot: Slot) -> int:
    """Return how many jobs of a portfolio have not ended."""
    enqueued = sum(source.enqueued for source in slot.sources.values())
    ended = (JobState.ACCEPTED, JobState.FAILED, JobState.EXPIRED, JobState.CANCELLED)
    ends = (*ended, JobState.SUPPRESSED, JobState.UNKNOWN)
    return enqueued - sum(
        source.states.get(state, 0) for source in slot.sources.values() for state in ends
    )


def _lane(slot: Slot, lane: Lane) -> LaneState:
    number = slot.lane_numbers.get(lane)
    if number is None:
        number = slot.last_lane + 1
        slot.add_lane(LaneState(number, lane))
    return slot.lanes[number]


def append(
    slot: Slot,
    source: SourceStateOf,
    lane: LaneState,
    row: Row,
    now_ms: int,
    *,
    once_each: bool = False,
) -> None:
    """Give a row the next place in its lane; `once_each`: its person is known from now on."""
    lane.last += 1
    key = JobKey(lane.number, lane.last)
    due_ms = max(row.not_before_ms, now_ms)
    job = Job(key, row.recipient, row.tail, row.content, row.repeats_max, row.expires_at_ms, due_ms)
    if row.dedupe:
        source.seen[row.dedupe] = (key, row.fingerprint, now_ms // DAY_MS)
    if once_each:
        source.seen.setdefault(row.recipient, (key, b"", now_ms // DAY_MS))
    source.enqueued += 1
    if row.not_before_ms > now_ms:
        slot.delay(job, row.not_before_ms, Gate.SCHEDULE)
    else:
        lane.queue.append(job)
        slot.note_expiry(lane, slot.expires_ms(job))
