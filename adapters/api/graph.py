"""The drop-in Cloud API: any WhatsApp SDK sends through Penstock by changing its base URL.

https://developers.facebook.com/documentation/business-messaging/whatsapp/messages/send-messages
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable
from datetime import datetime
from difflib import get_close_matches
from http import HTTPStatus

import msgspec
from aiohttp import web

from adapters.api.bodies import NAME_PATTERN, milliseconds, read_json
from adapters.api.front import Front
from adapters.api.jobs import check_key, trace_in
from adapters.api.openapi.answers import GraphAnswer, GraphDone, GraphError, GraphMessage
from adapters.api.openapi.described import WISHES, described
from adapters.api.problems import Problem, problem_of
from adapters.api.references import PATIENCE_MS, with_wamids
from engine.directory import Role
from engine.errors import (
    EngineError,
    InvalidJobError,
    LedgerError,
    QueueFullError,
    UnknownNameError,
)
from engine.intake import JobRequest, JobStatus
from engine.messages import DELIVERIES, SeveralErrors
from engine.model import Priority
from engine.recipients import canonical

MESSAGE_MAX = 2**18  # bytes
PATH = r"/{version:v[0-9]{1,3}\.[0-9]{1,3}}/{phone_number_id:[0-9]{1,32}}/messages"
OURS = ("to", "recipient", "messaging_product", "biz_opaque_callback_data")
# Meta's codes for what we have to say: M/support/error-codes
CODES = {
    HTTPStatus.UNAUTHORIZED: 190,
    HTTPStatus.FORBIDDEN: 200,
    HTTPStatus.TOO_MANY_REQUESTS: 130429,
    HTTPStatus.SERVICE_UNAVAILABLE: 131016,
    HTTPStatus.INTERNAL_SERVER_ERROR: 131000,
    HTTPStatus.BAD_GATEWAY: 2,  # API service: temporary downtime
}
CODE_OF = {
    "unknown_template": 132001,
    "template_not_sendable": 132015,
    "parameter_count": 132000,
    "button_parameter": 132000,
    "card_count": 132000,
    "parameter_type": 132012,
    "parameter_name": 132012,
    "forbidden_character": 132012,
    "too_many_spaces": 132012,
    "not_in_url": 132012,
    "not_full_url": 132012,
    "code_differs": 132018,
    "missing_offer": 131008,
    "empty": 131008,
    "missing": 131008,
}
PLAIN = 100  # invalid parameter
OUR_HEADERS = "penstock-"


class Graph:
    """The route that sends in Meta's own shape."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add it."""
        router.add_post(PATH, self._post)

    @described(
        "Send as to Meta: its own body, its own answer, our job id",
        takes=GraphMessage,
        gives=(GraphAnswer, GraphDone),
        refuses=(400, 401, 403, 408, 413, 415, 429, 500, 501, 502, 503),
        problem=GraphError,
        headers=WISHES,
        role=Role.SEND,
    )
    async def _post(self, request: web.Request) -> web.Response:
        try:
            self._front.check(request, Role.SEND)
            return await self._send(request)
        except Problem as problem:
            return graph_error(problem, problem.errors[0].code if problem.errors else "")
        except (InvalidJobError, UnknownNameError, QueueFullError, LedgerError) as error:
            refused = problem_of(error)
            return graph_error(refused, refused.code)
        except EngineError as error:  # of the road to Meta
            return graph_error(Problem(HTTPStatus.BAD_GATEWAY, str(error)), "")

    async def _send(self, request: web.Request) -> web.Response:
        body = await read_json(request, dict[str, object], MESSAGE_MAX, is_verbatim=True)
        if body.get("messaging_product") != "whatsapp":
            raise _refusal("/messaging_product", "missing", 'must be "whatsapp"')
        if body.get("status") is not None:
            return await self._pass_on(request, body)
        to = body.get("to", body.get("recipient", ""))
        to = to if isinstance(to, str) else str(to)
        message = {name: value for name, value in body.items() if name not in OURS}
        message = await with_wamids(self._front, message, patience_ms=PATIENCE_MS)
        job = self._with_wishes(request, to, message)
        (result,) = await self._front.intake.accept([job])
        if result.status in (JobStatus.CONFLICT, JobStatus.REJECTED):
            raise problem_of(SeveralErrors(result.errors))
        assert result.portfolio is not None
        number = self._front.registry.directory.portfolios[result.portfolio].number
        job_id = self._front.job_ids.encode(number, result.key) if result.key else ""
        accepted: dict[str, object] = {"id": job_id}
        if message.get("type") == "template":
            accepted["message_status"] = "accepted"
        contact = {"input": to, "wa_id": canonical(to)}
        return graph_answer(
            HTTPStatus.OK,
            {"messaging_product": "whatsapp", "contacts": [contact], "messages": [accepted]},
        )

    async def _pass_on(self, request: web.Request, body: dict[str, object]) -> web.Response:
        """Pass on what is no message: that one was read, that somebody types."""
        sender = self._front.sender(request.match_info["phone_number_id"])
        token = self._front.token_of(sender.id)
        call = self._front.passage.call(
            "POST",
            request.path,
            token=token,
            headers={"Content-Type": "application/json"},
            body=msgspec.json.encode(body),
        )
        async with call as passed:
            answer = b"".join([piece async for piece in passed.pieces()])
            return web.Response(
                status=passed.status, body=answer, headers={"Content-Type": passed.content_type}
            )

    def _with_wishes(self, request: web.Request, to: str, message: dict[str, object]) -> JobRequest:
        """Return the job with what the headers wish."""
        headers = request.headers
        refuse_unknown_wishes(headers)
        priority = headers.get("Penstock-Priority", "").upper()
        if priority and priority not in Priority.__members__:
            names = ", ".join(each.name.lower() for each in Priority)
            raise _refusal("/Penstock-Priority", "invalid", f"must be one of {names}")
        delivery = headers.get("Penstock-Delivery", "")
        if delivery not in DELIVERIES:
            names = ", ".join(DELIVERIES[1:])
            raise _refusal("/Penstock-Delivery", "invalid", f"must be one of {names}")
        return JobRequest(
            sender=request.match_info["phone_number_id"],
            to=to,
            message=message,
            body=msgspec.json.encode(message),
            key=check_key(headers.get("Idempotency-Key", ""), "/Idempotency-Key"),
            source=_source(headers.get("Penstock-Source", "")),
            priority=Priority[priority] if priority else None,
            delivery=delivery,
            not_before_ms=_moment(headers.get("Penstock-Not-Before"), "Penstock-Not-Before"),
            expires_at_ms=_moment(headers.get("Penstock-Expires-At"), "Penstock-Expires-At"),
            trace=trace_in(request),
        )


