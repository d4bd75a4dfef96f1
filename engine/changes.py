"""Changing a campaign after it was created: a new version, and what it is too late for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from dataclasses import dataclass, replace
from typing import Protocol

from engine.books import Books
from engine.campaigns import Campaigns, CampaignWish, shared_body
from engine.directory import Campaign, Registry
from engine.errors import InvalidJobError
from engine.messages import SeveralErrors
from engine.model import NowMs, Priority, SourceState
from engine.ports import Cancellation, Cancelled, Catalog, Contents, SourceSpec
from engine.results import Results
from engine.revalidation import Misfit, Revalidation, RowsMisfitError
from engine.rewriting import Rewrite, Rewriting

LULL_MS = (
    1_500  # how long a rewritten campaign gives no jobs: every process has heard of it by then
)

Rewrote = Callable[
    [Campaign], Awaitable[None]
]  # told at once, so that no process sends the old one


class Changed(Books, Catalog, Contents, Rewriting, Cancellation, Protocol):
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
    cancels_misfits: bool = False  # end waiting rows that do not fit; else nothing is changed


class CampaignChanges:
    """The use case of whoever corrects a campaign."""

    def __init__(
        self,
        campaigns: Campaigns,
        registry: Registry,
        ledger: Changed,
        results: Results,
        *,
        now_ms: NowMs,
        rewrote: Rewrote | None = None,
    ) -> None:
        self._campaigns = campaigns
        self._registry = registry
        self._ledger = ledger
        self._revalidation = Revalidation(ledger, results)
        self._now_ms = now_ms
        self._rewrote = rewrote

    async def change(self, campaign_id: str, change: CampaignChange) -> Campaign:
        """Check and store a campaign anew; raise everything that cannot be changed at once.

        Rows that wait leave with the new message, priority and expiry. The message may name what
        the rows brought and nothing else; waiting rows that do not fit it are named, and nothing
        is changed unless they are to be cancelled. What a row carries itself stays: its sender,
        and how often it may be repeated. The start can change until it has begun.
        """
        known = self._campaigns.get(campaign_id)
        if known.state is SourceState.CANCELLED:
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        draft = self._campaigns.draft_of(_wish(known, change))
        if change.delivery is None and draft.category is known.category:
            draft = replace(draft, repeats_max=known.repeats_max)
        counts = await self._ledger.counts(known.portfolio_id, known.source)
        errors = _too_late(known, draft, counts.enqueued)
        if errors:
            raise SeveralErrors(errors)
        if counts.enqueued:
            draft = replace(draft, fields=known.fields)  # of rows that came and those to come
        changed = _grown(known, draft)
        is_anew = changed.message != known.message
        if is_anew and counts.enqueued:
            await self._revalidate(changed, cancels=change.cancels_misfits)
        spec = SourceSpec(changed.state, changed.weight, changed.start_at_ms)
        await self._ledger.put_source(changed.portfolio_id, changed.source, spec)
        if counts.enqueued:
            changed = await self._rewrite(known, changed)
        elif is_anew:
            body = shared_body(changed)
            content = await self._ledger.put_content(changed.portfolio_id, changed.source, body)
            changed = replace(changed, content=content)
        await self._registry.put(changed)
        if is_anew and counts.enqueued and self._rewrote is not None:
            await self._rewrote(changed)
        return changed

    async def _revalidate(self, changed: Campaign, *, cancels: bool) -> None:
        """Refuse a message that waiting rows do not fit, or cancel those rows."""
        misfits = await self._revalidation.misfits(changed, self._registry.directory)
        remedy = 'shorten the message, or end these rows with {"misfits": "cancel"}'
        if cancels:
            misfits = [each for each in misfits if not await self._is_cancelled(changed, each)]
            remedy = "these could not be cancelled now: pause it and try again"
        if misfits:
            raise RowsMisfitError(misfits, len(misfits), remedy)

    async def _is_cancelled(self, changed: Campaign, misfit: Misfit) -> bool:
        """Cancel a row; whether it is no longer in the way, for it may have left meanwhile."""
        answer = await self._ledger.cancel_job(changed.portfolio_id, misfit.key)
        return answer not in (Cancelled.UNFOUND, Cancelled.REPEATING)

    async def _rewrite(self, known: Campaign, changed: Campaign) -> Campaign:
        """Change what waits; a new message holds the campaign until all processes heard."""
        is_anew = changed.message != known.message
        is_late = changed.expires_at_ms != known.expires_at_ms
        if not is_anew and not is_late and changed.priority == known.priority:
            return changed
        rewrite = Rewrite(
            dict(zip(changed.senders, changed.templates, strict=True)),
            changed.priority,
            shared_body(changed) if is_anew else b"",
            changed.expires_at_ms if is_late else None,
            self._now_ms() + LULL_MS if is_anew else 0,
        )
        version = await self._ledger.rewrite_source(changed.portfolio_id, changed.source, rewrite)
        if not version:
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        return replace(changed, content=version)


def _wish(known: Campaign, change: CampaignChange) -> CampaignWish:
    """Return the campaign as it is to be."""
    was_default = known.priority is Priority[known.category.name]
    priority = None if was_default else known.priority
    senders = [str(sender) for sender in known.senders]
    return CampaignWish(
        id=known.id,
        name=known.name if change.name is None else change.name,
        senders=senders if change.senders is None else change.senders,
        message=known.message if change.message is None else change.message,
        priority=priority if change.priority is None else change.priority,
        weight=known.weight if change.weight is None else change.weight,
        start_at_ms=known.start_at_ms if change.start_at_ms is None else change.start_at_ms,
        expires_at_ms=(
            known.expires_at_ms if change.expires_at_ms is None else change.expires_at_ms
        ),
        delivery=change.delivery or "",
        on_template_change=known.on_template_change,
        recipients_max=(
            known.recipients_max if change.recipients_max is None else change.recipients_max
        ),
    )


def _grown(known: Campaign, draft: Campaign) -> Campaign:
    """Return the draft with what a campaign has lived through."""
    stopped_by = known.stopped_by if known.stopped_by in draft.templates else ""
    return replace(
        draft,
        content=known.content,
        state=known.state,
        created_at_ms=known.created_at_ms,
        started_at_ms=known.started_at_ms,
        paused_because=known.paused_because,
        stopped_by=stopped_by,
        stopped_from=known.stopped_from if stopped_by else None,
    )


def _too_late(known: Campaign, draft: Campaign, rows: int) -> list[InvalidJobError]:
    """Return what cannot be changed any more, and why."""
    errors: list[InvalidJobError] = []
    if draft.portfolio_id != known.portfolio_id:
        errors.append(_error("/senders", "conflict", "belong to another portfolio"))
    begun = known.state not in (SourceState.DRAFT, SourceState.SCHEDULED)
    if draft.start_at_ms != known.start_at_ms and begun:
        errors.append(_error("/start_at", "state", f"it has begun: it is {known.state}"))
    if rows:
        other = "or cancel this campaign and create another one"
        if draft.repeats_max != known.repeats_max:
            detail = f"{rows} rows may be repeated {known.repeats_max} times: give the delivery"
            errors.append(_error("/delivery", "has_rows", f"{detail} that says so, {other}"))
        if not set(known.senders) <= set(draft.senders):
            detail = f"{rows} rows were dealt to them: keep them and pause one, {other}"
            errors.append(_error("/senders", "has_rows", detail))
        brought = ", ".join(known.fields) or "no fields"
        errors += [
            _error("/message", "field_missing", f"no row has {{{{{name}}}}}: they bring {brought}")
            for name in draft.fields
            if name not in known.fields
        ]
    return errors


def _error(pointer: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
