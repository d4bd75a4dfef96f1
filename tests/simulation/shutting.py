"""Acts of an operator in a random history: categories of a sender or of its account are shut."""

from __future__ import annotations

from random import Random

from engine.model import Category, PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.shutting import NOTHING_SHUT, NOTIFICATIONS, Shut
from tests.builders import a_sender
from tests.simulation.faulty_ledger import WholeLedger
from tests.simulation.ledger_judge import LedgerJudge


async def shut_some(
    ledger: WholeLedger,
    judge: LedgerJudge,
    rng: Random,
    senders: dict[SenderId, int],
    now_ms: int,
) -> None:
    """Shut something at a sender or at the account of all, open it, or give marketing a share."""
    sender = rng.choice(list(senders))
    chosen = rng.choice([NOTIFICATIONS, (Category.MARKETING,), ()])
    until_ms = rng.choice([now_ms + 1, now_ms + 700, now_ms + 30_000, FOREVER_MS])
    shut, portfolio = NOTHING_SHUT.also(chosen, until_ms), PortfolioId("P")
    if rng.random() < 0.3:
        await ledger.close_account(portfolio, WabaId("W"), 0, shut)
        judge.account_until_ms = 0
        note_shut(judge, "W", shut)
        return
    spec = a_sender(
        throughput_mps=senders[sender], shut=shut, marketing_share=rng.choice([1.0, 0.5, 0.1])
    )
    await ledger.put_sender(portfolio, sender, spec)
    judge.note_gate(sender, is_open=True)
    note_shut(judge, sender, shut)


def note_shut(judge: LedgerJudge, holder: str, shut: Shut) -> None:
    """Tell the judge until when each category waits there."""
    for category in Category:
        judge.shut[(holder, category.name)] = shut.until_ms(category)
