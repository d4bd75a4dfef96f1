"""Outcomes on their way to the ledger: in batches, again and again until they are recorded.

Where a wish is about to be made they ride along with it: one call instead of two.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

from engine.delivery import NowUs
from engine.errors import LedgerAwayError
from engine.events import (
    Emit,
    GateClosed,
    JobsSettled,
    Journey,
    LedgerFailed,
    LoopFailed,
    SettlementGivenUp,
)
from engine.model import Gate, JobKey
from engine.outcomes import Deferred
from engine.ports import Answer, Ledger, Settled, Settlement
from engine.served import Room, Served, low_count, trouble_ms

BATCH = 100
BATCH_MAX = 500  # of what piled up while the ledger was away
FLUSH_MS = 5


class Settler:
    """Collects journeys per portfolio; one call under way per portfolio."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        room: Room,
        now_us: NowUs,
        rng: Random,
        tell: Emit,
        settled: Callable[[], None],
        rides: Callable[[Served], bool],
    ) -> None:
        self._ledger = ledger
        self._room = room
        self._now_us = now_us
        self._rng = rng
        self._tell = tell
        self._settled = settled
        self._rides = rides
        # Small pools must not wait for a hundred that can never be open at once.
        self._batch = max(1, min(BATCH, room.concurrency // 4))
        self._tasks: dict[Served, asyncio.Task[None]] = {}

    def add(self, served: Served, journey: Journey) -> None:
        """Take one ended job."""
        journeys = served.journeys
        journeys.append(journey)
        if len(journeys) >= self._batch:
            if not self._rides(served):
                self.flush(served)
        elif served.timer is None:
            self._plan(served, self._at_the_latest)

    def ride(self, served: Served) -> list[Journey]:
        """Hand over what is collected to a wish; `rode` or `got_off` says what came of it."""
        self._drop_timer(served)
        riders = served.journeys[:BATCH_MAX]
        del served.journeys[:BATCH_MAX]
        served.riders = riders
        if served.journeys:
            self._plan(served, self.flush)
        return riders

    def rode(self, served: Served, answer: Answer, took_us: int) -> None:
        """Note that what rode along with a wish is recorded."""
        riders, served.riders = served.riders, []
        self._recorded(served, riders, answer.ignored, answer.closed, took_us)

    def got_off(self, served: Served) -> None:
        """Record by itself what rode along with a wish that broke: one of them may be poison."""
        served.journeys[:0] = served.riders
        served.riders = []
        self.flush(served)

    def flush(self, served: Served) -> None:
        """Begin to record what is collected, unless that is under way already."""
        self._drop_timer(served)
        if served.journeys and served not in self._tasks:
            task = asyncio.get_running_loop().create_task(self._record_all(served))
            self._tasks[served] = task

    async def finish(self) -> None:
        """Wait until all that was added is recorded."""
        while self._tasks:
            await asyncio.wait(list(self._tasks.values()))

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return what is under way."""
        return list(self._tasks.values())

    def _at_the_latest(self, served: Served) -> None:
        """Have what was collected recorded now: by the wish that is due, or by its own call."""
        served.timer = None
        if served.journeys and self._rides(served):
            self._plan(served, self.flush)  # should the wish not be made after all
        else:
            self.flush(served)

    def _plan(self, served: Served, then: Callable[[Served], None]) -> None:
        loop = asyncio.get_running_loop()
        served.timer = loop.call_later(FLUSH_MS / 1_000, then, served)

    def _drop_timer(self, served: Served) -> None:
        if served.timer is not None:
            served.timer.cancel()
            served.timer = None

    async def _record_all(self, served: Served) -> None:
        try:
            while served.journeys:
                batch = served.journeys[:BATCH_MAX]
                del served.journeys[:BATCH_MAX]
                served.recording = len(batch)
                await self._record(served, batch)
                served.recording = 0
                if len(served.journeys) < self._batch:
                    break
        except Exception as error:  # noqa: BLE001  # supervised: what comes next is recorded still
            self._tell(LoopFailed("settle", error))
        finally:
            del self._tasks[served]
        if served.journeys and served.timer is None:
            self._plan(served, self._at_the_latest)

    async def _record(self, served: Served, batch: list[Journey]) -> None:
        """Record one batch, however often it takes; give its room back."""
        settlements = told(batch)
        began_us = self._now_us()
        try:
            settled = await self._until_recorded(served, settlements)
        except Exception as error:  # noqa: BLE001  # one of them is poison: find out which
            self._tell(LoopFailed("settle", error))
            settled = await self._one_by_one(served, settlements)
        served.hint(settled.due_at_ms, settled.sequence)
        took_us = self._now_us() - began_us
        self._recorded(served, batch, settled.ignored, settled.closed, took_us)
        self._settled()

    def _recorded(
        self,
        served: Served,
        batch: list[Journey],
        ignored: list[JobKey],
        closed: list[tuple[Gate, str]],
        took_us: int,
    ) -> None:
        """Give back the room of a batch and tell of it."""
        self._room.give_back(len(batch), low_count(job for job, _, _, _ in batch))
        late_us = sum([began_us - job.send_at_us for job, _, began_us, _ in batch])
        self._room.note_late(late_us // len(batch))
        self._tell(JobsSettled(served.portfolio, batch, ignored, took_us))
        for gate, key in closed:
            self._tell(GateClosed(served.portfolio, gate, key, _causes_of(gate, batch)))

    async def _until_recorded(self, served: Served, settlements: list[Settlement]) -> Settled:
        times = 0
        while True:
            try:
                return await self._ledger.settle(served.portfolio, settlements)
            except LedgerAwayError as error:
                times += 1
                wait_ms = trouble_ms(times, self._rng)
                self._tell(LedgerFailed(served.portfolio, "settle", error, wait_ms))
            await asyncio.sleep(wait_ms / 1_000)

    async def _one_by_one(self, served: Served, settlements: list[Settlement]) -> Settled:
        """Record what can be recorded; the lease of what cannot will run out, as a doubt."""
        total = Settled([], [])
        for settlement in settlements:
            try:
                settled = await self._until_recorded(served, [settlement])
            except Exception as error:  # noqa: BLE001  # given up, told, and safe: its lease ends
                key, attempt = settlement.key, settlement.attempt
                self._tell(SettlementGivenUp(served.portfolio, key, attempt, error))
                continue
            total.ignored += settled.ignored
            total.closed += settled.closed
            total.sequence = max(total.sequence, settled.sequence)
            total.due_at_ms = min(total.due_at_ms, settled.due_at_ms)
        return total


def told(journeys: Iterable[Journey]) -> list[Settlement]:
    """Return journeys as the ledger is told of them."""
    return [Settlement(job.key, job.attempt, end) for job, end, _, _ in journeys]


def _causes_of(gate: Gate, batch: list[Journey]) -> tuple[Journey, ...]:
    """Return the answers that closed gates of this kind; only asked when something closed."""
    return tuple(
        journey for journey in batch if isinstance(journey[1], Deferred) and journey[1].gate is gate
    )
