"""`/v1/journeys`: standing sources whose nodes post to `/v1/jobs`; put, pause, resume, stop."""

from __future__ import annotations

from dataclasses import replace
from http import HTTPStatus
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import Name, Strict, id_in, read_json, rfc3339
from adapters.api.campaigns import (
    QuietBody,
    names_zone,
    quiet_hours,
    shown_delivery,
    shown_quiet,
)
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import JourneyAnswer, JourneysAnswer, JourneyStatusAnswer
from adapters.api.openapi.described import described
from engine.books import shown_counts
from engine.directory import Journey, Role
from engine.journeys import MOVES, JourneyWish
from engine.model import Priority

SECONDS_MAX = 30 * 86_400

Seconds = Annotated[int, msgspec.Meta(ge=1, le=SECONDS_MAX)]
Weight = Annotated[int, msgspec.Meta(ge=1, le=1_000)]
OnTemplateChange = Literal["resume", "stay_stopped"]


class JourneyBody(Strict):
    """A journey as a caller describes it; what is left out is as it is by default."""

    portfolio_id: Name | None = None
    name: Annotated[str, msgspec.Meta(max_length=200)] = ""
    weight: Weight = 1
    priority: Literal["authentication", "service", "utility", "marketing"] | None = None
    ttl_seconds: Seconds | None = None
    cooldown_seconds: Seconds | None = None
    on_template_change: OnTemplateChange = "resume"
    quiet_hours: QuietBody | None = None


class JourneyChange(Strict):
    """What is to change of a journey; what is left out stays, null takes it away."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | msgspec.UnsetType = (
        msgspec.UNSET
    )
    weight: Weight | msgspec.UnsetType = msgspec.UNSET
    priority: (
        Literal["authentication", "service", "utility", "marketing"] | msgspec.UnsetType | None
    ) = msgspec.UNSET
    ttl_seconds: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    cooldown_seconds: Seconds | msgspec.UnsetType | None = msgspec.UNSET
    on_template_change: OnTemplateChange | msgspec.UnsetType = msgspec.UNSET
    quiet_hours: QuietBody | msgspec.UnsetType | None = msgspec.UNSET


class JourneyRoutes:
    """The routes of `/v1/journeys`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_get("/v1/journeys", may(Role.READ, self._list))
        router.add_put("/v1/journeys/{id}", may(Role.SEND, self._put))
        router.add_patch("/v1/journeys/{id}", may(Role.SEND, self._patch))
        router.add_get("/v1/journeys/{id}", may(Role.READ, self._get))
        for action in MOVES:
            router.add_post(f"/v1/journeys/{{id}}/{action}", may(Role.SEND, self._move))

    @described(
        "Put a journey: what is left out is as it is by default",
        takes=JourneyBody,
        is_optional=True,
        gives=JourneyAnswer,
        also={201: JourneyAnswer},
        refuses=(409,),
    )
    async def _put(self, request: web.Request) -> web.Response:
        name = id_in(request)
        body = await read_json(request, JourneyBody)
        wish = JourneyWish(
            id=name,
            name=body.name,
            portfolio=body.portfolio_id or "",
            weight=body.weight,
            priority=Priority[body.priority.upper()] if body.priority else None,
            ttl_ms=(body.ttl_seconds or 0) * 1_000,
            cooldown_ms=(body.cooldown_seconds or 0) * 1_000,
            on_template_change=body.on_template_change,
            quiet=quiet_hours(body.quiet_hours),
            names_zone=names_zone(body.quiet_hours),
        )
        return await self._answer(wish)

    @described(
        "Change a journey: what is left out stays",
        takes=JourneyChange,
        is_optional=True,
        gives=JourneyAnswer,
        refuses=(409,),
    )
    async def _patch(self, request: web.Request) -> web.Response:
        known = self._front.journeys.get(request.match_info["id"])
        change = await read_json(request, JourneyChange)
        wish = JourneyWish(
            id=known.id,
            name=known.name,
            portfolio=known.portfolio_id,
            weight=known.weight,
            priority=known.priority,
            ttl_ms=known.ttl_ms,
            cooldown_ms=known.cooldown_ms,
            on_template_change=known.on_template_change,
            quiet=known.quiet,
        )
        if change.name is not msgspec.UNSET:
            wish = replace(wish, name=change.name)
        if change.weight is not msgspec.UNSET:
            wish = replace(wish, weight=change.weight)
        if change.priority is not msgspec.UNSET:
            priority = Priority[change.priority.upper()] if change.priority else None
            wish = replace(wish, priority=priority)
        if change.ttl_seconds is not msgspec.UNSET:
            wish = replace(wish, ttl_ms=(change.ttl_seconds or 0) * 1_000)
        if change.cooldown_seconds is not msgspec.UNSET:
            wish = replace(wish, cooldown_ms=(change.cooldown_seconds or 0) * 1_000)
        if change.on_template_change is not msgspec.UNSET:
            wish = replace(wish, on_template_change=change.on_template_change)
        if change.quiet_hours is not msgspec.UNSET:
            quiet, named = quiet_hours(change.quiet_hours), names_zone(change.quiet_hours)
            wish = replace(wish, quiet=quiet, names_zone=named)
        return await self._answer(wish)

    async def _answer(self, wish: JourneyWish) -> web.Response:
        journey, is_new = await self._front.journeys.put(wish)
        return as_json(shown_journey(journey), HTTPStatus.CREATED if is_new else HTTPStatus.OK)

    @described("All journeys", gives=JourneysAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        journeys = self._front.registry.directory.journeys.values()
        return as_json({"journeys": [shown_journey(each) for each in journeys]})

    @described("How a journey goes", gives=JourneyStatusAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        status = await self._front.journeys.status(request.match_info["id"])
        counts = status.counts
        shown = {
            **shown_journey(status.journey),
            "enqueued": counts.enqueued,
            "counts": shown_counts(counts),
            "delivery": shown_delivery(counts),
            "warnings": status.warnings,
        }
        return as_json(shown)

    @described("Pause, resume or stop: O(1)", gives=JourneyAnswer, refuses=(409,))
    async def _move(self, request: web.Request) -> web.Response:
        action = request.path.rpartition("/")[2]
        return as_json(
            shown_journey(await self._front.journeys.move(request.match_info["id"], action))
        )


def shown_journey(journey: Journey) -> dict[str, object]:
    """Return a journey for the outside."""
    return {
        "id": journey.id,
        "name": journey.name,
        "state": journey.state.value,
        "portfolio_id": journey.portfolio_id,
        "weight": journey.weight,
        "priority": None if journey.priority is None else journey.priority.name.lower(),
        "ttl_seconds": journey.ttl_ms // 1_000 or None,
        "cooldown_seconds": journey.cooldown_ms // 1_000 or None,
        "quiet_hours": shown_quiet(journey.quiet),
        "created_at": rfc3339(journey.created_at_ms),
        "on_template_change": journey.on_template_change,
        "stopped_by": journey.stopped_by or None,
    }
