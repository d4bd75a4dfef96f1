"""`/v1/campaigns`: create, start, pause, resume, cancel, and how far it is."""

from __future__ import annotations

import secrets
from hashlib import blake2b
from http import HTTPStatus
from itertools import repeat
from typing import Annotated, Literal

import msgspec
from aiohttp import web

from adapters.api.bodies import CLOCK, Moment, Name, Strict, milliseconds, read_json, rfc3339
from adapters.api.front import Front, as_json
from adapters.api.openapi.answers import (
    CampaignAnswer,
    CampaignChangeAnswer,
    CampaignsAnswer,
    CampaignStatusAnswer,
    ForetoldAnswer,
)
from adapters.api.openapi.described import described
from adapters.api.problems import FieldError, Problem, problem_of
from adapters.api.walls import scope
from engine.books import Counts, shown_counts
from engine.campaign_wishes import CampaignWish
from engine.campaigns import MOVES, CampaignStatus, Foretold
from engine.changes import CampaignChange
from engine.directory import Campaign, Role
from engine.model import DeliveryStatus, Priority
from engine.quiet import QuietHours
from engine.revalidation import NAMED_MAX, Misfit, RowsMisfitError

Clock = Annotated[str, msgspec.Meta(pattern=CLOCK)]
RECIPIENT = "recipient"  # as a time zone: that of each recipient
UTC = "UTC"  # counts where a recipient's is not known and nothing else is said


class QuietBody(Strict):
    """Hours in which nobody is written to: by one time zone, or by that of each recipient."""

    from_: Clock = msgspec.field(name="from")
    to: Clock
    time_zone: Annotated[str, msgspec.Meta(max_length=64)] | None = None
    recipient: bool = False


