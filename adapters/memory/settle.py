"""Outcomes come back: leases end, places are kept or given back, gates close where Meta says so."""

from __future__ import annotations

from typing import assert_never

from adapters.memory.gates import suppression
from adapters.memory.records import Job, LaneState, Open
from adapters.memory.retold import retold
from adapters.memory.slot import Slot
from engine.inbound import disproves
from engine.model import Category, DeliveryStatus, Gate, JobKey, JobState, RecipientKey
from engine.outcomes import (
    Accepted,
    Deferred,
    Dropped,
    InDoubt,
    Outcome,
    Retry,
    Suppressed,
    Unwritten,
    misfit,
)
from engine.pace import NEVER_REFUSED, NOTHING_SPENT, PAIR_BURST, PAIR_SLACK_MS, PairSpent
from engine.ports import Again, Settled, Settlement
from engine.terms import ANSWER_HOLDS_MS, STRIKES_MAX

ALONE = (Gate.RATE, Gate.RETRY)  # behind these a deferred job waits aside, and the others go on


def settle(slot: Slot, settlements: list[Settlement], now_ms: int) -> Settled:
    """Record a batch of outcomes."""
    answer = Settled([], [])
    for settlement in settlements:
        opened = slot.open.get(settlement.key)
        if opened is None or opened.job.fence != settlement.attempt:
            _take_as_evidence(slot, settlement, now_ms)
            closed = retold(slot, settlement, now_ms)
            if closed is not None and closed not in answer.closed:
                answer.closed.append(closed)
            answer.ignored.append(settlement.key)
        else:
            _apply(slot, opened, settlement.outcome, now_ms, answer)
    slot.sequence += 1
    slot.call_waiters(now_ms)
    answer.sequence = slot.sequence
    answer.due_at_ms = slot.next_due_ms(now_ms)
    return answer


def _apply(slot: Slot, opened: Open, outcome: Outcome, now_ms: int, answer: Settled) -> None:
    lane = slot.lane_of(opened.job.key)
    match outcome:
        case Accepted():
            accept(slot, opened, now_ms, outcome.wamid, held=outcome.held)
            slot.strikes.pop((lane.lane.sender, lane.lane.template), None)
        case InDoubt():
            if not opened.doubted:
                doubt(slot, opened, now_ms, now_ms)
        case Unwritten():
            slot.put_back(close(slot, opened, now_ms), now_ms)
        case Retry():
            _retry(slot, close(slot, opened, now_ms), outcome)
        case Deferred():
            sent_at_ms = opened.since_ms - slot.terms.lease_ms
            _defer(slot, close(slot, opened, now_ms), outcome, sent_at_ms, now_ms, answer)
        case Dropped():
            job = close(slot, opened, now_ms)
            slot.keep_dead(job)
            slot.end(job, JobState.FAILED, code=outcome.code).wamid = misfit(outcome)
            disprove_window(slot, job.key, job.recipient, outcome.code, now_ms)
            if outcome.strikes:
                _strike(slot, lane, answer)
        case Suppressed():
            slot.end(close(slot, opened, now_ms), JobState.SUPPRESSED, code=outcome.code)
        case _:
            assert_never(outcome)


def accept(slot: Slot, opened: Open, mark_ms: int, wamid: str, *, held: bool = False) -> None:
    """End a job as accepted: its place is kept, counted from `mark_ms`."""
    proof_ms = mark_ms if opened.counted else 0
    job = close(slot, opened, mark_ms, proof_ms=proof_ms)
    done = slot.end(job, JobState.ACCEPTED, mark_ms=proof_ms)
    done.wamid = wamid
    if held:
        done.delivery = DeliveryStatus.HELD
        slot.count_delivery(job.key, DeliveryStatus.NONE, DeliveryStatus.HELD)


