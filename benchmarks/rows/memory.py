"""Rows 5 and 6: bytes of Redis per queued campaign job and per recipient in the window."""

from benchmarks import engine_under_test, message
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig
from benchmarks.rows.worker_cpu import fill

NAME = "memory"
SETUP = Setup(senders=message.SENDERS, mps=10_000)
SETTLE_BATCH = 100


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return both; memory is exact enough for one round."""
    jobs = 5_000 if smoke else 100_000
    await rig.afresh()
    await engine_under_test.prepare(rig.place, SETUP)
    await fill(rig, 1)  # what a campaign needs once is not a job's
    before_bytes = await rig.redis_bytes()
    await fill(rig, jobs, first=1)
    queued_bytes = await rig.redis_bytes() - before_bytes
    done = await engine_under_test.claim_and_settle(rig.place, batch=SETTLE_BATCH, jobs=jobs)
    window_bytes = 0
    for key in await engine_under_test.ledger_keys(rig.place):
        window_bytes += int(await rig.redis.memory_usage(key, samples=0) or 0)
    finished_bytes = await rig.redis_bytes() - before_bytes - window_bytes
    return [
        measured("memory.queued_job_bytes", [queued_bytes / jobs], f"{jobs:,} jobs"),
        measured("memory.window_recipient_bytes", [window_bytes / done], f"{done:,} recipients"),
        for_reference(
            "memory.finished_job_bytes",
            "Redis memory per finished job, window apart",
            "B",
            [finished_bytes / done],
            note="200 B are allowed",
        ),
    ]
