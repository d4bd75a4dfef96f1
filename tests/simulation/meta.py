"""FaultyMeta: a Messenger that fails in every way a seed can think of, and judges what it gets."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable
from dataclasses import dataclass
from http import HTTPStatus
from random import Random

from adapters.meta.answers import Judge as AnswerJudge
from engine.letters import Letter
from engine.model import Gate
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.receipts import StatusSeen
from tests.simulation.judge import PAIR_WAIT_MS, Judge, Write
from tests.simulation.truth import CODES
from tests.virtual_time import VirtualTimeLoop

MINUTE_S = 60.0
HOUR_S = 3_600.0
THROTTLED = 130429
FAILURES = (131026, 131026, THROTTLED)  # what Meta tells later of messages that it took


@dataclass(frozen=True, slots=True)
class Faults:
    """How often each thing goes wrong, per send."""

    transient: float = 0.02
    throttled: float = 0.006
    pair: float = 0.004
    rejected: float = 0.01
    refused: float = 0.01
    refused_for_long: float = 0.002
    doubt: float = 0.012
    crash: float = 0.0015
    undelivered: float = 0.01
    late: float = 0.01  # delivered after more than a day
    webhook_lost: float = 0.02
    webhook_twice: float = 0.2
    held: float = 0.01
    coded: float = 0.004  # any number of the table, out of the blue


CALM = Faults(0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0)


class FaultyMeta:
    """Takes letters, answers or does not, and sends webhooks later, twice, or never."""

    def __init__(
        self,
        *,
        loop: VirtualTimeLoop,
        rng: Random,
        judge: Judge,
        faults: Faults,
        hear: Callable[[StatusSeen, Write], None],
        note: Callable[..., None],
        terms_of: Callable[[Letter], tuple[list[str], int, int, bool]],
        code_of: Callable[[Letter], int] = lambda _letter: 0,
    ) -> None:
        self.faults = faults
        self.crash: Callable[[], None] = lambda: None
        self._loop = loop
        self._rng = rng
        self._judge = judge
        self._hear = hear
        self._note = note
        self._terms_of = terms_of
        self._sent = 0
        self._code_of = code_of  # what is true at Meta forbids it
        self._answers = AnswerJudge(loop.now_ms)

    async def send(self, letter: Letter) -> Outcome:
        """Take one letter as Meta would."""
        rng, faults = self._rng, self.faults
        if rng.random() < faults.refused + faults.refused_for_long:
            self._judge.seen.add("unwritten")
            if rng.random() < faults.refused_for_long / (faults.refused + faults.refused_for_long):
                await asyncio.sleep(1.5)
            return Unwritten("unreachable")
        await asyncio.sleep(rng.choice((0.0, 0.001, 0.004)))
        code = self._code_of(letter)
        if not code and rng.random() < faults.coded:
            code = rng.choice(CODES)
        if code:
            return await self._refuse(letter, code)
        fate = self._draw(self._terms_of(letter)[2])
        to = json.loads(letter.body)["to"]
        if fate in {"taken", "doubt"} and self._judge.refuses_pair(
            letter.sender, to, self._loop.now_ms()
        ):
            fate = "pair"
        return await self._answer(letter, fate)

    async def _refuse(self, letter: Letter, code: int) -> Outcome:
        """Answer with a number of Meta's, read as the messenger reads it."""
        self._judge.seen.add("coded")
        write = self._arrive(letter, taken=False)
        await asyncio.sleep(0.05 + self._rng.random() * 0.2)
        body = json.dumps({"error": {"code": code, "message": "", "fbtrace_id": "A1"}}).encode()
        outcome, _ = self._answers.refuse(HTTPStatus.BAD_REQUEST, body, {}, letter)
        write.refused = not isinstance(outcome, InDoubt)
        return outcome

    def _draw(self, repeats_max: int) -> str:
        """Choose a fate; the few jobs that may be repeated come into doubt more often."""
        faults, dice = self.faults, self._rng.random()
        shares = {
            "transient": faults.transient,
            "throttled": faults.throttled,
            "pair": faults.pair,
            "rejected": faults.rejected,
            "doubt": faults.doubt * (5 if repeats_max else 1),
        }
        for name, share in shares.items():
            dice -= share
            if dice < 0:
                return name
        return "taken"

    async def _answer(self, letter: Letter, fate: str) -> Outcome:
        rng = self._rng
        taken = fate == "taken" or (fate == "doubt" and rng.random() < 0.6)
        write = self._arrive(letter, taken=taken)
        if rng.random() < self.faults.crash:
            self._loop.call_later(rng.choice((0.0, 0.02, 0.3)), self.crash)
        if taken:
            self._plan_webhooks(letter, write, is_known=fate == "taken")
        if fate == "doubt":
            self._judge.seen.add("doubt")
            await asyncio.sleep(rng.choice((0.05, letter.deadline_s)))
            return InDoubt(rng.choice(("timeout", "reset")))
        await asyncio.sleep(0.05 + rng.random() * (0.2 if rng.random() < 0.98 else 8.0))
        if fate == "taken":
            return Accepted(f"wamid.{self._sent}", held=rng.random() < self.faults.held)
        write.refused = True
        return self._refusal(fate)

    def _refusal(self, fate: str) -> Outcome:
        now_ms = self._loop.now_ms()
        self._judge.seen.add(fate)
        if fate == "transient":
            wait_ms = self._rng.choice((0, 1_500, 30_000))
            return Retry(131000, now_ms + wait_ms if wait_ms else 0, "try again")
        if fate == "throttled":
            return Deferred(Gate.RATE, 130429, now_ms + 1_000, "too fast")
        if fate == "pair":
            return Deferred(Gate.PAIR, 131056, now_ms + PAIR_WAIT_MS, "too fast for this person")
        return Dropped(131026, "undeliverable")

    def _arrive(self, letter: Letter, *, taken: bool) -> Write:
        body = json.loads(letter.body)
        lane, sequence = body["biz_opaque_callback_data"].split(".")[1:3]
        gates, mps, repeats_max, counts = self._terms_of(letter)
        now_ms = self._loop.now_ms()
        self._sent += 1
        job = f"{lane}.{sequence}"
        self._note("arrive", job, body["to"], taken)
        return self._judge.arrive(
            job=job,
            recipient=body["to"],
            sender=letter.sender,
            priority=letter.job.lane.priority.name,
            gates=gates,
            mps=mps,
            repeats_max=repeats_max,
            counts=counts,
            taken=taken,
            now_ms=now_ms,
        )

    def _plan_webhooks(self, letter: Letter, write: Write, *, is_known: bool) -> None:
        rng, faults = self._rng, self.faults
        body = json.loads(letter.body)
        soon_s = rng.random() * (2.0 if rng.random() < 0.9 else 3 * HOUR_S)
        steps: list[tuple[float, str]] = [(soon_s, "sent")]
        if rng.random() < faults.undelivered and is_known:
            steps = [(soon_s, "failed")]
            self._judge.seen.add("undelivered")
        elif rng.random() < faults.late:
            steps.append((25 * HOUR_S + rng.random() * 10 * HOUR_S, "delivered"))
        else:
            at_s = soon_s + rng.random() * MINUTE_S
            steps += [(at_s, "delivered"), (at_s + rng.random() * HOUR_S, "read")]
        for after_s, status in steps:
            if rng.random() < faults.webhook_lost:
                continue
            at_s = int(self._loop.now_ms() / 1_000 + after_s)
            seen = StatusSeen(
                phone_number_id=letter.sender,
                wamid=f"wamid.{self._sent}",
                status=status,
                at_s=at_s,
                recipient_id=body["to"].lstrip("+"),
                opaque=body["biz_opaque_callback_data"],
                code=FAILURES[self._sent % len(FAILURES)] if status == "failed" else 0,
                pricing_free=not write.counts,
            )
            copies = 2 if rng.random() < faults.webhook_twice else 1
            for _ in range(copies):
                lag_s = rng.random() * (1.0 if rng.random() < 0.9 else HOUR_S)
                self._loop.call_later(after_s + lag_s, self._hear, seen, write)
