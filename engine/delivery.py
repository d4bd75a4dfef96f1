"""One claimed job's journey to its outcome; every way it can end is a value."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from random import Random

from engine.contents import WHOLE, Shared, compile_shared, render_whole
from engine.errors import InvalidJobError, LedgerError, UnknownNameError
from engine.events import Emit, QuickRetried, guarded
from engine.letters import Letter, Messenger
from engine.model import PortfolioId, Priority
from engine.opaque import OpaqueCodec
from engine.outcomes import Accepted, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.pace import LATE_MS
from engine.ports import Claimed, Contents, Ledger
from engine.retry import QUICK_FOR_MS, backoff_ms, delay_ms, quick_retries

NowUs = Callable[[], int]  # microseconds since the epoch, from the one clock
WasWritten = Callable[[Letter], bool]  # of a letter whose send was cancelled; False is certain
Recheck = Callable[[Claimed], Outcome | None]  # how a job ends that may not leave as it is

LATE_US = LATE_MS * 1_000
LEASE_MARGIN_MS = 5_000  # what an answer's way back and its settling may take
SHARED_MAX = 4_096  # compiled messages kept

STOP_SKEW_MS = 100  # how far the ledger's clock, which dates leases, may be from ours

LATE = "late"
LEASE = "lease"
STOPPED = "stopped"
REFUSALS = frozenset({LATE, LEASE, STOPPED})  # a quick retry would meet them again

BROKEN_CODE = 0  # of a job that met an error of ours: Meta never saw it


class Delivery:
    """Renders, looks a last time, writes once; more only after what surely was not accepted."""

    def __init__(
        self,
        *,
        ledger: Ledger,
        contents: Contents,
        messenger: Messenger,
        opaque: OpaqueCodec,
        emit: Emit,
        now_us: NowUs,
        rng: Random,
        lease_ms: int,
        timeout_s: float = 20.0,
        authentication_timeout_s: float = 10.0,
        was_written: WasWritten = lambda _letter: True,
        recheck: Recheck = lambda _job: None,
    ) -> None:
        self._ledger = ledger
        self._messenger = messenger
        self._encode = opaque.encode
        self._emit = guarded(emit)
        self._was_written = was_written
        self._recheck = recheck
        self._now_us = now_us
        self._rng = rng
        self._lease_ms = lease_ms
        self._timeouts_s = [timeout_s] * len(Priority)
        self._timeouts_s[Priority.AUTHENTICATION] = authentication_timeout_s
        longest_ms = int(max(timeout_s, authentication_timeout_s) * 1_000)
        margin_ms = min(LEASE_MARGIN_MS, max(0, lease_ms - longest_ms))
        self._lease_needs_us = (longest_ms + margin_ms) * 1_000
        self._shared = SharedMessages(contents)
        self._stops_ms: dict[str, int] = {}

    async def deliver(self, portfolio: PortfolioId, job: Claimed, now_us: int) -> Outcome:
        """Write one job's message now if nothing forbids it; return how that ended.

        Raises only what is our own fault, and only once the messenger has been called.
        """
        if refused := self.objection(job, now_us):
            return Unwritten(refused)
        try:
            if (found := self._recheck(job)) is not None:
                return found
            opaque = self._encode(job.key, job.attempt, job.recipient)
            body = self._shared.render_known(portfolio, job, opaque)
            if body is None:
                body = await self._shared.render(portfolio, job, opaque)
        except Exception as error:  # noqa: BLE001  # a poisoned job dies by its attempts, alone
            return self._unwritable(job, error)
        letter = Letter(job.lane.sender, body, job, self._timeouts_s[job.lane.priority])
        outcome = await self._messenger.send(letter)
        if type(outcome) is Accepted:
            return outcome
        return await self._after_failure(portfolio, letter, outcome)

    def objection(self, job: Claimed, now_us: int) -> str:
        """Return why not one byte of `job` may be written at `now_us`; empty when it may.

        The messenger looks again just before the first byte.
        """
        if now_us > job.send_at_us + LATE_US:
            return LATE
        if now_us > job.lease_until_ms * 1_000 - self._lease_needs_us:
            return LEASE
        if self._stops_ms and self._was_stopped(job):
            return STOPPED
        return ""

    def stop_heard(self, source: str) -> None:
        """Refuse from now on what was claimed of `source` until now.

        A lease that began before this moment ends before the one noted here. A job whose lease
        ends later was claimed after it: then the ledger knows the source runs again.
        """
        now_ms = self._now_us() // 1_000
        for name in [name for name, until_ms in self._stops_ms.items() if until_ms < now_ms]:
            del self._stops_ms[name]
        self._stops_ms[source] = now_ms + self._lease_ms + STOP_SKEW_MS

    def forget_messages(self) -> None:
        """Ask for each source's message anew: one of them may have been given another."""
        self._shared.forget()

    def cut_off(self, job: Claimed) -> Outcome:
        """Return how a job ended whose `deliver` was cancelled."""
        letter = Letter(job.lane.sender, b"", job, 0.0)
        return InDoubt("cut_off") if self._was_written(letter) else Unwritten("cut_off")

    def _was_stopped(self, job: Claimed) -> bool:
        until_ms = self._stops_ms.get(job.lane.source, 0)
        if until_ms and job.lease_until_ms > until_ms:
            del self._stops_ms[job.lane.source]
            return False
        return until_ms > 0

    def _unwritable(self, job: Claimed, error: Exception) -> Outcome:
        """Return how a job ends whose body could not be made."""
        if isinstance(error, LedgerError):
            return Unwritten("content_away")
        if isinstance(error, InvalidJobError | UnknownNameError):
            return Dropped(BROKEN_CODE, str(error))
        return self._complete(job, Retry(BROKEN_CODE, 0, f"broken: {error!r}"))

    async def _after_failure(
        self, portfolio: PortfolioId, letter: Letter, outcome: Outcome
    ) -> Outcome:
        if not self.may_repeat(letter.job, outcome):
            return self._complete(letter.job, outcome)
        again = _Again(self, portfolio, letter, outcome)
        outcome = await quick_retries(again.is_open, self._rng)(again.next)
        if again.writes:
            self._emit(QuickRetried(portfolio, letter.job, again.writes, outcome))
        return self._complete(letter.job, outcome)

    async def write_again(self, portfolio: PortfolioId, letter: Letter) -> Outcome | None:
        """Write a job once more at a new send time; None when a gate or the clock forbids it."""
        job = letter.job
        try:
            answer = await self._ledger.again(portfolio, job.key, job.attempt)
        except LedgerError:
            return None
        wait_us = answer.send_at_us - self._now_us()
        if answer.gate is not None or wait_us > QUICK_FOR_MS * 1_000:
            return None
        if wait_us > 0:
            await asyncio.sleep(wait_us / 1_000_000)
        job.send_at_us = answer.send_at_us
        if self.objection(job, self._now_us()):
            return None
        return await self._messenger.send(letter)

    def may_repeat(self, job: Claimed, outcome: Outcome) -> bool:
        """Return whether the message surely was not accepted, and may be in a moment.

        Not when its answer asks for a longer wait than our own curve has.
        """
        if isinstance(outcome, Unwritten):
            return outcome.reason not in REFUSALS
        if not isinstance(outcome, Retry):
            return False
        return outcome.until_ms <= self._now_us() // 1_000 + delay_ms(job.failures + 1)

    def _complete(self, job: Claimed, outcome: Outcome) -> Outcome:
        """Set the wait of a failure that came without one; a deferral always has its own."""
        now_ms = self._now_us() // 1_000
        if isinstance(outcome, Retry) and not outcome.until_ms:
            outcome.until_ms = now_ms + backoff_ms(job.failures + 1, self._rng)
        return outcome


