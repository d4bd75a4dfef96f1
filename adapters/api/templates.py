"""`/v1/wabas/{waba}/templates`: written, submitted, edited, refreshed, deleted, imported, tried."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import NAME, Strict, read_body, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.described import described
from adapters.api.openapi.template_answers import (
    ImportAnswer,
    PreviewAnswer,
    RulesAnswer,
    SampleAnswer,
    TemplateAnswer,
    TemplateChangeAnswer,
    TemplatesAnswer,
    TemplateSetsAnswer,
)
from adapters.api.problems import FieldError, Problem, field_error
from engine.directory import AccountRules, Role, Template
from engine.errors import InvalidJobError, UnknownNameError
from engine.messages import SeveralErrors
from engine.model import Category, TemplateStatus, WabaId
from engine.preview import render, samples
from engine.template_checks import Draft, check_identity
from engine.template_fit import check_message
from engine.template_journeys import Touched
from engine.template_life import category_of, label_of
from engine.template_rules import TRACKING, is_tracking_address
from engine.templates import mappings, signature_of

SAMPLE_MAX = 16 * 2**20  # bytes
SAMPLE_KINDS = ("image/jpeg", "image/png", "video/mp4", "application/pdf")
PATH = f"/v1/wabas/{{waba:{NAME[1:-1]}}}"
LIST = f"{PATH}/templates"
ONE = f"{LIST}/{{name}}/{{language}}"

Profile = Literal["meta", "seed"]
Act = Callable[[str, str, str], Awaitable[tuple[Template, list[Touched]]]]


class TemplateBody(Strict):
    """A template in Meta's component JSON; with `status` it is what Meta has, without a draft."""

    category: str
    components: list[dict[str, object]]
    parameter_format: str = "POSITIONAL"
    status: TemplateStatus | None = None
    profile: Profile | None = None


class SubmitBody(Strict):
    """How to judge what is submitted."""

    profile: Profile | None = None


class ImportBody(Strict):
    """How to import."""

    mode: Literal["replace", "merge"] = "merge"


class PreviewBody(Strict):
    """What to fill in: a message's components; without them the template's own samples."""

    components: list[dict[str, object]] | None = None
    draft: bool = False


class RulesBody(Strict):
    """How an account's templates are judged; a region stands for its tracking address."""

    profile: Profile = "meta"
    region: str | None = None
    tracking: Annotated[str, msgspec.Meta(max_length=200)] = ""


class SampleQuery(msgspec.Struct):
    """The file's name, for Meta."""

    name: str = ""


