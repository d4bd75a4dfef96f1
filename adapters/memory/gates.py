"""The gates of a single job: may it go now, and where does it wait when it may not."""

from __future__ import annotations

from adapters.memory.records import Job, LaneState
from adapters.memory.slot import Slot
from adapters.memory.under_way import Claim
from engine.borders import BEGIN_MAX, BORDER_CODE, is_behind, sides
from engine.inbound import WINDOW_CLOSED_CODE
from engine.model import Gate, JobState
from engine.pace import NOTHING_SPENT, PAIR_INTERVAL_MS, PairSpent, pair_ready_at_ms
from engine.quota import may_enter


def examine(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the job's own gates let it go; where not, it has been put where it belongs."""
    slot, now_ms = under_way.slot, under_way.now_ms
    off = slot.terms.gates_off
    if job.repeats and not _may_repeat(under_way, lane, job):
        return False
    if 0 < slot.expires_ms(job) <= now_ms and Gate.SCHEDULE not in off:
        return _end(under_way, job, JobState.EXPIRED)
    if (code := suppression(slot, lane, job, now_ms)) is not None:
        under_way.refuse(lane.lane.sender, Gate.SUPPRESSION)
        return _end(under_way, job, JobState.SUPPRESSED, code)
    if not lane.lane.template and Gate.WINDOW not in off and not in_window(under_way, lane, job):
        under_way.refuse(lane.lane.sender, Gate.WINDOW)
        return _end(under_way, job, JobState.FAILED, WINDOW_CLOSED_CODE)
    ready_ms = pair_ready_at_ms(pair_spent(under_way, lane, job), now_ms)
    if ready_ms > now_ms and Gate.PAIR not in off:
        under_way.refuse(lane.lane.sender, Gate.PAIR)
        slot.delay(job, ready_ms, Gate.PAIR)
        return False
    return True


def _may_repeat(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether a copy that follows a doubt may still be written."""
    slot = under_way.slot
    if job.key not in slot.repeating:
        lane.ghosts -= 1
        return False
    return job.repeats <= slot.repeats_max(job) or _end(under_way, job, JobState.UNKNOWN)


def _end(under_way: Claim, job: Job, state: JobState, code: int = 0) -> bool:
    under_way.slot.repeating.discard(job.key)
    under_way.slot.end(job, state, code=code)
    return False


def suppression(slot: Slot, lane: LaneState, job: Job, now_ms: int) -> int | None:
    """Return Meta's number for why the person is not written to, 0 without one; None: may be."""
    if Gate.SUPPRESSION in slot.terms.gates_off:
        return None
    if _is_suppressed(slot, lane, job):
        return 0
    return BORDER_CODE if _is_behind_border(slot, lane, job, now_ms) else None


def _is_suppressed(slot: Slot, lane: LaneState, job: Job) -> bool:
    """Return whether the person asked not to be written to, by all or by the lane's category."""
    category = slot.category(lane.lane)
    return bool({(job.recipient, ""), (job.recipient, category.value)} & slot.suppressed)


def _is_behind_border(slot: Slot, lane: LaneState, job: Job, now_ms: int) -> bool:
    """Return whether the person lives where the sender's account may not write to."""
    sender = slot.senders.get(lane.lane.sender)
    borders = slot.borders.get(sender.spec.waba, ()) if sender else ()
    return bool(borders) and is_behind(
        sides(borders, now_ms), job.tail[:BEGIN_MAX].decode("ascii", "replace")
    )


def in_window(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the person's service window stays open for the guard longer."""
    slot = under_way.slot
    until_ms = slot.service_windows.get((lane.lane.sender, job.recipient), 0)
    return until_ms > under_way.now_ms + slot.terms.guard_ms


def pair_spent(under_way: Claim, lane: LaneState, job: Job) -> PairSpent:
    """Return what the pair still owes, as far as the last sends tell."""
    slot, now_ms = under_way.slot, under_way.now_ms
    known = slot.pairs.get((lane.lane.sender, job.recipient), NOTHING_SPENT)
    if known.is_owed(now_ms):
        return known
    window = slot.window(slot.scope(lane.lane.sender))
    if not window.counts(job.recipient, now_ms):
        return NOTHING_SPENT
    last_ms = min(window.scores[job.recipient], now_ms)
    return PairSpent(last_ms + PAIR_INTERVAL_MS, 1)


def has_place(under_way: Claim, lane: LaneState, job: Job) -> bool:
    """Return whether the limit allows one more send to this person."""
    slot, now_ms = under_way.slot, under_way.now_ms
    if Gate.QUOTA in slot.terms.gates_off or in_window(under_way, lane, job):
        return True
    scope = slot.scope(lane.lane.sender)
    limit = slot.limit(scope)
    return may_enter(
        counted=slot.window(scope).counts(job.recipient, now_ms),
        used=under_way.taken(scope),
        ceiling=limit.ceiling(lane.lane.priority),
        places=limit.places,
        priority=lane.lane.priority,
    )
