"""Campaigns: create, start, pause, resume, cancel, and how far each one is."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field, replace

from engine.agreeing import agree, move, spec_of
from engine.books import Counts, Quota, ZonedBooks
from engine.campaign_wishes import CampaignWish, draft_of, same_campaign, wrong
from engine.directory import Campaign, Registry, Sender
from engine.endings import last_leaves_ms
from engine.errors import InvalidJobError, UnknownNameError
from engine.facts import of_sender
from engine.messages import SeveralErrors, misfits
from engine.model import (
    ENDS,
    Category,
    Gate,
    NowMs,
    SourceState,
    TemplateStatus,
)
from engine.moments import moment_text
from engine.ports import Catalog, Contents
from engine.quiet import NEVER_QUIET
from engine.quiet_keeper import Held, QuietKeeper
from engine.senders import QUALITY, UNGUARDED, Closure, QualityGuard, closed_for, value_of

NEVER_SENT = "what waits then is never sent"
UNFORETOLD = (Gate.SENDER, Gate.ACCOUNT, Gate.TEMPLATE)  # opened by Meta or an operator, some day

# What may follow what; asking for the state it has already is fine and changes nothing.
MOVES: Mapping[str, tuple[tuple[SourceState, ...], SourceState]] = {
    "start": (
        (SourceState.DRAFT, SourceState.SCHEDULED, SourceState.PAUSED, SourceState.RUNNING),
        SourceState.RUNNING,
    ),
    "pause": (
        (SourceState.RUNNING, SourceState.SCHEDULED, SourceState.PAUSED),
        SourceState.PAUSED,
    ),
    "resume": (
        (SourceState.PAUSED, SourceState.STOPPED, SourceState.RUNNING),
        SourceState.RUNNING,
    ),
    "cancel": (tuple(SourceState), SourceState.CANCELLED),
}


Moved = Callable[[Campaign], Awaitable[None]]  # told after a move, so that all hear it at once


@dataclass(slots=True)
class Foretold:
    """What a start would do now."""

    campaign: Campaign
    rows: int
    at_once: int  # how many would leave: a place in the messaging limit is free, no number closed
    eta_ms: int | None
    warnings: list[str]


@dataclass(slots=True)
class CampaignStatus:
    """How far a campaign is; `state` is a SourceState or `completed`."""

    campaign: Campaign
    state: str
    counts: Counts
    eta_ms: int | None
    warnings: list[str] = field(default_factory=list[str])


class Campaigns:
    """The use cases of the campaign scheduler."""

    def __init__(
        self,
        registry: Registry,
        catalog: Catalog,
        contents: Contents,
        books: ZonedBooks,
        *,
        now_ms: NowMs,
        span_ms: int,
        moved: Moved | None = None,
        quiet: QuietKeeper | None = None,
        guard: QualityGuard = UNGUARDED,
    ) -> None:
        self._guard = guard
        self._registry = registry
        self._catalog = catalog
        self._contents = contents
        self._books = books
        self._now_ms = now_ms
        self._span_ms = span_ms
        self._moved = moved
        self._quiet = quiet

    def get(self, campaign_id: str) -> Campaign:
        """Return a campaign; UnknownNameError when there is none."""
        campaign = self._registry.directory.campaigns.get(campaign_id)
        if campaign is None:
            raise UnknownNameError(f"there is no campaign {campaign_id}")
        return campaign

    def draft_of(self, wish: CampaignWish) -> Campaign:
        """Return the campaign a wish describes; raise everything that is wrong with it."""
        return draft_of(wish, self._registry.directory, self._quiet)[0]

    async def create(self, wish: CampaignWish) -> Campaign:
        """Check and store a campaign as a draft.

        The same wish again returns the campaign it made; another one under its id is refused.
        """
        await self._registry.refresh()
        draft, body = draft_of(wish, self._registry.directory, self._quiet)
        known = self._registry.directory.campaigns.get(wish.id)
        if known is not None:
            return same_campaign(known, draft)
        if 0 < draft.expires_at_ms <= max(self._now_ms(), draft.start_at_ms):
            detail = "is past, or not later than start_at: no row would ever be sent"
            raise wrong("/expires_at", "expired", detail)
        await self._catalog.put_source(draft.portfolio_id, draft.source, spec_of(draft))
        content = await self._contents.put_content(draft.portfolio_id, draft.source, body)
        campaign = replace(draft, content=content, created_at_ms=self._now_ms())

        def created(other: Campaign | None) -> Campaign:
            return campaign if other is None else same_campaign(other, draft)

        try:
            stands = await self._registry.change(Campaign, campaign.id, created)
        finally:  # also where somebody else has created it, and started it
            await agree(self._registry, self._catalog, campaign)
        if self._quiet is not None and stands.quiet is not None:
            await self._quiet.obey(stands)
        return stands

    async def move(self, campaign_id: str, action: str, *, because: str = "") -> Campaign:
        """Start, pause, resume or cancel a campaign: O(1), also for jobs that come later.

        `because` is told with its state, where it is not a person who moves it.
        """
        await self._registry.refresh()
        campaign, now_ms = self.get(campaign_id), self._now_ms()

        def moved(newest: Campaign) -> Campaign:
            _check_move(newest, action)
            state = MOVES[action][1]
            if state is SourceState.RUNNING and newest.start_at_ms > now_ms:
                state = SourceState.SCHEDULED
            if action in ("start", "resume") and (
                errors := misfits(self._registry.directory, newest)
            ):
                raise SeveralErrors(errors)
            return replace(
                newest,
                state=state,
                started_at_ms=newest.started_at_ms or (now_ms if action == "start" else 0),
                stopped_by="",
                stopped_from=None,
                paused_because=because,
            )

        stands = await move(self._registry, self._catalog, campaign, moved)
        if self._moved is not None:
            await self._moved(stands)
        return stands

    async def status(self, campaign_id: str) -> CampaignStatus:
        """Return how far a campaign is."""
        campaign = self.get(campaign_id)
        counts = await self._books.counts(campaign.portfolio_id, campaign.source)
        quota = await self._books.quota(campaign.portfolio_id)
        state = self.state_of(campaign, counts)
        eta_ms = await self._eta_ms(campaign, counts, quota) if state == "running" else None
        warnings = self._warnings(campaign, counts)
        warnings += (await self._held(campaign)).warnings(campaign.quiet)
        warnings += _late(campaign, eta_ms)
        return CampaignStatus(campaign, state, counts, eta_ms, warnings)

    def state_of(self, campaign: Campaign, counts: Counts) -> str:
        """Return how a campaign stands by its books: a SourceState, or `completed`."""
        state = campaign.state
        if state is SourceState.SCHEDULED and campaign.start_at_ms <= self._now_ms():
            state = SourceState.RUNNING
        if state is SourceState.RUNNING and counts.enqueued and not remaining(counts):
            return "completed"
        return state.value

    async def _eta_ms(self, campaign: Campaign, counts: Counts, quota: Quota) -> int | None:
        """Return when its last job leaves, places, rate and quiet hours considered.

        None where some wait for what nobody can foretell: a closed number, account or template.
        """
        if any(counts.waiting.get(gate, 0) for gate in UNFORETOLD):
            return None
        rates = [self._mps(campaign, sender) for sender in self._senders(campaign)]
        if campaign.state is SourceState.DRAFT and not all(rates):
            return None  # who is dealt to that number waits for it
        per_s = sum(rates)
        now = {"now_ms": self._now_ms(), "span_ms": self._span_ms}
        eta_ms = last_leaves_ms(remaining(counts), per_s, quota, **now)
        if self._quiet is None or campaign.category in NEVER_QUIET:
            return eta_ms
        return await self._quiet.later_ms(campaign, eta_ms, per_s)

    def _mps(self, campaign: Campaign, sender: Sender) -> float:
        """Return how many messages of a campaign a number may send in a second; 0 while closed."""
        if self._closed(campaign, sender) is not None:
            return 0.0
        quality = value_of(self._registry.directory.facts, of_sender(sender.id, QUALITY))
        is_marketing = campaign.category is Category.MARKETING
        return sender.throughput * (self._guard.share(quality) if is_marketing else 1.0)

    def _senders(self, campaign: Campaign) -> list[Sender]:
        senders = self._registry.directory.senders
        return [senders[name] for name in campaign.senders if name in senders]

    def _closed(self, campaign: Campaign, sender: Sender) -> Closure | None:
        """Return what holds a campaign's messages at one of its numbers."""
        facts, now_ms = self._registry.directory.facts, self._now_ms()
        which = (sender.id, sender.waba_id, campaign.category)
        return closed_for(facts, *which, now_ms=now_ms, guard=self._guard)

    def _closed_warnings(self, campaign: Campaign, counts: Counts) -> list[str]:
        """Return which of its numbers may not send now; nothing once it is over."""
        if campaign.state is SourceState.CANCELLED or (counts.enqueued and not remaining(counts)):
            return []
        closed = [(each.id, self._closed(campaign, each)) for each in self._senders(campaign)]
        return [
            f"sender {name}: {closure.sentence}; its rows wait {closure.end}"
            for name, closure in closed
            if closure is not None
        ]

    def _warnings(self, campaign: Campaign, counts: Counts) -> list[str]:
        templates = self._registry.directory.templates
        warnings = [f"it was paused: {campaign.paused_because}"] * bool(campaign.paused_because)
        warnings += [
            f"template {key} is {templates[key].status}: its jobs wait until it is APPROVED"
            for key in dict.fromkeys(campaign.templates)
            if key in templates
            and templates[key].status is not TemplateStatus.APPROVED
            and campaign.state is not SourceState.CANCELLED
        ]
        warnings += self._template_warnings(campaign)
        warnings += self._closed_warnings(campaign, counts)
        if campaign.state is SourceState.RUNNING and not counts.enqueued:
            warnings.append("it has no rows yet: upload recipients, they leave as they come")
        if (parked := counts.waiting.get(Gate.QUOTA, 0)) > 0:
            warnings.append(f"{parked:,} jobs wait for a place in the messaging limit")
        return warnings

    def _template_warnings(self, campaign: Campaign) -> list[str]:
        """Return what its templates have become: what no longer fits, and what happens then."""
        directory = self._registry.directory
        warnings = [
            f"template {key} will be {directory.templates[key].coming_category}: Meta announced it"
            for key in dict.fromkeys(campaign.templates)
            if key in directory.templates and directory.templates[key].coming_category
        ]
        if campaign.state is SourceState.CANCELLED:
            ended = f"cancelled: its template {campaign.stopped_by} was deleted or disabled"
            return [ended] if campaign.stopped_by else []
        misfit = [
            f"{each.pointer}: {each.detail} (its template changed)"
            for each in misfits(directory, campaign)
        ]
        if campaign.stopped_by:
            then = "it resumes when the template is approved again"
            if misfit:
                then = "it stays stopped until its message fits again"
            elif campaign.on_template_change == "stay_stopped":
                then = "resume it yourself when the template is approved again"
            warnings.append(f"stopped by a change of template {campaign.stopped_by}: {then}")
        return warnings + misfit

    async def foretell(self, campaign_id: str) -> Foretold:
        """Return what a start would do now, without starting; InvalidJobError when it may not."""
        campaign = self.get(campaign_id)
        _check_move(campaign, "start")
        counts = await self._books.counts(campaign.portfolio_id, campaign.source)
        quota = await self._books.quota(campaign.portfolio_id)
        rows = remaining(counts)
        places = rows if quota.limit < 0 else min(rows, quota.available)
        held = await self._held(campaign, if_running=True)
        warnings = [*self._warnings(campaign, counts), *held.warnings(campaign.quiet)]
        if not rows:
            warnings.append("it has no rows: upload recipients first")
        elif places < rows:
            warnings.append(f"{rows - places:,} rows will wait for a place in the messaging limit")
        eta_ms = await self._eta_ms(campaign, counts, quota)
        warnings += _late(campaign, eta_ms)
        at_once = min(places, await self._ready(campaign))
        return Foretold(campaign, rows, at_once, eta_ms, warnings)

    async def _ready(self, campaign: Campaign) -> int:
        """Return how many rows neither a closed number nor quiet hours would hold now."""
        open_ = {each.id for each in self._senders(campaign) if not self._closed(campaign, each)}
        is_quiet = self._quiet is not None and campaign.category not in NEVER_QUIET
        return sum(
            jobs
            for zone in await self._books.zones(campaign.portfolio_id, campaign.source)
            if zone.opens_at_ms is None or not is_quiet
            for sender, jobs in zone.senders.items()
            if sender in open_
        )

    async def _held(self, campaign: Campaign, *, if_running: bool = False) -> Held:
        """Return what quiet hours hold; nothing of codes and replies."""
        if self._quiet is None or campaign.category in NEVER_QUIET:
            return Held(is_idle=True)
        return await self._quiet.held(campaign, if_running=if_running)


def _check_move(campaign: Campaign, action: str) -> None:
    """Refuse a move that does not follow the state a campaign has."""
    if campaign.state not in MOVES[action][0]:
        detail = f"a campaign that is {campaign.state} cannot {action}"
        raise InvalidJobError(detail, pointer="", code="state")


def _late(campaign: Campaign, eta_ms: int | None) -> list[str]:
    """Return that a campaign expires before its last row can leave."""
    if eta_ms is None or not 0 < campaign.expires_at_ms < eta_ms:
        return []
    ends = f"it expires at {moment_text(campaign.expires_at_ms)}"
    return [f"{ends}, its last row could leave at {moment_text(eta_ms)}: {NEVER_SENT}"]


def remaining(counts: Counts) -> int:
    """Return how many jobs have not ended."""
    return counts.enqueued - sum(counts.states.get(state, 0) for state in ENDS)
