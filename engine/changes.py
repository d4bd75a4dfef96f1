"""Changing a campaign after it was created: a new version, and what it is too late for."""

from __future__ import annotations

from dataclasses import dataclass, replace

from engine.books import Books
from engine.campaigns import Campaigns, CampaignWish, shared_body
from engine.directory import Campaign, Registry
from engine.errors import InvalidJobError
from engine.messages import SeveralErrors
from engine.model import NowMs, Priority, SenderId, SourceState, TemplateStatus
from engine.ports import Catalog, Contents, SourceSpec
from engine.quiet import QuietHours
from engine.quiet_keeper import QuietKeeper, unsorted_rows
from engine.repointing import Misfits, Revalidation
from engine.template_ports import Repoint, TemplateJobs

STANDING = (SourceState.DRAFT, SourceState.PAUSED, SourceState.STOPPED)
RUNNING = "it runs, or is about to; pause it before its rows get another message"


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
    on_template_change: str | None = None
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
        jobs: TemplateJobs,
        revalidation: Revalidation,
        *,
        now_ms: NowMs,
        quiet: QuietKeeper | None = None,
    ) -> None:
        self._jobs = jobs
        self._revalidation = revalidation
        self._now_ms = now_ms
        self._campaigns = campaigns
        self._registry = registry
        self._catalog = catalog
        self._contents = contents
        self._books = books
        self._quiet = quiet

    async def change(self, campaign_id: str, change: CampaignChange) -> tuple[Campaign, Misfits]:
        """Check and store a campaign anew; raise everything that cannot be changed at once.

        Name, weight, cap, quiet hours and further senders can always change; the start until it has
        begun. A message too, while it does not run: rows that wait get it, and those that do not
        fit it are cancelled and returned. A queued row has its own expiry, and stands in a lane of
        its sender: these can only change while there is no row.
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
        content, misfits = known.content, Misfits()
        if draft.message != known.message and counts.enqueued:
            draft, content, misfits = await self._repointed(known, draft)
        elif draft.message != known.message:
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
        if known.stopped_by:
            changed = self._stopped(known, changed)
        spec = SourceSpec(changed.state, changed.weight, changed.start_at_ms)
        await self._catalog.put_source(changed.portfolio_id, changed.source, spec)
        await self._registry.put(changed)
        if self._quiet is not None and changed.quiet != known.quiet:
            await self._quiet.obey(changed)
        return changed, misfits

    async def _repointed(self, known: Campaign, draft: Campaign) -> tuple[Campaign, int, Misfits]:
        """Return a campaign whose waiting rows have its new message, and which did not fit it."""
        draft = replace(draft, fields=known.fields)
        misfits, gets = await self._revalidation.run(draft), _templates_of(draft)
        wish = Repoint(
            shared_body(draft),
            {had: gets[sender] for sender, had in _templates_of(known).items()},
            known.priority,
            draft.priority,
        )
        content = await self._jobs.repoint(known.portfolio_id, known.source, wish)
        if not content:
            raise SeveralErrors([_error("/message", "running", RUNNING)])
        return draft, content, misfits

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


def _templates_of(campaign: Campaign) -> dict[SenderId, str]:
    return dict(zip(campaign.senders, campaign.templates, strict=True))


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
        on_template_change=change.on_template_change or known.on_template_change,
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
    is_other = draft.message != known.message
    if rows and is_other:
        errors += _not_for_rows(known, draft)
    if rows:
        fixed = {
            "/priority": draft.priority != known.priority and not is_other,
            "/expires_at": draft.expires_at_ms != known.expires_at_ms,
            "/delivery": draft.repeats_max != known.repeats_max and not is_other,
            "/senders": not set(known.senders) <= set(draft.senders),
        }
        detail = f"{rows} rows were accepted with it; cancel this one and create another campaign"
        errors += [_error(name, "has_rows", detail) for name, differs in fixed.items() if differs]
    return errors


def _not_for_rows(known: Campaign, draft: Campaign) -> list[InvalidJobError]:
    """Return why rows that wait cannot have another message."""
    if known.state not in STANDING:
        return [_error("/message", "running", RUNNING)]
    missing = [name for name in draft.fields if name not in known.fields]
    had = ", ".join(known.fields) or "none"
    return [
        _error(
            "/message", "unknown_field", f"{{{{{name}}}}} is no field of its rows; they have {had}"
        )
        for name in missing
    ]


def _error(pointer: str, code: str, detail: str) -> InvalidJobError:
    return InvalidJobError(detail, pointer=pointer, code=code)
