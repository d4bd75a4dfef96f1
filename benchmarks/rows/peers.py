"""saq and taskiq as they ship: enqueue, sends and costs, with bare aiohttp in every round.

saq 0.26 asks for redis-py below 8 (with 8.1 it costs nearly twice as much, measured), the engine
and taskiq-redis for 8: a peer may have an interpreter of its own, PENSTOCK_BENCH_SAQ_PYTHON and
PENSTOCK_BENCH_TASKIQ_PYTHON. A peer that is not what it asks for is skipped, not slandered.
"""

import asyncio
import os
import sys
from pathlib import Path

import msgspec

from benchmarks import programs
from benchmarks.figures import Better, Figure, Verdict, for_reference, missing, ratios
from benchmarks.peers.bulk import BulkReport
from benchmarks.rig import Rig, Span
from benchmarks.rows.bare_client import bare_span

NAME = "peers"
IN_FLIGHT = 200
PACKAGES = {"saq": ("saq", "redis"), "taskiq": ("taskiq-redis", "redis")}  # program, its client
# Prints the versions, or fails with the reason why the peer cannot be measured as it ships.
LOOK = """
import sys
from importlib import metadata
import aiohttp, msgspec, uvloop
peer, client = sys.argv[1:]
version = metadata.version(client)
for wish in metadata.requires(peer) or []:
    wish = wish.split(";")[0]
    if wish.replace("[", "<").replace(">", "<").split("<")[0].strip() == client and "<" in wish:
        below = wish.split("<")[1].split(",")[0]
        if int(version.split(".")[0]) >= int(below.split(".")[0]):
            sys.exit(f"{peer} asks for {wish.strip()}, here is {version}")
print(f"{peer} {metadata.version(peer)}, {client} {version}")
"""


class Round(msgspec.Struct, frozen=True, kw_only=True):
    """One peer, one round."""

    bulk: BulkReport
    bytes_per_job: float
    enqueue_redis_us: float
    span: Span


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return the figures of every installed peer; the others say why they are missing."""
    rounds = 1 if smoke else 3
    looks = {peer: await look(peer) for peer in PACKAGES}
    present: dict[str, list[Round]] = {peer: [] for peer, (fit, _) in looks.items() if fit}
    bare: list[Span] = []
    for _ in range(rounds if present else 0):
        bare.append(await bare_span(rig, seconds=0.5 if smoke else 3))
        for peer, results in present.items():
            results.append(await measure_once(rig, peer, jobs=2_000 if smoke else 20_000))
    figures: list[Figure] = []
    for peer, (_, words) in looks.items():
        if peer in present:
            figures += peer_figures(peer, words, present[peer], bare)
        else:
            figures += missing(f"peers.{peer}", Verdict.SKIPPED, words)
    return figures


def interpreter(peer: str) -> str:
    """Return the Python in which the peer is installed."""
    return os.environ.get(f"PENSTOCK_BENCH_{peer.upper()}_PYTHON", sys.executable)


async def look(peer: str) -> tuple[bool, str]:
    """Return whether the peer can be measured as it ships, and its versions or why it cannot."""
    child = await asyncio.create_subprocess_exec(
        interpreter(peer),
        "-c",
        LOOK,
        *PACKAGES[peer],
        stdout=asyncio.subprocess.PIPE,
        stderr=asyncio.subprocess.PIPE,
    )
    words, trouble = await child.communicate()
    if child.returncode == 0:
        return True, words.decode().strip()
    reason = trouble.decode().strip().splitlines()[-1]
    return False, f"{reason} (its own Python: PENSTOCK_BENCH_{peer.upper()}_PYTHON)"


async def measure_once(rig: Rig, peer: str, jobs: int) -> Round:
    """Fill the peer's queue, then let one worker process empty nine tenths of it."""
    await rig.afresh()
    environment = {
        "BENCH_REDIS_URL": rig.place.redis_url,
        "BENCH_GRAPH_URL": rig.place.graph_url,
        "BENCH_IN_FLIGHT": str(IN_FLIGHT),
    }
    module = f"benchmarks.peers.{peer}_peer"
    held_bytes, redis_ns = await rig.redis_bytes(), rig.redis_cpu_ns()
    filling = programs.Command(
        arguments=[interpreter(peer), "-m", module, "--jobs", str(jobs)], environment=environment
    )
    async with rig.running(filling, has_report=True) as filler:
        bulk = msgspec.json.decode(await filler.read_line(120), type=BulkReport)
    redis_ns = rig.redis_cpu_ns() - redis_ns
    held_bytes = await rig.redis_bytes() - held_bytes
    command = programs.Command(arguments=worker_arguments(peer, module), environment=environment)
    async with rig.running(command) as worker:
        span = await rig.span(worker, seconds=10, warm_s=0.2, sends_max=jobs * 9 // 10)
    return Round(
        bulk=bulk,
        bytes_per_job=held_bytes / jobs,
        enqueue_redis_us=redis_ns / jobs / 1000,
        span=span,
    )


def worker_arguments(peer: str, module: str) -> list[str]:
    """Return how the peer starts one worker process with IN_FLIGHT jobs at once."""
    if peer == "saq":
        return [interpreter(peer), "-m", "saq", f"{module}.settings", "--quiet"]
    program = str(Path(interpreter(peer)).with_name("taskiq"))
    return [
        program, "worker", f"{module}:broker", "--workers", "1",
        "--max-async-tasks", str(IN_FLIGHT), "--log-level", "WARNING",
    ]  # fmt: skip


def peer_figures(peer: str, versions: str, results: list[Round], bare: list[Span]) -> list[Figure]:
    """Return one peer's figures."""
    spans = [result.span for result in results]
    costs = [span.worker_us_per_send for span in spans]
    share = max(span.core_share for span in spans)
    more, note = Better.MORE, f"{versions}, core share {share:.2f}"
    return [
        for_reference(
            f"peers.{peer}_per_s", f"{peer}, one worker, 200 in flight", "sends/s",
            [span.sends_per_s for span in spans], better=more, note=note,
        ),
        for_reference(f"peers.{peer}_us", f"{peer}: worker CPU", "µs/send", costs),
        for_reference(
            f"peers.{peer}_ratio", f"{peer}: worker CPU against bare aiohttp", "x",
            ratios(costs, [span.worker_us_per_send for span in bare]),
        ),
        for_reference(
            f"peers.{peer}_redis_us", f"{peer}: Redis CPU", "µs/send",
            [span.redis_us_per_send for span in spans],
        ),
        for_reference(
            f"peers.{peer}_enqueue_per_s", f"{peer}: enqueue", "jobs/s",
            [result.bulk.jobs_per_s for result in results], better=more,
            note=f"Redis {results[0].enqueue_redis_us:.1f} µs/job",
        ),
        for_reference(
            f"peers.{peer}_enqueue_us", f"{peer}: enqueue, client CPU", "µs/job",
            [result.bulk.cpu_us_per_job for result in results],
        ),
        for_reference(
            f"peers.{peer}_bytes", f"{peer}: Redis memory per queued job", "B",
            [result.bytes_per_job for result in results],
        ),
    ]  # fmt: skip
