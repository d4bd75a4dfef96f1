"""The workers: claim, send, settle; look after what ran out; stop without losing anything."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine, Iterable
from functools import partial
from random import Random

from engine.caretaker import Caretaker
from engine.claimer import Claimer
from engine.delivery import Delivery, NowUs
from engine.dispatch import Dispatch
from engine.events import Emit, LoopFailed, PoolDrained, guarded
from engine.imprints import WatchedLedger
from engine.model import PortfolioId
from engine.outcomes import InDoubt, Unwritten
from engine.ports import Claimed
from engine.served import Room, Served
from engine.settler import Settler

LOOK_EVERY_MS = 1_000
RESTART_S = 1.0  # after an error of ours in a loop
SETTLE_SHARE = 10  # of the time to drain, one part in this many is kept for the last settlements
SETTLE_MOST_MS = 2_000

Loop = Callable[[], Coroutine[None, None, None]]


class Pool:
    """All loops of one worker process.

    `worker` names this incarnation of the process: no other may ever use it, or the ledger would
    take its claims for ours. Jobs claimed and not yet recorded never exceed `concurrency`.
    """

    def __init__(
        self,
        *,
        ledger: WatchedLedger,
        delivery: Delivery,
        worker: str,
        concurrency: int,
        emit: Emit,
        now_us: NowUs,
        rng: Random,
        look_every_ms: int = LOOK_EVERY_MS,
    ) -> None:
        assert concurrency > 0
        self._now_us = now_us
        self._delivery = delivery
        self._tell = guarded(emit)
        self._served: dict[PortfolioId, Served] = {}
        self._room = Room(concurrency)
        self._tasks: dict[asyncio.Task[None], Loop] = {}
        self._is_draining = False
        self._is_over = False
        self._returned = 0
        self._settler = Settler(
            ledger=ledger,
            room=self._room,
            now_us=now_us,
            rng=rng,
            tell=self._tell,
            settled=self._settled,
            rides=self._rides,
        )
        self._dispatch = Dispatch(
            delivery=delivery,
            concurrency=concurrency,
            now_us=now_us,
            ended=self._settler.add,
            tell=self._tell,
        )
        self._claimer = Claimer(
            ledger=ledger,
            worker=worker,
            room=self._room,
            now_us=now_us,
            rng=rng,
            tell=self._tell,
            taken=self._taken,
            settler=self._settler,
            served=self._served.values,
        )
        self._caretaker = self._caretaker_over(ledger, rng, look_every_ms)

    def _caretaker_over(self, ledger: WatchedLedger, rng: Random, look_every_ms: int) -> Caretaker:
        return Caretaker(
            ledger=ledger,
            now_us=self._now_us,
            rng=rng,
            tell=self._tell,
            served=self._served.values,
            look_every_ms=look_every_ms,
            ring=self._claimer.ring,
        )

    # -- what it is told -------------------------------------------------------------------------

    def serve(self, portfolios: Iterable[PortfolioId]) -> None:
        """Serve exactly these from now on; what is open of the others is still settled."""
        wanted = dict.fromkeys(portfolios)
        for portfolio in wanted:
            self._served.setdefault(portfolio, Served(portfolio)).is_leaving = False
        for portfolio, served in self._served.items():
            served.is_leaving = portfolio not in wanted
        self._claimer.ring()

    def wake(self, portfolio: PortfolioId, due_at_ms: int) -> None:
        """Note that `portfolio` may have something to claim at `due_at_ms`; a hint, often wrong."""
        served = self._served.get(portfolio)
        if served is not None:
            served.is_woken = True
            served.hint(due_at_ms, served.sequence)
            self._claimer.ring()

    def stop_heard(self, portfolio: PortfolioId, source: str) -> None:
        """Give back what was claimed of a source that was paused, stopped or cancelled."""
        self._delivery.stop_heard(source)
        if portfolio in self._served:
            self._dispatch_again(self._dispatch.take_back())

    @property
    def unrecorded(self) -> int:
        """Return how many jobs have ended and are not yet recorded."""
        return sum(served.unrecorded for served in self._served.values())

    @property
    def in_flight(self) -> int:
        """Return how many senders are busy."""
        return len(self._dispatch.in_flight())

    # -- running ---------------------------------------------------------------------------------

    def start(self) -> None:
        """Start all loops in the running event loop."""
        assert not self._tasks, "a pool starts once"
        self._start("claim", self._claimer.claim_forever)
        self._start("rescue", self._caretaker.rescue_forever)
        for place in range(self._room.concurrency):
            self._start("send", partial(self._dispatch.send_forever, place))

    async def drain(self, deadline_ms: int) -> None:
        """Stop for good by `deadline_ms` (since the epoch); nothing that is known gets lost.

        Jobs not begun go back unwritten, sends under way may end, what remains is in doubt.
        """
        self._is_draining = True
        self._claimer.stop()
        self._give_back(self._dispatch.take_back())
        left_ms = max(0, deadline_ms - self._now_us() // 1_000)
        sends_end_ms = deadline_ms - min(SETTLE_MOST_MS, left_ms // SETTLE_SHARE)
        try:
            async with asyncio.timeout(self._seconds_until(sends_end_ms)):
                await self._wait_for_sends()
        except TimeoutError:
            pass
        doubted = await self._cut_off()
        try:
            async with asyncio.timeout(self._seconds_until(deadline_ms)):
                await self._record_rest()
        except TimeoutError:
            pass
        unrecorded = self.unrecorded
        await self.abandon()
        self._tell(PoolDrained(self._returned, doubted, unrecorded))

    async def abandon(self) -> None:
        """Stop at once, as a crash would: what was claimed is left to its leases."""
        self._is_over = True
        tasks = [*self._tasks, *self._settler.tasks(), *self._claimer.tasks()]
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        self._dispatch.take_back()

    def _start(self, name: str, loop: Loop) -> asyncio.Task[None]:
        """Run a loop in a task of its own, and start it again after an error of ours.

        No coroutine stands around a loop: each of its steps would pass through it.
        """
        task = asyncio.get_running_loop().create_task(loop(), name=name)
        self._tasks[task] = loop
        task.add_done_callback(self._ended)
        return task

    def _ended(self, task: asyncio.Task[None]) -> None:
        loop = self._tasks.pop(task)
        if task.cancelled() or self._is_over:
            return
        error = task.exception()
        if isinstance(error, Exception):
            self._tell(LoopFailed(task.get_name(), error))
            asyncio.get_running_loop().call_later(RESTART_S, self._restart, task.get_name(), loop)

    def _restart(self, name: str, loop: Loop) -> None:
        if not self._is_over:
            self._start(name, loop)

    # -- what its parts tell each other ----------------------------------------------------------

    def _taken(self, served: Served, jobs: list[Claimed]) -> None:
        if self._is_draining:
            self._give_back([(served, job) for job in jobs])
        else:
            self._dispatch.put(served, jobs)

    def _rides(self, served: Served) -> bool:
        return self._claimer.rides(served)

    def _settled(self) -> None:
        self._claimer.ring()

    def _give_back(self, entries: list[tuple[Served, Claimed]]) -> None:
        """Settle jobs that nobody began to write."""
        now_us = self._now_us()
        for served, job in entries:
            self._returned += 1
            self._settler.add(served, (job, Unwritten("draining"), now_us, 0))

    def _dispatch_again(self, entries: list[tuple[Served, Claimed]]) -> None:
        """Sort out what a stop concerns; the rest keeps its send time."""
        now_us = self._now_us()
        for served, job in entries:
            refused = self._delivery.objection(job, now_us)
            if refused:
                self._settler.add(served, (job, Unwritten(refused), now_us, 0))
            else:
                self._dispatch.put(served, [job])

    # -- the end ---------------------------------------------------------------------------------

    async def _wait_for_sends(self) -> None:
        """Wait until the last wish is answered and the last send has ended."""
        await self._claimer.stopped.wait()
        await asyncio.sleep(0)  # who was handed a job begins it now
        while self._dispatch.in_flight():
            await self._dispatch.one_ended()

    async def _cut_off(self) -> int:
        """Cancel the sends under way; return how many may have been written."""
        self._is_over = True
        cut, tasks = self._dispatch.in_flight(), list(self._tasks)
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
        doubted = 0
        for served, job in cut:
            outcome = self._delivery.cut_off(job)
            doubted += isinstance(outcome, InDoubt)
            self._settler.add(served, (job, outcome, self._now_us(), 0))
        return doubted

    async def _record_rest(self) -> None:
        while self.unrecorded:
            for served in self._served.values():
                self._settler.flush(served)
            await self._settler.finish()

    def _seconds_until(self, at_ms: int) -> float:
        return max(0, at_ms * 1_000 - self._now_us()) / 1_000_000
