"""A fortnight of one portfolio in virtual time: the engine, and all that can go wrong."""

from __future__ import annotations

import asyncio
from dataclasses import dataclass

from engine.model import ENDS, Gate, JobKey, JobState, SourceState, TemplateStatus
from engine.receipts import StatusSeen
from tests.builders import a_shared_message
from tests.simulation import nights
from tests.simulation.meta import CALM
from tests.simulation.truth import Mail
from tests.simulation.world import (
    BY_SOURCE,
    HOUR_S,
    LINES,
    PORTFOLIO,
    SENDERS,
    Factory,
    Fortnight,
)
from tests.virtual_time import VirtualTimeLoop, run_virtual

DAYS = 14
VERDICTS = (TemplateStatus.REJECTED, TemplateStatus.APPROVED)
WORKERS = 2


@dataclass(slots=True)
class Verdict:
    """What one fortnight showed."""

    seed: int
    breaches: list[str]
    digest: str
    seen: set[str]
    share: float
    gap_ms: int
    fullest: int
    sent: int


async def run(loop: VirtualTimeLoop, seed: int, factory: Factory, days: int = DAYS) -> Verdict:
    """Live through one fortnight, heal everything, wait for the end, and judge."""
    world = Fortnight(loop, seed, factory)
    await _open(world)
    world.spawn(_keep_quiet(world))
    world.spawn(_feed_evenings(world))
    plans = (_operate, _break_ledger, _live_on, _feed_daily, _send_foreign, _deploy_sometimes)
    troubles = [world.spawn(plan(world, days)) for plan in plans][:3]
    await asyncio.sleep(days * 24 * HOUR_S)
    for trouble in troubles:
        trouble.cancel()
    await _heal(world)
    await _check_end(world)
    for pool in world.pools:
        await pool.drain(loop.now_ms() + 30_000)
    for task in list(world.tasks):
        task.cancel()
    await asyncio.gather(*world.tasks, return_exceptions=True)
    return Verdict(
        seed=seed,
        breaches=world.judge.breaches,
        digest=world.digest.hexdigest(),
        seen=world.judge.seen,
        share=world.occupancy.share,
        gap_ms=world.occupancy.gap_ms(0.95),
        fullest=world.judge.fullest,
        sent=sum(len(writes) for writes in world.judge.writes.values()),
    )


async def _open(world: Fortnight) -> None:
    inner = world.ledger.inner
    await world.hearing.open({line.template: line.category for line in LINES})
    world.quiet = await nights.a_keeper(PORTFOLIO, inner, world.loop.now_ms)
    world.pools = [world.open_pool() for _ in range(WORKERS)]
    for line in LINES:
        await world.put_source(line.source, SourceState.RUNNING)
        await inner.put_content(PORTFOLIO, line.source, a_shared_message())
    for line in LINES:
        await world.feed(line, line.at_start)
    await asyncio.sleep(60.0)
    world.ledger.lost_calls = world.ledger.lost_replies = 0.002
    await world.changed()


async def _feed_daily(world: Fortnight, days: int) -> None:
    for _ in range(days):
        for line in LINES:
            left = line.daily
            while left > 0:
                jobs = min(left, world.rng.choice((1, 1, 5, 60)))
                await world.feed(line, jobs)
                left -= jobs
                await asyncio.sleep(world.rng.random() * 600)
        await asyncio.sleep(max(0.0, 24 * HOUR_S - world.loop.time() % (24 * HOUR_S)))


async def _operate(world: Fortnight, days: int) -> None:
    """Change sources and numbers at moments the seed chooses, and look after what is closed."""
    rng, hearing = world.rng, world.hearing
    big, doomed = LINES[0], LINES[1]
    while world.loop.time() < days * 24 * HOUR_S:
        await asyncio.sleep((4 + rng.random() * 8) * HOUR_S)
        act = rng.choice(("number", "look", "ask", "pause", "cancel", "deploy"))
        await hearing.look_after()
        if act == "number":
            sender = rng.choice(list(SENDERS))
            await hearing.pause(sender, is_paused=True)
            await asyncio.sleep(rng.choice((0.001, 60.0, 2 * HOUR_S)))
            await hearing.pause(sender, is_paused=False)
        elif act == "ask":
            await hearing.ask_all()
        elif act == "pause":
            await world.put_source(big.source, SourceState.PAUSED)
            await asyncio.sleep(rng.choice((0.001, 1.0, 2 * HOUR_S)))
            await world.put_source(big.source, SourceState.RUNNING)
        elif act == "cancel" and world.loop.time() > days * 12 * HOUR_S:
            await world.put_source(doomed.source, SourceState.CANCELLED)


async def _live_on(world: Fortnight, days: int) -> None:
    """Let things happen at Meta: most of them end by themselves, and webhooks tell of both."""
    rng, truth = world.rng, world.truth
    while world.loop.time() < days * 24 * HOUR_S:
        await asyncio.sleep((2 + rng.random() * 6) * HOUR_S)
        act = rng.choice(("limit", "template", "edit", "quality", "token", "ban", "restrict"))
        key, sender = rng.choice(list(truth.templates)), rng.choice(list(SENDERS))
        for_s = rng.choice((0.7, 30.0, HOUR_S, 3 * HOUR_S))
        if act == "limit":
            truth.put_limit(rng.choice((180, 240)))
            await asyncio.sleep(rng.random() * 30 * HOUR_S)
            truth.put_limit(rng.choice((250, 260)))
        elif act == "template":
            truth.judge_template(key, TemplateStatus.PAUSED)
            await asyncio.sleep(for_s)
            truth.judge_template(key, TemplateStatus.APPROVED)
        elif act == "edit":
            truth.edit_template(key)
            await asyncio.sleep(for_s)
            truth.judge_template(
                key, rng.choice((TemplateStatus.REJECTED, TemplateStatus.APPROVED))
            )
            await asyncio.sleep(for_s)
            truth.judge_template(key, TemplateStatus.APPROVED)
        elif act == "quality":
            truth.rate_number(sender, rng.choice(("RED", "YELLOW")))
            await asyncio.sleep(for_s)
            truth.rate_number(sender, "GREEN")
        elif act == "token":
            truth.dead_tokens.add(sender)
            await asyncio.sleep(for_s)
            await world.hearing.give_token(sender)
        elif act == "ban":
            truth.ban(is_banned=True)
            await asyncio.sleep(for_s)
            truth.ban(is_banned=False)
        else:
            truth.restrict(rng.choice((0.5, 3.0)))


