"""News of templates, put in force in whatever order it comes; what it leaves open is asked for."""

from __future__ import annotations

from dataclasses import replace

from adapters.meta.news import Template as Named
from adapters.meta.news import (
    TemplateCategoryChanged,
    TemplateEdited,
    TemplateQualityChanged,
    TemplateStatusChanged,
)
from engine.directory import Registry, Template, template_key
from engine.model import Category, NowMs, TemplateStatus
from engine.template_changes import TemplateChanges
from engine.template_life import heard_category, heard_edit, heard_quality, heard_status

TemplateNews = (
    TemplateStatusChanged | TemplateQualityChanged | TemplateCategoryChanged | TemplateEdited
)


class TemplateFolding:
    """Folds one notice after the other; the same one again changes nothing."""

    def __init__(self, registry: Registry, changes: TemplateChanges, now_ms: NowMs) -> None:
        self._registry = registry
        self._changes = changes
        self._now_ms = now_ms

    async def note(self, notice: TemplateNews) -> None:
        """Put a notice in force; LedgerError when that is not sure: then it comes again."""
        known = self._template(notice.template)
        if known is None:
            return
        template = self._after(known, notice)
        if not template.meta_id:
            template = replace(template, meta_id=notice.template.id)
        await self._changes.put(template)

    def _after(self, known: Template, notice: TemplateNews) -> Template:
        now_ms, at_ms = self._now_ms(), notice.at_ms
        match notice:
            case TemplateStatusChanged():
                reason = "" if notice.reason == "NONE" else notice.reason
                return heard_status(known, notice.status, at_ms, now_ms, reason)
            case TemplateQualityChanged():
                return heard_quality(known, notice.quality, at_ms)
            case TemplateCategoryChanged():
                return heard_category(known, notice.current, notice.coming, at_ms, now_ms)
            case TemplateEdited():
                return heard_edit(known, now_ms)

    def _template(self, named: Named) -> Template | None:
        """Return the template a notice is about; None for one of an account that is not ours.

        One that nobody read yet is written down unread and unsendable: then Meta is asked for it.
        """
        directory = self._registry.directory
        known = directory.templates.get(template_key(named.waba, named.name, named.language))
        if known is not None or directory.portfolio_of_waba(named.waba) is None:
            return known
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
