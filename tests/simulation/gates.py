"""The gates of a random history: who and what there is, and how they are opened and closed."""

from __future__ import annotations

from engine.model import (
    Category,
    PortfolioId,
    Priority,
    SenderId,
    TemplateStatus,
    WabaId,
)
from tests.builders import a_portfolio, a_template
from tests.simulation.faulty_ledger import WholeLedger
from tests.simulation.ledger_judge import LedgerJudge

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


class Gates:
    """Sets gates of a ledger, and tells the judge."""

    ledger: WholeLedger
    judge: LedgerJudge

    async def limit(self, places: int) -> None:
        self.judge.places = places
        await self.ledger.put_portfolio(PORTFOLIO, a_portfolio(places))

    async def put_template(self, source: str, status: TemplateStatus) -> None:
        spec = a_template(status=status, category=LINES[source][1])
        await self.ledger.put_template(PORTFOLIO, TEMPLATES[source], spec)
        self.note_gate(TEMPLATES[source], is_open=status is TemplateStatus.APPROVED)
        self.judge.seen.update(() if status is TemplateStatus.APPROVED else ("closed_template",))

    async def close_account(self, until_ms: int) -> None:
        await self.ledger.close_account(PORTFOLIO, WABA, until_ms, "tests")
        self.judge.account_until_ms = until_ms
        self.judge.seen.update(("closed_account",) if until_ms else ())

    def note_gate(self, name: str, *, is_open: bool) -> None:
        if is_open:
            self.judge.closed.discard(name)
        else:
            self.judge.closed.add(name)
