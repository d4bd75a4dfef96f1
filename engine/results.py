"""What became of each row of a campaign: told one by one, and written again where it failed."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass
from hashlib import blake2b
from typing import Protocol

from engine.alike import tails_of
from engine.books import JobView
from engine.contents import SEPARATOR
from engine.directory import Campaign
from engine.errors import InvalidJobError
from engine.model import (
    DeliveryStatus,
    JobKey,
    JobState,
    Lane,
    PortfolioId,
    Row,
    SenderId,
    SourceState,
)
from engine.ports import Batch, Enqueued, Ledger
from engine.recipients import RecipientKeys, canonical
from engine.refusals import queue_full, refusal

BATCH_MAX = 500


@dataclass(slots=True)
class KeptRows:
    """Rows that were queued one after the other: their lane, the first's place, their tails."""

    lane: int
    first: int
    tails: Sequence[bytes]

    @classmethod
    def of(cls, batch: Batch, enqueued: Enqueued) -> KeptRows:
        """Return what the rows that were queued say."""
        known = {each.index for each in enqueued.not_new}
        tails = tails_of(batch.rows)
        if known:
            tails = [tail for at, tail in enumerate(tails) if at not in known]
        return cls(enqueued.lane, enqueued.first, tails)


@dataclass(slots=True)
class Result:
    """Where one row stands. `tail` is empty where nobody kept it, or no longer."""

    lane: Lane
    view: JobView
    tail: bytes = b""

    @property
    def to(self) -> str:
        """Return its recipient as Meta wants it; empty when nobody knows any more."""
        return self.tail.partition(SEPARATOR)[0].decode()


@dataclass(slots=True)
class WaitingRow:
    """A row that waits for its turn, or is claimed or in doubt and may come back."""

    key: JobKey
    sender: SenderId
    tail: bytes
    is_claimed: bool = False


class Results(Protocol):
    """The rows of campaigns beside the ledger's own: what they said, and where they stand.

    All raise LedgerError when the store cannot answer.
    """

    async def keep(self, portfolio: PortfolioId, source: str, kept: Sequence[KeptRows]) -> None:
        """Keep what rows said, for as long as results may be asked for."""
        ...

    def read(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[Result]]:
        """Yield all rows of a source, some at a time, lane by lane, in the order of the lanes."""
        ...

    def waiting(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[WaitingRow]]:
        """Yield the rows that wait, are claimed or in doubt, some at a time, some maybe twice.

        They come in no order. A row that waits all the while is among them, however old it is.
        """
        ...

    async def reject(self, portfolio: PortfolioId, source: str, lines: Sequence[bytes]) -> None:
        """Keep what was wrong with rows of an upload; only the newest are kept where many are."""
        ...

    def rejected(self, portfolio: PortfolioId, source: str) -> AsyncIterator[list[bytes]]:
        """Yield what was wrong with the rows of all uploads, as it was given."""
        ...


@dataclass(frozen=True, slots=True)
class Upload:
    """One upload into a source, as one connection takes it.

    `name` says which upload it is; `taker` whose turn: of two that take it, the later one goes on.
    """

    source: str
    name: str
    taker: str

    @property
    def tally(self) -> str:
        """Return the name under which the ledger counts its rows."""
        return f"{self.source}:{self.name}"


@dataclass(slots=True)
class Taken:
    """An upload as it was noted last, None when nobody knows it, and how many rows it queued."""

    state: bytes | None
    accepted: int


class UploadStore(Protocol):
    """How far uploads of recipients came. All raise LedgerError when the store cannot answer.

    What the ledger queues under the tally of an upload is counted in the step that queues it: so
    many are its own, also where a cut hid the answer, and its piece came once more.
    """

    async def take(self, portfolio: PortfolioId, upload: Upload, *, anew: bool) -> Taken:
        """Make its taker the one who may note how far an upload came, from now on.

        `anew` is from its begin: one that was complete is another upload then, of no rows yet.
        Else it goes on where it ended, and nobody takes one of which nothing was noted.
        """
        ...

    async def note(
        self,
        portfolio: PortfolioId,
        upload: Upload,
        state: bytes,
        rejects: Sequence[bytes],
        *,
        complete: bool,
    ) -> int | None:
        """Note how far an upload came, with its refused rows, as Results.reject keeps them.

        Return how many rows it queued; None where somebody else takes it: nothing was noted.
        """
        ...