async def _break_ledger(world: Fortnight, days: int) -> None:
    while world.loop.time() < days * 24 * HOUR_S:
        await asyncio.sleep(world.rng.random() * 48 * HOUR_S)
        if world.is_calm:
            return
        await world.set_away(is_away=True)
        await asyncio.sleep(world.rng.choice((0.2, 3.0, 60.0, 600.0)))
        await world.set_away(is_away=False)


async def _keep_quiet(world: Fortnight) -> None:
    """Do what every process does: look whether calendars are to be told again."""
    while True:
        await world.quiet.look()
        counts = await world.ledger.inner.counts(PORTFOLIO, nights.SOURCE)
        world.judge.seen.update({"held_by_night"} if counts.waiting.get(Gate.SCHEDULE) else ())
        await asyncio.sleep(HOUR_S)


async def _feed_evenings(world: Fortnight) -> None:
    """Queue messages for people of all zones at any hour."""
    line = BY_SOURCE[nights.SOURCE]
    while not world.is_calm:
        await world.feed(line, world.rng.choice((1, 1, 4)))
        await asyncio.sleep(world.rng.random() * 3 * HOUR_S)


async def _send_foreign(world: Fortnight, days: int) -> None:
    for number in range(days * 3):
        await asyncio.sleep(world.rng.random() * 16 * HOUR_S)
        digits = f"4477{number:08d}"
        at_s = int(world.loop.now_ms() / 1_000)
        seen = StatusSeen("101", f"wamid.f{number}", "delivered", at_s, digits)
        await world._receive(seen, None)
        world.judge.seen.add("foreign")


async def _deploy_sometimes(world: Fortnight, days: int) -> None:
    for _ in range(days // 3):
        await asyncio.sleep(world.rng.random() * 72 * HOUR_S)
        if not world.is_calm:
            await world.deploy()


async def _heal(world: Fortnight) -> None:
    """End all faults, open everything, and wait until nothing is left to do."""
    world.is_calm = True
    world.meta.faults = CALM
    world.ledger.lost_calls = world.ledger.lost_replies = 0.0
    await world.set_away(is_away=False)
    await _mend(world)
    for line in LINES:
        if world.states[line.source] is not SourceState.CANCELLED:
            await world.put_source(line.source, SourceState.RUNNING)
    await world.lift_limit()
    for _ in range(200):
        await asyncio.sleep(HOUR_S)
        if not await _unended(world):
            return
    world.judge.breach(world.loop.now_ms(), "I2", f"never ended: {await _unended(world)}")


async def _mend(world: Fortnight) -> None:
    """Make all well at Meta; what got lost is asked for."""
    truth, hearing = world.truth, world.hearing
    truth.mail = Mail(0, 0, (0.5,))
    truth.ban(is_banned=False)
    for key in truth.templates:
        truth.judge_template(key, TemplateStatus.APPROVED)
    for sender in SENDERS:
        truth.rate_number(sender, "GREEN")
        await hearing.give_token(sender)
        await hearing.pause(sender, is_paused=False)
    await asyncio.sleep(1.0)
    await hearing.look_after()
    await hearing.ask_all()


async def _unended(world: Fortnight) -> dict[str, int]:
    unended: dict[str, int] = {}
    for line in LINES:
        counts = await world.ledger.inner.counts(PORTFOLIO, line.source)
        for state, jobs in counts.states.items():
            if state not in ENDS and jobs:
                unended[f"{line.source} {state.value}"] = jobs
    return unended


async def _check_end(world: Fortnight) -> None:
    """Compare the books with what Meta saw, job by job."""
    inner, judge, now_ms = world.ledger.inner, world.judge, world.loop.now_ms()
    for line in LINES:
        counts = await inner.counts(PORTFOLIO, line.source)
        if counts.enqueued != world.fed[line.source]:
            judge.breach(now_ms, "I10", f"{line.source}: {counts.enqueued} of {world.fed}")
        if sum(counts.states.values()) != counts.enqueued:
            judge.breach(now_ms, "I13", f"{line.source}: {counts}")
    for wrong in await inner.audit(PORTFOLIO):
        judge.breach(now_ms, "I13", wrong)
    for name, writes in judge.writes.items():
        lane, sequence = name.split(".")
        view = await inner.job(PORTFOLIO, JobKey(int(lane), int(sequence)))
        state = view.state if view is not None else None
        taken = any(write.taken for write in writes)
        if state is JobState.ACCEPTED and not taken:
            judge.breach(now_ms, "I2", f"{name} is accepted, and Meta never took it")
        if state in {JobState.FAILED, JobState.EXPIRED} and taken and name in judge.evidence_ms:
            judge.breach(now_ms, "I2", f"{name} is {state}, and Meta took it")
        if state is JobState.UNKNOWN:
            judge.seen.add("ended_unknown")


def live_through(seed: int, factory: Factory, days: int = DAYS) -> Verdict:
    """Run one seeded fortnight and return its verdict."""
    return run_virtual(lambda loop: run(loop, seed, factory, days))
