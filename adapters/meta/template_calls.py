"""Meta's management of templates: list, read, create, edit, delete, and samples of media."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable
from typing import Final
from urllib.parse import quote

import msgspec

from adapters.meta.listings import TEMPLATE_FIELDS, MetaTemplate, read_template
from adapters.meta.management import Management
from adapters.meta.wire import Text, Word, read
from engine.directory import Template, TemplateDraft
from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.model import NowMs, TemplateStatus, WabaId
from engine.template_checks import GONE
from engine.template_life import category_of
from engine.template_ports import Listing, Submitted

CREATIONS_MAX: Final = 100  # an hour and account: .../whatsapp/templates/template-management
HOUR_MS: Final = 3_600_000
RESUMES_MAX: Final = 2  # of one upload that is cut off
NOT_THERE: Final = 100  # what Graph says of an id that names nothing, and of much else

TokenOf = Callable[[WabaId], str]


class Created(msgspec.Struct):
    """The answer to a new template."""

    id: Word
    status: Text = None
    category: Text = None


class Done(msgspec.Struct):
    """The answer to an edit or a deletion."""

    success: bool


class Named(msgspec.Struct):
    """An answer that is an id: of the app, or of an upload session."""

    id: Word


class Handle(msgspec.Struct):
    """The answer to a whole upload."""

    h: str


class Reached(msgspec.Struct):
    """How much of a file an upload session has."""

    file_offset: int


_reached = msgspec.json.Decoder(Reached)
_created = msgspec.json.Decoder(Created)
_done = msgspec.json.Decoder(Done)
_named = msgspec.json.Decoder(Named)
_handle = msgspec.json.Decoder(Handle)


class TemplateCalls:
    """See engine.template_ports.Master; asked with the token of one of the account's senders.

    https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-management
    """

    def __init__(self, management: Management, token_of: TokenOf, now_ms: NowMs) -> None:
        self._management = management
        self._token_of = token_of
        self._now_ms = now_ms
        self._created_ms: dict[WabaId, deque[int]] = {}

    async def listing(self, waba: WabaId) -> Listing:
        """See Master.listing."""
        unreadable = self._management.unreadable
        rows = await self._management.templates(waba, self._token_of(waba))
        templates = [template_of(waba, row) for row in rows]
        found = [each for each in templates if each is not None]
        bad = self._management.unreadable - unreadable + len(rows) - len(found)
        found.sort(key=lambda each: each.status not in GONE)  # of two of a name the living one
        return Listing(list({each.key: each for each in found}.values()), bad)

    async def one(self, template: Template) -> Template | None:
        """See Master.one. What is gone by its id is looked for by its name: it may be made anew."""
        waba, token = template.waba_id, self._token_of(template.waba_id)
        found = None
        if template.meta_id:
            found = await self._by_id(template, token)
            if found is not None and found.status not in GONE:
                return found
        rows = await self._management.template_rows(waba, template.name, token)
        named = [each for each in rows if _language(each) == template.language]
        row = min(named, key=lambda each: each.status in GONE, default=None)
        return found if row is None else _sound(template_of(waba, row))

    async def create(self, template: Template, draft: TemplateDraft) -> Submitted:
        """See Master.create; one more than Meta allows an hour is not even asked for."""
        self._count_creation(template.waba_id)
        content = {
            "name": template.name,
            "language": template.language,
            "category": draft.category.value.upper(),
            "components": draft.components,
            "parameter_format": draft.parameter_format,
        }
        path = f"{quote(template.waba_id, safe='')}/message_templates"
        token = self._token_of(template.waba_id)
        body = await self._management.call(template.waba_id, "POST", path, token, content=content)
        answer = read(_created, body)
        if answer is None or not answer.id:
            raise ProviderAwayError(
                "Meta took the template, and its answer cannot be read: refresh"
            )
        try:
            status = TemplateStatus((answer.status or "PENDING").upper())
        except ValueError:
            status = TemplateStatus.UNKNOWN
        category = category_of(answer.category or "") or draft.category
        return Submitted(str(answer.id), status, category)

    async def edit(self, template: Template, draft: TemplateDraft) -> None:
        """See Master.edit. The category goes along only where it changes."""
        content: dict[str, object] = {"components": draft.components}
        if draft.category is not template.category:
            content["category"] = draft.category.value.upper()
        await self._act(template, "POST", quote(template.meta_id, safe=""), {}, content)

    async def delete(self, template: Template) -> None:
        """See Master.delete."""
        query = {"hsm_id": template.meta_id, "name": template.name}
        path = f"{quote(template.waba_id, safe='')}/message_templates"
        await self._act(template, "DELETE", path, query, None)

    async def upload_sample(self, waba: WabaId, name: str, kind: str, content: bytes) -> str:
        """Upload a sample of a header's media; return the handle for `example.header_handle`.

        https://developers.facebook.com/docs/graph-api/guides/upload: it wants the id of the app,
        and Meta tells which app a token is of.
        """
        token = self._token_of(waba)
        app = read(_named, await self._management.call(waba, "GET", "app", token))
        if app is None or not app.id:
            raise ProviderAwayError("Meta does not tell which app the token is of")
        query = {"file_name": name, "file_length": str(len(content)), "file_type": kind}
        path = f"{quote(str(app.id), safe='')}/uploads"
        session = read(_named, await self._management.call(waba, "POST", path, token, query=query))
        if session is None or not session.id:
            raise ProviderAwayError("Meta opened no upload session")
        handle = read(_handle, await self._upload(waba, str(session.id), token, content))
        if handle is None or not handle.h:
            raise ProviderAwayError("Meta gave no handle for the upload")
        return handle.h

    async def _upload(self, waba: WabaId, session: str, token: str, content: bytes) -> bytes:
        """Return the answer to a file's bytes; where it was cut off it goes on, a few times."""
        offset, calls = 0, self._management
        for _ in range(RESUMES_MAX):
            try:
                return await calls.upload(waba, session, token, content[offset:], offset)
            except ProviderAwayError:
                reached = read(_reached, await calls.upload_state(waba, session, token))
                if reached is None or not 0 <= reached.file_offset <= len(content):
                    raise
                offset = reached.file_offset
        return await calls.upload(waba, session, token, content[offset:], offset)

    def _count_creation(self, waba: WabaId) -> None:
        now_ms, created_ms = self._now_ms(), self._created_ms.setdefault(waba, deque())
        while created_ms and created_ms[0] <= now_ms - HOUR_MS:
            created_ms.popleft()
        if len(created_ms) >= CREATIONS_MAX:
            until_ms = created_ms[0] + HOUR_MS
            wait_ms = until_ms - now_ms
            minutes = -(-wait_ms // 60_000)
            detail = f"{CREATIONS_MAX} templates were created in an hour: none for {minutes} min"
            raise ProviderBusyError(detail, until_ms=until_ms, wait_ms=wait_ms)
        created_ms.append(now_ms)

    async def _by_id(self, template: Template, token: str) -> Template | None:
        """Return a template by Meta's id; None when that names nothing."""
        path = quote(template.meta_id, safe="")
        query = {"fields": TEMPLATE_FIELDS}
        try:
            body = await self._management.call(template.waba_id, "GET", path, token, query=query)
        except ProviderRefusedError as error:
            if error.code != NOT_THERE:
                raise
            return None
        row = read_template(body)
        if row is None or (row.name, _language(row)) != (template.name, template.language):
            return None
        return _sound(template_of(template.waba_id, row))

    async def _act(
        self, template: Template, method: str, path: str, query: dict[str, str], content: object
    ) -> None:
        body = await self._management.call(
            template.waba_id,
            method,
            path,
            self._token_of(template.waba_id),
            query=query,
            content=content,
        )
        answer = read(_done, body)
        if answer is None or not answer.success:
            raise ProviderAwayError("Meta did not say whether it was done: refresh the template")


def template_of(waba: WabaId, row: MetaTemplate) -> Template | None:
    """Return a row as our record; None when its category or its components are unknown to us."""
    category = category_of(row.category)
    try:
        components = msgspec.json.decode(row.components, type=list[dict[str, object]])
    except msgspec.MsgspecError:
        return None
    if category is None:
        return None
    return Template(
        waba_id=waba,
        name=row.name,
        language=_language(row),
        category=category,
        status=row.status,
        components=components,
        parameter_format=row.parameter_format or "POSITIONAL",
        meta_id=row.id,
        quality=row.quality,
        coming_category=row.coming_category,
        rejected_reason=row.rejected_reason,
    )


def _language(row: MetaTemplate) -> str:
    """Return a row's language as sends name it; Meta writes some of them with a hyphen."""
    return row.language.replace("-", "_")


def _sound(template: Template | None) -> Template:
    if template is None:
        raise ProviderAwayError("Meta's answer about a template cannot be read")
    return template
