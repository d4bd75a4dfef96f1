"""News of templates, put in force in whatever order it comes; what it leaves open is asked for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping, Sequence
from dataclasses import replace
from typing import Final

from adapters.meta.news import (
    Failure,
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from adapters.meta.news import Template as Named
from engine.directory import Registry, Template, template_key
from engine.model import Category, NowMs, TemplateStatus
from engine.template_changes import News, TemplateChanges
from engine.template_life import heard_category, heard_edit, heard_quality, heard_status

TemplateNews = (
    TemplateStatusChanged | TemplateQualityChanged | TemplateCategoryChanged | TemplateEdited
)
STOPPING: Final[Mapping[int, TemplateStatus]] = {
    132015: TemplateStatus.PAUSED,  # also of messages that were held and are dropped in a wave
    132016: TemplateStatus.UNKNOWN,  # disabled, says the code: only Meta's own word ends its jobs
}
"""https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-pacing"""

# the template of a message that failed, by its opaque data; empty when the message is not ours
TemplateOf = Callable[[Failure], Awaitable[str]]


async def nobody_knows(_failure: Failure) -> str:
    """Know no template."""
    return ""


class TemplateFolding:
    """Folds one notice after the other; the same one again changes nothing."""

    def __init__(
        self,
        registry: Registry,
        changes: TemplateChanges,
        now_ms: NowMs,
        template_of: TemplateOf = nobody_knows,
    ) -> None:
        self._registry = registry
        self._changes = changes
        self._now_ms = now_ms
        self._template_of = template_of

    async def note_failures(self, failures: Sequence[Failure]) -> None:
        """Stop the templates of messages that failed for them, and have Meta asked about those."""
        stopped: dict[tuple[str, int], int] = {}
        for failure in failures:
            if failure.code in STOPPING and (name := await self._template_of(failure)):
                at_ms = stopped.get((name, failure.code), 0)
                stopped[name, failure.code] = max(at_ms, failure.at_ms)
        if not stopped:
            return
        await self._registry.refresh()
        for (name, code), at_ms in stopped.items():
            if name in self._registry.directory.templates:
                await self._changes.change(name, self._stopping(STOPPING[code], at_ms))

    def _stopping(self, status: TemplateStatus, at_ms: int) -> News:
        def stopped(known: Template | None) -> Template:
            assert known is not None  # none is ever forgotten
            return self._stopped(known, status, at_ms)

        return stopped

    def _stopped(self, known: Template, status: TemplateStatus, at_ms: int) -> Template:
        now_ms = self._now_ms()
        heard = heard_status(known, status, at_ms, now_ms)
        return heard if heard.status is known.status else heard_edit(heard, now_ms)

    async def note(self, notice: TemplateNews) -> None:
        """Put a notice in force; LedgerError when that is not sure: then it comes again."""
        await self._registry.refresh()
        named, directory = notice.template, self._registry.directory
        key = template_key(named.waba, named.name, named.language)
        if key not in directory.templates and directory.portfolio_of_waba(named.waba) is None:
            return  # of an account that is not ours

        def noted(known: Template | None) -> Template:
            template = self._after(known or self._unread(named), notice)
            return template if template.meta_id else replace(template, meta_id=named.id)

        await self._changes.change(key, noted)

    def _after(self, known: Template, notice: TemplateNews) -> Template:
        now_ms, at_ms = self._now_ms(), notice.at_ms
        if known.meta_id and notice.template.id not in {"", known.meta_id}:
            return self._after_another(known, notice)
        match notice:
            case TemplateStatusChanged():
                return heard_status(known, notice.status, at_ms, now_ms, _reason(notice))
            case TemplateQualityChanged():
                return heard_quality(known, notice.quality, at_ms)
            case TemplateCategoryChanged():
                return heard_category(known, notice.current, notice.coming, at_ms, now_ms)
            case TemplateEdited():
                return heard_edit(known, now_ms)

    def _after_another(self, known: Template, notice: TemplateNews) -> Template:
        """Return a template after news of another of its name: one of them is gone.

        Which one only Meta knows. What would close the one that is known closes it until then.
        """
        now_ms = self._now_ms()
        if isinstance(notice, TemplateStatusChanged):
            known = heard_status(known, notice.status, 0, now_ms)
        return heard_edit(known, now_ms)

    def _unread(self, named: Named) -> Template:
        """Return a template that nobody read yet: unsendable, and Meta is asked for it."""
        return Template(
            waba_id=named.waba,
            name=named.name,
            language=named.language,
            category=Category.MARKETING,
            status=TemplateStatus.UNKNOWN,
            components=[],
            meta_id=named.id,
            stale_since_ms=self._now_ms(),
            is_read=False,
        )


def _reason(notice: TemplateStatusChanged) -> str:
    """Return why a template may not be sent: of a pause that is which one it is."""
    if notice.status is TemplateStatus.APPROVED:
        return ""
    return notice.title if notice.reason in {"", "NONE"} else notice.reason
