"""Changing a campaign after it was created: a new version, and what it is too late for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.books import Books
from engine.campaigns import Campaigns, CampaignWish, shared_body
from engine.directory import Campaign, Registry
from engine.errors import InvalidJobError
from engine.messages import SeveralErrors
from engine.model import Priority, SourceState
from engine.ports import Catalog, Contents, SourceSpec
from engine.quiet import QuietHours
from engine.quiet_keeper import QuietKeeper, unsorted_rows


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
    quiet: QuietHours | None = None
    sets_quiet: bool = False  # whether `quiet` counts; without hours then: none any more
    names_zone: bool = False  # whether the caller said what counts where no zone is known


class CampaignChanges:
    """The use case of whoever corrects a campaign."""

    def __init__(
        self,
        campaigns: Campaigns,
        registry: Registry,
        catalog: Catalog,
        contents: Contents,
        books: Books,
        quiet: QuietKeeper | None = None,
    ) -> None:
        self._campaigns = campaigns
        self._registry = registry
        self._catalog = catalog
        self._contents = contents
        self._books = books
        self._quiet = quiet

    async def change(self, campaign_id: str, change: CampaignChange) -> Campaign:
        """Check and store a campaign anew; raise everything that cannot be changed at once.

        A queued row carries its message's version and its own expiry, and stands in a lane of its
        template, sender and priority: these can only change while there is no row. Name, weight,
        cap, quiet hours and further senders can always; the start until it has begun.
        """
        known = self._campaigns.get(campaign_id)
        if known.state is SourceState.CANCELLED:
            raise InvalidJobError("the campaign is cancelled", pointer="", code="state")
        draft = self._campaigns.draft_of(_wish(known, change))
        if change.delivery is None and change.message is None:
            draft = replace(draft, repeats_max=known.repeats_max)
        counts = await self._books.counts(known.portfolio_id, known.source)
        errors = _too_late(known, draft, counts.enqueued)
        unsorted = 0 if change.names_zone else counts.enqueued
        errors += unsorted_rows(known.quiet, draft.quiet, unsorted)
        if errors:
            raise SeveralErrors(errors)
        content = known.content
        if draft.message != known.message:
            content = await self._contents.put_content(
                known.portfolio_id, known.source, shared_body(draft)
            )
        changed = replace(
            draft,
            content=content,
            state=known.state,
            created_at_ms=known.created_at_ms,
            started_at_ms=known.started_at_ms,
            paused_because=known.paused_because,
        )
        spec = SourceSpec(changed.state, changed.weight, changed.start_at_ms)
        await self._catalog.put_source(changed.portfolio_id, changed.source, spec)
        await self._registry.put(changed)
        if self._quiet is not None and changed.quiet != known.quiet:
            await self._quiet.obey(changed)
        return changed


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
        recipients_max=(
            known.recipients_max if change.recipients_max is None else change.recipients_max
        ),
        quiet=change.quiet if change.sets_quiet else known.quiet,
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
        fixed = {
            "/message": draft.message != known.message,
            "/priority": draft.priority != known.priority,
            "/expires_at": draft.expires_at_ms != known.expires_at_ms,
            "/delivery": draft.repeats_max != known.repeats_max,
            "/senders": not set(known.senders) <= set(draft.senders),
        }
        detail = f"{rows} rows were accepted with it; cancel this one and create another campaign"
        errors += [_error(name, "has_rows", detail) for name, differs in fixed.items() if differs]
    return errors


def _error(pointer: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
