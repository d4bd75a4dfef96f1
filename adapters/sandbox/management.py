"""The management calls: template list with paging, create, edit, delete, and phone numbers.

Shapes: M/templates/template-management; the quota: M/about-the-platform, which lengthens while a
client goes on calling.
"""

from __future__ import annotations

import base64
import binascii
from collections import deque
from collections.abc import Callable
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.sandbox.codes import Refusal
from adapters.sandbox.nodes import account_fields, number_fields, template_fields
from adapters.sandbox.parameters import ShapeError, shape_of
from adapters.sandbox.scenario import DAY_MS, TemplateSpec
from adapters.sandbox.stage import JSON, Stage
from adapters.sandbox.uploads import unknown_handle
from adapters.sandbox.world import Account, Notice, Template, usage_headers

EDITABLE = frozenset({"APPROVED", "REJECTED", "PAUSED"})  # M/templates/template-management


class Creation(msgspec.Struct):
    """The body of a template's creation."""

    name: Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,512}$")]
    language: str
    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    components: list[dict[str, object]] = []
    parameter_format: Literal["POSITIONAL", "NAMED"] = "POSITIONAL"


class Edit(msgspec.Struct):
    """The body of a template's edit: what is given replaces what was."""

    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"] | None = None
    components: list[dict[str, object]] | None = None


