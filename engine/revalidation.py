"""Do a campaign's waiting rows fit a message that changed? Those that do not are named."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.books import Books
from engine.directory import Campaign, Directory
from engine.errors import InvalidJobError
from engine.model import JobKey, JobState
from engine.results import SEPARATOR, KeptRows, Results
from engine.rows import RowError, Sheet, row_misfits
from engine.sheets import sheet_of

NAMED_MAX = 100  # rows told one by one; the others are only counted
WAITS = (JobState.QUEUED, JobState.WAITING)


@dataclass(slots=True)
class Misfit:
    """A waiting row that does not fit, and everything that is wrong with it."""

    key: JobKey
    errors: list[RowError]


class RowsMisfitError(InvalidJobError):
    """Waiting rows do not fit a change; nothing was changed. `rows` are the first of `count`."""

    def __init__(self, rows: list[Misfit], count: int, remedy: str) -> None:
        detail = f"{count} waiting rows do not fit the message; nothing was changed"
        super().__init__(detail, pointer="/message", code="rows_misfit", remedy=remedy)
        self.rows = rows
        self.count = count


class Revalidation:
    """Looks through what a campaign's rows said: memory for one piece of it, whatever its size."""

    def __init__(self, books: Books, results: Results) -> None:
        self._books = books
        self._results = results

    async def misfits(self, campaign: Campaign, directory: Directory) -> list[Misfit]:
        """Return the waiting rows that do not fit `campaign` as it is to be, in no order.

        What rows said is kept for 30 days after the last upload; of older ones nobody knows.
        """
        sheet = sheet_of(campaign, directory)
        found: list[Misfit] = []
        async for kept in self._results.said(campaign.portfolio_id, campaign.source):
            for misfit in [each for rows in kept for each in _suspects(rows, sheet)]:
                view = await self._books.job(campaign.portfolio_id, misfit.key)
                if view is not None and view.state in WAITS:
                    found.append(misfit)
        return found


def _suspects(rows: KeptRows, sheet: Sheet) -> list[Misfit]:
    """Return the rows of a chunk that do not fit, wherever they stand by now."""
    if not sheet.suffixes and max(map(len, rows.tails), default=0) <= sheet.line_max:
        return []
    found: list[Misfit] = []
    for place, tail in enumerate(rows.tails):
        errors = row_misfits(place, _values(tail), sheet) if tail else []
        if errors:
            found.append(Misfit(JobKey(rows.lane, rows.first + place), errors))
    return found


def _values(tail: bytes) -> Sequence[str]:
    return tail.decode().split(SEPARATOR.decode())[1:]
