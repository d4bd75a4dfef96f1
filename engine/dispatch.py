"""From the claim to the first byte: jobs wait for their send time, then long-lived coroutines send.

One timer for all jobs, one future per hand-over, no task per job.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable

from engine.delivery import Delivery, NowUs
from engine.events import Emit, JobBroke, Journey
from engine.outcomes import InDoubt
from engine.ports import Claimed
from engine.served import Served

WAKE_EVERY_US = 1_000  # send times closer together than this leave together

Entry = tuple[Served, Claimed]
Ended = Callable[[Served, Journey], None]


class Dispatch:
    """Holds claimed jobs until their send times and gives them to idle senders."""

    def __init__(
        self, *, delivery: Delivery, concurrency: int, now_us: NowUs, ended: Ended, tell: Emit
    ) -> None:
        self._deliver = delivery.deliver
        self._now_us = now_us
        self._ended = ended
        self._tell = tell
        self._later: list[tuple[int, int, Served, Claimed]] = []  # the next one is the last
        self._ready: deque[Entry] = deque()
        self._idle: list[asyncio.Future[Entry]] = []
        self._timer: asyncio.TimerHandle | None = None
        self._timer_us = 0
        self._put = 0
        self._watcher: asyncio.Event | None = None
        self._writing: list[Entry | None] = [None] * concurrency

    def put(self, served: Served, jobs: list[Claimed]) -> None:
        """Take claimed jobs; what is due leaves at once."""
        later, put, now_us = self._later, self._put, self._now_us()
        due: list[Entry] = []
        for job in jobs:
            if job.send_at_us <= now_us:
                due.append((served, job))
            else:
                put -= 1
                later.append((-job.send_at_us, put, served, job))
        self._put = put
        if due:
            self._hand_over(due)
        if later:
            later.sort()  # two sorted runs or nearly: cheaper than a heap's push and pop
            self._plan(-later[-1][0], now_us)

    def take_back(self) -> list[Entry]:
        """Return all jobs that no sender has begun."""
        entries = [(served, job) for _, _, served, job in self._later] + list(self._ready)
        self._later.clear()
        self._ready.clear()
        return entries

    def in_flight(self) -> list[Entry]:
        """Return the jobs that senders are busy with."""
        return [entry for entry in self._writing if entry is not None]

    async def one_ended(self) -> None:
        """Wait until a sender is done with its job."""
        self._watcher = asyncio.Event()
        await self._watcher.wait()

    async def send_forever(self, place: int) -> None:
        """Be one sender: write one job after the other."""
        loop = asyncio.get_running_loop()
        ready, idle, writing, now_us = self._ready, self._idle, self._writing, self._now_us
        deliver, ended = self._deliver, self._ended
        while True:
            if ready:
                entry = ready.popleft()
            else:
                turn: asyncio.Future[Entry] = loop.create_future()
                idle.append(turn)
                entry = await turn
            served, job = writing[place] = entry
            began_us = now_us()
            try:
                outcome = await deliver(served.portfolio, job, began_us)
            except Exception as error:  # noqa: BLE001  # our own fault, after the write began
                outcome = InDoubt("broken")
                self._tell(JobBroke(served.portfolio, job, outcome, error))
            writing[place] = None
            if self._watcher is not None:
                self._watcher.set()
            ended(served, (job, outcome, began_us, now_us() - began_us))

    def _release(self) -> None:
        """Let go what is due by now and plan the next time."""
        self._timer = None
        later, now_us = self._later, self._now_us()
        due: list[Entry] = []
        while later and -later[-1][0] <= now_us:
            _, _, served, job = later.pop()
            due.append((served, job))
        if due:
            self._hand_over(due)
        if later:
            self._plan(-later[-1][0], now_us)

    def _hand_over(self, due: list[Entry]) -> None:
        """Give what is due to idle senders, high priorities first."""
        if len(due) > 1:
            due.sort(key=_priority)
        idle = self._idle
        for entry in due:
            while idle:
                turn = idle.pop()
                if not turn.done():  # a sender that was cancelled takes nothing
                    turn.set_result(entry)
                    break
            else:
                self._ready.append(entry)

    def _plan(self, at_us: int, now_us: int) -> None:
        if self._timer is not None:
            if self._timer_us <= at_us:
                return
            self._timer.cancel()
        self._timer_us = max(at_us, now_us + WAKE_EVERY_US)
        delay_s = (self._timer_us - now_us) / 1_000_000
        self._timer = asyncio.get_running_loop().call_later(delay_s, self._release)


def _priority(entry: Entry) -> int:
    return entry[1].lane.priority
