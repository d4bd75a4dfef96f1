"""Changing a campaign after it was created: a new version, and what it is too late for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from typing import Final, Protocol

from engine.agreeing import agree, spec_of
from engine.books import Books
from engine.campaign_wishes import CampaignWish, shared_body
from engine.campaigns import Campaigns
from engine.directory import Campaign, Registry
from engine.errors import InvalidJobError
from engine.messages import SeveralErrors
from engine.model import NowMs, Priority, SenderId, SourceState, TemplateStatus
from engine.ports import Catalog, Contents, SourceSpec
from engine.quiet import QuietHours
from engine.quiet_keeper import QuietKeeper, unsorted_rows
from engine.revalidation import Looked, Misfit, Revalidation
from engine.template_ports import HAS_ROWS, RUNS, Repoint, TemplateJobs

MOVING = (SourceState.RUNNING, SourceState.SCHEDULED)
DEALT: Final = (
    "wait until they have ended, or pause that number and they wait; to send them by others: cancel"
    " this campaign and upload the rows that results.csv shows as cancelled to another one"
)
HOLD_MS = 5_000  # after it a campaign whose change was cut off opens by itself

MEANWHILE = {
    RUNS: "it was moved or changed meanwhile; send the change again",
    HAS_ROWS: "rows came while it was changed; send the change again",
}

TookBack = Callable[[Campaign], Awaitable[None]]  # what was claimed and not written comes back


class Changed(Books, Catalog, Contents, TemplateJobs, Protocol):
    """What a change reads and sets of the ledger."""


@dataclass(slots=True)
class CampaignChange:
    """What is to change; None stays as it is."""

    name: str | None = None
    senders: list[str] | None = None
    message: dict[str, object] | None = None
    priority: Priority | None = None
    weight: int | None = None
    start_at_ms: int | None = None
    expires_at_ms: int | None = None
    delivery: str | None = None
    recipients_max: int | None = None
    shares: Mapping[str, int] | None = None
    on_template_change: str | None = None
    cancels_misfits: bool = False  # end waiting rows that do not fit; else nothing is changed
    quiet: QuietHours | None = None
    sets_quiet: bool = False  # whether `quiet` counts; without hours then: none any more
    names_zone: bool = False  # whether the caller said what counts where no zone is known


class CampaignChanges:
    """The use case of whoever corrects a campaign."""

    def __init__(
        self,
        campaigns: Campaigns,
        registry: Registry,
        ledger: Changed,
        revalidation: Revalidation,
        *,
        now_ms: NowMs,
        took_back: TookBack | None = None,
        quiet: QuietKeeper | None = None,
    ) -> None:
        self._campaigns = campaigns
        self._registry = registry
        self._ledger = ledger
        self._revalidation = revalidation
        self._now_ms = now_ms
        self._took_back = took_back
        self._quiet = quiet

    async def change(
        self, campaign_id: str, change: CampaignChange
    ) -> tuple[Campaign, list[Misfit]]:
        """Check and store a campaign anew; raise everything that cannot be changed at once.

        Rows that wait leave with the new message, templates, priority, expiry and delivery policy,
        and keep the new quiet hours; the rows that were cancelled because they do not fit are
        returned. The message may name what the rows brought and nothing else. The sender of a row
        stays; one is taken out when all of its rows have ended. The start can change until it has
        begun. The same change again completes one that was cut off.
        """
        await self._registry.refresh()
        known = self._campaigns.get(campaign_id)
        if known.state is SourceState.CANCELLED:
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        draft = self._campaigns.draft_of(_wish(known, change))
        rows = (await self._ledger.counts(known.portfolio_id, known.source)).enqueued
        if change.delivery is None:
            draft = replace(draft, repeats_max=_repeats_max(known, draft))
        errors = _too_late(known, draft) + _without_field(known, draft) * bool(rows)
        gone = set(known.senders) - set(draft.senders)
        if rows and gone:
            errors += _dealt(await self._revalidation.left(known, gone))
        errors += unsorted_rows(known.quiet, draft.quiet, 0 if change.names_zone else rows)
        if errors:
            raise SeveralErrors(errors)
        if rows:
            draft = replace(draft, fields=known.fields)  # of rows that came and those to come
        changed, looked = self._grown(known, draft), Looked()
        is_another = draft.message != known.message
        if rows and is_another:
            looked = await self._revalidation.run(draft, cancels=change.cancels_misfits)
            if self._campaigns.get(campaign_id) != known:
                detail = "it was changed while its rows were looked at; send the change again"
                raise InvalidJobError(detail, pointer="", code="conflict")
        wish = _repoint(known, changed, change)
        if wish is None:
            changed = await self._put(known, changed)
            return await self._open(known, changed), []
        changed, rows_now = await self._put_with_rows(known, changed, wish, rows)
        misfits = looked.cancelled + await self._revalidation.end(changed, looked.claimed)
        if is_another and rows_now > rows:  # others came while these were looked at
            misfits += (await self._revalidation.run(changed, cancels=True)).cancelled
        return await self._open(known, changed), misfits

    async def mend(self, used: Campaign) -> Campaign:
        """Take back a change whose process ended between its two steps; return the campaign.

        Only a campaign without rows can be so: its rows are refused as of an older message. `used`
        is the campaign as they came for it; one that has changed since needs no mending.
        InvalidJobError when it changes at this moment.
        """
        await self._registry.refresh()
        known = self._campaigns.get(used.id)
        if known != used:
            return known
        templates = dict(zip(known.senders, known.templates, strict=True))
        as_it_was = Repoint(
            *(templates, known.priority, shared_body(known), known.expires_at_ms),
            repeats_max=known.repeats_max,
        )
        mended, _ = await self._put_with_rows(known, known, as_it_was, 0)
        return await self._open(known, mended)

    async def _put_with_rows(
        self, known: Campaign, changed: Campaign, wish: Repoint, rows: int
    ) -> tuple[Campaign, int]:
        """Store a campaign and change its rows, which do not leave meanwhile; how many it has now.

        Whatever refuses the change, the campaign goes on as it stands then.
        """
        is_moving = known.state in MOVING
        try:
            if is_moving:
                await self._hold(known)
            changed, rows_now = await self._put_both(known, changed, wish, rows)
        except InvalidJobError:
            await self._open(known, known)
            raise
        if is_moving and self._took_back is not None:
            await self._took_back(changed)
        return changed, rows_now

    async def _put_both(
        self, known: Campaign, changed: Campaign, wish: Repoint, rows: int
    ) -> tuple[Campaign, int]:
        """Change the record and the rows; InvalidJobError where others came in between.

        Who has not heard of the change can queue no row any more. Where there are rows, the
        registry comes first: whoever claims after they changed reads it before he writes. Where
        there are none, the rows come first: one that came meanwhile has other fields, and refuses.
        """
        portfolio, source = known.portfolio_id, known.source
        version = await self._ledger.put_content(portfolio, source, shared_body(changed))
        changed = replace(changed, content=version)
        wish = replace(wish, version=version, is_first=not rows)
        if rows:
            changed = await self._put(known, changed)
        rows_now = await self._ledger.repoint(portfolio, source, wish)
        if rows_now < 0:
            raise InvalidJobError(MEANWHILE[rows_now], pointer="", code="conflict")
        if not rows:
            await self._put_unless_mended(known, changed)
        return changed, rows_now

    async def _hold(self, known: Campaign) -> None:
        """Let nothing of a campaign leave for a while; what was paused meanwhile stays paused."""
        opens_ms = max(known.start_at_ms, self._now_ms() + HOLD_MS)
        spec = SourceSpec(SourceState.SCHEDULED, known.weight, opens_ms)
        await self._ledger.put_source(known.portfolio_id, known.source, spec)
        await self._registry.refresh()
        newest = self._campaigns.get(known.id)
        if newest.state not in MOVING:
            await self._ledger.put_source(newest.portfolio_id, newest.source, spec_of(newest))

    async def _put_unless_mended(self, known: Campaign, changed: Campaign) -> None:
        """Store a campaign that has no rows, unless this took so long that others gave it up."""

        def unless_mended(newest: Campaign | None) -> Campaign:
            if newest != known:
                raise InvalidJobError(MEANWHILE[RUNS], pointer="", code="conflict")
            return changed

        await self._registry.change(Campaign, known.id, unless_mended)

    async def _put(self, known: Campaign, changed: Campaign) -> Campaign:
        """Store a changed campaign as others moved it meanwhile: a pause is not undone by it.

        InvalidJobError where another change came between: its rows may have a newer message.
        """

        def as_it_stands(newest: Campaign | None) -> Campaign:
            if newest is None or _standing(newest, known) != known:
                raise InvalidJobError(MEANWHILE[RUNS], pointer="", code="conflict")
            return changed if newest == known else _standing(changed, newest)

        return await self._registry.change(Campaign, known.id, as_it_stands)

    async def _open(self, known: Campaign, changed: Campaign) -> Campaign:
        """Let it leave, or not, as it is now; quiet hours hold before anything leaves."""
        if self._quiet is not None and changed.quiet != known.quiet:
            await self._quiet.obey(changed)
        return await agree(self._registry, self._ledger, self._campaigns.get(changed.id))

    def _grown(self, known: Campaign, draft: Campaign) -> Campaign:
        """Return the draft with what a campaign has lived through."""
        changed = replace(
            draft,
            content=known.content,
            state=known.state,
            created_at_ms=known.created_at_ms,
            started_at_ms=known.started_at_ms,
            paused_because=known.paused_because,
        )
        return self._stopped(known, changed) if known.stopped_by else changed

    def _stopped(self, known: Campaign, changed: Campaign) -> Campaign:
        """Return a campaign that a template's change stopped, after its own change.

        It stays stopped while it still sends what stopped it and that is not approved, or while its
        message is the one that was stopped. Else it has been mended, and goes on if it wants that.
        """
        template = self._registry.directory.templates.get(known.stopped_by)
        is_open = template is not None and template.status is TemplateStatus.APPROVED
        is_another = known.stopped_by not in changed.templates
        if not is_another and not (is_open and changed.message != known.message):
            return replace(changed, stopped_by=known.stopped_by, stopped_from=known.stopped_from)
        state = known.stopped_from or SourceState.RUNNING
        if changed.on_template_change == "stay_stopped":
            state = SourceState.STOPPED
        elif state is SourceState.SCHEDULED and changed.start_at_ms <= self._now_ms():
            state = SourceState.RUNNING
        return replace(changed, state=state)


def _standing(campaign: Campaign, newest: Campaign) -> Campaign:
    """Return a campaign standing where the newest one was moved."""
    names = ("state", "started_at_ms", "paused_because", "stopped_by", "stopped_from")
    return replace(campaign, **{name: getattr(newest, name) for name in names})


def _wish(known: Campaign, change: CampaignChange) -> CampaignWish:
    """Return the campaign as it is to be."""
    was_default = known.priority is Priority[known.category.name]
    priority = None if was_default else known.priority
    senders = [str(sender) for sender in known.senders]
    if change.senders is not None:
        senders = change.senders
    shares = change.shares
    if shares is None:  # one that is taken out leaves none behind
        kept = zip(known.senders, known.shares, strict=False)
        shares = {str(sender): share for sender, share in kept if sender in senders}
    return CampaignWish(
        id=known.id,
        name=known.name if change.name is None else change.name,
        senders=senders,
        shares=shares,
        message=known.message if change.message is None else change.message,
        priority=priority if change.priority is None else change.priority,
        weight=known.weight if change.weight is None else change.weight,
        start_at_ms=known.start_at_ms if change.start_at_ms is None else change.start_at_ms,
        expires_at_ms=(
            known.expires_at_ms if change.expires_at_ms is None else change.expires_at_ms
        ),
        delivery=change.delivery or "",
        recipients_max=(
            known.recipients_max if change.recipients_max is None else change.recipients_max
        ),
        on_template_change=change.on_template_change or known.on_template_change,
        quiet=change.quiet if change.sets_quiet else known.quiet,
    )


def _repeats_max(known: Campaign, draft: Campaign) -> int:
    """Return how often coming rows may be repeated where nobody asks for another delivery."""
    is_same = draft.category is known.category
    return known.repeats_max if is_same else min(known.repeats_max, draft.repeats_max)


def _too_late(known: Campaign, draft: Campaign) -> list[InvalidJobError]:
    """Return what cannot be changed any more, and why."""
    errors: list[InvalidJobError] = []
    if draft.portfolio_id != known.portfolio_id:
        errors.append(_error("/senders", "conflict", "belong to another portfolio"))
    begun = known.state not in (SourceState.DRAFT, SourceState.SCHEDULED)
    if draft.start_at_ms != known.start_at_ms and begun:
        errors.append(_error("/start_at", "state", f"it has begun: it is {known.state}"))
    return errors


def _dealt(left: Mapping[SenderId, int]) -> list[InvalidJobError]:
    """Return which senders cannot be taken out: rows that were dealt to them may still leave.

    A person hears from one number, and a row that was tried may have reached him by that one.
    """
    return [
        _error("/senders", "has_rows", f"{count} rows of {sender} have not ended: {DEALT}")
        for sender, count in sorted(left.items())
    ]


def _without_field(known: Campaign, draft: Campaign) -> list[InvalidJobError]:
    """Return which placeholders rows that came have nothing for."""
    has = f"is no field of its rows; they have {', '.join(known.fields) or 'none'}"
    return [
        _error("/message", "unknown_field", f"{{{{{name}}}}} {has}")
        for name in draft.fields
        if name not in known.fields
    ]


def _repoint(known: Campaign, changed: Campaign, change: CampaignChange) -> Repoint | None:
    """Return what rows are to hear of; also of what was asked for once more and stored before."""
    asked = (change.message, change.priority, change.expires_at_ms, change.senders, change.delivery)
    is_moved = (changed.templates, changed.priority) != (known.templates, known.priority)
    if all(wish is None for wish in asked) and not is_moved:
        return None
    is_fewer = changed.repeats_max < known.repeats_max
    return Repoint(
        dict(zip(changed.senders, changed.templates, strict=True)),
        changed.priority,
        b"" if change.message is None else shared_body(changed),
        change.expires_at_ms,
        changed.repeats_max if is_fewer or change.delivery is not None else None,
    )


def _error(pointer: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
