"""Evidence comes in by webhook: any order, any number of times, and it only ever adds."""

from __future__ import annotations

from adapters.memory.records import Done
from adapters.memory.settle import accept, cancel_repeat, close, disprove_window
from adapters.memory.slot import Slot
from engine.model import DELIVERY_RANK, DeliveryStatus, Gate, JobKey, JobState, SenderId
from engine.ports import Receipt, Received

WITHIN_MS = 999  # a status has whole seconds; its moment is the last that they may mean
REACHED = (DeliveryStatus.DELIVERED, DeliveryStatus.READ)


def receive(slot: Slot, receipts: list[Receipt], now_ms: int) -> Received:
    """Fold a batch of statuses."""
    answer = Received([], [])
    for receipt in receipts:
        at_ms = min(receipt.at_ms, now_ms)
        if receipt.key is None and receipt.throttled:
            _learn_down(slot, receipt.sender, receipt.at_ms - WITHIN_MS, now_ms, answer)
        elif receipt.key is None:
            _count_arrival(slot, slot.scope(receipt.sender), receipt, at_ms, now_ms)
        elif 0 < receipt.key.lane <= slot.last_lane:
            if receipt.throttled:
                _learn(slot, receipt, receipt.key, now_ms, answer)
            _settle(slot, receipt, receipt.key, now_ms, answer)
            _annotate(slot, receipt, receipt.key, at_ms, now_ms)
            if receipt.key not in slot.open and receipt.key not in slot.done:
                # Its job was cancelled while it waited for a repeat, or is forgotten: a copy
                # arrived.
                lane = slot.lanes.get(receipt.key.lane)
                scope = slot.scope(lane.lane.sender if lane else receipt.sender)
                _count_arrival(slot, scope, receipt, at_ms, now_ms)
    slot.sequence += 1
    slot.call_waiters(now_ms)
    answer.sequence = slot.sequence
    answer.due_at_ms = slot.next_due_ms(now_ms)
    return answer


def _count_arrival(slot: Slot, scope: str, receipt: Receipt, at_ms: int, now_ms: int) -> None:
    """Count a delivery that no job here stands for: somebody else's, or a cancelled job's."""
    if receipt.counted and receipt.status in REACHED:
        slot.window(scope).prove(receipt.recipient, at_ms, now_ms)


def _learn(slot: Slot, receipt: Receipt, key: JobKey, now_ms: int, answer: Received) -> None:
    """Let a status that says "too fast" teach the sender's rate as an answer would.

    What counts is when the message was sent, as well as that is known.
    """
    sent_ms, opened, done = receipt.at_ms - WITHIN_MS, slot.open.get(key), slot.done.get(key)
    if opened is not None:
        lease_ms = 0 if opened.doubted else slot.terms.lease_ms
        sent_ms = min(sent_ms, opened.since_ms - lease_ms)
    elif done is not None and done.mark_ms:
        sent_ms = min(sent_ms, done.mark_ms)
    _learn_down(slot, slot.lane_of(key).lane.sender, sent_ms, now_ms, answer)


def _learn_down(slot: Slot, name: str, sent_ms: int, now_ms: int, answer: Received) -> None:
    sender = SenderId(name)
    state = slot.senders.get(sender)
    if state is not None and state.slots.learn_down(sent_ms, now_ms):
        answer.closed.append((Gate.RATE, sender))


def _settle(slot: Slot, receipt: Receipt, key: JobKey, now_ms: int, answer: Received) -> None:
    """Let a status settle a job that is open, or that waits for a repeat."""
    opened = slot.open.get(key)
    failed = receipt.status is DeliveryStatus.UNDELIVERED
    if opened is None:
        if key in slot.repeating and not failed:
            cancel_repeat(slot, key, receipt.wamid)
            answer.cancelled_repeats.append(key)
        return
    if not failed:
        accept(slot, opened, now_ms, receipt.wamid)
        answer.settled.append(key)
    elif receipt.attempt == opened.job.fence:
        kept_ms = 0 if receipt.undelivered else now_ms
        mark_ms = kept_ms if opened.counted else 0
        job = close(slot, opened, now_ms, proof_ms=mark_ms)
        slot.keep_dead(job)
        slot.end(job, JobState.FAILED, mark_ms=mark_ms, code=receipt.code)
        answer.settled.append(key)


def _annotate(slot: Slot, receipt: Receipt, key: JobKey, at_ms: int, now_ms: int) -> None:
    """Move an ended job's delivery status up, and its mark with it."""
    done = slot.done.get(key)
    if done is None:
        return
    done.wamid = done.wamid or receipt.wamid
    failed = receipt.status is DeliveryStatus.UNDELIVERED
    if failed and receipt.attempt != done.fence:
        return
    before = done.delivery
    if DELIVERY_RANK[receipt.status] > DELIVERY_RANK[before]:
        if done.state is JobState.ACCEPTED:
            slot.count_delivery(key, before, receipt.status)
        done.delivery = receipt.status
    elif receipt.status not in REACHED:
        return
    if receipt.status is DeliveryStatus.READ and before in REACHED and done.fence == 1:
        return  # its one copy was counted when it arrived; reading it does not count again
    # A second copy may arrive after the first was read: the latest arrival is what counts.
    _move_mark(slot, receipt, done, key, at_ms, now_ms)


def _move_mark(
    slot: Slot, receipt: Receipt, done: Done, key: JobKey, at_ms: int, now_ms: int
) -> None:
    window = slot.window(slot.scope(slot.lane_of(key).lane.sender))
    if receipt.status is DeliveryStatus.UNDELIVERED:
        if receipt.undelivered:
            done.code = receipt.code
            disprove_window(slot, key, done.recipient, receipt.code, at_ms)
            if done.mark_ms:
                window.replace(done.recipient, done.mark_ms, 0, now_ms)
                done.mark_ms = 0
        return
    if receipt.status in REACHED and receipt.counted and at_ms > done.mark_ms:
        window.replace(done.recipient, done.mark_ms, at_ms, now_ms)
        done.mark_ms = at_ms