class TemplateRoutes:
    """The routes of `/v1/wabas/{waba}/templates`."""

    def __init__(self, front: Front) -> None:
        self._front = front
        self._desk = front.templates

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get(LIST, may(Role.READ, self._list))
        router.add_post(LIST + "/import", may(Role.ADMIN, self._import))
        router.add_post(LIST + "/samples", may(Role.ADMIN, self._sample))
        router.add_get(PATH + "/template-sets", may(Role.READ, self._sets))
        router.add_get(PATH + r"/template-sets/{at:\d{1,16}}", may(Role.READ, self._set))
        router.add_get(PATH + "/template-rules", may(Role.READ, self._rules))
        router.add_put(PATH + "/template-rules", may(Role.ADMIN, self._put_rules))
        router.add_put(ONE, may(Role.ADMIN, self._put))
        router.add_get(ONE, may(Role.READ, self._get))
        delete = self._act("Delete a template at Meta and here", self._desk.delete)
        router.add_delete(ONE, may(Role.ADMIN, delete))
        refresh = self._act("Ask Meta what a template is now", self._desk.refresh)
        router.add_post(ONE + "/refresh", may(Role.ADMIN, refresh))
        router.add_post(ONE + "/submit", may(Role.ADMIN, self._submit))
        router.add_post(ONE + "/preview", may(Role.READ, self._preview))

    @described("All templates of a WhatsApp Business Account", gives=TemplatesAnswer)
    async def _list(self, request: web.Request) -> web.Response:
        waba = request.match_info["waba"]
        self._require_known(waba)
        templates = self._front.registry.directory.templates_of(waba)
        return as_json({"templates": [shown_template(each) for each in templates]})

    @described("One template in one language", gives=TemplateAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        return as_json(shown_template(self._desk.get(*named(request))))

    @described(
        "Keep a draft, checked; with `status`, put a template as Meta has it",
        takes=TemplateBody,
        gives=(TemplateAnswer, TemplateChangeAnswer),
        also={201: TemplateAnswer},
        refuses=(409,),
    )
    async def _put(self, request: web.Request) -> web.Response:
        """Keep a draft; with a status, believe the operator that Meta has the template so."""
        waba, name, language = named(request)
        body = await read_json(request, TemplateBody)
        is_known = f"{waba}/{name}/{language}" in self._front.registry.directory.templates
        status = HTTPStatus.OK if is_known or body.status is not None else HTTPStatus.CREATED
        draft = Draft(name, language, body.category, body.components, body.parameter_format)
        if body.status is None:
            written = await self._desk.write(waba, draft, body.profile or "")
            return as_json(shown_template(written), status)
        touched = await self._desk.state(stated(waba, draft, body.status))
        return as_json(shown_change(self._desk.get(waba, name, language), touched), status)

    @described(
        "Submit the draft: a new template, or an edit",
        takes=SubmitBody,
        is_optional=True,
        gives=TemplateChangeAnswer,
        status=HTTPStatus.ACCEPTED,
        refuses=(409, 502),
        is_harmless_again=False,  # Meta counts edits: one in 24 hours, ten in 30 days
    )
    async def _submit(self, request: web.Request) -> web.Response:
        self._require_road(request)
        body = await read_json(request, SubmitBody)
        template, touched = await self._desk.submit(*named(request), body.profile or "")
        return as_json(shown_change(template, touched), HTTPStatus.ACCEPTED)

    def _act(
        self, summary: str, act: Act
    ) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        @described(summary, gives=TemplateChangeAnswer, refuses=(409, 422, 502))
        async def answer(request: web.Request) -> web.Response:
            waba, name, language = named(request)
            if self._desk.get(waba, name, language).meta_id or request.method == "POST":
                self._require_road(request)
            template, touched = await act(waba, name, language)
            return as_json(shown_change(template, touched))

        return answer

    @described(
        "Pull all templates from Meta",
        takes=ImportBody,
        is_optional=True,
        gives=ImportAnswer,
        refuses=(409, 502),
    )
    async def _import(self, request: web.Request) -> web.Response:
        waba = WabaId(request.match_info["waba"])
        body = await read_json(request, ImportBody)
        self._require_road(request)
        done = await self._desk.import_all(waba, replaces=body.mode == "replace")
        kept = f"/v1/wabas/{waba}/template-sets/{done.kept_at_ms}" if done.kept_at_ms else None
        answer: dict[str, object] = {
            "imported": len(done.templates),
            "deleted": len(done.deleted),
            "unreadable": done.unreadable,
            "changes": {"added": done.added, "changed": done.changed, "deleted": done.deleted},
            **shown_users(done.touched),
            "previous": kept,
            "templates": [shown_template(each) for each in done.templates],
        }
        if body.mode == "replace" and (done.unreadable or not done.templates):
            why = "some rows could not be read" if done.unreadable else "Meta lists no template"
            answer["warnings"] = [f"{why}, so nothing was deleted; import again later"]
        return as_json(answer)

    @described("The sets that imports replaced", gives=TemplateSetsAnswer)
    async def _sets(self, request: web.Request) -> web.Response:
        waba = request.match_info["waba"]
        self._require_known(waba)
        moments = await self._desk.kept_sets(WabaId(waba))
        shown = [
            {"replaced_at": rfc3339(at_ms), "path": f"/v1/wabas/{waba}/template-sets/{at_ms}"}
            for at_ms in moments
        ]
        return as_json({"sets": shown})

    @described("A set that an import replaced", gives=TemplatesAnswer)
    async def _set(self, request: web.Request) -> web.Response:
        waba, at_ms = request.match_info["waba"], int(request.match_info["at"])
        kept = await self._desk.kept_set(WabaId(waba), at_ms)
        answer = as_json({"templates": [shown_template(each) for each in kept]})
        name = f"templates-{waba}-{at_ms}.json"
        answer.headers["Content-Disposition"] = f'attachment; filename="{name}"'
        return answer

    @described(
        "What a person would see of a template",
        takes=PreviewBody,
        is_optional=True,
        gives=PreviewAnswer,
        refuses=(409,),
    )
    async def _preview(self, request: web.Request) -> web.Response:
        template = self._desk.get(*named(request))
        body = await read_json(request, PreviewBody)
        if body.draft and template.draft is None:
            raise Problem(HTTPStatus.CONFLICT, "there is no draft to preview", code="no_draft")
        return as_json(render(*filled(template, body.components, is_draft=body.draft)))

    @described(
        "Upload a sample of media",
        files=SAMPLE_KINDS,
        query=SampleQuery,
        gives=SampleAnswer,
        status=HTTPStatus.CREATED,
        refuses=(502,),
    )
    async def _sample(self, request: web.Request) -> web.Response:
        self._require_road(request)
        kind = request.content_type
        if kind not in SAMPLE_KINDS:
            detail = f"a sample is one of {', '.join(SAMPLE_KINDS)}: name it as Content-Type"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        content = await read_body(request, SAMPLE_MAX)
        if not content:
            raise Problem(HTTPStatus.BAD_REQUEST, "send the file as the body", code="missing")
        name = request.query.get("name", "sample." + kind.rpartition("/")[2])
        waba = WabaId(request.match_info["waba"])
        handle = await self._front.upload_sample(waba, name, kind, content)
        return as_json({"handle": handle}, HTTPStatus.CREATED)

    @described("How an account's templates are judged", gives=RulesAnswer)
    async def _rules(self, request: web.Request) -> web.Response:
        waba = WabaId(request.match_info["waba"])
        self._require_known(waba)
        known = self._front.registry.directory.account_rules.get(waba, AccountRules(waba))
        return as_json({"profile": known.profile, "tracking": known.tracking})

    @described(
        "Choose how an account's templates are judged",
        takes=RulesBody,
        is_optional=True,
        gives=RulesAnswer,
    )
    async def _put_rules(self, request: web.Request) -> web.Response:
        waba = WabaId(request.match_info["waba"])
        body = await read_json(request, RulesBody)
        tracking = body.tracking
        if body.region is not None:
            tracking = TRACKING.get(body.region.upper(), "")
            if not tracking or body.tracking:
                detail = f"must be one of {', '.join(TRACKING)}, without `tracking` beside it"
                raise refusal("/region", "unknown_region", detail)
        if tracking and not is_tracking_address(tracking):
            detail = "must be https://, a host and a slash, without a variable: https://go.io/"
            raise refusal("/tracking", "not_full_url", detail)
        await self._front.registry.put(AccountRules(waba, body.profile, tracking))
        return as_json({"profile": body.profile, "tracking": tracking})

    def _require_known(self, waba: str) -> None:
        """Refuse an account that nobody told us of."""
        directory = self._front.registry.directory
        is_known = waba in directory.account_rules or directory.templates_of(waba)
        if not is_known and self._front.portfolio_of_waba(waba) is None:
            raise UnknownNameError(f"no sender and no template of WABA {waba} is known")

    def _require_road(self, request: web.Request) -> None:
        """Refuse what needs Meta while no sender of the account is known: its token is needed."""
        waba = request.match_info["waba"]
        if self._front.portfolio_of_waba(waba) is None:
            detail = f"no sender of WABA {waba} is known, and its token is needed; add one first"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found")


def named(request: web.Request) -> tuple[str, str, str]:
    """Return which template a path names: account, name, language."""
    match = request.match_info
    return match["waba"], match["name"], match["language"]


def stated(waba: str, draft: Draft, status: TemplateStatus) -> Template:
    """Return a template as an operator says that Meta has it."""
    found = check_identity(draft)
    category = category_of(draft.category)
    if found or category is None:
        raise SeveralErrors(
            [InvalidJobError(each.detail, pointer=each.pointer, code=each.code) for each in found]
        )
    return Template(
        waba_id=WabaId(waba),
        name=draft.name,
        language=draft.language,
        category=category,
        status=status,
        components=[dict(each) for each in draft.components],
        parameter_format=draft.parameter_format,
    )


def filled(
    template: Template, given: list[dict[str, object]] | None, *, is_draft: bool = False
) -> tuple[list[dict[str, object]], list[Mapping[str, object]]]:
    """Return a template's components and what fills them in, checked; its samples by default."""
    shape = template.draft if is_draft and template.draft is not None else template
    components = shape.components
    signature = signature_of(shape.category, components, shape.parameter_format)
    if given is None:
        is_code = shape.category is Category.AUTHENTICATION
        made = samples(components, is_named=signature.is_named, is_authentication=is_code)
        return components, list(made)
    found = check_message(signature, {"components": given})
    if found:
        errors = [
            InvalidJobError(
                each.detail, pointer=each.pointer.removeprefix("/template"), code=each.code
            )
            for each in found
        ]
        raise SeveralErrors(errors)
    return components, mappings(given)


def shown_template(template: Template) -> dict[str, object]:
    """Return a template for the outside, in Meta's words."""
    draft = template.draft
    return {
        "id": template.meta_id or None,
        "name": template.name,
        "language": template.language,
        "category": template.category.value.upper(),
        "coming_category": template.coming_category or None,
        "status": template.status.value,
        "quality": template.quality,
        "label": label_of(template),
        "rejected_reason": template.rejected_reason or None,
        "parameter_format": template.parameter_format,
        "components": template.components,
        "status_at": rfc3339(template.status_at_ms),
        "read_at": rfc3339(template.read_at_ms),
        "edited_at": [rfc3339(each) for each in template.edited_at_ms],
        "draft": None
        if draft is None
        else {
            "category": draft.category.value.upper(),
            "parameter_format": draft.parameter_format,
            "components": draft.components,
        },
    }


def shown_change(template: Template, touched: list[Touched]) -> dict[str, object]:
    """Return a template after a change, and what became of the campaigns that use it."""
    return shown_template(template) | shown_users(touched)


def shown_users(touched: list[Touched]) -> dict[str, object]:
    """Return what a template's change did to campaigns, journeys and direct callers."""
    shown: dict[str, list[dict[str, object]]] = {"campaign": [], "journey": [], "direct": []}
    for each in touched:
        kind, _, name = each.source.partition(":")
        errors = [field_error(error) for error in each.errors]
        one: dict[str, object] = {"id": name, "did": each.did, "errors": errors}
        shown[kind].append(one | {"jobs": each.jobs})
    campaigns, journeys, direct = shown["campaign"], shown["journey"], shown["direct"]
    return {"campaigns": campaigns, "journeys": journeys, "direct": direct}


def refusal(pointer: str, code: str, detail: str) -> Problem:
    """Return the refusal of one field."""
    errors = [FieldError(pointer, code, detail)]
    return Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code=code, errors=errors)
