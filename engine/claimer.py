"""Asking the ledger for jobs, no more than there is room for.

What has ended meanwhile is told along with a wish: its room is free for what the wish gives.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from random import Random

from engine.delivery import NowUs
from engine.errors import LedgerAwayError, LedgerError
from engine.events import Emit, JobsClaimed, LedgerFailed, LoopFailed
from engine.model import Gate
from engine.ports import FOREVER_MS, Answer, Ask, Claimed, Ledger
from engine.served import Room, Served, low_count, trouble_ms
from engine.settler import Settler, told

ASKS_MAX = 64  # portfolios in one call
SLOW_US = 10_000  # a call that takes longer is for too many: at 20 ms its first jobs are too late
MOST = 256  # jobs in one wish: as many steps as a claim takes
CLAIM_EVERY_MS = 4  # send times lie 10 ms ahead: a rhythm of 4 loses none of them
SHIFTS_MS = (-1, 0, 0, 1)  # of it, by chance: who always asks after the same gap gets all it holds
WOKEN_EVERY_MS = 1
LOW_EVERY_MS = 20  # while only low priorities have no room: a login code may have come unheard
EMPTY_MOST_MS = 1_000

Taken = Callable[[Served, list[Claimed]], None]


class Claimer:
    """Decides when each portfolio is asked, and for how much."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        worker: str,
        room: Room,
        now_us: NowUs,
        rng: Random,
        tell: Emit,
        taken: Taken,
        settler: Settler,
        served: Callable[[], Iterable[Served]],
    ) -> None:
        self._ledger = ledger
        self._worker = worker
        self._room = room
        self._now_us = now_us
        self._rng = rng
        self._tell = tell
        self._taken = taken
        self._settler = settler
        self._served = served
        self._together_max = ASKS_MAX
        self._room_worth_it = max(1, room.concurrency // 4)
        self._bell: asyncio.Future[None] | None = None
        self._alone: set[asyncio.Task[None]] = set()
        self._is_stopping = False
        self.stopped = asyncio.Event()  # nothing will be asked any more

    # -- the claims ------------------------------------------------------------------------------

    def ring(self) -> None:
        """Look again at who may be asked: room, a hint or a stop has come."""
        if self._bell is not None and not self._bell.done():
            self._bell.set_result(None)

    def rides(self, served: Served) -> bool:
        """Return whether a wish is due that tells what has ended; then it is made at once."""
        if served.troubles or self._asks_at_ms(served) > self._now_us() // 1_000:
            return False
        self.ring()
        return True

    def stop(self) -> None:
        """Make no new wishes; `claim_forever` ends when the lost ones are answered."""
        self._is_stopping = True
        self.ring()

    def tasks(self) -> list[asyncio.Task[None]]:
        """Return the questions that are asked aside."""
        return list(self._alone)

    async def claim_forever(self) -> None:
        """Ask for jobs whenever there may be some and there is room."""
        while True:
            now_ms = self._now_us() // 1_000
            due, next_ms = self._look_around(now_ms)
            alone = [served for served in due if served.troubles]
            together = [served for served in due if not served.troubles][: self._together_max]
            for served in alone:
                self._ask_alone(served)
            if together:
                await self._ask(together)
            elif self._is_over():
                self.stopped.set()
                return
            elif not alone:
                await self._sleep_until(next_ms)

    def _is_over(self) -> bool:
        """Return whether nothing more will be asked: we stop, and no answer is missing."""
        if not self._is_stopping:
            return False
        return not any(served.lost or served.is_asking for served in self._served())

    def _look_around(self, now_ms: int) -> tuple[list[Served], int]:
        """Return who is to be asked now, longest unasked first, and when the next one is."""
        due: list[Served] = []
        next_ms = FOREVER_MS
        for served in self._served():
            if served.due_at_ms >= FOREVER_MS and served.lost is None:
                continue  # of a thousand portfolios mostly nearly all: no call for each
            at_ms = self._asks_at_ms(served)
            if at_ms <= now_ms:
                due.append(served)
            elif at_ms < next_ms:
                next_ms = at_ms
        due.sort(key=lambda served: served.asked_at_ms)
        return due, next_ms

    def _asks_at_ms(self, served: Served) -> int:
        """Return when a portfolio is worth asking, as things stand."""
        if served.is_asking:
            return FOREVER_MS
        if served.lost is not None:
            return served.not_before_ms
        if self._is_stopping or served.is_leaving:
            return FOREVER_MS
        if self._room.free + len(served.journeys) <= 0:
            return FOREVER_MS
        due_ms = max(served.due_at_ms, served.not_before_ms)
        if not served.is_woken:  # all workers were told the same moment: not always the same first
            due_ms += served.shift_ms - SHIFTS_MS[0]
        return max(due_ms, served.asked_at_ms + self._pause_ms(served))

    def _pause_ms(self, served: Served) -> int:
        """Return the least time between two questions: a batch costs little more than a job."""
        if served.is_woken:
            return WOKEN_EVERY_MS
        if served.empties:
            return min(EMPTY_MOST_MS, 1 << served.empties)
        room = self._room.low_now if served.lacked_low else self._room.free
        room += len(served.journeys)
        if served.is_more and room >= self._room_worth_it:
            return 0
        return LOW_EVERY_MS if room <= 0 else CLAIM_EVERY_MS + served.shift_ms

    def _ask_alone(self, served: Served) -> None:
        """Ask a portfolio whose ledger failed without holding up the others."""
        served.is_asking = True
        task = asyncio.get_running_loop().create_task(self._ask([served]))
        self._alone.add(task)
        task.add_done_callback(self._alone_done)

    def _alone_done(self, task: asyncio.Task[None]) -> None:
        self._alone.discard(task)
        if not task.cancelled() and isinstance(error := task.exception(), Exception):
            self._tell(LoopFailed("claim", error))
        self.ring()

    async def _ask(self, group: list[Served]) -> None:
        """Make one call for a group and take what it gives."""
        asks = [self._wish(served, len(group)) for served in group]
        began_us = self._now_us()
        chance = self._rng.getrandbits(2 * len(group))
        for served in group:
            served.shift_ms, chance = SHIFTS_MS[chance & 3], chance >> 2
            served.is_asking, served.is_woken, served.hinted_ms = True, False, FOREVER_MS
            served.asked_at_ms = began_us // 1_000
        try:
            answers = await self._ledger.claim(asks)
        except LedgerError as error:
            for served, ask in zip(group, asks, strict=True):
                self._lose(served, ask, error)
            return
        except Exception as error:
            # Whatever it was, the ledger may have given jobs: the same wish finds them.
            for served, ask in zip(group, asks, strict=True):
                self._lose(served, ask, error)
            raise
        took_us = self._now_us() - began_us
        if took_us > SLOW_US and len(group) > 1:
            self._together_max = len(group) // 2
        elif took_us < SLOW_US // 2:
            self._together_max = min(ASKS_MAX, self._together_max + 1)
        for served, ask, answer in zip(group, asks, answers, strict=True):
            self._take(served, ask, answer, took_us)

    def _wish(self, served: Served, sharers: int) -> Ask:
        """Return the wish to make; its room is set aside until it is answered."""
        if served.lost is not None:
            ask, served.lost = served.lost, None
            ask.known_sequence = served.sequence
            return ask
        riders = self._settler.ride(served) if served.journeys else []
        room = self._room
        free = room.free + len(riders)
        low_free = room.low_now + low_count(job for job, _, _, _ in riders)
        most = max(0, min(MOST, max(1, free // sharers), free))
        low = max(0, min(most, max(1, low_free // sharers), low_free))
        room.take(most, low)
        return Ask(
            served.portfolio,
            self._worker,
            served.counter,
            most,
            low,
            served.sequence,
            told(riders) if riders else (),
        )

    def _lose(self, served: Served, ask: Ask, error: Exception) -> None:
        if ask.settlements and not isinstance(error, LedgerAwayError):
            self._ask_alone_for_jobs(served, ask)
        served.lost = ask
        served.is_asking = False
        self._leave_alone(served)
        wait_ms = served.not_before_ms - self._now_us() // 1_000
        self._tell(LedgerFailed(served.portfolio, "claim", error, wait_ms))

    def _ask_alone_for_jobs(self, served: Served, ask: Ask) -> None:
        """Take from a wish that broke what rode along, and the room that this would have freed."""
        riders = served.riders
        low = min(ask.low, low_count(job for job, _, _, _ in riders))
        most = min(ask.most, len(riders))
        ask.settlements = ()
        ask.most, ask.low = ask.most - most, ask.low - low
        self._room.give_back(most, low)
        self._settler.got_off(served)

    def _leave_alone(self, served: Served) -> None:
        served.troubles += 1
        wait_ms = trouble_ms(served.troubles, self._rng)
        served.not_before_ms = self._now_us() // 1_000 + wait_ms

    def _take(self, served: Served, ask: Ask, answer: Answer, took_us: int) -> None:
        jobs = answer.jobs
        low = low_count(jobs)
        if ask.settlements:
            self._settler.rode(served, answer, took_us)
        self._room.give_back(ask.most - len(jobs), ask.low - low)
        served.is_asking = False
        self._tell(JobsClaimed(served.portfolio, jobs, answer.refusals, answer.refused, took_us))
        if answer.refused:
            # A slot that remembers a later wish of ours refuses all before it.
            served.counter = ask.counter * 2 if answer.refused == "stale" else ask.counter
            self._leave_alone(served)
            return
        served.counter = ask.counter + 1
        served.troubles = 0
        served.due_at_ms = min(answer.come_back_at_ms, served.hinted_ms)
        served.sequence = max(served.sequence, answer.sequence)
        served.rescue_at_ms = min(served.rescue_at_ms, answer.rescue_at_ms)
        served.is_more = answer.more
        served.lacked_low = low >= ask.low and len(jobs) < ask.most
        is_in_vain = answer.more and not jobs and not _has_moved(answer)
        served.empties = served.empties + 1 if is_in_vain else 0
        if jobs:
            self._taken(served, jobs)

    async def _sleep_until(self, at_ms: int) -> None:
        loop = asyncio.get_running_loop()
        self._bell = loop.create_future()
        timer: asyncio.TimerHandle | None = None
        if at_ms < FOREVER_MS:
            delay_s = max(0, at_ms * 1_000 - self._now_us()) / 1_000_000
            timer = loop.call_later(delay_s, self.ring)
        try:
            await self._bell
        finally:
            self._bell = None
            if timer is not None:
                timer.cancel()


def _has_moved(answer: Answer) -> bool:
    """Return whether jobs were put behind their gates: then the next wish finds fewer of them."""
    return any(refusal.gate is not Gate.RATE for refusal in answer.refusals)
