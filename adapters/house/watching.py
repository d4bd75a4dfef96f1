"""What the metrics of a house look at: the ledger, the servers under it, and the process itself."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Final

from adapters.clock import Clock
from adapters.house.waking import WakingLedger
from adapters.prometheus.metrics import Metrics, Process
from adapters.prometheus.standings import Outside, Server
from adapters.prometheus.wanted import Latency
from adapters.redis.attendance import Attendance
from adapters.redis.connect import Client
from adapters.redis.dead_letters import DeadLetters
from adapters.redis.pulses import PulseReader
from adapters.redis.server_health import read_health
from engine.directory import Directory
from engine.recollection import Recollection
from engine.senders import UNGUARDED, QualityGuard

LATELY_MS: Final = 60_000  # pulses of so long tell how long a Graph call takes


def build_metrics(
    directory: Directory,
    ledger: WakingLedger,
    clock: Clock,
    concurrency: int,
    client: Client,
    attendance: Attendance,
    dead_letters: DeadLetters,
    guard: QualityGuard = UNGUARDED,
) -> Metrics:
    """Return the metrics of a process; the ledger tells them how long its scripts take."""

    async def read_servers() -> Sequence[Server]:
        return await read_health(client)

    pulses, latency = PulseReader(client, clock.now_ms, LATELY_MS), Latency()

    async def read_latency_s() -> float:
        return latency.follow(await pulses.newest())

    outside = Outside(
        count_workers=attendance.count,
        count_dead=dead_letters.count,
        read_servers=read_servers,
        read_latency_s=read_latency_s,
        concurrency=concurrency,
        guard=guard,
    )
    metrics = Metrics(directory, ledger, clock.now_ms, outside=outside)
    ledger.tell_times(metrics.observe_script)
    return metrics


def watch_process(
    metrics: Metrics,
    webhooks: Callable[[], Mapping[tuple[str, ...], int]],
    recollection: Recollection,
    is_draining: Callable[[], bool],
    speaks: Callable[[], bool],
) -> None:
    """Have the metrics tell of this process too."""
    metrics.process = Process(webhooks, lambda: recollection.lost, is_draining, speaks)
