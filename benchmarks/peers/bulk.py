"""How a peer fills its queue: many enqueue calls side by side, for it has no bulk call."""

import argparse
import asyncio
import time
from collections.abc import Awaitable, Callable

import msgspec
import uvloop

from benchmarks import message

SIDE_BY_SIDE = 100  # more gains nothing: the client's CPU is full


class BulkReport(msgspec.Struct, frozen=True, kw_only=True):
    """What filling the queue cost its client."""

    jobs: int
    jobs_per_s: float
    cpu_us_per_job: float


async def fill(jobs: int, enqueue: Callable[[int, str], Awaitable[object]]) -> BulkReport:
    """Enqueue `jobs` sends (sender, body) and report."""
    bodies = [
        (index % message.SENDERS, message.template_body(message.recipient(index)).decode())
        for index in range(jobs)
    ]
    wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
    for first in range(0, jobs, SIDE_BY_SIDE):
        await asyncio.gather(*(enqueue(*job) for job in bodies[first : first + SIDE_BY_SIDE]))
    wall_ns, cpu_ns = time.monotonic_ns() - wall_ns, time.process_time_ns() - cpu_ns
    return BulkReport(
        jobs=jobs, jobs_per_s=jobs / wall_ns * 1e9, cpu_us_per_job=cpu_ns / jobs / 1000
    )


def fill_from_command_line(fill_queue: Callable[[int], Awaitable[BulkReport]]) -> None:
    """Fill the queue of a peer and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--jobs", type=int, default=20_000)
    jobs = parser.parse_args().jobs

    async def report() -> BulkReport:
        return await fill_queue(jobs)

    print(msgspec.json.encode(uvloop.run(report())).decode())
