"""What the doctor looks at in Redis: its fitness, clock, memory, and whether it takes scripts."""

from __future__ import annotations

from collections.abc import AsyncIterator
from typing import Final

from redis import RedisError

from adapters.clock import Clock
from adapters.house.findings import Finding, State
from adapters.house.meeting import time_of, what_is_wrong
from adapters.house.shared import build_ledger
from adapters.knobs import shown
from adapters.redis.connect import Client
from adapters.redis.fitness import Severity, check_server
from adapters.redis.server_health import read_health
from adapters.settings import Settings
from engine.errors import EngineError

CLOCK_WARN_US: Final = 500_000
CLOCK_MOST_US: Final = 2_000_000  # beyond it a worker claims nothing
SLOW_US: Final = 10_000  # of a round trip
FULL_SHARE: Final = 0.8


async def examine_redis(client: Client, settings: Settings) -> AsyncIterator[Finding]:
    """Yield what is found; after a failure of `redis` nothing else can be asked of it."""
    address = shown("redis_url", settings.redis_url)
    try:
        servers = await check_server(client)
    except (RedisError, OSError, TimeoutError) as error:
        yield Finding("redis", State.FAIL, *what_is_wrong(error, settings))
        return
    for each in servers:
        state = State.FAIL if each.severity is Severity.REFUSE else State.WARN
        yield Finding("redis", state, each.sentence, each.remedy)
    if not servers:
        yield Finding("redis", State.OK, f"{address}: version, role, persistence, eviction")
    try:
        yield await _clock(client)
        for each_health in await read_health(client):
            yield _memory(each_health.node, each_health.used_bytes, each_health.most_bytes)
        await build_ledger(client, Clock(), settings).load()
        yield Finding("scripts", State.OK, "the server takes the ledger's scripts")
    except (RedisError, OSError, EngineError) as error:
        remedy = "Let the user of PENSTOCK_REDIS_URL run TIME, EVALSHA, SCRIPT LOAD or FUNCTION."
        yield Finding("scripts", State.FAIL, f"Redis refuses a command: {error}", remedy)


async def _clock(client: Client) -> Finding:
    """Compare this machine's clock with the server's; the quickest of some samples tells most."""
    clock = Clock()
    samples: list[tuple[int, int]] = []
    for _ in range(5):
        before_us = clock.now_us()
        theirs_us = await time_of(client)
        after_us = clock.now_us()
        samples.append((after_us - before_us, theirs_us - (before_us + after_us) // 2))
    took_us, off_us = min(samples)
    off_s = round(off_us / 1e6, 3) + 0.0  # no minus before a zero
    found = f"this machine is {off_s:+.3f} s off; a round trip takes {took_us / 1e3:.1f} ms"
    if abs(off_us) > CLOCK_WARN_US:
        state = State.FAIL if abs(off_us) > CLOCK_MOST_US else State.WARN
        return Finding("clock", state, found, "Let NTP run here and on the hosts of Redis.")
    if took_us > SLOW_US:
        return Finding("clock", State.WARN, found, "Bring the workers nearer to Redis.")
    return Finding("clock", State.OK, found)


def _memory(node: str, used_bytes: int, most_bytes: int) -> Finding:
    used_mib = used_bytes / 2**20
    if not most_bytes:
        return Finding("memory", State.OK, f"{node} uses {used_mib:,.0f} MiB; its most is not told")
    found = f"{node} uses {used_mib:,.0f} of {most_bytes / 2**20:,.0f} MiB"
    if used_bytes > FULL_SHARE * most_bytes:
        return Finding("memory", State.WARN, found, "Raise maxmemory; when full it takes no jobs.")
    return Finding("memory", State.OK, found)