class CampaignBody(Strict):
    """A campaign: one message with `{{placeholders}}` over the fields of its recipients."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)]
    senders: list[str]
    message: dict[str, object]
    id: Name | None = None
    priority: Literal["authentication", "service", "utility", "marketing"] | None = None
    weight: Annotated[int, msgspec.Meta(ge=1, le=1_000)] = 1
    start_at: Moment | None = None
    expires_at: Moment | None = None
    delivery: Literal["at_most_once", "at_least_once"] | None = None
    quiet_hours: QuietBody | None = None
    on_template_change: Literal["resume", "stay_stopped"] | None = None
    recipients_max: Annotated[int, msgspec.Meta(ge=1)] | None = None
    shares: dict[str, int] | None = None


class CampaignPatch(Strict):
    """What is to change of a campaign; what is left out stays."""

    name: Annotated[str, msgspec.Meta(min_length=1, max_length=200)] | None = None
    senders: list[str] | None = None
    message: dict[str, object] | None = None
    priority: Literal["authentication", "service", "utility", "marketing"] | None = None
    weight: Annotated[int, msgspec.Meta(ge=1, le=1_000)] | None = None
    start_at: Moment | None = None
    expires_at: Moment | None = None
    delivery: Literal["at_most_once", "at_least_once"] | None = None
    recipients_max: Annotated[int, msgspec.Meta(ge=1)] | None = None
    shares: dict[str, int] | None = None
    misfits: Literal["refuse", "cancel"] = "refuse"
    on_template_change: Literal["resume", "stay_stopped"] | None = None
    quiet_hours: QuietBody | msgspec.UnsetType | None = msgspec.UNSET  # null takes them away


class MoveQuery(msgspec.Struct):
    """How to move: a dry run of `start` tells what it would do, and does nothing."""

    dry_run: Literal["true", "false"] = "false"


class CampaignRoutes:
    """The routes of `/v1/campaigns`."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        may = self._front.may
        router.add_post("/v1/campaigns", may(Role.SEND, self._post))
        router.add_get("/v1/campaigns", may(Role.READ, self._list))
        router.add_get("/v1/campaigns/{id}", may(Role.READ, self._get))
        router.add_patch("/v1/campaigns/{id}", may(Role.SEND, self._patch))
        for action in MOVES:
            router.add_post(f"/v1/campaigns/{{id}}/{action}", may(Role.SEND, self._move))

    @described(
        "Create a campaign as a draft",
        takes=CampaignBody,
        gives=CampaignAnswer,
        status=HTTPStatus.CREATED,
        refuses=(409,),
        headers=("Idempotency-Key",),
    )
    async def _post(self, request: web.Request) -> web.Response:
        body = await read_json(request, CampaignBody)
        wish = CampaignWish(
            id=body.id or campaign_id(request.headers.get("Idempotency-Key", "")),
            name=body.name,
            senders=body.senders,
            message=body.message,
            priority=Priority[body.priority.upper()] if body.priority else None,
            weight=body.weight,
            start_at_ms=milliseconds(body.start_at),
            expires_at_ms=milliseconds(body.expires_at),
            delivery=body.delivery or "",
            on_template_change=body.on_template_change or "resume",
            recipients_max=body.recipients_max or 0,
            shares=body.shares or {},
            quiet=quiet_hours(body.quiet_hours),
        )
        campaign = await self._front.campaigns.create(wish)
        return as_json(shown_campaign(campaign), HTTPStatus.CREATED)

    @described("All campaigns", gives=CampaignsAnswer)
    async def _list(self, _request: web.Request) -> web.Response:
        campaigns = self._front.registry.directory.campaigns.values()
        return as_json({"campaigns": [shown_campaign(each) for each in campaigns]})

    @described("How far a campaign is", gives=CampaignStatusAnswer)
    async def _get(self, request: web.Request) -> web.Response:
        status = await self._front.campaigns.status(request.match_info["id"])
        return as_json(shown_status(status))

    @described(
        "Change a campaign: a new version, for the rows that wait too; misfits are named",
        takes=CampaignPatch,
        gives=CampaignChangeAnswer,
        refuses=(409,),
    )
    async def _patch(self, request: web.Request) -> web.Response:
        body = await read_json(request, CampaignPatch)
        change = CampaignChange(
            name=body.name,
            senders=body.senders,
            message=body.message,
            priority=Priority[body.priority.upper()] if body.priority else None,
            weight=body.weight,
            start_at_ms=milliseconds(body.start_at) if body.start_at else None,
            expires_at_ms=milliseconds(body.expires_at) if body.expires_at else None,
            delivery=body.delivery,
            recipients_max=body.recipients_max,
            shares=body.shares,
            on_template_change=body.on_template_change,
            cancels_misfits=body.misfits == "cancel",
        )
        if body.quiet_hours is not msgspec.UNSET:
            change.sets_quiet, change.quiet = True, quiet_hours(body.quiet_hours)
            change.names_zone = names_zone(body.quiet_hours)
        campaign_id = request.match_info["id"]
        try:
            changed, misfits = await self._front.changes.change(campaign_id, change)
        except RowsMisfitError as error:
            raise self._problem_of_rows(campaign_id, error) from error
        return as_json(shown_campaign(changed) | self._shown_misfits(changed, misfits))

    def _problem_of_rows(self, campaign_id: str, error: RowsMisfitError) -> Problem:
        """Name the rows that are in a change's way: job and field, never a person."""
        campaign, problem = self._front.campaigns.get(campaign_id), problem_of(error)
        problem.errors += [
            FieldError(f"/rows/{self._job(campaign, row)}/{each.field}", each.code, each.detail)
            for row in error.rows[:NAMED_MAX]
            for each in row.errors
        ]
        return problem

    def _shown_misfits(self, campaign: Campaign, misfits: list[Misfit]) -> dict[str, object]:
        """Return which waiting rows did not fit and were cancelled; the first of them by name."""
        named = [
            {"job": self._job(campaign, row), "to": row.to}
            | {"field": each.field, "code": each.code, "detail": each.detail}
            for row in misfits[:NAMED_MAX]
            for each in row.errors
        ]
        return {"misfit_rows": len(misfits), "misfits": named}

    def _job(self, campaign: Campaign, row: Misfit) -> str:
        portfolio = self._front.registry.directory.portfolios[campaign.portfolio_id]
        return self._front.job_ids.encode(portfolio.number, row.key)

    @described(
        "Start, pause, resume or cancel: O(1)",
        gives=(CampaignAnswer, ForetoldAnswer),
        query=MoveQuery,
        refuses=(409, 422),
    )
    async def _move(self, request: web.Request) -> web.Response:
        action = request.path.rpartition("/")[2]
        if request.query.get("dry_run") == "true":
            if action != "start":
                detail = f"tells what `start` would do; `{action}` has none"
                wrong = FieldError("/dry_run", "invalid", detail)
                status = HTTPStatus.UNPROCESSABLE_ENTITY
                raise Problem(status, f"dry_run {detail}", code="invalid", errors=[wrong])
            foretold = await self._front.campaigns.foretell(request.match_info["id"])
            return as_json(shown_foretold(foretold))
        campaign = await self._front.campaigns.move(request.match_info["id"], action)
        return as_json(shown_campaign(campaign))


