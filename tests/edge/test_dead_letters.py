"""Failed jobs are found in the outcome log, counted by sender, listed, dropped and forgotten."""

from pathlib import Path

from redis.asyncio import Redis

from adapters.redis.dead_letters import DeadLetters
from adapters.redis.ledger import RedisLedger
from adapters.redis.outcome_log import OutcomeLog
from engine.model import Category, JobKey, Lane, PortfolioId, Priority, SenderId, TemplateStatus
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome, Retry
from engine.ports import Ask, Batch, Settlement, TemplateSpec
from engine.terms import Terms
from tests.builders import a_portfolio, a_row, a_sender, a_source

P, SENDER = PortfolioId("acme"), SenderId("1001")
LANE = Lane("campaign:a", SENDER, "w/t/en", Priority.MARKETING)
NOW_MS = 1_764_000_000_000
DAY_MS = 86_400_000
ENDS: list[Outcome] = [
    Accepted("wamid.1"),
    Dropped(131026, "never"),
    Retry(131000, NOW_MS + 1, "again"),
    InDoubt("silence"),
]


async def some_ends(client: Redis, attempts_max: int = 5) -> list[JobKey]:
    """End a job in each of the ways; return their keys."""
    terms = Terms(attempts_max=attempts_max)
    ledger = RedisLedger(client, terms, lambda: NOW_MS, tolerance_ms=0)
    await ledger.put_portfolio(P, a_portfolio())
    await ledger.put_sender(P, SENDER, a_sender(throughput_mps=1_000))
    approved = TemplateSpec(TemplateStatus.APPROVED, Category.MARKETING)
    await ledger.put_template(P, LANE.template, approved)
    await ledger.put_source(P, LANE.source, a_source())
    await ledger.enqueue([Batch(P, LANE, [a_row(n) for n in range(len(ENDS))])])
    [answer] = await ledger.claim([Ask(P, "w", 1, 10, 10)])
    assert len(answer.jobs) == len(ENDS)
    ends = zip(answer.jobs, ENDS, strict=True)
    await ledger.settle(P, [Settlement(job.key, job.attempt, end) for job, end in ends])
    return [job.key for job in answer.jobs]


async def exported(client: Redis, directory: Path, letters: DeadLetters) -> None:
    """Write the log, as a process does every few seconds."""
    log = OutcomeLog(client, directory, process="one", span_ms=DAY_MS, heard=letters.note)
    assert await log.export(P, NOW_MS) > 0


async def test_what_was_dropped_is_a_dead_letter(redis_client: Redis, tmp_path: Path) -> None:
    jobs = await some_ends(redis_client)
    letters = DeadLetters(redis_client, lambda: NOW_MS, keep_ms=DAY_MS)
    assert await letters.count(P, [SENDER]) == {SENDER: 0}
    await exported(redis_client, tmp_path, letters)
    assert await letters.count(P, [SENDER, SenderId("2")]) == {SENDER: 1, SenderId("2"): 0}
    [letter] = await letters.newest(P, SENDER, 10)
    assert (letter.key, letter.attempt, letter.code) == (jobs[1], 1, 131026)
    assert letter.failed_at_ms == NOW_MS


async def test_many_senders_are_asked_about_some_at_a_time(redis_client: Redis) -> None:
    letters = DeadLetters(redis_client, lambda: NOW_MS, keep_ms=DAY_MS)
    senders = [SenderId(str(number)) for number in range(120)]
    await redis_client.zadd(f"ps:{{{P}}}:dead:119", {"1.1": NOW_MS, "1.2": NOW_MS})
    counts = await letters.count(P, senders)
    assert list(counts) == senders
    assert (counts[senders[119]], sum(counts.values())) == (2, 2)


async def test_a_last_try_that_failed_is_one_too(redis_client: Redis, tmp_path: Path) -> None:
    """The log calls it a retry: only the job's end tells that there will be none."""
    jobs = await some_ends(redis_client, attempts_max=1)
    letters = DeadLetters(redis_client, lambda: NOW_MS, keep_ms=DAY_MS)
    await exported(redis_client, tmp_path, letters)
    found = await letters.newest(P, SENDER, 10)
    assert {letter.key for letter in found} == {jobs[1], jobs[2]}


async def test_it_can_be_dropped_and_is_forgotten_with_its_job(
    redis_client: Redis, tmp_path: Path
) -> None:
    jobs = await some_ends(redis_client, attempts_max=1)
    now_ms = NOW_MS
    letters = DeadLetters(redis_client, lambda: now_ms, keep_ms=DAY_MS)
    await exported(redis_client, tmp_path, letters)
    assert await letters.drop(P, SENDER, [jobs[1], JobKey(9, 9)]) == 1
    assert await letters.count(P, [SENDER]) == {SENDER: 1}
    now_ms += DAY_MS + 1
    assert await letters.count(P, [SENDER]) == {SENDER: 0}
    assert await letters.newest(P, SENDER, 10) == []
