"""Row 3: CPU of Redis per send (claim + settle) and per status, without HTTP in between."""

from dataclasses import dataclass

from benchmarks import engine_under_test, machine
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.programs import pinned
from benchmarks.rig import Rig
from benchmarks.rows.worker_cpu import fill

NAME = "redis_cpu"
# Fast senders: the pace must never be what limits a round, nor lower the batch.
SETUP = Setup(senders=16, mps=10_000)
BATCH = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class _Costs:
    send_us: float
    commands: float


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return Redis CPU at batches of 100 and of 8, and per delivered status.

    Who asks runs on the worker's core, Redis on the other. A worker that asks alone leaves Redis
    idle between its calls, and each finds a core that slept and cold caches: what a batch of 8
    costs when two ask is there for reference (docs/adr/0032-what-an-idle-core-costs.md).
    """
    jobs = 2_000 if smoke else 50_000
    large, statuses_us, small, pair = [], [], [], []
    for _ in range(1 if smoke else 5):
        large.append(await _round(rig, BATCH, jobs))
        statuses_us.append(await _status_us(rig, jobs))
        small.append(await _round(rig, 8, jobs))
        pair.append(await _round(rig, 8, jobs, workers=2))
    return [
        measured("redis_cpu.batch_100_us", [each.send_us for each in large]),
        measured("redis_cpu.batch_8_us", [each.send_us for each in small]),
        measured("redis_cpu.status_us", statuses_us),
        for_reference(
            "redis_cpu.commands",
            "Redis commands per send, batch 100",
            "commands",
            [each.commands for each in large],
        ),
        for_reference(
            "redis_cpu.batch_8_two_us",
            "Redis CPU per send, claim + settle, batch 8, two workers",
            "µs",
            [each.send_us for each in pair],
        ),
    ]


async def _round(rig: Rig, batch: int, jobs: int, workers: int = 1) -> _Costs:
    await rig.afresh()
    await engine_under_test.prepare(rig.place, SETUP)
    await fill(rig, jobs)
    with pinned(machine.worker_core()):
        before_ns, before = rig.redis_cpu_ns(), await commands_so_far(rig)
        done = await engine_under_test.claim_and_settle(
            rig.place, batch=batch, jobs=jobs, workers=workers
        )
        sent_ns, commands = rig.redis_cpu_ns(), await commands_so_far(rig)
    return _Costs(send_us=(sent_ns - before_ns) / done / 1000, commands=(commands - before) / done)


async def _status_us(rig: Rig, jobs: int) -> float:
    """Return what each status of the jobs that a round has sent costs."""
    with pinned(machine.worker_core()):
        before_ns = rig.redis_cpu_ns()
        folded = await engine_under_test.receive(rig.place, batch=BATCH, statuses=jobs)
        return (rig.redis_cpu_ns() - before_ns) / folded / 1000


async def commands_so_far(rig: Rig) -> int:
    """Return how many commands Redis has served."""
    return int((await rig.redis.info("stats"))["total_commands_processed"])
