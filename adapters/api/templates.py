"""`/v1/wabas/{waba}/templates`: what may be sent, as Meta told it or as it is put here."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import NAME, Strict, read_json
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import ImportAnswer, TemplateAnswer, TemplatesAnswer
from adapters.api.openapi.described import described
from adapters.api.problems import Problem
from engine.directory import Role, Template, template_key
from engine.errors import UnknownNameError
from engine.model import Category, TemplateStatus, WabaId
from engine.ports import TemplateSpec

TemplateName = Annotated[str, msgspec.Meta(pattern=r"^[a-z0-9_]{1,512}$")]
PATH = f"/v1/wabas/{{waba:{NAME[1:-1]}}}/templates"
ONE = PATH + r"/{name:[a-z0-9_]{1,512}}/{language:[A-Za-z]{2,3}(?:_[A-Za-z0-9]{2,8})?}"


class TemplateBody(Strict):
    """A template in Meta's component JSON."""

    category: Literal["MARKETING", "UTILITY", "AUTHENTICATION"]
    components: list[dict[str, object]]
    status: TemplateStatus = TemplateStatus.PENDING
    parameter_format: Literal["POSITIONAL", "NAMED"] = "POSITIONAL"


class ImportBody(Strict):
    """How to import."""

    mode: Literal["replace", "merge"] = "merge"


class TemplateRoutes:
    """The routes of `/v1/wabas/{waba}/templates`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get(PATH, may(Role.READ, self._list))
        router.add_post(PATH + "/import", may(Role.ADMIN, self._import))
        router.add_put(ONE, may(Role.ADMIN, self._put))
        router.add_get(ONE, may(Role.READ, self._get))

    @described("All templates of a WhatsApp Business Account", gives=TemplatesAnswer)
    async def _list(self, request: web.Request) -> web.Response:
        waba = request.match_info["waba"]
        shown = [shown_template(each) for each in self._of(waba)]
        if not shown and self._front.portfolio_of_waba(waba) is None:
            raise UnknownNameError(f"no sender and no template of WABA {waba} is known")
        return as_json({"templates": shown})

    @described("One template in one language", gives=TemplateAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        match = request.match_info
        key = template_key(match["waba"], match["name"], match["language"])
        template = self._front.registry.directory.templates.get(key)
        if template is None:
            raise UnknownNameError(f"there is no template {key}")
        return as_json(shown_template(template))

    @described("Put a template as Meta has it", takes=TemplateBody, gives=TemplateAnswer)
    async def _put(self, request: web.Request) -> web.Response:
        match = request.match_info
        body = await read_json(request, TemplateBody)
        template = Template(
            waba_id=WabaId(match["waba"]),
            name=match["name"],
            language=match["language"],
            category=Category(body.category.lower()),
            status=body.status,
            components=body.components,
            parameter_format=body.parameter_format,
        )
        await self._store([template])
        return as_json(shown_template(template))

    @described(
        "Pull all templates from Meta",
        takes=ImportBody,
        is_optional=True,
        gives=ImportAnswer,
        refuses=(502,),
    )
    async def _import(self, request: web.Request) -> web.Response:
        waba = WabaId(request.match_info["waba"])
        body = await read_json(request, ImportBody)
        if self._front.portfolio_of_waba(waba) is None:
            detail = f"no sender of WABA {waba} is known, and its token is needed; add one first"
            raise Problem(HTTPStatus.NOT_FOUND, detail, code="not_found")
        fetched = await self._front.fetch_templates(waba)
        present = {each.key for each in fetched}
        gone: list[Template] = []
        if body.mode == "replace":
            gone = [
                replace(each, status=TemplateStatus.DELETED)
                for each in self._of(waba)
                if each.key not in present and each.status is not TemplateStatus.DELETED
            ]
        await self._store([*fetched, *gone])
        shown = [shown_template(each) for each in fetched]
        return as_json({"imported": len(fetched), "deleted": len(gone), "templates": shown})

    async def _store(self, templates: Sequence[Template]) -> None:
        """Store templates, and tell the gate of the portfolio that uses them first."""
        for template in templates:
            portfolio = self._front.portfolio_of_waba(template.waba_id)
            if portfolio is not None:
                spec = TemplateSpec(template.status, template.category)
                await self._front.ledger.put_template(portfolio, template.key, spec)
            await self._front.registry.put(template)

    def _of(self, waba: str) -> list[Template]:
        templates = self._front.registry.directory.templates.values()
        return [each for each in templates if each.waba_id == waba]


def shown_template(template: Template) -> dict[str, object]:
    """Return a template for the outside, in Meta's words."""
    return {
        "id": template.meta_id or None,
        "name": template.name,
        "language": template.language,
        "category": template.category.value.upper(),
        "status": template.status.value,
        "quality": template.quality,
        "parameter_format": template.parameter_format,
        "components": template.components,
    }
