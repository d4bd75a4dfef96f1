"""A day of one portfolio, drawn from a seed, which a script can be played through in two ways."""

from __future__ import annotations

from collections.abc import AsyncIterator, Generator
from contextlib import contextmanager
from dataclasses import replace
from random import Random
from typing import Any, Final

from adapters.redis.assembly import read_scripts
from adapters.redis.keys import tag
from engine.model import (
    Category,
    DeliveryStatus,
    JobKey,
    Lane,
    Priority,
    SenderId,
    SourceState,
    TemplateStatus,
)
from engine.outcomes import Accepted, Dropped, Outcome, Unwritten
from engine.ports import Answer, Ask, Claimed, Receipt, Settlement
from tests.builders import a_portfolio, a_recipient, a_row, a_sender, a_source, a_template
from tests.lua.slot_state import PORTFOLIO, Slot, State

NUMBERS: Final = {SenderId("slow"): 20, SenderId("middle"): 100, SenderId("fast"): 1_000}
STEPS: Final = 160
LOOK_EVERY: Final = 8
ODD: Final = 0.06  # of the steps are something else than the day's work of a campaign

Step = tuple[list[Any], State, list[bytes]]


@contextmanager
def changed(script: str, *changes: tuple[str, str]) -> Generator[None]:
    """Let a ledger made here have another script: each text stands in it once."""
    scripts = read_scripts()
    before = scripts[script]
    for old, new in changes:
        assert scripts[script].count(old) == 1, old
        scripts[script] = scripts[script].replace(old, new)
    try:
        yield
    finally:
        scripts[script] = before


