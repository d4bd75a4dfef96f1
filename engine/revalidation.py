"""Do a campaign's waiting rows fit a message that changed? Those that do not are named, or end."""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from typing import Final, Protocol

from engine.books import Books
from engine.contents import SEPARATOR
from engine.countries import CountryRules
from engine.directory import Campaign, Directory
from engine.errors import InvalidJobError
from engine.model import JobKey, JobState, SenderId
from engine.ports import Cancellation, Cancelled
from engine.results import Results
from engine.rows import RowError, Sheet, row_misfits
from engine.sheets import sheet_of

NAMED_MAX: Final = 100  # rows told one by one; the others are only counted
WAITS: Final = frozenset({JobState.QUEUED, JobState.WAITING})
LEAVES: Final = WAITS | {JobState.IN_FLIGHT}
IN_THE_WAY: Final = frozenset({Cancelled.UNFOUND, Cancelled.REPEATING})
REFUSED: Final = 'change the message, or end these rows with {"misfits": "cancel"}'
UNCANCELLED: Final = "these could not be cancelled now: pause it and try again"


@dataclass(slots=True)
class Misfit:
    """A waiting row that does not fit, whom it is for, and everything that is wrong with it."""

    key: JobKey
    to: str
    errors: list[RowError]
    is_claimed: bool = False  # it was about to leave when it was looked at


@dataclass(slots=True)
class Looked:
    """What a look did: rows it cancelled, and rows that would be, should they come back."""

    cancelled: list[Misfit] = field(default_factory=list[Misfit])
    claimed: list[Misfit] = field(default_factory=list[Misfit])


class RowsMisfitError(InvalidJobError):
    """Waiting rows do not fit a change; no message was changed. `rows` are all of them."""

    def __init__(self, rows: list[Misfit], remedy: str) -> None:
        detail = f"{len(rows)} waiting rows do not fit the message; nothing was changed"
        super().__init__(detail, pointer="/message", code="rows_misfit", remedy=remedy)
        self.rows = rows


class Ledger(Books, Cancellation, Protocol):
    """What is asked of the ledger: where a row stands, and to cancel it."""


class Revalidation:
    """Looks through a campaign's waiting rows in the ledger: memory for a piece and the misfits."""

    def __init__(
        self, results: Results, ledger: Ledger, directory: Directory, countries: CountryRules
    ) -> None:
        self._results = results
        self._ledger = ledger
        self._directory = directory
        self._countries = countries

    async def run(self, campaign: Campaign, *, cancels: bool) -> Looked:
        """Refuse rows that do not fit `campaign` as it is to be, or cancel and return them."""
        misfits, looked, left = await self._misfits(campaign), Looked(), list[Misfit]()
        if any(not each.is_claimed for each in misfits) and not cancels:
            waiting = [each for each in misfits if not each.is_claimed]
            raise RowsMisfitError(waiting, REFUSED)
        for misfit in misfits:
            if misfit.is_claimed:
                looked.claimed.append(misfit)
                continue
            answer = await self._ledger.cancel_job(campaign.portfolio_id, misfit.key)
            if answer is Cancelled.DONE:
                looked.cancelled.append(misfit)
            elif answer in IN_THE_WAY:  # any other one has left meanwhile
                left.append(misfit)
        if left:
            raise RowsMisfitError(left, UNCANCELLED)
        return looked

    async def left(self, campaign: Campaign, senders: Collection[SenderId]) -> dict[SenderId, int]:
        """Return how many rows of these senders may still leave, or may have left."""
        found: dict[SenderId, set[JobKey]] = {}
        async for rows in self._results.waiting(campaign.portfolio_id, campaign.source):
            for row in rows:
                if row.sender in senders:
                    found.setdefault(row.sender, set()).add(row.key)
        return {sender: len(keys) for sender, keys in found.items()}

    async def end(self, campaign: Campaign, claimed: Sequence[Misfit]) -> list[Misfit]:
        """Cancel rows that do not fit and were claimed, where they came back; return those."""
        back: list[Misfit] = []
        for misfit in claimed:
            view = await self._ledger.job(campaign.portfolio_id, misfit.key)
            if view is None or view.state not in WAITS:
                continue
            if await self._ledger.cancel_job(campaign.portfolio_id, misfit.key) is Cancelled.DONE:
                back.append(misfit)
        return back

    async def _misfits(self, campaign: Campaign) -> list[Misfit]:
        """Return the rows that do not fit, in no order: those that wait, and those claimed."""
        sheet, found = sheet_of(campaign, self._directory), dict[JobKey, Misfit]()
        async for rows in self._results.waiting(campaign.portfolio_id, campaign.source):
            for row in rows:
                errors = self._errors(row.tail, campaign, sheet)
                if not errors or row.key in found:
                    continue
                view = await self._ledger.job(campaign.portfolio_id, row.key)
                if view is not None and view.state in LEAVES:
                    to = row.tail.partition(SEPARATOR)[0].decode()
                    is_claimed = view.state is JobState.IN_FLIGHT
                    found[row.key] = Misfit(row.key, to, errors, is_claimed)
        return list(found.values())

    def _errors(self, tail: bytes, campaign: Campaign, sheet: Sheet) -> list[RowError]:
        to, *values = tail.decode().split(SEPARATOR.decode())
        errors: list[RowError] = []
        if len(values) == len(sheet.fields):
            errors = row_misfits(0, values, sheet)
        rule = self._countries.forbids(to, campaign.category)
        return errors if rule is None else [*errors, RowError(0, "to", rule.code, rule.detail)]
