"""Webhooks: how many statuses one API process accepts and folds, from signed posts to the books."""

import asyncio
import time
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import aiohttp

from benchmarks import engine_under_test, message, told_by_meta
from benchmarks.engine_under_test import Setup
from benchmarks.figures import (
    Better,
    Figure,
    Verdict,
    for_reference,
    measured,
    missing_one,
)
from benchmarks.rig import Rig, RigError
from benchmarks.rows.enqueue import until_alive
from benchmarks.rows.worker_cpu import fill

NAME = "webhooks"
SETUP = Setup(senders=message.SENDERS, mps=10_000)
CONNECTIONS = 16
PER_POST = 20  # Meta puts up to 1,000 into one post when there is much to tell
SETTLE_BATCH = 100
LOOK_EVERY_S = 0.005
PATIENCE_S = 120.0


class Round(NamedTuple):
    """What one round did, end to end, and what it cost."""

    statuses: int
    took_s: float
    api_ns: int
    redis_ns: int

    @property
    def per_s(self) -> float:
        """Statuses per second, from the first post to the last one folded."""
        return self.statuses / self.took_s

    @property
    def api_us(self) -> float:
        """CPU of the API process per status."""
        return self.api_ns / self.statuses / 1000

    @property
    def redis_us(self) -> float:
        """CPU of Redis per status."""
        return self.redis_ns / self.statuses / 1000


class Poster(asyncio.Protocol):
    """One of Meta's connections: one post after the other, each after the answer to the last."""

    def __init__(self, requests: Iterator[bytes], over: asyncio.Future[None]) -> None:
        self._requests = requests
        self._over = over
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Post the first."""
        self._transport = transport  # type: ignore[assignment]
        self._next()

    def data_received(self, data: bytes) -> None:
        """Post the next one for each answer; answers are short and come whole."""
        if not data.startswith(b"HTTP/1.1 200"):
            self._end(RigError(f"a webhook got {data[:300]!r}"))
            return
        self._next()

    def connection_lost(self, exc: Exception | None) -> None:
        """End: with an error unless all was posted."""
        self._end(exc or RigError("the API closed a connection of Meta's"))

    def _next(self) -> None:
        request = next(self._requests, None)
        if request is not None:
            self._transport.write(request)
            return
        self._end(None)
        self._transport.close()

    def _end(self, error: Exception | None) -> None:
        if self._over.done():
            return
        if error is not None:
            self._over.set_exception(error)
        else:
            self._over.set_result(None)


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return statuses per second against the sends of one worker, and what a status costs."""
    messages, rounds = (500, 1) if smoke else (20_000, 5)
    several = [await one_round(rig, messages, PER_POST) for _ in range(rounds)]
    alone = await one_round(rig, messages // 5, 1)
    return [
        against_worker(rig, [each.per_s for each in several]),
        for_reference(
            "webhooks.per_s",
            f"one API process, signed posts of {PER_POST} statuses: accepted and folded",
            "statuses/s",
            [each.per_s for each in several],
            better=Better.MORE,
        ),
        for_reference(
            "webhooks.us", "API CPU per status", "µs/status", [each.api_us for each in several]
        ),
        for_reference(
            "webhooks.redis_us",
            "Redis CPU per status, inbox and books",
            "µs/status",
            [each.redis_us for each in several],
        ),
        for_reference(
            "webhooks.alone_us", "API CPU per status, one a post", "µs/status", [alone.api_us]
        ),
    ]


async def one_round(rig: Rig, messages: int, per_post: int) -> Round:
    """Have messages accepted, tell three statuses of each, and wait until all are folded."""
    await rig.afresh()
    await engine_under_test.prepare(rig.place, SETUP)
    await fill(rig, messages)
    await engine_under_test.claim_and_settle(rig.place, batch=SETTLE_BATCH, jobs=messages)
    requests = await told_by_meta.posts(rig.place, per_post=per_post)
    url = f"http://127.0.0.1:{rig.place.api_port}/healthz"
    async with rig.running(told_by_meta.listener_command(rig.place)) as api:
        async with aiohttp.ClientSession() as session:
            await until_alive(session, url, api)
        api_ns, redis_ns, begun_s = api.cpu_ns(), rig.redis_cpu_ns(), time.perf_counter()
        await post_all(rig.place.api_port, requests)
        await until_folded(rig)
        took_s = time.perf_counter() - begun_s
        api_ns, redis_ns = api.cpu_ns() - api_ns, rig.redis_cpu_ns() - redis_ns
    read = await told_by_meta.read_messages(rig.place)
    if read != messages:
        raise RigError(f"{read} of {messages} messages are read by the books")
    return Round(messages * len(told_by_meta.STATUSES), took_s, api_ns, redis_ns)


async def post_all(port: int, requests: Sequence[bytes]) -> None:
    """Post all over a few connections; anything but 200 is an error."""
    loop, left = asyncio.get_running_loop(), iter(requests)
    ends: list[asyncio.Future[None]] = []
    for _ in range(min(CONNECTIONS, len(requests))):
        over = loop.create_future()
        ends.append(over)
        await loop.create_connection(lambda over=over: Poster(left, over), "127.0.0.1", port)  # type: ignore[misc]
    await asyncio.wait_for(asyncio.gather(*ends), PATIENCE_S)


async def until_folded(rig: Rig) -> None:
    """Return when no body waits any more."""
    deadline_s = time.monotonic() + PATIENCE_S
    while left := await told_by_meta.unfolded(rig.place):
        if time.monotonic() > deadline_s:
            raise RigError(f"{left} webhook bodies are not folded after {PATIENCE_S:.0f} s")
        await asyncio.sleep(LOOK_EVERY_S)


def against_worker(rig: Rig, per_s: Sequence[float]) -> Figure:
    """Return statuses per send that one worker of this run could do on the same core."""
    name = "webhooks.sends_ratio"
    sends = [each.value for each in rig.results if each.name == "worker_cpu.per_s" and each.value]
    if not sends:
        why = "worker_cpu was not measured in this run"
        return missing_one(name, Verdict.SKIPPED, why)
    return measured(name, [each / sends[-1] for each in per_s])