class History:
    """What happens to one portfolio, drawn from a seed; what was answered changes nothing of it."""

    def __init__(self, slot: Slot, seed: int) -> None:
        self.slot = slot
        self.random = Random(seed)
        self.people = 0
        self.wishes = 0
        self.sequence = 0
        self.claimed: list[Claimed] = []
        self.ended: list[Claimed] = []

    async def steps(self) -> AsyncIterator[Step]:
        """Play it; give some steps' answers, then all that is in the slot, and what was logged."""
        await self._furnish()
        for _ in range(0, STEPS, LOOK_EVERY):
            answers = [await self._step() for _ in range(LOOK_EVERY)]
            yield answers, await self._state(), await self._logged()

    async def _furnish(self) -> None:
        draw = self.random
        places = draw.choice([-1, 250, 1_000])
        await self.slot.put_portfolio(a_portfolio(places))
        for name, mps in NUMBERS.items():
            await self.slot.put_sender(a_sender(throughput_mps=mps), name)
        for template in ("T1", "T2"):
            await self.slot.put_template(a_template(), template)
        for source in ("campaign:a", "campaign:b"):
            await self.slot.put_source(a_source(), source)
        for name in NUMBERS:
            await self._enqueue(name, draw.randrange(100, 200))

    async def _enqueue(self, name: SenderId, rows: int) -> Any:  # noqa: ANN401 (any answer)
        draw = self.random
        source = "campaign:b" if draw.random() < 0.02 else "campaign:a"
        priority = Priority.UTILITY if draw.random() < 0.01 else Priority.MARKETING
        lane = Lane(source, name, "T1" if draw.random() < 0.98 else "T2", priority)
        ends_ms = self.slot.now_ms + 900 if draw.random() < 0.2 else 0
        queued = [a_row(self._person(), expires_at_ms=ends_ms) for _ in range(rows)]
        return await self.slot.enqueue(*queued, lane=lane)

    def _person(self) -> int:
        if self.people and self.random.random() < 0.01:
            return self.random.randrange(1, self.people + 1)  # who was written to already
        self.people += 1
        return self.people

    async def _step(self) -> Any:  # noqa: ANN401 (any answer)
        draw = self.random
        self.slot.now_ms += draw.choice([0, 1, 5, 30, 200])
        if draw.random() < ODD:
            odd = draw.choice([self._status, self._opt_out, self._write_to_us, self._change])
            return await odd()
        if draw.random() < 0.05:
            return await self._enqueue(draw.choice([*NUMBERS]), draw.randrange(20, 80))
        return await self._claim()

    async def _claim(self) -> Answer:
        draw = self.random
        ended, self.claimed = self.claimed, []
        told = [Settlement(job.key, job.attempt, self._outcome()) for job in ended]
        if told and draw.random() < 0.05:
            told.append(draw.choice(told))  # one is told of twice
        self.ended += ended
        self.wishes += 1
        most = draw.choice([1, 8, 8, 8, 20, 70])
        low = most if draw.random() < 0.9 else draw.randrange(most + 1)
        ask = Ask(PORTFOLIO, "w", self.wishes, most, low, self.sequence, told)
        (answer,) = await self.slot.ledger.claim([ask])
        self.sequence = answer.sequence
        self.claimed = list(answer.jobs)
        return answer

    def _outcome(self) -> Outcome:
        if self.random.random() > 0.01:
            return Accepted("wamid.A")
        others: list[Outcome] = [Unwritten("late"), Dropped(131009, "x")]
        return self.random.choice(others)

    async def _status(self) -> Any:  # noqa: ANN401 (any answer)
        if not self.ended:
            return None
        job = self.random.choice(self.ended)
        status = self.random.choice([DeliveryStatus.DELIVERED, DeliveryStatus.READ])
        receipt = Receipt(job.key, job.attempt, job.recipient, status, self.slot.now_ms, "wamid.A")
        return await self.slot.ledger.receive(PORTFOLIO, [receipt])

    async def _opt_out(self) -> None:
        person = self.random.randrange(1, self.people + 30)
        await self.slot.ledger.suppress(PORTFOLIO, a_recipient(person), Category.MARKETING)

    async def _write_to_us(self) -> None:
        person, name = self.random.randrange(1, self.people + 30), self.random.choice([*NUMBERS])
        until_ms = self.slot.now_ms + 30_000
        await self.slot.ledger.open_window(PORTFOLIO, name, a_recipient(person), until_ms)

    async def _change(self) -> None:
        draw, slot = self.random, self.slot
        name = draw.choice([*NUMBERS])
        sender = a_sender(throughput_mps=NUMBERS[name])
        match draw.randrange(4):
            case 0:
                until_ms = slot.now_ms + draw.choice([0, 50, 300])
                await slot.put_sender(replace(sender, closed_until_ms=until_ms), name)
            case 1:
                status = draw.choice([TemplateStatus.PAUSED, *[TemplateStatus.APPROVED] * 3])
                await slot.put_template(a_template(status=status), draw.choice(["T1", "T2"]))
            case 2:
                state = draw.choice([SourceState.PAUSED, *[SourceState.RUNNING] * 3])
                await slot.put_source(a_source(state=state), draw.choice(["campaign:a"] * 3))
            case _:
                await slot.ledger.cancel_job(PORTFOLIO, JobKey(draw.randrange(1, 4), 5))

    async def _state(self) -> State:
        state = await self.slot.state(everything=True)
        kinds = str(state.pop("meta has", ""))  # begins with a stamp that no other server gives
        return state | {"meta has": sorted(kinds.partition("|")[2].split())}

    async def _logged(self) -> list[bytes]:
        client: Any = self.slot.client
        entries = await client.xrange(tag(PORTFOLIO) + "log")
        return [value for _, fields in entries for value in fields.values()]


async def assert_alike(history: History, before: list[Step]) -> None:
    """Play it, and find answers, everything in the slot and the log as they were before."""
    at = 0
    async for answers, state, logged in history.steps():
        assert (at, answers) == (at, before[at][0])
        assert (at, state) == (at, before[at][1])
        assert (at, logged) == (at, before[at][2])
        at += 1
    assert at == len(before) == STEPS // LOOK_EVERY
