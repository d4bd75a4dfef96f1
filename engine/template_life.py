"""What becomes of a template by news, in whatever order it comes, and when it may be edited."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Final

from engine.directory import Template, TemplateDraft
from engine.model import Category, TemplateStatus
from engine.quota import DAY_MS
from engine.template_rules import META, Profile
from engine.terms import TEMPLATE_OVER

SECOND_MS: Final = 1_000  # Meta dates its news by the second
SKEW_MS: Final = 60_000  # news older than ours by less may be newer: clocks differ, so ask
EDITABLE: Final = frozenset(
    {TemplateStatus.APPROVED, TemplateStatus.REJECTED, TemplateStatus.PAUSED}
)
"""https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-management"""
EDITS_PER_DAY: Final = 1  # of an approved template, same page
EDITS_PER_MONTH: Final = 10
MONTH_MS: Final = 30 * DAY_MS
ENDED: Final = frozenset(TEMPLATE_OVER)


@dataclass(frozen=True, slots=True)
class Objection:
    """Why something may not be done with a template, and from when it may; 0 is not by time."""

    code: str
    detail: str
    until_ms: int = 0


def second_of(at_ms: int) -> int:
    """Return the second of a moment, as Meta would date it.

    >>> second_of(1_999)
    1000
    """
    return at_ms // SECOND_MS * SECOND_MS


def heard_status(
    template: Template, status: TemplateStatus | None, at_ms: int, now_ms: int, reason: str = ""
) -> Template:
    """Return a template after news of its status; None is news that does not tell it.

    Older news changes nothing. What contradicts news of the same second, or comes without a date,
    or nearly as late as clocks differ, can only be settled by asking: the template is stale then,
    and meanwhile never more sendable than it was. Where Meta was asked before they came, older news
    of the same status tell why: only news know which pause it is.
    """
    stale = replace(template, stale_since_ms=now_ms)
    if status is None:
        return stale
    differs = status is not template.status
    is_approval = status is TemplateStatus.APPROVED
    if not at_ms:
        if not differs or is_approval:
            return stale if differs else template
        return replace(stale, status=TemplateStatus.UNKNOWN)
    if at_ms < template.status_at_ms:
        is_close = template.status_at_ms - at_ms <= SKEW_MS
        told = template if differs else _with_reason(template, reason, at_ms)
        return stale if differs and is_close else told
    is_tie = at_ms == template.status_at_ms and differs
    if is_tie and is_approval:
        return stale
    known = stale if is_tie or status is TemplateStatus.UNKNOWN else template
    return replace(
        known, status=status, status_at_ms=at_ms, rejected_reason=reason, reason_at_ms=at_ms
    )


def _with_reason(template: Template, reason: str, at_ms: int) -> Template:
    if not reason or at_ms < template.reason_at_ms:
        return template
    return replace(template, rejected_reason=reason, reason_at_ms=at_ms)


def heard_quality(template: Template, quality: str, at_ms: int) -> Template:
    """Return a template after news of its quality."""
    if at_ms < template.quality_at_ms:
        return template
    return replace(template, quality=quality, quality_at_ms=at_ms)


def heard_category(
    template: Template, current: str, coming: str, at_ms: int, now_ms: int
) -> Template:
    """Return a template after news of its category; a word we do not know is asked about."""
    if at_ms < template.category_at_ms:
        return template
    category = category_of(current)
    if category is None:
        return replace(template, stale_since_ms=now_ms)
    coming = "" if coming == current else coming
    return replace(template, category=category, coming_category=coming, category_at_ms=at_ms)


def heard_edit(template: Template, now_ms: int) -> Template:
    """Return a template after news that its words changed: Meta must be asked for them."""
    return replace(template, stale_since_ms=now_ms)


def read_again(
    known: Template | None,
    read: Template,
    asked_at_ms: int,
    now_ms: int,
    *,
    before: Template | None,
) -> Template:
    """Return a template as Meta told it when it was asked at `asked_at_ms`.

    What came by webhook since then is newer and stays; then it is asked again. So it is with what
    came while Meta was asked (`known` is not what it was `before`), whatever its date: clocks
    differ, and Meta dates by the second. Of two such words the one that forbids more holds
    meanwhile. What was known `before` is older than the answer, whatever its date.
    """
    at_ms = second_of(asked_at_ms)
    fresh = replace(
        read, status_at_ms=at_ms, quality_at_ms=at_ms, category_at_ms=at_ms, read_at_ms=now_ms
    )
    if known is None:
        return fresh
    fresh = replace(fresh, draft=known.draft, edited_at_ms=known.edited_at_ms)
    if known.status is not fresh.status:
        fresh = replace(fresh, reason_at_ms=max(0, known.status_at_ms - SKEW_MS))
    else:
        reason = fresh.rejected_reason or known.rejected_reason  # only news tell which pause
        fresh = replace(fresh, rejected_reason=reason, reason_at_ms=known.reason_at_ms)
    fresh = _after_draft(known, fresh, asked_at_ms)
    if before is not None and known.stale_since_ms > before.stale_since_ms:
        fresh = heard_edit(fresh, known.stale_since_ms)  # a question that came meanwhile stays open
    if known.is_read:
        status_came = before is None or _status_of(before) != _status_of(known)
        fresh = _with_status(known, fresh, now_ms, came_meanwhile=status_came)
        category_came = before is None or _category_of(before) != _category_of(known)
        fresh = _with_category(known, fresh, now_ms, came_meanwhile=category_came)
    if known.coming_category and known.coming_category != fresh.category.value.upper():
        fresh = replace(fresh, coming_category=known.coming_category)
    if known.quality_at_ms > at_ms:
        fresh = replace(fresh, quality=known.quality, quality_at_ms=known.quality_at_ms)
    return fresh


def _after_draft(known: Template, fresh: Template, asked_at_ms: int) -> Template:
    """Return a template without its draft where Meta has those words by now.

    Then the answer to their submission was lost: of an edit it counts all the same.
    """
    draft = known.draft
    if draft is None or not _is_of(draft, fresh):
        return fresh
    if known.status is TemplateStatus.DRAFT:
        return replace(fresh, draft=None)
    if _is_of(draft, known):
        return fresh  # somebody wrote down what was there already
    return replace(fresh, draft=None, edited_at_ms=(*known.edited_at_ms, asked_at_ms))


def _is_of(draft: TemplateDraft, template: Template) -> bool:
    words = draft.components, draft.parameter_format
    return words == (template.components, template.parameter_format)


def _with_status(
    known: Template, fresh: Template, now_ms: int, *, came_meanwhile: bool
) -> Template:
    is_newer = known.status_at_ms > fresh.status_at_ms
    if not is_newer and not came_meanwhile:
        return fresh
    if known.status is fresh.status:
        return replace(fresh, status_at_ms=max(known.status_at_ms, fresh.status_at_ms))
    if not is_newer and fresh.status is not TemplateStatus.APPROVED:
        return heard_edit(fresh, now_ms)  # Meta's own word, and it forbids
    names = ("status", "status_at_ms", "rejected_reason", "reason_at_ms")
    kept = replace(fresh, **{name: getattr(known, name) for name in names})
    return heard_edit(kept, now_ms)


def _with_category(
    known: Template, fresh: Template, now_ms: int, *, came_meanwhile: bool
) -> Template:
    if known.category_at_ms > fresh.category_at_ms:
        return replace(fresh, category=known.category, category_at_ms=known.category_at_ms)
    if not came_meanwhile or known.category is fresh.category:
        return fresh
    both = {known.category, fresh.category}
    stricter = Category.MARKETING if Category.MARKETING in both else known.category
    return heard_edit(replace(fresh, category=stricter), now_ms)


def _status_of(template: Template) -> tuple[TemplateStatus, int]:
    return template.status, template.status_at_ms


def _category_of(template: Template) -> tuple[Category, int]:
    return template.category, template.category_at_ms


def edited(template: Template, now_ms: int) -> Template:
    """Return a template after Meta took its draft as an edit: in review, with the new words.

    Meta may let an edit of an approved one pass at once, without a word: so it is asked.
    """
    draft = template.draft
    assert draft is not None
    recent = [each for each in template.edited_at_ms if each > now_ms - MONTH_MS]
    return replace(
        template,
        category=draft.category,
        components=draft.components,
        parameter_format=draft.parameter_format,
        draft=None,
        status=TemplateStatus.PENDING,
        status_at_ms=second_of(now_ms),
        edited_at_ms=(*recent, now_ms),
        rejected_reason="",
        stale_since_ms=now_ms,
    )


def why_no_edit(
    template: Template, category: Category, now_ms: int, profile: Profile = META
) -> Objection | None:
    """Return why an edit would be refused now; None when it may be tried."""
    if template.status not in EDITABLE:
        detail = f"is {template.status}; only APPROVED, REJECTED and PAUSED ones can be edited"
        code = "in_review" if template.status is TemplateStatus.PENDING else "not_editable"
        return Objection(code, detail)
    is_approved = template.status is TemplateStatus.APPROVED
    if not is_approved and profile.spares_unapproved:
        return None
    if is_approved and category is not template.category:
        detail = f"is approved as {template.category.value.upper()}; that category stays"
        return Objection("category_fixed", detail)
    for most, span_ms, words in (
        (EDITS_PER_DAY, DAY_MS, "24 hours"),
        (EDITS_PER_MONTH, MONTH_MS, "30 days"),
    ):
        recent = [each for each in template.edited_at_ms if each > now_ms - span_ms]
        if len(recent) >= most:
            detail = f"was edited {len(recent)} times in {words}, the limit is {most}; wait"
            return Objection("edited_too_often", detail, recent[-most] + span_ms)
    return None


def category_of(word: str) -> Category | None:
    """Return the category Meta's word names; None for one that no template can have.

    >>> category_of("UTILITY"), category_of("SERVICE")
    (<Category.UTILITY: 'utility'>, None)
    """
    try:
        category = Category(word.lower())
    except ValueError:
        return None
    return None if category is Category.SERVICE else category


LABELS: Final = {
    TemplateStatus.PENDING: "In review",
    TemplateStatus.REJECTED: "Rejected",
    TemplateStatus.PAUSED: "Paused",
    TemplateStatus.DISABLED: "Disabled",
    TemplateStatus.IN_APPEAL: "Appeal requested",
    TemplateStatus.DRAFT: "Draft",
}
QUALITIES: Final = {"GREEN": "High quality", "YELLOW": "Medium quality", "RED": "Low quality"}


def label_of(template: Template) -> str:
    """Return what the WhatsApp Manager calls a template's status and quality.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-quality
    """
    if template.status is TemplateStatus.APPROVED:
        return f"Active - {QUALITIES.get(template.quality, 'Quality pending')}"
    plain = template.status.value.replace("_", " ").capitalize()
    return LABELS.get(template.status, plain)