def close(slot: Slot, opened: Open, now_ms: int, proof_ms: int = 0) -> Job:
    """End a lease or a doubt: its hold gives way to `proof_ms` (0: to nothing)."""
    job = opened.job
    if opened.hold_ms:
        window = slot.window(slot.scope(slot.lane_of(job.key).lane.sender))
        window.replace(job.recipient, opened.hold_ms, proof_ms, now_ms)
    del slot.open[job.key]
    slot.doubts.drop(str(job.key))
    slot.count(job.key, JobState.IN_DOUBT if opened.doubted else JobState.IN_FLIGHT, -1)
    return job


def doubt(slot: Slot, opened: Open, since_ms: int, now_ms: int) -> None:
    """Turn a lease into a doubt: counted from the last moment the message may have been taken."""
    job = opened.job
    lane = slot.lane_of(job.key)
    if opened.counted:
        window = slot.window(slot.scope(lane.lane.sender))
        window.replace(job.recipient, opened.since_ms, since_ms, now_ms)
    opened.since_ms = since_ms
    opened.doubted = True
    wait_ms = slot.terms.doubt_ms[slot.category(lane.lane)]
    slot.doubts.put(str(job.key), since_ms + wait_ms)
    slot.count(job.key, JobState.IN_FLIGHT, -1)
    slot.count(job.key, JobState.IN_DOUBT, 1)


def disprove_window(
    slot: Slot, key: JobKey, recipient: RecipientKey, code: int, at_ms: int
) -> None:
    """Close a person's service window where Meta refused a message because it was closed."""
    pair = (slot.lane_of(key).lane.sender, recipient)
    until_ms = slot.service_windows.get(pair, 0)
    if disproves(code, at_ms, until_ms):
        slot.service_windows.pop(pair, None)


def _retry(slot: Slot, job: Job, outcome: Retry) -> None:
    job.failures += 1
    late = 0 < slot.expires_ms(job) <= outcome.until_ms
    if job.failures >= slot.terms.attempts_max or late:
        slot.keep_dead(job)
        slot.end(job, JobState.FAILED, code=outcome.code)
    else:
        slot.delay(job, outcome.until_ms, Gate.RETRY)


def _defer(
    slot: Slot, job: Job, outcome: Deferred, sent_at_ms: int, now_ms: int, answer: Settled
) -> None:
    lane = slot.lane_of(job.key)
    sender = slot.senders[lane.lane.sender]
    if outcome.gate is Gate.PAIR:
        pair = (lane.lane.sender, job.recipient)
        window = slot.window(slot.scope(lane.lane.sender))
        accepted_ms = window.score(job.recipient, now_ms)
        refused = slot.pair_waits.get(pair, NEVER_REFUSED).again(accepted_ms, now_ms)
        slot.pair_waits[pair] = refused
        wait_ms = 0 if Gate.RETRY in slot.terms.gates_off else refused.wait_ms
        until_ms = max(outcome.until_ms, now_ms + wait_ms)
        owed = PairSpent(until_ms - PAIR_SLACK_MS, PAIR_BURST)
        slot.pairs[pair] = max(slot.pairs.get(pair, NOTHING_SPENT), owed)
        slot.delay(job, until_ms, Gate.PAIR)
        return
    if outcome.gate is Gate.RATE and sender.slots.learn_down(sent_at_ms, now_ms):
        answer.closed.append((Gate.RATE, lane.lane.sender))
    if outcome.gate in ALONE:
        slot.delay(job, outcome.until_ms, outcome.gate)
        return
    key = _close_gate(slot, lane, outcome, now_ms)
    if key:
        answer.closed.append((outcome.gate, key))
    slot.put_back(job, now_ms)


def _close_gate(slot: Slot, lane: LaneState, outcome: Deferred, now_ms: int) -> str:
    """Close the gate an outcome names; return its key when that is news."""
    sender = slot.senders[lane.lane.sender]
    if outcome.gate is Gate.ACCOUNT:
        waba = sender.spec.waba
        is_news = slot.accounts.get(waba, 0) < outcome.until_ms
        slot.accounts[waba] = max(slot.accounts.get(waba, 0), outcome.until_ms)
        if is_news:
            slot.answered[Gate.ACCOUNT, waba] = now_ms + ANSWER_HOLDS_MS
        return waba if is_news else ""
    if outcome.gate is Gate.TEMPLATE:
        pair = (lane.lane.sender, lane.lane.template)
        is_news = pair not in slot.struck
        slot.struck.add(pair)
        return f"{pair[0]}|{pair[1]}" if is_news else ""
    is_news = sender.closed_until_ms < outcome.until_ms
    sender.closed_until_ms = max(sender.closed_until_ms, outcome.until_ms)
    if is_news:
        slot.answered[Gate.SENDER, lane.lane.sender] = now_ms + ANSWER_HOLDS_MS
    return lane.lane.sender if is_news else ""


