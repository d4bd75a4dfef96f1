"""Which event deserves a line in the log: what goes on for hours is told once a minute."""

from __future__ import annotations

from typing import Final

import structlog

from engine.events import (
    Event,
    FactChanged,
    GateClosed,
    JobBroke,
    JobsClaimed,
    LedgerFailed,
    LoopFailed,
    PoolDrained,
    SettlementGivenUp,
)
from engine.facts import Source
from engine.model import Gate, NowMs
from engine.senders import ALERT, LIMIT, QUALITY, SECURITY, VIOLATION
from engine.silence import WEBHOOKS

AGAIN_MS: Final = 60_000  # the same failure is told as often, with how often it was met
LOUD: Final = frozenset(
    {ALERT, QUALITY, SECURITY, VIOLATION, LIMIT, WEBHOOKS}
)  # somebody should look

log = structlog.get_logger("penstock")


class Repeats:
    """Counts what happens again and again, and says when to tell of it."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms
        self._untold: dict[tuple[str, str], int] = {}
        self._told_at_ms: dict[tuple[str, str], int] = {}

    def times(self, what: str, why: str) -> int:
        """Return how often it happened since it was told; 0: it was told within the minute."""
        key, now_ms = (what, why), self._now_ms()
        times = self._untold.get(key, 0) + 1
        if now_ms - self._told_at_ms.get(key, now_ms - AGAIN_MS) < AGAIN_MS:
            self._untold[key] = times
            return 0
        self._untold[key], self._told_at_ms[key] = 0, now_ms
        return times


class Teller:
    """Writes the lines of one process; of a message none."""

    def __init__(self, now_ms: NowMs) -> None:
        self._repeats = Repeats(now_ms)
        self._refused: dict[str, str] = {}  # why each ledger gives nothing

    def tell(self, event: Event) -> None:
        """Write the line an event deserves."""
        match event:
            case JobsClaimed():
                self._tell_refused(event)
            case GateClosed():
                self._tell_closed(event)
            case FactChanged():
                tell_changed(event)
            case LedgerFailed():
                self._tell_failed(event)
            case LoopFailed():
                if times := self._repeats.times(event.loop, type(event.error).__name__):
                    error = repr(event.error)
                    log.error("loop_failed", loop=event.loop, error=error, times=times)
            case JobBroke():
                log.error("job_broke", sender=event.job.lane.sender, error=repr(event.error))
            case SettlementGivenUp():
                log.error("settlement_given_up", job=str(event.key), error=repr(event.error))
            case PoolDrained():
                log.info(
                    "drained",
                    returned=event.returned,
                    doubted=event.doubted,
                    unrecorded=event.unrecorded,
                )
            case _:
                pass

    def _tell_closed(self, event: GateClosed) -> None:
        """Say whose gate an answer closed; a throttle closes one every second."""
        if times := self._repeats.times(event.gate.value, event.key):
            log.warning(
                "gate_closed",
                portfolio=event.portfolio,
                gate=event.gate.value,
                times=times,
                **_holder_of(event),
            )

    def _tell_failed(self, event: LedgerFailed) -> None:
        """Say that a call failed; a ledger that is away fails each portfolio's, again and again."""
        error = type(event.error).__name__
        if times := self._repeats.times(event.call, error):
            log.warning(
                "ledger_failed", call=event.call, error=error, wait_ms=event.wait_ms, times=times
            )

    def _tell_refused(self, event: JobsClaimed) -> None:
        """Say once that a ledger gives nothing, and why; a claim comes every few milliseconds."""
        if event.refused != self._refused.get(event.portfolio, ""):
            self._refused[event.portfolio] = event.refused
            if event.refused:
                log.warning("claim_refused", portfolio=event.portfolio, why=event.refused)


def _holder_of(event: GateClosed) -> dict[str, str]:
    """Return whose gate it is, by the word for each.

    >>> from engine.model import PortfolioId
    >>> _holder_of(GateClosed(PortfolioId("acme"), Gate.TEMPLATE, "1065|1022/offer/en_US"))
    {'sender': '1065', 'template': '1022/offer/en_US'}
    >>> _holder_of(GateClosed(PortfolioId("acme"), Gate.ACCOUNT, "1022"))
    {'waba': '1022'}
    """
    if event.gate is Gate.ACCOUNT:
        return {"waba": event.key}
    sender, _, template = event.key.partition("|")
    return {"sender": sender, "template": template} if template else {"sender": sender}


def tell_changed(event: FactChanged) -> None:
    """Write that a number, an account or a portfolio is not as it was: loudly when that closes."""
    fact = event.fact
    kind, name, aspect = fact.about
    is_fine = aspect == QUALITY and fact.value == "GREEN"
    is_news = fact.source is not Source.OPERATOR and aspect in LOUD and not is_fine
    write = log.warning if fact.until_ms or is_news else log.info
    write(
        f"{kind}_changed",
        aspect=aspect,
        was=event.before.value if event.before else "",
        now=fact.value,
        closed_until_ms=fact.until_ms,
        source=fact.source.value,
        detail=fact.detail,
        **{kind: name},
    )