class ManagementDesk:
    """Answers the calls that do not send; `stage` gives the run that is played now."""

    def __init__(self, stage: Callable[[], Stage]) -> None:
        self._stage = stage
        self._calls: dict[str, deque[int]] = {}

    def forget(self) -> None:
        """Forget the quota that was used."""
        self._calls.clear()

    async def read_node(self, request: web.Request) -> web.Response:
        """GET a phone number, a template, or a WABA by its id."""
        stage, node = self._stage(), request.match_info["node"]
        if (number := stage.world.numbers.get(node)) is not None:
            return self._answer(request, number.account, lambda: number_fields(stage, number))
        if (template := stage.world.template_ids.get(node)) is not None:
            owner = stage.world.accounts[template.waba_id]
            return self._answer(request, owner, lambda: template_fields(stage, template))
        if (account := stage.world.accounts.get(node)) is not None:
            return self._answer(request, account, lambda: account_fields(stage, account))
        return refused(stage, Refusal(100, f"Object with ID '{node}' does not exist"))

    async def list_templates(self, request: web.Request) -> web.Response:
        """GET one page of a WABA's templates, in a fixed order, with Meta's cursors."""
        return self._of_account(request, lambda account: self._page(request, account))

    async def list_numbers(self, request: web.Request) -> web.Response:
        """GET a WABA's phone numbers."""
        stage = self._stage()

        def numbers(account: Account) -> dict[str, object]:
            mine = [n for n in stage.world.numbers.values() if n.waba_id == account.id]
            return {"data": [number_fields(stage, number) for number in mine]}

        return self._of_account(request, numbers)

    async def create_template(self, request: web.Request) -> web.Response:
        """POST a template: PENDING now, APPROVED after the review, with its webhook."""
        raw = await request.read()
        return self._of_account(request, lambda account: self._create(account, raw))

    async def edit_node(self, request: web.Request) -> web.Response:
        """POST an edit of a template: in review again, then APPROVED, with its webhook."""
        stage, raw = self._stage(), await request.read()
        template = stage.world.template_ids.get(request.match_info["node"])
        if template is None:
            return refused(stage, Refusal(100, "Object does not exist"))
        account = stage.world.accounts[template.waba_id]
        return self._answer(request, account, lambda: self._edit(template, raw))

    async def unpause(self, request: web.Request) -> web.Response:
        """POST the end of a template's pause."""
        stage = self._stage()
        template = stage.world.template_ids.get(request.match_info["node"])
        if template is None or template.status != "PAUSED":
            return refused(stage, Refusal(100, "Template is not paused"))
        stage.change_template(template, "APPROVED")
        return answered({"success": True})

    async def delete_templates(self, request: web.Request) -> web.Response:
        """DELETE all languages of a name, or with `hsm_id` only one."""
        return self._of_account(request, lambda account: self._delete(request, account))

    async def succeed(self, request: web.Request) -> web.Response:
        """Answer yes to register, deregister and subscribe; what registers is CONNECTED."""
        number = self._stage().world.numbers.get(request.match_info["node"])
        if number is not None and request.path.endswith("/register"):
            number.assume("CONNECTED")
        return answered({"success": True})

    def _of_account(
        self, request: web.Request, act: Callable[[Account], dict[str, object] | Refusal]
    ) -> web.Response:
        """Answer a call on a WABA."""
        stage = self._stage()
        account = stage.world.accounts.get(request.match_info["node"])
        if account is None:
            return refused(stage, Refusal(100, "Object does not exist"))
        return self._answer(request, account, lambda: act(account))

    def _answer(
        self,
        request: web.Request,
        account: Account,
        act: Callable[[], dict[str, object] | Refusal],
    ) -> web.Response:
        """Answer one call after token and quota; the usage headers ride along."""
        stage = self._stage()
        stage.tally.management_calls += 1
        if not _is_authorised(request, stage, account):
            return refused(stage, Refusal(190))
        used, plan = self._count(account.id, stage), stage.plan.management
        percent = min(100, used * 100 // plan.calls_max)
        if used > plan.calls_max:
            minutes = max(1, plan.calls_window_ms // 60_000)
            headers = usage_headers(account.id, 100, minutes)
            return refused(stage, Refusal(80008, headers=headers))
        content = act()
        if isinstance(content, Refusal):
            return refused(stage, content)
        return answered(content, usage_headers(account.id, percent))

    def _count(self, account_id: str, stage: Stage) -> int:
        """Return the account's calls within the quota's window, this one included."""
        at_ms = stage.now_ms()
        calls = self._calls.setdefault(account_id, deque())
        calls.append(at_ms)
        while calls[0] <= at_ms - stage.plan.management.calls_window_ms:
            calls.popleft()
        return len(calls)

    def _page(self, request: web.Request, account: Account) -> dict[str, object] | Refusal:
        """Return one page; a cursor is the place it stands for, in Meta's opaque manner."""
        stage, query = self._stage(), request.query
        wanted = {
            name: query[name]
            for name in ("name", "status", "language", "category")
            if name in query
        }
        found = sorted(
            (
                t
                for t in stage.world.templates.values()
                if t.waba_id == account.id
                and all(getattr(t, name) == value for name, value in wanted.items())
            ),
            key=lambda t: (t.name, t.language),
        )
        written = query.get("limit", "25")
        if not written.isdecimal() or int(written) < 1:
            return Refusal(100, "limit must be a positive number")
        limit = min(int(written), stage.plan.management.page_max)
        start = place_of(query["after"]) if "after" in query else 0
        if start is None or start > len(found):
            return Refusal(131059)
        page = found[start : start + limit]
        end = start + len(page)
        paging: dict[str, object] = {}
        if page:
            paging["cursors"] = {"before": cursor_at(start), "after": cursor_at(end)}
        if end < len(found):
            after = {**query, "limit": str(limit), "after": cursor_at(end)}
            paging["next"] = str(request.url.with_query(after))
        return {"data": [template_fields(stage, t) for t in page], "paging": paging}

    def _create(self, account: Account, raw: bytes) -> dict[str, object] | Refusal:
        """Create a template, or return why not."""
        stage = self._stage()
        try:
            wish = msgspec.json.decode(raw, type=Creation)
            shape_of(wish.components)
            if (unknown := unknown_handle(wish.components, stage.handles)) is not None:
                return Refusal(100, f"Unknown media handle {unknown}")
        except (msgspec.MsgspecError, ShapeError) as error:
            return Refusal(100, str(error))
        if (account.id, wish.name, wish.language) in stage.world.templates:
            return Refusal(100, "A template of this name and language exists already")
        category = stage.plan.management.judged.get(wish.name) or wish.category
        template = stage.world.add_template(
            TemplateSpec(
                account.id,
                wish.name,
                wish.language,
                category,
                "PENDING",
                wish.components,
                "",
                wish.parameter_format,
            )
        )
        _know(template.notice, stage)
        self._review(template)
        return {"id": template.id, "status": "PENDING", "category": template.category}

    def _edit(self, template: Template, raw: bytes) -> dict[str, object] | Refusal:
        """Edit a template, or return why not."""
        stage = self._stage()
        at_ms, plan = stage.now_ms(), stage.plan.management
        if template.status not in EDITABLE:
            return Refusal(100, f"A template in status {template.status} cannot be edited")
        recent = [each for each in template.edited_at_ms if each > at_ms - 30 * DAY_MS]
        today = [each for each in recent if each > at_ms - DAY_MS]
        if template.status == "APPROVED":
            if len(today) >= plan.edits_per_day_max:
                return Refusal(100, "An approved template can be edited once per 24 hours")
            if len(recent) >= plan.edits_per_month_max:
                return Refusal(100, "An approved template can be edited 10 times per 30 days")
        was_approved = template.status == "APPROVED"
        try:
            wish = msgspec.json.decode(raw, type=Edit)
            if was_approved and wish.category not in {None, template.category}:
                return Refusal(100, "The category of an approved template cannot be edited")
            shape = shape_of(wish.components or template.components)
        except (msgspec.MsgspecError, ShapeError) as error:
            return Refusal(100, str(error))
        template.components = wish.components or template.components
        template.shape = shape
        template.category = wish.category or template.category
        template.edited_at_ms = [*recent, at_ms]
        stage.change_template(template, "PENDING")
        _know(template.notice, stage)
        self._review(template)
        return {"success": True, "id": template.id, "category": template.category}

    def _delete(self, request: web.Request, account: Account) -> dict[str, object] | Refusal:
        """Delete templates by name, or return why not."""
        stage, query = self._stage(), request.query
        doomed = [
            t
            for t in stage.world.templates.values()
            if t.waba_id == account.id
            and t.name == query.get("name", "")
            and t.id == query.get("hsm_id", t.id)
        ]
        if not doomed:
            return Refusal(100, "No template of this name")
        for template in doomed:
            stage.change_template(template, "DELETED")
            stage.world.drop_template(template)
            _know(stage.world.missing[template.key], stage)
        return {"success": True}

    def _review(self, template: Template) -> None:
        """Judge a template after the review, unless something else became of it."""
        stage = self._stage()

        def approve() -> None:
            if template.status != "PENDING":
                return
            if template.name in stage.plan.management.rejected:
                stage.change_template(template, "REJECTED", reason="INVALID_FORMAT")
            else:
                stage.change_template(template, "APPROVED")

        stage.later(stage.plan.management.review_ms, approve)


def cursor_at(place: int) -> str:
    """Return the opaque cursor of a place in the list."""
    return base64.urlsafe_b64encode(f"place:{place}".encode()).decode()


def place_of(cursor: str) -> int | None:
    """Return the place of a cursor, or None when it is none of ours."""
    try:
        word, place = base64.urlsafe_b64decode(cursor).decode().split(":")
        return int(place) if word == "place" else None
    except (ValueError, binascii.Error):
        return None


def answered(content: object, headers: dict[str, str] | None = None) -> web.Response:
    """Return a 200 with JSON."""
    return web.Response(body=msgspec.json.encode(content), content_type=JSON, headers=headers)


def refused(stage: Stage, refusal: Refusal) -> web.Response:
    """Return Meta's error, counted."""
    answer = stage.refuse(refusal)
    return web.Response(
        status=answer.status, body=answer.body, content_type=JSON, headers=answer.headers
    )


def _is_authorised(request: web.Request, stage: Stage, account: Account) -> bool:
    """Return whether the token is that of a sender of the account."""
    given = request.headers.get("Authorization")
    numbers = stage.world.numbers.values()
    return any(n.authorization == given for n in numbers if n.waba_id == account.id)


def _know(notice: Notice | None, stage: Stage) -> None:
    """Note that the caller's own act told it of the new status."""
    if notice is not None:
        notice.tell(stage.now_ms())