def _strike(slot: Slot, lane: LaneState, answer: Settled) -> None:
    """Count an unknown code; the fifth in a row parks the sender's template."""
    pair = (lane.lane.sender, lane.lane.template)
    slot.strikes[pair] = slot.strikes.get(pair, 0) + 1
    if slot.strikes[pair] >= STRIKES_MAX and pair not in slot.struck and pair[1]:
        slot.struck.add(pair)
        answer.closed.append((Gate.TEMPLATE, f"{pair[0]}|{pair[1]}"))


def _take_as_evidence(slot: Slot, settlement: Settlement, now_ms: int) -> None:
    """Let an outcome that comes after its lease prove what it can, and move nothing backwards."""
    outcome = settlement.outcome
    if not isinstance(outcome, Accepted):
        return
    opened = slot.open.get(settlement.key)
    if opened is not None:  # an earlier copy was taken: a later one is not needed any more
        accept(slot, opened, now_ms, outcome.wamid, held=outcome.held)
        return
    done = slot.done.get(settlement.key)
    if done is not None:
        done.wamid = done.wamid or outcome.wamid
    elif settlement.key in slot.repeating:
        cancel_repeat(slot, settlement.key, outcome.wamid)


def cancel_repeat(slot: Slot, key: JobKey, wamid: str) -> None:
    """End a job that waits for a repeat: its first copy was accepted after all."""
    slot.repeating.discard(key)
    lane = slot.lane_of(key)
    if key in slot.later:
        job, gate = slot.later.pop(key)
        slot.later_at.drop(str(key))
        slot.count_waiting(key, gate, -1)
    else:
        job = next(job for job in (*lane.queue, *lane.parked) if job.key == key)
        lane.ghosts += 1
    done = slot.end(job, JobState.ACCEPTED, mark_ms=0)
    done.wamid = wamid


def again(slot: Slot, key: JobKey, attempt: int, now_ms: int) -> Again:
    """Give a leased job a new send time, if its gates are still open."""
    opened = slot.open.get(key)
    if opened is None or opened.doubted or opened.job.fence != attempt:
        return Again(gate=Gate.SOURCE, sequence=slot.sequence)
    lane = slot.lane_of(key)
    gate = closed_now(slot, lane, opened.job, now_ms)
    if gate is not None:
        return Again(gate=gate, sequence=slot.sequence)
    slot.sequence += 1
    is_marketing = slot.category(lane.lane) is Category.MARKETING
    slots = slot.senders[lane.lane.sender].slots
    send_at_us = slots.take_again_us(now_ms, is_marketing=is_marketing)
    return Again(send_at_us, attempt, None, slot.sequence)


def closed_now(slot: Slot, lane: LaneState, job: Job, now_ms: int) -> Gate | None:
    """Return the gate that closed since the job was claimed; None when all are open."""
    gate = slot.closed_gate(lane.lane)
    closed = gate or slot.sender_closed_until(lane.lane.sender, now_ms)
    if closed is not None:
        return closed[0]
    off = slot.terms.gates_off
    if Gate.SCHEDULE not in off and 0 < slot.expires_ms(job) <= now_ms:
        return Gate.SCHEDULE
    if suppression(slot, lane, job, now_ms) is not None:
        return Gate.SUPPRESSION
    until_ms = slot.service_windows.get((lane.lane.sender, job.recipient), 0)
    is_free_form = not lane.lane.template and Gate.WINDOW not in off
    return Gate.WINDOW if is_free_form and until_ms <= now_ms + slot.terms.guard_ms else None
