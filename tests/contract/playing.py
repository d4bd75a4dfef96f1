"""Play one random history on the memory and the Redis ledger: they agree, answer for answer."""

from __future__ import annotations

from collections import Counter, deque
from typing import Any

from redis.asyncio import Redis

from adapters.memory.ledger import MemoryLedger
from adapters.memory.windows import MemoryWindows
from adapters.redis.ledger import RedisLedger
from adapters.redis.windows import RedisWindows
from engine.model import JobKey, RecipientKey, SenderId
from tests.contract.dead import reading
from tests.contract.histories import History
from tests.contract.small_world import PORTFOLIO, SENDERS, SOURCES, Step
from tests.contract.visits import Visits

STEPS = 300
LOOK_EVERY = 10  # steps between two looks at the books
AUDIT_EVERY = 50
JOBS_LOOKED_AT = 5
STANDINGS_LOOKED_AT = 60


class DisagreementError(AssertionError):
    """Both ledgers were asked the same and answered differently; says how to replay it."""


def replay_line(seed: int, steps: int = STEPS) -> str:
    """Return the one command that plays a history again."""
    return f"python -m tests.contract --first-seed {seed} --histories 1 --steps {steps}"


class Play:
    """One history on two ledgers."""

    def __init__(self, seed: int, client: Redis) -> None:
        self.history = History(seed)
        self.visits = Visits(self.history)
        terms = self.history.terms()
        self._memory = MemoryLedger(terms, self.history.clock)
        self.redis = RedisLedger(client, terms, self.history.clock, tolerance_ms=0)
        self._windows = RedisWindows(client)
        self._trail: deque[str] = deque(maxlen=3)
        self._at = 0
        self._steps = STEPS

    async def run(self, steps: int = STEPS) -> None:
        """Play setup and steps; raise DisagreementError at the first difference."""
        self._steps = steps
        setup = self.history.setup()
        for self._at in range(steps):
            await self._step(setup[self._at] if self._at < len(setup) else self.history.step())
            if self._at % LOOK_EVERY == 0 or self._at == steps - 1:
                await self._look()
            if (self._at + 1) % AUDIT_EVERY == 0 or self._at == steps - 1:
                await self._audit()

    async def _step(self, step: Step) -> None:
        kind, do = step
        answer = await self._both(kind, do)
        self._trail.append(f"{self._at} {kind} {answer}")
        self.visits.note(kind, answer)
        if kind == "rescue":
            slot, _ = self._memory.slot(PORTFOLIO)
            self.visits.seen["a walk through a lane"] += any(
                lane.walk for lane in slot.lanes.values()
            )
        for key in self.history.touched:
            self.visits.note_state(key, await self._standing(key))

    async def _both(self, kind: str, do: Any) -> Any:  # noqa: ANN401 (each kind has its own)
        expected = await do(self._memory)
        try:
            answer = await do(self.redis)
        except Exception as error:
            raise self._disagreement(kind, expected, error) from error
        if answer != expected:
            raise self._disagreement(kind, expected, answer)
        return expected

    async def _standing(self, key: JobKey) -> str:
        view = await self._memory.job(PORTFOLIO, key)
        if view is None:
            return "none"
        waits_alone = view.gate in ("retry", "rate", "pair")
        return (
            f"waiting {view.gate}" if waits_alone else str(view.state).replace("waiting", "queued")
        )

    async def _look(self) -> None:
        """Compare the books, the accounts of all windows, and some jobs."""
        quota = await self._both("quota", _bound("quota"))
        await self._both("depths", _bound("depths"))
        for source in SOURCES:
            if source in self._memory.slot(PORTFOLIO)[0].sources:
                counts = await self._both("counts", _bound("counts", source))
                self.visits.note_books(counts, quota)
                self.visits.note_zones(await self._both("zones", _bound("zones", source)))
        slot, _ = self._memory.slot(PORTFOLIO)
        self.visits.note_shut(slot.asleep)
        for sender in SENDERS:
            if slot.spec and sender in slot.senders:
                await self._both("quota of a sender", _bound("quota", sender))
        jobs = self.history.claimed + self.history.past
        for job in jobs[-STANDINGS_LOOKED_AT:]:
            self.visits.note_state(job.key, await self._standing(job.key))
        keys = {job.key for job in jobs[-JOBS_LOOKED_AT:]}
        keys |= {JobKey(1 + self._at % 9, 1 + self._at // 9), JobKey(99, 1), JobKey(1, 10**6)}
        for key in sorted(keys):
            await self._both("job", _bound("job", key))
        asked = sorted({job.key for job in jobs} | keys)
        rows = await self._both("dead", reading(PORTFOLIO, asked))
        self.visits.note_dead(rows)
        await self._look_at_windows({(job.lane.sender, job.recipient) for job in jobs})

    async def _look_at_windows(self, pairs: set[tuple[SenderId, RecipientKey]]) -> None:
        """Compare the service windows of people who were written to; those long closed are none."""
        now_ms, ledgers = self.history.now_ms, (MemoryWindows(self._memory), self._windows)
        for pair in sorted(pairs):
            until = [await each.until_ms(PORTFOLIO, *pair) for each in ledgers]
            expected, answer = (each if each > now_ms else 0 for each in until)
            if answer != expected:
                raise self._disagreement(f"window of {pair}", expected, answer)

    async def _audit(self) -> None:
        """Let both recount everything: neither may find fault."""
        wrong = await self._both("audit", _bound("audit"))
        if wrong:
            raise self._disagreement("audit", [], wrong)

    def _disagreement(self, kind: str, expected: object, answer: object) -> DisagreementError:
        seed = self.history.seed
        lines = (
            f"seed {seed}, step {self._at}: {kind}",
            f"memory: {expected}",
            f"redis:  {answer!r}",
            *(f"before: {line}" for line in reversed(self._trail)),
            f"replay: {replay_line(seed, self._steps)}",
        )
        return DisagreementError("\n".join(lines))


async def play(seed: int, client: Redis, steps: int = STEPS) -> Counter[str]:
    """Play one history on an emptied server; return what it visited."""
    await client.flushall()
    under_way = Play(seed, client)
    await under_way.run(steps)
    return under_way.history.seen


def _bound(name: str, *arguments: object) -> Any:  # noqa: ANN401
    def call(ledger: Any) -> Any:  # noqa: ANN401 (either ledger)
        return getattr(ledger, name)(PORTFOLIO, *arguments)

    return call
