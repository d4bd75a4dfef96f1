"""The side that sends: the pool, its road to Meta, and what it hears from other processes."""

from __future__ import annotations

import asyncio
import gc
import os
import secrets
from collections.abc import AsyncGenerator, Awaitable, Callable
from contextlib import asynccontextmanager, suppress
from random import SystemRandom
from typing import Final

from adapters.api.app import build_probe_app
from adapters.api.front import Operations
from adapters.house.serving import listen, listening_at
from adapters.house.shared import HINT_BLOCK_MS, REGISTRY, House
from adapters.house.template_doubts import TemplateDoubts
from adapters.house.templates import rechecks_of
from adapters.meta.client import MetaClient, build_session
from engine.delivery import Delivery
from engine.errors import LedgerAwayError
from engine.model import PortfolioId
from engine.pool import Pool

ATTEND_EVERY_S: Final = 1.0
DRAIN_MS: Final = 25_000  # below the 30 s that Kubernetes waits
GC_THRESHOLDS: Final = (20_000, 20, 100)  # measured: the largest single win there is


@asynccontextmanager
async def open_worker(house: House, *, is_alone: bool) -> AsyncGenerator[None]:
    """Claim, send and settle; alone it shows its health and metrics on `metrics_listen`."""
    settings, clock = house.settings, house.clock
    session = build_session()
    rng = SystemRandom()
    worker = f"{os.uname().nodename}-{os.getpid()}-{secrets.token_hex(4)}"
    messenger = MetaClient(
        session,
        graph_url=settings.graph_url,
        graph_version=settings.graph_version,
        token_of=house.registry.token_of,
        now_ms=clock.now_ms,
        objection=lambda job: delivery.objection(job, clock.now_us()),
    )
    delivery = Delivery(
        ledger=house.recollection,
        contents=house.ledger,
        messenger=messenger,
        opaque=house.opaque,
        emit=house.emit,
        now_us=clock.now_us,
        rng=rng,
        lease_ms=settings.lease_ms,
        timeout_s=settings.send_timeout_ms / 1_000,
        authentication_timeout_s=settings.authentication_send_timeout_ms / 1_000,
        was_written=lambda letter: messenger.letter_was_written(letter.job),
        recheck=rechecks_of(house).objection,
    )
    pool = Pool(
        ledger=house.recollection,
        delivery=delivery,
        worker=worker,
        concurrency=settings.concurrency,
        emit=TemplateDoubts(house).emit,
        now_us=clock.now_us,
        rng=rng,
    )
    house.pool, house.delivery = pool, delivery
    async with session:
        if is_alone:  # first of all: whoever cannot listen must not have claimed anything
            await _show_health(house)
        house.serve_all()
        pool.start()
        _keep_in_touch(house, pool, worker)
        try:
            yield
        finally:
            await pool.drain(clock.now_ms() + DRAIN_MS)
            await _leave(house, worker)


async def _show_health(house: House) -> None:
    probe = build_probe_app(Operations(house.metrics.render, house.objections))
    address = house.settings.metrics_address
    with listening_at(house.settings.metrics_listen, "PENSTOCK_METRICS_LISTEN (--metrics-listen)"):
        await listen(house, probe, address)


def _renewing(house: House) -> Callable[[], Awaitable[None]]:
    """Return what reads templates, and forgets messages, before a changed one is written."""

    async def renew() -> None:
        await house.registry.refresh()
        if house.delivery is not None:
            house.delivery.forget_messages()

    return renew


def _keep_in_touch(house: House, pool: Pool, worker: str) -> None:
    """Hear what the other processes tell, and tell them that this one works, and what it did."""
    house.ledger.renewed = _renewing(house)
    house.keep("hear", lambda: _hear_hints(house, pool))
    house.keep("attend", lambda: _attend(house, worker))


async def _attend(house: House, worker: str) -> None:
    if not house.is_draining:
        await house.attendance.come(worker)
    await asyncio.sleep(ATTEND_EVERY_S)


async def _leave(house: House, worker: str) -> None:
    with suppress(LedgerAwayError):  # it is missed soon enough
        await house.attendance.leave(worker)


def tune_collector() -> None:
    """Leave what lives for ever out of the collector's way, and let it come rarely."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(*GC_THRESHOLDS)


async def _hear_hints(house: House, pool: Pool) -> None:
    async for kind, names in house.hints.heard(HINT_BLOCK_MS):
        if kind == "wake":
            if REGISTRY in names:
                await house.registry.refresh()
                house.serve_all()
            for name in names:
                pool.wake(PortfolioId(name), house.clock.now_ms())
        elif kind == "stop":
            pool.stop_heard(PortfolioId(names[0]), names[1])
