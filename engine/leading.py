"""At the door: who is known under several ids is counted under one, on Meta's evidence only.

Marks that stand in the window under another id stay until they run out: such a person counts twice
till then, never too little.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final, Protocol

from engine.alike import AlikeRows, Rows, recipients_of, tails_of
from engine.model import PortfolioId, RecipientKey, Row

# Numbers of Mexico, Argentina and Brazil have two forms; all others are what people are counted
# under, so they are not asked about. How a row's tail begins:
# https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers
TWO_FORMS: Final = frozenset((b"+52", b"+54", b"+55"))
BEGIN_BYTES: Final = 3
NUMBER: Final = b"+"[0]


class Leads(Protocol):
    """Knows under which id people are counted; raises LedgerAwayError."""

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        """See engine.suppressions.People."""
        ...


async def count_each_once(leads: Leads | None, rows: Sequence[tuple[PortfolioId, Row]]) -> None:
    """Have rows of several portfolios count as `count_once` says."""
    for portfolio in {portfolio for portfolio, _ in rows}:
        await count_once(leads, portfolio, [row for of, row in rows if of == portfolio])


async def count_once(leads: Leads | None, portfolio: PortfolioId, rows: Rows) -> None:
    """Have rows count under the number Meta says is the person's; also what they are known by."""
    tails = tails_of(rows) if leads is not None else ()
    if not any(map(may_have_another, {tail[:BEGIN_BYTES] for tail in tails})):
        return
    assert leads is not None  # else there are no tails
    recipients = recipients_of(rows)
    others = [at for at, tail in enumerate(tails) if may_have_another(tail)]
    known = await leads.leads(portfolio, [recipients[at] for at in others])
    if isinstance(rows, AlikeRows):
        rows.recipients = [known.get(recipient, recipient) for recipient in recipients]
        return
    for at in others:
        row = rows[at]
        lead = known.get(row.recipient)
        if lead is not None:
            if row.dedupe == row.recipient:
                row.dedupe = lead
            row.recipient = lead


def may_have_another(tail: bytes) -> bool:
    """Return whether a row's recipient may be known under another id.

    >>> [may_have_another(tail) for tail in (b"+5511987654321", b"US.1349", b"+4915112345678")]
    [True, True, False]
    """
    return tail[0] != NUMBER or tail[:BEGIN_BYTES] in TWO_FORMS
