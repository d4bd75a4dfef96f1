"""Random histories of a ledger from their first call to their drained end."""

from __future__ import annotations

import asyncio

from engine.model import JobKey, JobState, TemplateStatus
from engine.outcomes import Accepted
from engine.ports import FOREVER_MS, Ask, Settlement
from engine.shutting import NOTHING_SHUT
from tests.builders import a_sender, a_source
from tests.simulation.gates import PORTFOLIO, SENDERS, SOURCES
from tests.simulation.history import Factory, History
from tests.simulation.ledger_judge import LedgerJudge
from tests.simulation.shutting import note_shut

STEPS = 300


async def drain(history: History) -> None:
    """Open everything, send all, wait for every doubt: all end, and the books agree."""
    for sender, mps in SENDERS.items():
        await history.ledger.put_sender(PORTFOLIO, sender, a_sender(throughput_mps=mps))
        history.judge.note_gate(sender, is_open=True)
        note_shut(history.judge, sender, NOTHING_SHUT)
    await history.close_account(0)
    for source in SOURCES:
        await history.put_template(source, TemplateStatus.APPROVED)
        if source not in history.judge.cancelled:
            await history.ledger.put_source(PORTFOLIO, source, a_source())
            history.judge.note_gate(source, is_open=True)
    await history.limit(-1)
    counter = 10_000
    for _ in range(600):
        rescue_at_ms = await history.rescue()
        counter += 1
        ask = Ask(PORTFOLIO, "drain", counter, 256, 256, history.sequence)
        [answer] = await history.ledger.claim([ask])
        for job in answer.jobs:
            history.judge_new("drain", counter, job)
        ends = [Settlement(job.key, job.attempt, Accepted("w")) for job in answer.jobs]
        for end in ends:
            history.judge_settled(end)
        await history.ledger.settle(PORTFOLIO, ends)
        due_ms = min(answer.come_back_at_ms, answer.rescue_at_ms, rescue_at_ms)
        history.now_ms = max(history.now_ms + 1, min(due_ms, history.now_ms + 3_600_000))
        if due_ms >= FOREVER_MS and not answer.jobs:
            break
    await _judge_books(history)


async def _judge_books(history: History) -> None:
    judge = history.judge
    for wrong in await history.ledger.audit(PORTFOLIO):
        judge.breach("I13", wrong)
    for source in SOURCES:
        counts = await history.ledger.counts(PORTFOLIO, source)
        if counts.enqueued != history.fed[source]:
            judge.breach("I10", f"{source}: {counts.enqueued} enqueued, {history.fed[source]} fed")
        if sum(counts.states.values()) != counts.enqueued:
            judge.breach("I13", f"{source}: {counts}")
    for (lane, sequence), book in judge.jobs.items():
        view = await history.ledger.job(PORTFOLIO, JobKey(lane, sequence))
        state = view.state if view else None
        if not book.is_ended and book.source not in judge.cancelled:
            if state is not (JobState.UNKNOWN if book.repeats else JobState.SUPPRESSED):
                judge.breach("I2", f"{(lane, sequence)} is {state}, {book.state} in the books")
        elif book.is_ended and state is not None and state.value != book.state:
            judge.breach("I2", f"{(lane, sequence)} is {state}, {book.state} in the books")


async def live_through(seed: int, factory: Factory, steps: int = STEPS) -> LedgerJudge:
    """Run one history to its drained end and return its judge."""
    history = History(seed, factory)
    await history.open()
    for _ in range(steps):
        await history.step()
        if history.judge.breaches:
            return history.judge
    await drain(history)
    return history.judge


def run(seed: int, factory: Factory, steps: int = STEPS) -> LedgerJudge:
    """Run one history in a loop of its own."""
    return asyncio.run(live_through(seed, factory, steps))
