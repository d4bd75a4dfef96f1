"""The gates of a random history: who and what there is, and how they are opened and closed."""

from __future__ import annotations

from random import Random

from engine.model import (
    Category,
    PortfolioId,
    Priority,
    SenderId,
    TemplateStatus,
    WabaId,
)
from engine.shutting import NOTHING_SHUT
from tests.builders import a_portfolio, a_template
from tests.simulation.faulty_ledger import WholeLedger
from tests.simulation.ledger_judge import LedgerJudge
from tests.simulation.shutting import note_shut

PORTFOLIO = PortfolioId("P")
SENDERS = {SenderId("s1"): 80, SenderId("s2"): 2}
SOURCES = ("campaign:a", "journey:b", "direct:c")
TEMPLATES = {source: f"w/{source[-1]}/en" for source in SOURCES}
WABA = WabaId("W")  # of all senders
FOREVER_MS = 9_000_000_000_000
LINES = {
    "campaign:a": (Priority.MARKETING, Category.MARKETING, 0),
    "journey:b": (Priority.UTILITY, Category.UTILITY, 1),
    "direct:c": (Priority.AUTHENTICATION, Category.AUTHENTICATION, 2),
}
SHUT = tuple(status for status in TemplateStatus if status is not TemplateStatus.APPROVED)

ACTS = (
    *("limit", "limit", "source", "template or account", "template or account"),
    *("sender", "suppress", "cancel", "shut"),
)


class Gates:
    """Sets gates of a ledger, and tells the judge."""

    ledger: WholeLedger
    judge: LedgerJudge
    now_ms: int

    async def move_gate(self, rng: Random, source: str, *, is_open: bool) -> None:
        """Open or close a source's template, or the account of all."""
        if rng.random() < 0.5:
            status = TemplateStatus.APPROVED if is_open else rng.choice(SHUT)
            await self.put_template(source, status)
        else:
            ends_ms = (self.now_ms + rng.choice((1_000, 60_000)), FOREVER_MS)
            await self.close_account(0 if is_open else rng.choice(ends_ms))

    async def limit(self, places: int) -> None:
        self.judge.places = places
        await self.ledger.put_portfolio(PORTFOLIO, a_portfolio(places))

    async def put_template(self, source: str, status: TemplateStatus) -> None:
        spec = a_template(status=status, category=LINES[source][1])
        await self.ledger.put_template(PORTFOLIO, TEMPLATES[source], spec)
        self.judge.note_gate(TEMPLATES[source], is_open=status is TemplateStatus.APPROVED)
        self.judge.seen.update(() if status is TemplateStatus.APPROVED else ("closed_template",))

    async def close_account(self, until_ms: int) -> None:
        await self.ledger.close_account(PORTFOLIO, WABA, until_ms)
        self.judge.account_until_ms = until_ms
        note_shut(self.judge, WABA, NOTHING_SHUT)
        self.judge.seen.update(("closed_account",) if until_ms else ())
