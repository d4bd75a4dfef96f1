"""Every refusal as RFC 9457 says: a problem with its errors, each with pointer, code and detail."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus

import msgspec
import structlog
from aiohttp import web

from engine.errors import (
    EngineError,
    InvalidJobError,
    LedgerError,
    ProviderBusyError,
    ProviderError,
    QueueFullError,
    UnknownNameError,
)
from engine.messages import SeveralErrors

PROBLEM_JSON = "application/problem+json"
AWAY_RETRY_AFTER_S = 1
CONFLICTS = frozenset(  # codes of what is in the way: nothing is wrong with the request itself
    {
        *("conflict", "state", "source_cancelled", "source_stopped", "cooldown", "has_rows"),
        *("no_draft", "in_review", "not_editable", "category_fixed", "edited_too_often"),
        *("not_approved", "no_place", "rows_misfit"),
    }
)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]
_log = structlog.get_logger("api")


class FieldError(msgspec.Struct):
    """One thing that is wrong, and where (RFC 6901)."""

    pointer: str
    code: str
    detail: str


class Problem(Exception):  # noqa: N818 (RFC 9457 calls it a problem)
    """A refusal on its way out."""

    def __init__(
        self,
        status: HTTPStatus,
        detail: str,
        *,
        code: str = "",
        errors: Sequence[FieldError] = (),
        retry_after_s: int = 0,
    ) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail
        self.code = code or status.name.lower()
        self.errors = list(errors)
        self.retry_after_s = retry_after_s

    def response(self) -> web.Response:
        """Return it as an answer."""
        body = {
            "type": f"https://penstock.dev/problems/{self.code}",
            "title": self.status.phrase,
            "status": self.status.value,
            "detail": self.detail,
            "code": self.code,
            "errors": self.errors,
        }
        headers = {"Retry-After": str(self.retry_after_s)} if self.retry_after_s else None
        return web.Response(
            status=self.status,
            body=msgspec.json.encode(body),
            content_type=PROBLEM_JSON,
            headers=headers,
        )


def field_error(error: InvalidJobError) -> FieldError:
    """Return an engine's complaint for the outside; its remedy follows its detail."""
    detail = f"{error.detail}; {error.remedy}" if error.remedy else error.detail
    return FieldError(error.pointer, error.code, detail)


def problem_of(error: EngineError) -> Problem:
    """Return what an error of the engine is to a caller."""
    if isinstance(error, InvalidJobError):
        errors = error.all if isinstance(error, SeveralErrors) else [error]
        status = HTTPStatus.UNPROCESSABLE_ENTITY
        if any(each.code in CONFLICTS for each in errors):
            status = HTTPStatus.CONFLICT
        shown = [field_error(each) for each in errors]
        return Problem(status, shown[0].detail, code=shown[0].code, errors=shown)
    if isinstance(error, UnknownNameError):
        return Problem(HTTPStatus.NOT_FOUND, str(error), code="not_found")
    if isinstance(error, QueueFullError):
        seconds = max(1, error.retry_after_ms // 1000)
        status = HTTPStatus.TOO_MANY_REQUESTS
        return Problem(status, str(error), code="queue_full", retry_after_s=seconds)
    if isinstance(error, ProviderError):
        status, code, seconds = HTTPStatus.BAD_GATEWAY, "meta", 0
        if isinstance(error, ProviderBusyError):
            status, code = HTTPStatus.SERVICE_UNAVAILABLE, "meta_busy"
            seconds = max(1, -(-error.wait_ms // 1000))
        return Problem(status, f"Meta: {error}", code=code, retry_after_s=seconds)
    if isinstance(error, LedgerError):
        detail = "the ledger is away: nothing was lost; send the same request again"
        return Problem(
            HTTPStatus.SERVICE_UNAVAILABLE,
            detail,
            code="ledger_away",
            retry_after_s=AWAY_RETRY_AFTER_S,
        )
    return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, str(error), code="internal")


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Answer every error with a problem; what nobody foresaw is logged by its type only."""
    try:
        return await handler(request)
    except Problem as problem:
        return problem.response()
    except EngineError as error:
        return problem_of(error).response()
    except web.HTTPException as error:
        if error.status < HTTPStatus.BAD_REQUEST:
            raise
        return _of_http(error)
    except Exception as error:  # noqa: BLE001 (the last wall: a traceback may hold a number)
        kind = type(error).__name__
        if isinstance(error, ConnectionError) and request.transport is None:
            return web.Response(status=HTTPStatus.BAD_REQUEST)  # the caller went away: nobody reads
        _log.error("request_broke", path=_route(request), error=kind, where=_where(error))
        detail = "an error of ours; it is in the log"
        return Problem(HTTPStatus.INTERNAL_SERVER_ERROR, detail, code="internal").response()


def _of_http(error: web.HTTPException) -> web.Response:
    status = HTTPStatus(error.status)
    detail = status.description or status.phrase
    if status is HTTPStatus.NOT_FOUND:
        detail = "there is no such path"
    response = Problem(status, detail).response()
    if isinstance(error, web.HTTPMethodNotAllowed):
        response.headers["Allow"] = ", ".join(sorted(error.allowed_methods))
    return response


def _route(request: web.Request) -> str:
    """Return the path's pattern: the path itself may hold a number."""
    resource = request.match_info.route.resource
    return resource.canonical if resource is not None else "unknown"


def _where(error: BaseException) -> str:
    """Return file and line of an error, without its values."""
    trace = error.__traceback__
    while trace is not None and trace.tb_next is not None:
        trace = trace.tb_next
    if trace is None:
        return ""
    return f"{trace.tb_frame.f_code.co_filename.rpartition('/')[2]}:{trace.tb_lineno}"
