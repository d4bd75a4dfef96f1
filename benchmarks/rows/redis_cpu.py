"""Row 3: CPU of Redis per send (claim + settle) and per status, without HTTP in between."""

from benchmarks import engine_under_test
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig
from benchmarks.rows.worker_cpu import fill

NAME = "redis_cpu"
# Fast senders: the pace must never be what limits a round, nor lower the batch.
SETUP = Setup(senders=16, mps=10_000)
STATUS_BATCH = 100
# Batch, and how many workers ask at once. A worker alone leaves the server idle between its calls:
# its core halts, and what waking up costs is then part of every call (ADR 0031).
WAYS = {"batch_100": (100, 1), "batch_8": (8, 4), "batch_8_alone": (8, 1)}


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return Redis CPU at batches of 100 and of 8, of several workers, and per delivered status."""
    jobs = 2_000 if smoke else 50_000
    sends_us: dict[str, list[float]] = {way: [] for way in WAYS}
    status_us: list[float] = []
    commands: list[float] = []
    for _ in range(1 if smoke else 5):
        for way, (batch, workers) in WAYS.items():
            await rig.afresh()
            await engine_under_test.prepare(rig.place, SETUP)
            await fill(rig, jobs)
            before_ns, before = rig.redis_cpu_ns(), await commands_so_far(rig)
            done = await engine_under_test.claim_and_settle(
                rig.place, batch=batch, jobs=jobs, workers=workers
            )
            sends_us[way].append((rig.redis_cpu_ns() - before_ns) / done / 1000)
            if batch == STATUS_BATCH:
                commands.append((await commands_so_far(rig) - before) / done)
                before_ns = rig.redis_cpu_ns()
                folded = await engine_under_test.receive(
                    rig.place, batch=STATUS_BATCH, statuses=done
                )
                status_us.append((rig.redis_cpu_ns() - before_ns) / folded / 1000)
    return [
        *(measured(f"redis_cpu.{way}_us", rounds) for way, rounds in sends_us.items()),
        measured("redis_cpu.status_us", status_us),
        for_reference(
            "redis_cpu.commands", "Redis commands per send, batch 100", "commands", commands
        ),
    ]


async def commands_so_far(rig: Rig) -> int:
    """Return how many commands Redis has served."""
    return int((await rig.redis.info("stats"))["total_commands_processed"])
