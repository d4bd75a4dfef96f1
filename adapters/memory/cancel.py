"""End one job that waits, unless a byte of it may have left already; or all of a lane."""

from __future__ import annotations

from adapters.memory.records import Job, LaneState
from adapters.memory.slot import Slot
from engine.model import JobKey, JobState
from engine.ports import Cancelled


def cancel(slot: Slot, key: JobKey) -> Cancelled:
    """End a waiting job as cancelled; what is or was under way stays as it is."""
    if key.lane not in slot.lanes or not 0 < key.sequence <= slot.lane_of(key).last:
        return Cancelled.NO_JOB
    if (done := slot.done.get(key)) is not None:
        return Cancelled.DONE if done.state is JobState.CANCELLED else Cancelled.ENDED
    if (opened := slot.open.get(key)) is not None:
        return Cancelled.IN_DOUBT if opened.doubted else Cancelled.IN_FLIGHT
    if key in slot.repeating:
        return Cancelled.REPEATING
    lane = slot.lane_of(key)
    job = _take_out(slot, lane, key)
    if job is None:
        return Cancelled.DONE if slot.is_cancelled(key) else Cancelled.ENDED
    slot.end(job, JobState.CANCELLED)
    slot.sequence += 1
    return Cancelled.DONE


def _take_out(slot: Slot, lane: LaneState, key: JobKey) -> Job | None:
    """Take a job out of where it waits; None when it waits nowhere."""
    if key in slot.later:
        job, gate = slot.later.pop(key)
        slot.later_at.drop(str(key))
        slot.count_waiting(key, gate, -1)
        return job
    for waiting in (lane.queue, lane.parked):
        found = next((job for job in waiting if job.key == key), None)
        if found is not None:
            waiting.remove(found)
            if not lane.queue:
                slot.leave_ring(lane)
            if not lane.parked:
                slot.leave_wait(lane)
            return found
    return None


def cancel_waiting(slot: Slot, lane: LaneState) -> int:
    """End all jobs that wait in a lane; return how many. Those kept aside end in their time."""
    slot.leave_ring(lane)
    slot.leave_wait(lane)
    waiting = len(lane.queue) + len(lane.parked) - lane.ghosts
    states = slot.source_of(lane).states
    states[JobState.CANCELLED] = states.get(JobState.CANCELLED, 0) + waiting
    for job in (*lane.queue, *lane.parked):
        slot.repeating.discard(job.key)
    lane.queue.clear()
    lane.parked.clear()
    lane.ghosts = 0
    return waiting
