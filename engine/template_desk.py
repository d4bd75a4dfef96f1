"""What an operator does with templates: write, submit, edit, refresh, delete, import."""

from __future__ import annotations

from collections import Counter
from collections.abc import AsyncGenerator
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace

from engine.directory import AccountRules, Registry, Template, TemplateDraft, template_key
from engine.errors import (
    InvalidJobError,
    ProviderAwayError,
    ProviderError,
    ProviderRefusedError,
    UnknownNameError,
)
from engine.messages import SeveralErrors
from engine.model import NowMs, TemplateStatus, WabaId
from engine.template_changes import News, TemplateChanges
from engine.template_checks import Draft, check_template
from engine.template_journeys import Touched
from engine.template_life import category_of, edited, read_again, second_of, why_no_edit
from engine.template_ports import Archive, Master
from engine.template_rules import PROFILES

POLL_EVERY_MS = 30 * 60_000  # what waits for a verdict is asked about this often: webhooks get lost
ASK_EVERY_MS = 60_000  # about one account's verdicts, at most: 200 calls an hour is the quota
ASK_AGAIN_MS = 60_000  # after an answer that was none
SOON_MS = 1_000  # before one template is asked about again; twice as long each time, up to
STALE_EVERY_MS = 32_000  # this, however often news leaves a question open,
CALM_MS = 10 * 60_000  # and soon again after so long without a question
REFUSED_MS = 10 * 60_000  # before a template is asked about again that Meta refused to tell of
UNDECIDED = frozenset(
    {
        TemplateStatus.PENDING,
        TemplateStatus.IN_APPEAL,
        TemplateStatus.PAUSED,
        TemplateStatus.UNKNOWN,
    }
)


@dataclass(slots=True)
class Imported:
    """What an import changed; `kept_at_ms` names the set it replaced, 0 when there was none."""

    templates: list[Template]
    added: list[str] = field(default_factory=list[str])
    changed: list[str] = field(default_factory=list[str])
    deleted: list[str] = field(default_factory=list[str])
    unreadable: int = 0
    kept_at_ms: int = 0
    touched: list[Touched] = field(default_factory=list[Touched])


