"""Do a campaign's waiting rows fit a message that changed? Those that do not are named, or end."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final, Protocol

from engine.books import Books
from engine.contents import SEPARATOR
from engine.countries import CountryRules
from engine.directory import Campaign, Directory
from engine.errors import InvalidJobError
from engine.model import JobKey, JobState
from engine.ports import Cancellation, Cancelled
from engine.results import KeptRows, Results
from engine.rows import RowError, Sheet, row_misfits
from engine.sheets import sheet_of

NAMED_MAX: Final = 100  # rows told one by one; the others are only counted
WAITS: Final = frozenset({JobState.QUEUED, JobState.WAITING})
IN_THE_WAY: Final = frozenset({Cancelled.UNFOUND, Cancelled.REPEATING})
REFUSED: Final = 'change the message, or end these rows with {"misfits": "cancel"}'
UNCANCELLED: Final = "these could not be cancelled now: pause it and try again"


@dataclass(slots=True)
class Misfit:
    """A waiting row that does not fit, whom it is for, and everything that is wrong with it."""

    key: JobKey
    to: str
    errors: list[RowError]


class RowsMisfitError(InvalidJobError):
    """Waiting rows do not fit a change; no message was changed. `rows` are all of them."""

    def __init__(self, rows: list[Misfit], remedy: str) -> None:
        detail = f"{len(rows)} waiting rows do not fit the message; nothing was changed"
        super().__init__(detail, pointer="/message", code="rows_misfit", remedy=remedy)
        self.rows = rows


class Ledger(Books, Cancellation, Protocol):
    """What is asked of the ledger: where a row stands, and to cancel it."""


class Revalidation:
    """Looks through what a campaign's rows said: memory for one piece of it and the misfits.

    What rows said is kept for 30 days after the last upload, and not of whom was erased: of other
    rows nobody knows, and they are left as they are.
    """

    def __init__(
        self, results: Results, ledger: Ledger, directory: Directory, countries: CountryRules
    ) -> None:
        self._results = results
        self._ledger = ledger
        self._directory = directory
        self._countries = countries

    async def run(self, campaign: Campaign, *, cancels: bool) -> list[Misfit]:
        """Refuse rows that do not fit `campaign` as it is to be, or cancel and return them."""
        misfits, cancelled, left = await self._misfits(campaign), list[Misfit](), list[Misfit]()
        if misfits and not cancels:
            raise RowsMisfitError(misfits, REFUSED)
        for misfit in misfits:
            answer = await self._ledger.cancel_job(campaign.portfolio_id, misfit.key)
            if answer is Cancelled.DONE:
                cancelled.append(misfit)
            elif answer in IN_THE_WAY:  # any other one has left meanwhile
                left.append(misfit)
        if left:
            raise RowsMisfitError(left, UNCANCELLED)
        return cancelled

    async def _misfits(self, campaign: Campaign) -> list[Misfit]:
        """Return the waiting rows that do not fit, in no order."""
        sheet, found = sheet_of(campaign, self._directory), list[Misfit]()
        async for kept in self._results.said(campaign.portfolio_id, campaign.source):
            for misfit in self._suspects(kept, campaign, sheet):
                view = await self._ledger.job(campaign.portfolio_id, misfit.key)
                if view is not None and view.state in WAITS:
                    found.append(misfit)
        return found

    def _suspects(self, kept: Sequence[KeptRows], campaign: Campaign, sheet: Sheet) -> list[Misfit]:
        """Return the rows that do not fit, wherever they stand by now."""
        found: list[Misfit] = []
        for rows in kept:
            for place, tail in enumerate(rows.tails):
                to, *values = tail.decode().split(SEPARATOR.decode())
                if to and (errors := self._errors(place, to, values, campaign, sheet)):
                    found.append(Misfit(JobKey(rows.lane, rows.first + place), to, errors))
        return found

    def _errors(
        self, place: int, to: str, values: list[str], campaign: Campaign, sheet: Sheet
    ) -> list[RowError]:
        errors: list[RowError] = []
        if len(values) == len(sheet.fields):
            errors = row_misfits(place, values, sheet)
        rule = self._countries.forbids(to, campaign.category)
        return errors if rule is None else [*errors, RowError(place, "to", rule.code, rule.detail)]
