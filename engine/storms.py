"""Error storms: a campaign whose messages fail in numbers is paused before it spends its rows."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from dataclasses import dataclass

from engine.books import Counts
from engine.campaigns import Campaigns
from engine.directory import Campaign, Directory
from engine.imprints import Imprint, WatchedBooks
from engine.model import ENDS, DeliveryStatus, Gate, JobState, NowMs, SourceState

SPAN_MS = 60_000  # how far back it looks
FAILED_MIN = 50  # fewer may be chance, or one bad corner of a list
SHARE = 0.5  # of what ended meanwhile, or of what became known to have failed or arrived
ARRIVED = (DeliveryStatus.DELIVERED, DeliveryStatus.READ)
HOLDING = (Gate.SENDER, Gate.ACCOUNT, Gate.TEMPLATE)  # an answer of Meta closes these


@dataclass(frozen=True, slots=True)
class Storm:
    """Why a campaign was paused."""

    campaign: Campaign
    failed: int
    ended: int


@dataclass(frozen=True, slots=True)
class _Sample:
    at_ms: int
    failed: int  # answered so, or told later of what had been accepted
    ended: int
    known: int  # of how many it is known whether they failed or arrived


def _sample(counts: Counts, at_ms: int) -> _Sample:
    states, delivery = counts.states, counts.delivery
    failed = states.get(JobState.FAILED, 0) + delivery.get(DeliveryStatus.UNDELIVERED, 0)
    ended = sum(states.get(state, 0) for state in ENDS)
    return _Sample(at_ms, failed, ended, failed + sum(delivery.get(each, 0) for each in ARRIVED))


def _stands_still(counts: Counts) -> bool:
    """Return whether all that waits is held by what an answer of Meta closes."""
    is_held = any(counts.waiting.get(gate, 0) for gate in HOLDING)
    return is_held and not (
        counts.states.get(JobState.QUEUED, 0) or counts.waiting.get(Gate.QUOTA, 0)
    )


class StormWatch:
    """Looks at the books of running campaigns and pauses those in a storm.

    Whoever resumes one begins a new minute: nothing is held against it twice. Books of a slot whose
    imprint is as it was are as they were: they are not read again.
    """

    def __init__(
        self,
        campaigns: Campaigns,
        directory: Directory,
        books: WatchedBooks,
        *,
        now_ms: NowMs,
        told: Callable[[Storm], None],
    ) -> None:
        self._campaigns = campaigns
        self._directory = directory
        self._books = books
        self._now_ms = now_ms
        self._told = told
        self._samples: dict[str, deque[_Sample]] = {}
        self._read: dict[str, Imprint] = {}  # of the slot, before its books were read last

    async def look(self) -> None:
        """Look once at every running campaign; do it every few seconds."""
        running = [each for each in self._directory.campaigns.values() if self._runs(each)]
        for name in self._samples.keys() - {each.id for each in running}:
            del self._samples[name]
            self._read.pop(name, None)
        portfolios = list({each.portfolio_id for each in running})
        found = await self._books.imprints(portfolios)  # before the books: those may be newer
        imprints = dict(zip(portfolios, found, strict=True))
        for campaign in running:
            storm = await self._storm(campaign, imprints[campaign.portfolio_id])
            if storm is not None:
                because = f"{storm.failed} of {storm.ended} messages failed within a minute"
                await self._campaigns.move(campaign.id, "pause", because=because)
                del self._samples[campaign.id], self._read[campaign.id]
                self._told(storm)

    def _runs(self, campaign: Campaign) -> bool:
        if campaign.state is SourceState.SCHEDULED:
            return campaign.start_at_ms <= self._now_ms()
        return campaign.state is SourceState.RUNNING

    async def _storm(self, campaign: Campaign, imprint: Imprint) -> Storm | None:
        """Return the storm a campaign is in, if any.

        Most failures are told later, also when nothing is written any more: then they are a part of
        what is told meanwhile. What a gate holds already spends nothing, and goes on by itself.
        """
        samples = self._samples.setdefault(campaign.id, deque())
        if self._read.get(campaign.id) != imprint:
            counts = await self._books.counts(campaign.portfolio_id, campaign.source)
            if _stands_still(counts):
                samples.clear()
            samples.append(_sample(counts, self._now_ms()))
            self._read[campaign.id] = imprint
        oldest_ms = self._now_ms() - SPAN_MS
        while len(samples) > 1 and samples[1].at_ms <= oldest_ms:
            samples.popleft()
        if len(samples) == 1:
            return None  # nothing happened
        first, now = samples[0], samples[-1]
        of = max(now.ended - first.ended, now.known - first.known)
        storm = Storm(campaign, now.failed - first.failed, of)
        is_one = storm.failed >= FAILED_MIN and storm.failed >= SHARE * storm.ended
        return storm if is_one else None
