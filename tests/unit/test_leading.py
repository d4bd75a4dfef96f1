"""Rows of people with several ids count under one, and those of others are not asked about."""

from collections.abc import Sequence

from engine.leading import count_each_once, count_once
from engine.model import PortfolioId, RecipientKey
from tests.builders import a_recipient, a_row, alike_rows

P, Q = PortfolioId("p"), PortfolioId("q")
OTHER, NUMBER = a_recipient(1), a_recipient(2)


class Known:
    """Knows that in P one id is another's."""

    def __init__(self) -> None:
        self.asked: list[RecipientKey] = []

    async def leads(
        self, portfolio: PortfolioId, recipients: Sequence[RecipientKey]
    ) -> dict[RecipientKey, RecipientKey]:
        self.asked += recipients
        return {key: NUMBER for key in recipients if (portfolio, key) == (P, OTHER)}


async def test_a_row_counts_under_the_number_and_is_known_by_it() -> None:
    known, row = Known(), a_row(1, tail=b"+5511987654321\x1fAna", dedupe=OTHER)
    await count_once(known, P, [row])
    assert row.recipient is NUMBER
    assert row.dedupe is row.recipient


async def test_a_row_with_a_key_of_its_own_keeps_it() -> None:
    row = a_row(1, tail=b"US.1349\x1fAna", dedupe=b"its key.")
    await count_once(Known(), P, [row])
    assert (row.recipient, row.dedupe) == (NUMBER, b"its key.")


async def test_alike_rows_count_under_the_number_and_are_known_by_it() -> None:
    known = Known()
    rows = alike_rows(
        [a_row(3), a_row(1, tail=b"+5511987654321\x1fAna"), a_row(4, tail=b"US.1349")]
    )
    await count_once(known, P, rows)
    assert known.asked == [OTHER, a_recipient(4)]
    assert [row.recipient for row in rows] == [a_recipient(3), NUMBER, a_recipient(4)]
    assert all(row.dedupe is row.recipient for row in rows)


async def test_nobody_asks_about_numbers_that_have_one_form() -> None:
    known = Known()
    await count_once(known, P, [a_row(1), a_row(2)])
    await count_once(known, P, alike_rows([a_row(1), a_row(2)]))
    assert known.asked == []


async def test_evidence_of_one_portfolio_is_not_another_s() -> None:
    rows = [(P, a_row(1, tail=b"US.1349")), (Q, a_row(1, tail=b"US.1349"))]
    await count_each_once(Known(), rows)
    assert [row.recipient for _, row in rows] == [NUMBER, OTHER]
