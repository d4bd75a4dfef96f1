"""What single jobs and the rows of campaigns pass alike: who may be written to, and the queue."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from engine.border_door import NO_BARS, Bars, BorderDoor
from engine.directory import Campaign, Directory, Sender
from engine.errors import InvalidJobError
from engine.events import Emit, JobsEnqueued, guarded
from engine.leading import Leads
from engine.model import Category
from engine.ports import Batch, Enqueued, Ledger
from engine.quiet_keeper import QuietKeeper
from engine.recipients import RecipientKeys

BATCH_MAX = 500  # rows of one atomic step: a few milliseconds of the ledger
BATCHES_PER_TRIP = 4  # as much as a socket takes at once


@dataclass(slots=True)
class FrontDoor:
    """The door both have; without `borders`, `leads` or `quiet` nobody is asked about that."""

    ledger: Ledger
    directory: Directory
    recipients: RecipientKeys
    emit: Emit
    borders: BorderDoor | None = None
    leads: Leads | None = None
    quiet: QuietKeeper | None = None

    def __post_init__(self) -> None:
        self.emit = guarded(self.emit)

    def refusals(
        self, identity: str | None, category: Category, sender: Sender | None
    ) -> list[InvalidJobError]:
        """Return what the rules of a person's country say against a message."""
        if self.borders is None or identity is None or sender is None:
            return []
        return self.borders.refusals(identity, category, sender)

    def bars(self, campaign: Campaign) -> Bars:
        """Return whom no row of a campaign may be for."""
        return self.borders.bars(campaign) if self.borders else NO_BARS

    async def queue(self, batches: Sequence[Batch]) -> list[Enqueued]:
        """Queue batches, and tell of each."""
        answers = await self.ledger.enqueue(batches)
        for batch, enqueued in zip(batches, answers, strict=True):
            conflicts = sum(known.conflict for known in enqueued.not_new)
            self.emit(
                JobsEnqueued(
                    batch.portfolio,
                    batch.lane,
                    enqueued.accepted,
                    len(enqueued.not_new) - conflicts,
                    conflicts,
                    enqueued.refused,
                )
            )
        return answers