class TemplateDesk:
    """The use cases of the account manager."""

    def __init__(
        self,
        registry: Registry,
        changes: TemplateChanges,
        master: Master,
        archive: Archive,
        *,
        now_ms: NowMs,
    ) -> None:
        self._registry = registry
        self._changes = changes
        self._master = master
        self._archive = archive
        self._now_ms = now_ms
        self._asked_ms: dict[str, int] = {}  # accounts and templates: not before
        self._polled_ms: dict[str, int] = {}  # accounts: not about a verdict before
        self._rests: dict[str, tuple[int, int]] = {}  # when a template was asked about, and rests
        self.failures: Counter[str] = Counter()
        """Questions that Meta did not answer, by the error's name, for metrics."""

    def get(self, waba: str, name: str, language: str) -> Template:
        """Return a template; UnknownNameError when there is none."""
        key = template_key(waba, name, language)
        template = self._registry.directory.templates.get(key)
        if template is None:
            raise UnknownNameError(f"there is no template {key}; penstock template list has them")
        return template

    def check(self, waba: str, draft: Draft, profile: str = "") -> TemplateDraft:
        """Return a draft that has nothing wrong; raise everything that is wrong with it."""
        rules, others = self._rules(waba), self._registry.directory.templates_of(waba)
        found = check_template(draft, PROFILES[profile or rules.profile], others, rules.tracking)
        category = category_of(draft.category)
        if found or category is None:
            raise SeveralErrors(
                [
                    InvalidJobError(each.detail, pointer=each.pointer, code=each.code)
                    for each in found
                ]
            )
        components = [dict(each) for each in draft.components]
        return TemplateDraft(category, components, draft.parameter_format)

    async def write(self, waba: str, wanted: Draft, profile: str = "") -> Template:
        """Keep a draft, checked: what is sent stays as it is until the draft is submitted."""
        draft = self.check(waba, wanted, profile)
        key = template_key(waba, wanted.name, wanted.language)

        def written(known: Template | None) -> Template:
            if known is None:
                known = Template(
                    waba_id=WabaId(waba),
                    name=wanted.name,
                    language=wanted.language,
                    category=draft.category,
                    status=TemplateStatus.DRAFT,
                    components=draft.components,
                    parameter_format=draft.parameter_format,
                )
            return replace(known, draft=draft)

        template, _ = await self._changes.change(key, written)
        return template

    async def state(self, template: Template) -> list[Touched]:
        """Put in force what the operator says a template is at Meta, without asking Meta."""

        def stated(known: Template | None) -> Template:
            if known is None:
                return template
            at_ms = second_of(self._now_ms())
            return replace(
                known,
                category=template.category,
                status=template.status,
                components=template.components,
                parameter_format=template.parameter_format,
                status_at_ms=at_ms,
                category_at_ms=at_ms,
                is_read=True,
            )

        _, touched = await self._changes.change(template.key, stated)
        return touched

    async def submit(
        self, waba: str, name: str, language: str, profile: str = ""
    ) -> tuple[Template, list[Touched]]:
        """Submit the draft: a new template, or an edit, which stops the campaigns that use it."""
        known = self.get(waba, name, language)
        draft = known.draft
        if draft is None:
            detail = "has no draft to submit; write one first with PUT, or `template edit --file`"
            raise InvalidJobError(detail, pointer="", code="no_draft")
        words = draft.category.value.upper(), draft.components, draft.parameter_format
        self.check(waba, Draft(name, language, *words), profile)
        if not known.meta_id or known.status is TemplateStatus.DELETED:
            return await self._create(known, draft)
        judge = PROFILES[profile or self._rules(waba).profile]
        objection = why_no_edit(known, draft.category, self._now_ms(), judge)
        if objection is not None:
            detail = objection.detail
            if objection.until_ms:
                minutes = -(-(objection.until_ms - self._now_ms()) // 60_000)
                detail += f" {minutes // 60} h {minutes % 60} min"
            raise InvalidJobError(detail, pointer="", code=objection.code)
        async with self._asking(known):
            await self._master.edit(known, draft)

        def taken(now: Template | None) -> Template:
            now = now or known
            template = edited(replace(now, draft=draft), self._now_ms())
            return replace(template, draft=_left_of(now.draft, draft))

        return await self._changes.change(known.key, taken, is_edit=True)

    async def refresh(self, waba: str, name: str, language: str) -> tuple[Template, list[Touched]]:
        """Ask Meta what a template is now, and put that in force."""
        await self._registry.refresh()
        before = self.get(waba, name, language)
        asked_ms = self._now_ms()
        found = await self._master.one(before)

        def read(known: Template | None) -> Template:  # what came meanwhile is newer
            known = known or before
            if found is not None:
                return read_again(known, found, asked_ms, self._now_ms(), before=before)
            if known.status is TemplateStatus.DRAFT:
                return replace(known, stale_since_ms=0)
            return _gone(known, asked_ms)

        return await self._changes.change(before.key, read)

    async def delete(self, waba: str, name: str, language: str) -> tuple[Template, list[Touched]]:
        """Delete a template at Meta and here; the campaigns that use it are cancelled."""
        known = self.get(waba, name, language)
        if known.meta_id and known.status is not TemplateStatus.DELETED:
            async with self._asking(known):
                await self._master.delete(known)
        return await self._changes.change(known.key, _is_gone(known, self._now_ms()))

    async def import_all(self, waba: WabaId, *, replaces: bool) -> Imported:
        """Read all templates of an account, keep the set of before, tell what changed.

        With `replaces` what Meta does not list any more is deleted here too; drafts that were
        never submitted stay, and so does everything when some rows could not be read, or Meta
        lists nothing at all: what is gone cannot come back.
        """
        await self._registry.refresh()
        before = {each.key: each for each in self._registry.directory.templates_of(waba)}
        asked_ms = self._now_ms()
        listing = await self._master.listing(waba)
        await self._registry.refresh()
        imported = Imported([], unreadable=listing.unreadable)
        if before:
            await self._archive.keep(waba, asked_ms, list(before.values()))
            imported.kept_at_ms = asked_ms
        templates = self._registry.directory.templates
        fresh = [each for each in listing.templates if each.key not in templates]
        now_ms = self._now_ms()
        added = [read_again(None, each, asked_ms, now_ms, before=None) for each in fresh]
        imported.added = [each.key for each in added]
        await self._registry.add_all(added)  # nobody can use them yet: all in one step
        for found in listing.templates:
            news = self._listed(found, before.get(found.key), asked_ms)
            known = templates.get(found.key)
            template, touched = await self._changes.change(found.key, news)
            if known is not None and _differs(known, template):
                imported.changed.append(template.key)
            imported.templates.append(template)
            imported.touched += touched
        if replaces and listing.templates and not listing.unreadable:
            listed = {each.key for each in listing.templates}
            for known in before.values():
                is_ours = known.status in (TemplateStatus.DRAFT, TemplateStatus.DELETED)
                if known.key not in listed and not is_ours:
                    imported.deleted.append(known.key)
                    _, touched = await self._changes.change(known.key, _is_gone(known, asked_ms))
                    imported.touched += touched
        return imported

    async def kept_sets(self, waba: WabaId) -> list[int]:
        """Return when sets of an account's templates were replaced, the newest first."""
        return await self._archive.moments(waba)

    async def kept_set(self, waba: WabaId, at_ms: int) -> list[Template]:
        """Return the set that an import replaced then; UnknownNameError when there is none."""
        kept = await self._archive.read(waba, at_ms)
        if kept is None:
            raise UnknownNameError(f"no set of WABA {waba} was kept at that moment")
        return kept

    async def ask_next(self) -> Template | None:
        """Ask about one template that only Meta can tell about; None when there is none now."""
        now_ms = self._now_ms()
        directory = self._registry.directory
        for template in list(directory.templates.values()):
            if not _is_due(template, now_ms):
                continue
            due_ms = max(self._asked_ms.get(name, 0) for name in (template.waba_id, template.key))
            if not template.stale_since_ms:
                due_ms = max(due_ms, self._polled_ms.get(template.waba_id, 0))
            if now_ms < due_ms or directory.portfolio_of_waba(template.waba_id) is None:
                continue  # not yet; or there is no sender whose token could ask
            if not template.stale_since_ms:
                self._polled_ms[template.waba_id] = now_ms + ASK_EVERY_MS
            self._asked_ms[template.key] = now_ms + self._rest_ms(template.key, now_ms)
            try:
                asked, _ = await self.refresh(template.waba_id, template.name, template.language)
            except ProviderError as error:
                self.failures[type(error).__name__] += 1
                is_refused = isinstance(error, ProviderRefusedError)
                name = template.key if is_refused else template.waba_id
                wait_ms = REFUSED_MS if is_refused else ASK_AGAIN_MS
                self._asked_ms[name] = max(now_ms + wait_ms, error.until_ms)
                continue
            return asked
        return None

    def _rules(self, waba: str) -> AccountRules:
        rules = self._registry.directory.account_rules
        return rules.get(waba, AccountRules(WabaId(waba)))

    def _listed(self, found: Template, before: Template | None, asked_ms: int) -> News:
        """Return what becomes of a listed template; one that is as before stays as it was."""

        def listed(known: Template | None) -> Template:
            template = read_again(known, found, asked_ms, self._now_ms(), before=before)
            if known is None or _differs(known, template):
                return template
            is_open = known.stale_since_ms or known.status in UNDECIDED
            return template if is_open else known

        return listed

    @asynccontextmanager
    async def _asking(self, known: Template) -> AsyncGenerator[None]:
        """Have Meta asked when nobody knows whether it did what was asked of it.

        Until then what may be in review, or gone, is not sent.
        """
        try:
            yield
        except ProviderAwayError:
            await self._changes.change(
                known.key, lambda newest: _doubted(newest or known, self._now_ms())
            )
            raise

    def _rest_ms(self, key: str, now_ms: int) -> int:
        """Return how long a template that is asked about now is left alone."""
        last_ms, rest_ms = self._rests.get(key, (0, 0))
        rest_ms = min(2 * rest_ms or SOON_MS, STALE_EVERY_MS)
        if now_ms - last_ms > CALM_MS:
            rest_ms = SOON_MS
        self._rests[key] = now_ms, rest_ms
        return rest_ms

    async def _create(
        self, known: Template, draft: TemplateDraft
    ) -> tuple[Template, list[Touched]]:
        async with self._asking(known):
            answer = await self._master.create(known, draft)

        def created(now: Template | None) -> Template:
            now = now or known
            template = replace(
                now,
                components=draft.components,
                parameter_format=draft.parameter_format,
                draft=_left_of(now.draft, draft),
            )
            if now.meta_id == answer.meta_id:  # its review was quicker than this answer
                return template
            return replace(
                template,
                meta_id=answer.meta_id,
                status=answer.status,
                category=answer.category,  # Meta may judge that it is another
                rejected_reason="",
                status_at_ms=second_of(self._now_ms()),
                edited_at_ms=(),
            )

        return await self._changes.change(known.key, created)


def _is_due(template: Template, now_ms: int) -> bool:
    if template.stale_since_ms:
        return True
    is_undecided = template.status in UNDECIDED and bool(template.meta_id)
    return is_undecided and now_ms - template.read_at_ms >= POLL_EVERY_MS


def _left_of(draft: TemplateDraft | None, submitted: TemplateDraft) -> TemplateDraft | None:
    """Return the draft that stays: one that somebody wrote while another was submitted."""
    return None if draft == submitted else draft


def _doubted(template: Template, now_ms: int) -> Template:
    """Return a template of which nobody knows whether Meta did what was asked."""
    is_open = template.status is TemplateStatus.APPROVED
    status = TemplateStatus.UNKNOWN if is_open else template.status
    return replace(template, status=status, stale_since_ms=now_ms)


def _is_gone(known: Template, at_ms: int) -> News:
    """Return that a template is no more."""
    return lambda newest: _gone(newest or known, at_ms)


def _gone(template: Template, at_ms: int) -> Template:
    return replace(
        template,
        status=TemplateStatus.DELETED,
        status_at_ms=second_of(at_ms),
        draft=None,
        stale_since_ms=0,
    )


def _differs(known: Template, template: Template) -> bool:
    """Return whether Meta told something new: more than when it was asked."""
    return any(
        getattr(known, name) != getattr(template, name)
        for name in (
            *("status", "category", "quality", "components", "parameter_format"),
            *("meta_id", "coming_category", "rejected_reason", "is_read"),
        )
    )