def refuse_unknown_wishes(headers: Iterable[str]) -> None:
    """Refuse a wish nobody can grant: a misspelt `Penstock-Not-Before` would be a send at once."""
    wishes = {name.lower(): name for name in WISHES}
    for name in headers:
        if name.lower().startswith(OUR_HEADERS) and name.lower() not in wishes:
            near = get_close_matches(name.lower(), wishes, n=1)
            hint = f"did you mean {wishes[near[0]]}?" if near else "leave it out"
            raise _refusal(f"/{name}", "unknown_field", f"is no header of ours; {hint}")


def _source(text: str) -> str:
    """Return the source a header names: `kind:id`; without one the graph itself."""
    if not text:
        return "direct:graph"
    kind, _, name = text.partition(":")
    if kind not in ("campaign", "journey", "direct") or not NAME_PATTERN.fullmatch(name):
        raise _refusal(
            "/Penstock-Source", "invalid", "must be campaign:ID, journey:ID or direct:ID"
        )
    return text


def _moment(text: str | None, name: str) -> int:
    if not text:
        return 0
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        moment = None
    if moment is None or moment.tzinfo is None:
        raise _refusal(f"/{name}", "invalid", "must be RFC 3339 with a time zone")
    return milliseconds(moment)


def _refusal(pointer: str, code: str, detail: str) -> Problem:
    return problem_of(InvalidJobError(detail, pointer=pointer, code=code))


def graph_error(problem: Problem, code: str) -> web.Response:
    """Return Meta's error shape; an SDK finds in it what it looks for."""
    number = CODES.get(problem.status, CODE_OF.get(code, PLAIN))
    details = "; ".join(
        f"{each.pointer.lstrip('/')}: {each.detail}" if each.pointer else each.detail
        for each in problem.errors
    )
    error: dict[str, object] = {
        "message": f"(#{number}) {problem.detail}",
        "type": "OAuthException",
        "code": number,
        "error_data": {"messaging_product": "whatsapp", "details": details or problem.detail},
        "fbtrace_id": secrets.token_urlsafe(8),
    }
    status = problem.status
    if status in (HTTPStatus.UNPROCESSABLE_ENTITY, HTTPStatus.CONFLICT):
        status = HTTPStatus.BAD_REQUEST
    response = graph_answer(status, {"error": error})
    if problem.retry_after_s:
        response.headers["Retry-After"] = str(problem.retry_after_s)
    return response


def graph_answer(status: HTTPStatus, content: object) -> web.Response:
    """Return a JSON answer, also of an error: an SDK reads no other media type."""
    body = msgspec.json.encode(content)
    return web.Response(status=status, body=body, content_type="application/json")
