"""What cannot even be read as HTTP: refused in the shape of every other refusal."""

from __future__ import annotations

from http import HTTPStatus
from typing import Any, Final

from aiohttp import http_exceptions, web

from adapters.api.problems import Problem

TLS: Final = "this port speaks plain HTTP: TLS ends at the proxy in front of it"
LONG: Final = "the request line or a header is longer than 8190 bytes; send a shorter one"
UNREADABLE: Final = (
    "this is no HTTP/1.1 request: its first line, a header or the frame of its body is malformed, "
    "or it has too many headers"
)


class Connection(web.RequestHandler):
    """A connection whose unreadable requests are answered as RFC 9457 says.

    aiohttp's own answer is plain text, and quotes what was sent: a header may hold a key.
    """

    __slots__ = ()

    def handle_error(
        self,
        request: web.BaseRequest,
        status: int = HTTPStatus.INTERNAL_SERVER_ERROR,
        exc: BaseException | None = None,
        message: str | None = None,
    ) -> web.StreamResponse:
        """Return what to answer; the connection is closed after it."""
        super().handle_error(request, status, exc, message)  # it logs, and refuses a second answer
        problem = Problem(HTTPStatus(status), "an error of ours; it is in the log", code="internal")
        if status < HTTPStatus.INTERNAL_SERVER_ERROR:
            problem = Problem(HTTPStatus(status), why_unread(exc), code="malformed")
        response = problem.response()
        response.force_close()
        return response


class Server(web.Server):
    """A server of such connections."""

    def __init__(self, plain: web.Server, **connection: Any) -> None:  # noqa: ANN401 (aiohttp's)
        super().__init__(
            plain.request_handler,
            request_factory=plain.request_factory,
            handler_cancellation=plain.handler_cancellation,
            **connection,
        )
        self._connection = connection

    def __call__(self) -> web.RequestHandler:
        """Return what speaks on a new connection."""
        return Connection(self, loop=self._loop, **self._connection)


class Runner(web.AppRunner):
    """Runs an application behind such a server."""

    async def _make_server(self) -> web.Server:
        return Server(await super()._make_server(), **self._kwargs)


def why_unread(error: BaseException | None) -> str:
    """Return what is wrong with a request, and nothing of what was sent."""
    if isinstance(error, http_exceptions.LineTooLong):
        return LONG
    is_tls = isinstance(error, http_exceptions.BadHttpMethod) and "HTTPS" in error.message
    return TLS if is_tls else UNREADABLE
