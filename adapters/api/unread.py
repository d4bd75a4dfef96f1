"""What cannot be read or kept as HTTP: refused at once, in the shape of every other refusal."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from http import HTTPStatus
from typing import Any, Final

from aiohttp import StreamReader, http_exceptions, web

from adapters.api.graph import graph_error
from adapters.api.problems import Problem

TLS: Final = "this port speaks plain HTTP: TLS ends at the proxy in front of it"
LONG: Final = "the request line or a header is longer than 8190 bytes; send a shorter one"
UNREADABLE: Final = (
    "this is no HTTP/1.1 request: its first line, a header or the frame of its body is malformed, "
    "or it has too many headers"
)
EXPECTATION: Final = "the only `Expect` that is kept is 100-continue; leave the header out"
GRAPH_PATH: Final = re.compile(r"/v[0-9]{1,3}\.[0-9]{1,3}/")

Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


class Connection(web.RequestHandler):
    """A connection whose unreadable requests are answered as RFC 9457 says.

    aiohttp's own answer is plain text, and quotes what was sent: a header may hold a key.
    """

    __slots__ = ("_body",)

    def __init__(self, *arguments: Any, **named: Any) -> None:  # noqa: ANN401 (aiohttp's)
        super().__init__(*arguments, **named)
        self._body: StreamReader | None = None  # of the last request whose head was read

    def data_received(self, data: bytes) -> None:
        """Take bytes; where a body's frame breaks, whoever reads that body hears of it at once.

        aiohttp only queues an error behind the request, which waits for a body that never ends.
        """
        super().data_received(data)
        if not self._messages:
            return
        message, payload = self._messages[-1]
        if hasattr(message, "headers"):
            self._body = payload
            return
        body, self._body = self._body, None
        if body is None or body.is_eof():
            return
        if len(self._messages) > 1:  # nobody has begun with it: the error is its answer
            del self._messages[-2]
            return
        self._messages.pop()
        body.set_exception(web.RequestPayloadError("the frame of the body is broken"))
        body.feed_eof()
        self.close()

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
            _keeping_expectations(plain.request_handler),
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


def _keeping_expectations(handler: Handler) -> Handler:
    """Return the handler; an `Expect` that nobody can keep is refused as its path refuses."""

    async def keeping(request: web.BaseRequest) -> web.StreamResponse:
        try:
            return await handler(request)
        except web.HTTPExpectationFailed:
            status = HTTPStatus.EXPECTATION_FAILED
            problem = Problem(status, EXPECTATION)
            is_graphs = GRAPH_PATH.match(request.path) is not None
            response = graph_error(problem, problem.code) if is_graphs else problem.response()
            response.force_close()  # the body was not asked for, and may come all the same
            return response

    return keeping