def campaign_id(idempotency_key: str) -> str:
    """Return a fresh id, or the one that this Idempotency-Key made before."""
    if idempotency_key:
        caller = scope()  # two portfolios may choose the same key and mean two campaigns
        named = (f"{caller.portfolio}/" if caller else "") + idempotency_key
        return "c-" + blake2b(named.encode("utf-8", "surrogateescape"), digest_size=10).hexdigest()
    return "c-" + secrets.token_hex(6)


def shown_campaign(campaign: Campaign) -> dict[str, object]:
    """Return a campaign for the outside."""
    return {
        "id": campaign.id,
        "name": campaign.name,
        "state": campaign.state.value,
        "portfolio_id": campaign.portfolio_id,
        "senders": campaign.senders,
        "fields": campaign.fields,
        "priority": campaign.priority.name.lower(),
        "weight": campaign.weight,
        "on_template_change": campaign.on_template_change,
        "stopped_by": campaign.stopped_by or None,
        "version": campaign.content,
        "recipients_max": campaign.recipients_max or None,
        "shares": dict(zip(campaign.senders, campaign.shares or repeat(1), strict=False)),
        "quiet_hours": shown_quiet(campaign.quiet),
        "start_at": rfc3339(campaign.start_at_ms),
        "expires_at": rfc3339(campaign.expires_at_ms),
        "created_at": rfc3339(campaign.created_at_ms),
    }


def shown_foretold(foretold: Foretold) -> dict[str, object]:
    """Return what a start would do, for the outside."""
    return {
        "id": foretold.campaign.id,
        "dry_run": True,
        "state": foretold.campaign.state.value,
        "rows": foretold.rows,
        "at_once": foretold.at_once,
        "eta": rfc3339(foretold.eta_ms),
        "warnings": foretold.warnings,
    }


def shown_status(status: CampaignStatus) -> dict[str, object]:
    """Return how far a campaign is, as the API shows it."""
    return {
        **shown_campaign(status.campaign),
        "state": status.state,
        "enqueued": status.counts.enqueued,
        "counts": shown_counts(status.counts),
        "delivery": shown_delivery(status.counts),
        "eta": rfc3339(status.eta_ms),
        "warnings": status.warnings,
    }


def shown_delivery(counts: Counts) -> dict[str, int]:
    """Return what became of accepted messages, each in exactly one place."""
    return {
        each.value: counts.delivery.get(each, 0)
        for each in DeliveryStatus
        if each is not DeliveryStatus.NONE
    }


def quiet_hours(body: QuietBody | None) -> QuietHours | None:
    """Return quiet hours as the engine has them; a Problem where it is not said whose clock."""
    if body is None:
        return None
    by_recipient = body.recipient or body.time_zone == RECIPIENT
    if not by_recipient and body.time_zone is None:
        detail = 'say whose clock counts: an IANA "time_zone", or "recipient": true'
        wrong = FieldError("/quiet_hours/time_zone", "missing", detail)
        raise Problem(HTTPStatus.UNPROCESSABLE_ENTITY, detail, code="missing", errors=[wrong])
    named = None if body.time_zone == RECIPIENT else body.time_zone
    return QuietHours(body.from_, body.to, UTC if named is None else named, by_recipient)


def names_zone(body: QuietBody | None) -> bool:
    """Return whether it is said what counts where a recipient's time zone is not known."""
    return body is not None and body.time_zone not in (None, RECIPIENT)


def shown_quiet(hours: QuietHours | None) -> dict[str, object] | None:
    """Return quiet hours for the outside."""
    if hours is None:
        return None
    shown = {"from": hours.since, "to": hours.until, "time_zone": hours.time_zone}
    return {**shown, "recipient": hours.by_recipient}
