"""The front door of a campaign's rows: packed and dealt by trips, the ledger at work meanwhile."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field

from engine.directory import Campaign, Registry
from engine.front_door import BATCH_MAX, BATCHES_PER_TRIP, FrontDoor
from engine.hands import Hands
from engine.leading import count_once
from engine.model import Lane, Row
from engine.ports import Batch, Enqueued
from engine.refusals import queue_full, refusal
from engine.renewing import anew, renewed
from engine.results import KeptRows, Results
from engine.rows import Chunk, RowError
from engine.sheets import pack_allowed, sheet_of

LANES_PER_TRIP = 16  # so that the batches of a campaign with many senders stay large
DEALT_MAX = 440  # rows a lane of several gets on average: by chance hardly ever more than BATCH_MAX

OTHER_ROW = "was used for a row that says something else; give this one a key of its own"


@dataclass(slots=True)
class RowsResult:
    """What became of a campaign's rows."""

    accepted: int = 0
    duplicates: int = 0
    conflicts: int = 0
    errors: list[RowError] = field(default_factory=list)  # of conflicts, too
    tally: str = ""  # under which the ledger counts what is accepted

    @property
    def read(self) -> int:
        """Return how many rows something became of."""
        return self.accepted + self.duplicates + len({each.index for each in self.errors})

    def count(self, batch: Batch, enqueued: Enqueued) -> None:
        """Count what became of a batch."""
        self.accepted += enqueued.accepted
        for known in enqueued.not_new:
            if not known.conflict and not known.over:
                self.duplicates += 1
                continue
            place = batch.rows[known.index].place
            self.conflicts += known.conflict
            if known.conflict:
                self.errors.append(RowError(place, "key", "conflict", OTHER_ROW))
            else:
                detail = f"the campaign takes {batch.rows_max} recipients; raise recipients_max"
                self.errors.append(RowError(place, "to", "over_cap", detail))


class CampaignRows:
    """Takes the rows of campaigns, and keeps in `results` what they say."""

    def __init__(
        self, door: FrontDoor, results: Results | None = None, registry: Registry | None = None
    ) -> None:
        self._door = door
        self._results = results
        self._registry = registry

    async def accept(
        self,
        campaign: Campaign,
        rows: Sequence[tuple[str, Sequence[str]]],
        keys: Sequence[str] | None = None,
        result: RowsResult | None = None,
    ) -> RowsResult:
        """Queue a campaign's rows: recipient and field values in the campaign's field order.

        A row is known by its key, or by its recipient where it has none. Raises QueueFullError
        when the queue is full: what was accepted until then stays, is counted in `result`, and
        sending it all again repeats nothing.
        """
        result, under_way = RowsResult() if result is None else result, None
        whole = Chunk(rows, keys, range(len(rows)))
        spread = self._spread(campaign)
        per_trip = max(BATCHES_PER_TRIP, spread) * (BATCH_MAX if spread == 1 else DEALT_MAX)
        try:
            for start in range(0, len(rows), per_trip):
                hands = await self._pack(campaign, whole.part(start, start + per_trip), result)
                if under_way is not None:
                    campaign = await under_way
                trip = self._enqueue_rows(campaign, hands, result)
                under_way = asyncio.create_task(trip)  # the ledger works while we pack the next
                await asyncio.sleep(0)  # it has been asked before that
            if under_way is not None:
                await under_way
        finally:
            if under_way is not None:
                await asyncio.wait([under_way])
        return result

    def _spread(self, campaign: Campaign) -> int:
        """Return among how many lanes a trip's rows are dealt, so that its batches stay large."""
        by_zone = self._door.quiet is not None and self._door.quiet.sorter(campaign) is not None
        return LANES_PER_TRIP if by_zone else min(len(campaign.senders), LANES_PER_TRIP)

    def _hands(self, campaign: Campaign) -> Hands:
        lanes = [
            Lane(campaign.source, sender, template, campaign.priority)
            for sender, template in zip(campaign.senders, campaign.templates, strict=True)
        ]
        zone_of = self._door.quiet.sorter(campaign) if self._door.quiet else None
        return Hands(lanes, zone_of, campaign.shares)

    async def _pack(self, campaign: Campaign, trip: Chunk, result: RowsResult) -> Hands:
        """Return the good rows of one trip as they are dealt; tell what is wrong with the others.

        They are packed while the trip before is under way: where that finds the campaign changed,
        this one is found stale too, and packed once more.
        """
        sheet, bars = sheet_of(campaign, self._door.directory), self._door.bars(campaign)
        hands = self._hands(campaign)
        for at in range(0, len(trip.rows), BATCH_MAX):
            chunk = trip.part(at, at + BATCH_MAX)
            packed = pack_allowed(chunk, sheet, self._door.recipients, bars)
            result.errors += packed.errors
            await count_once(self._door.leads, campaign.portfolio_id, packed.rows)
            hands.take(packed.rows)
            await asyncio.sleep(0)  # others get their turn, and the trip before its socket
        return hands

    async def _enqueue_rows(self, campaign: Campaign, hands: Hands, result: RowsResult) -> Campaign:
        """Queue what was dealt; return the campaign, which may have changed meanwhile."""
        if self._door.quiet is not None:
            await self._door.quiet.know(campaign, hands.zones)
        portfolio, most = campaign.portfolio_id, campaign.recipients_max
        batches = [
            Batch(portfolio, lane, rows[at : at + BATCH_MAX], most, result.tally, once_each=True)
            for lane, rows in hands.dealt()
            for at in range(0, len(rows), BATCH_MAX)
        ]
        if not batches:
            return campaign
        answers = await self._door.queue(batches)
        kept, stale, refused = list[KeptRows](), list[Row](), ""
        for batch, enqueued in zip(batches, answers, strict=True):
            if enqueued.refused == "stale":
                stale += batch.rows
            elif enqueued.refused:
                refused = enqueued.refused
            else:
                result.count(batch, enqueued)
            if enqueued.accepted:
                kept.append(KeptRows.of(batch, enqueued))
        if kept and self._results is not None:
            await self._results.keep(portfolio, campaign.source, kept)
        if refused == "full":
            raise queue_full(portfolio)
        if refused:
            raise refusal(refused, "the campaign was cancelled; create another one")
        return await self._enqueue_anew(campaign, stale, result) if stale else campaign

    async def _enqueue_anew(
        self, campaign: Campaign, stale: Sequence[Row], result: RowsResult
    ) -> Campaign:
        """Queue rows of a campaign that changed since they were packed; return what it is now."""
        assert self._registry is not None  # who queues rows of campaigns knows where they are
        campaign = await renewed(self._registry, campaign, max(row.content for row in stale))
        fresh, hands = anew(stale, campaign, self._door.directory), self._hands(campaign)
        result.errors += fresh.errors
        hands.take(fresh.rows)
        return await self._enqueue_rows(campaign, hands, result)