class _Again:
    """The quick retries of one job: the failure that is there, then at most two writes more."""

    def __init__(
        self, delivery: Delivery, portfolio: PortfolioId, letter: Letter, first: Outcome
    ) -> None:
        self._delivery = delivery
        self._portfolio = portfolio
        self._letter = letter
        self._last = first
        self._calls = 0
        self._forbidden = False
        self.writes = 0

    async def next(self) -> Outcome:
        """Return the first failure at the first call; write again at each later one."""
        self._calls += 1
        if self._calls == 1:
            return self._last
        outcome = await self._delivery.write_again(self._portfolio, self._letter)
        if outcome is None:
            self._forbidden = True
            return self._last
        self.writes += 1
        # An attempt that Meta refused is spent, whatever stopped the write after it.
        spent = isinstance(self._last, Retry) and isinstance(outcome, Unwritten)
        self._last = self._last if spent else outcome
        return self._last

    def is_open(self, outcome: Outcome) -> bool:
        """Return whether one more write is worth asking for."""
        return not self._forbidden and self._delivery.may_repeat(self._letter.job, outcome)


class SharedMessages:
    """Compiled messages by portfolio, source and version; each is asked for once.

    The name of a campaign that was forgotten may be another one's: the ledger's edition grows with
    it, and whoever hears that calls `forget`.
    """

    def __init__(self, contents: Contents) -> None:
        self._contents = contents
        self._known: dict[tuple[PortfolioId, str, int], Shared] = {}
        self._asked: dict[tuple[PortfolioId, str, int], asyncio.Future[Shared]] = {}
        self._times_forgotten = 0

    def forget(self) -> None:
        """Forget them all, and what is on its way."""
        self._known.clear()
        self._asked.clear()
        self._times_forgotten += 1

    def render_known(self, portfolio: PortfolioId, job: Claimed, opaque: str) -> bytes | None:
        """Return the body for `job`; None when its shared message must be fetched first."""
        if not 0 < job.content < WHOLE:
            return render_whole(job, opaque)
        shared = self._known.get((portfolio, job.lane.source, job.content))
        return None if shared is None else shared.render(job, opaque)

    async def render(self, portfolio: PortfolioId, job: Claimed, opaque: str) -> bytes:
        """Return the body for `job`, fetching its shared message once for all who wait for it."""
        name = (portfolio, job.lane.source, job.content)
        asked = self._asked.get(name)
        if asked is None:
            asked = self._asked[name] = asyncio.ensure_future(self._fetch(name))
            asked.add_done_callback(lambda done: self._forget(name, done))
        return (await asyncio.shield(asked)).render(job, opaque)

    async def _fetch(self, name: tuple[PortfolioId, str, int]) -> Shared:
        began = self._times_forgotten
        shared = compile_shared(await self._contents.content(*name))
        if began != self._times_forgotten:
            return await self._fetch(name)
        if len(self._known) >= SHARED_MAX:
            del self._known[next(iter(self._known))]
        self._known[name] = shared
        return shared

    def _forget(self, name: tuple[PortfolioId, str, int], done: asyncio.Future[Shared]) -> None:
        if self._asked.get(name) is done:
            del self._asked[name]
        if not done.cancelled():
            done.exception()  # whoever waits has it; nobody else needs to hear of it
