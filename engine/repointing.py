"""Rows that wait get another message: each is looked at first, and what would not fit ends."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

from engine.contents import SEPARATOR
from engine.countries import CountryRules
from engine.directory import Campaign, Directory
from engine.model import JobState
from engine.ports import Cancellation, Cancelled
from engine.results import Result, Results
from engine.rows import RowError, Sheet, row_misfits
from engine.sheets import sheet_of

WAITING: Final = frozenset({JobState.QUEUED, JobState.WAITING})
NAMED_MAX: Final = 100


@dataclass(slots=True)
class MisfitRow:
    """A row that does not fit the new message, and why."""

    to: str
    error: RowError


@dataclass(slots=True)
class Misfits:
    """How many rows did not fit and were cancelled; the first of them by name."""

    rows: int = 0
    named: list[MisfitRow] = field(default_factory=list[MisfitRow])


class Revalidation:
    """Looks at what each waiting row of a campaign says; as long as that many rows take to read.

    Rows whose text nobody kept (30 days, or erased) are left as they are.
    """

    def __init__(
        self,
        results: Results,
        cancellation: Cancellation,
        directory: Directory,
        countries: CountryRules,
    ) -> None:
        self._results = results
        self._cancellation = cancellation
        self._directory = directory
        self._countries = countries

    async def run(self, campaign: Campaign) -> Misfits:
        """Cancel the rows that do not fit `campaign` as it is to be; return which."""
        sheet, misfits = sheet_of(campaign, self._directory), Misfits()
        async for results in self._results.read(campaign.portfolio_id, campaign.source):
            for each in results:
                error = self._error(each, campaign, sheet)
                if error is None:
                    continue
                portfolio, key = campaign.portfolio_id, each.view.key
                if await self._cancellation.cancel_job(portfolio, key) is Cancelled.DONE:
                    misfits.rows += 1
                    if len(misfits.named) < NAMED_MAX:
                        misfits.named.append(MisfitRow(each.to, error))
        return misfits

    def _error(self, result: Result, campaign: Campaign, sheet: Sheet) -> RowError | None:
        if result.view.state not in WAITING or not result.tail:
            return None
        to, *values = result.tail.decode().split(SEPARATOR.decode())
        if len(values) == len(sheet.fields) and (errors := row_misfits(0, values, sheet)):
            return errors[0]
        rule = self._countries.forbids(to, campaign.category)
        return None if rule is None else RowError(0, "to", rule.code, rule.detail)