@dataclass(slots=True)
class Retried:
    """What retrying did: failed rows seen, and how many are queued once more."""

    failed: int = 0  # also those that failed after they had been accepted, and reached nobody
    retried: int = 0
    forgotten: int = 0  # failed so long ago that nobody knows what they said


class RetryFailed:
    """Queue the failed rows of a campaign once more; each failure once, however often asked.

    `undelivered` tells of an error number, told after Meta had accepted a message, whether surely
    nobody was reached: then the row has failed as if that had been the answer.
    """

    def __init__(
        self,
        ledger: Ledger,
        results: Results,
        recipients: RecipientKeys,
        undelivered: Callable[[int], bool],
    ) -> None:
        self._ledger = ledger
        self._results = results
        self._recipients = recipients
        self._undelivered = undelivered

    async def run(self, campaign: Campaign) -> Retried:
        """Read through the campaign's rows and queue again those that failed.

        A row that is queued again is a job of its own with the campaign's present message; the
        failure stays in the books. Raises InvalidJobError for a cancelled campaign.
        """
        if campaign.state is SourceState.CANCELLED:
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        done = Retried()
        async for results in self._results.read(campaign.portfolio_id, campaign.source):
            failed = [each for each in results if self._has_failed(each.view)]
            done.failed += len(failed)
            done.forgotten += sum(not each.tail for each in failed)
            by_lane: dict[Lane, list[Row]] = {}
            for each in failed:
                if each.tail:
                    by_lane.setdefault(each.lane, []).append(self._again(campaign, each))
            for lane, rows in by_lane.items():
                for at in range(0, len(rows), BATCH_MAX):
                    done.retried += await self._queue(campaign, lane, rows[at : at + BATCH_MAX])
        return done

    def _has_failed(self, view: JobView) -> bool:
        """Return whether a job failed, at once or later, so that nobody can have got it."""
        if view.state is JobState.FAILED:
            return True
        is_told = view.state is JobState.ACCEPTED and view.delivery is DeliveryStatus.UNDELIVERED
        return is_told and view.code > 0 and self._undelivered(view.code)

    def _again(self, campaign: Campaign, result: Result) -> Row:
        """Return the row for a second try, known by the failure it follows."""
        identity = canonical(result.to)
        assert identity is not None  # it was one when it was queued first
        row = Row(self._recipients.key(identity), result.tail, campaign.content)
        row.repeats_max, row.expires_at_ms = campaign.repeats_max, campaign.expires_at_ms
        row.dedupe = retry_key(result.view.key)
        return row

    async def _queue(self, campaign: Campaign, lane: Lane, rows: list[Row]) -> int:
        (answer,) = await self._ledger.enqueue([Batch(campaign.portfolio_id, lane, rows)])
        if answer.refused == "full":
            raise queue_full(campaign.portfolio_id)
        if answer.refused == "cancelled":
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        if answer.refused:
            raise refusal(answer.refused, "its source was cancelled; use another one")
        known = {each.index for each in answer.not_new}
        tails = [row.tail for index, row in enumerate(rows) if index not in known]
        if tails:
            kept = KeptRows(answer.lane, answer.first, tails)
            await self._results.keep(campaign.portfolio_id, campaign.source, [kept])
        return answer.accepted


def retry_key(key: JobKey) -> bytes:
    """Return how a second try is known to its campaign: by the job that failed."""
    return blake2b(str(key).encode(), digest_size=8, person=b"retry-failed").digest()
