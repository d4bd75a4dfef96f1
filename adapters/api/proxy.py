"""Graph calls that are no sends: an allow-list of paths, passed on with the sender's own token.

Media: https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/media
Templates: https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-management
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AbstractAsyncContextManager
from functools import wraps
from http import HTTPStatus
from typing import Protocol, cast

import msgspec
from aiohttp import web

from adapters.api.bodies import read_body
from adapters.api.front import Front, Passed
from adapters.api.graph import graph_answer, graph_error
from adapters.api.openapi.answers import GraphError
from adapters.api.openapi.described import ROLE, described
from adapters.api.patience import pieces_in_time
from adapters.api.problems import Problem, problem_of
from adapters.api.walls import scope
from engine.directory import Role, Sender
from engine.errors import EngineError, LedgerError

FILE_MAX = 101 * 2**20  # bytes: a document of 100 MB in its form: K/business-phone-numbers/media.md
ANSWER_MAX = 8 * 2**20  # of an answer that is read as a whole
PIECE = 2**16
VERSION = r"/{version:v\d{1,3}\.\d{1,3}}"
NODE = VERSION + r"/{node:[A-Za-z0-9_\-]{1,64}}"
UNANSWERED = (429, 500, 502, 503, 504)  # says nothing of the node
NOT_OURS = ("access_token", "appsecret_proof")  # a key in the query is ours, not Meta's

# What Meta answers and refuses is passed on as it is: in its words and with its status.
REFUSED = (400, 401, 403, 404, 408, 413, 415, 422, 429, 500, 502, 503)
ANYTHING = dict[str, object]
PASSED = "Passed on to Meta"
MULTIPART = "multipart/form-data"

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


class Owner(Protocol):
    """Finds the sender in whose name a call of this node goes."""

    def __call__(self, node: str) -> Sender | None:
        """Return the sender; None when the node is not of this kind."""
        ...


class ProxyRoutes:
    """The routes of Meta's own paths, but for the sends; must be added after those."""

    def __init__(self, front: Front) -> None:
        self._front = front

    def add_to(self, router: web.UrlDispatcher) -> None:
        """Add them."""
        number, waba, template = self._number, self._waba, self._template
        router.add_post(NODE + "/media", self._guarded(Role.SEND, self._upload))
        router.add_get(NODE + r"/media/{media:\d{1,32}}", self._guarded(Role.SEND, self._download))
        for method, edge, owner, role in (
            ("GET", "/message_templates", waba, Role.READ),
            ("POST", "/message_templates", waba, Role.ADMIN),
            ("DELETE", "/message_templates", waba, Role.ADMIN),
            ("GET", "/phone_numbers", waba, Role.READ),
            ("GET", "/whatsapp_business_profile", number, Role.READ),
            ("POST", "/whatsapp_business_profile", number, Role.ADMIN),
            ("POST", "", template, Role.ADMIN),
        ):
            router.add_route(
                method,
                NODE + edge,
                self._guarded(role, self._passing(owner, takes=method == "POST")),
            )
        router.add_get(NODE, self._guarded(Role.READ, self._read_node))
        router.add_delete(NODE, self._guarded(Role.SEND, self._delete_media))
        router.add_route("*", VERSION + "/{rest:.*}", self._guarded(Role.READ, self._nothing))

    def _guarded(self, role: Role, handler: Handler) -> Handler:
        """Return the handler for who has the role; every refusal has Meta's shape."""

        @wraps(handler)
        async def guarded(request: web.Request) -> web.StreamResponse:
            try:
                self._front.check(request, role)
                return await handler(request)
            except Problem as problem:
                return graph_error(problem, problem.code)
            except LedgerError as error:
                return graph_error(problem_of(error), "")
            except EngineError as error:
                return graph_error(Problem(HTTPStatus.BAD_GATEWAY, str(error)), "")

        vars(guarded)[ROLE] = role
        return guarded

    # -- whose call it is -----------------------------------------------------------------------

    def _number(self, node: str) -> Sender | None:
        return self._front.registry.directory.senders.get(node)

    def _waba(self, node: str) -> Sender | None:
        senders = self._front.registry.directory.senders.values()
        return next((each for each in senders if each.waba_id == node), None)

    def _template(self, node: str) -> Sender | None:
        templates = self._front.registry.directory.templates.values()
        waba = next((each.waba_id for each in templates if each.meta_id == node), None)
        return self._waba(waba) if waba else None

    def _media_owner(self, request: web.Request) -> Sender:
        """Return in whose name to ask for a file: named in the query, or all have one token."""
        directory, named = self._front.registry.directory, request.query.get("phone_number_id")
        if named is not None:
            return self._known(self._number, named)
        senders = list(directory.senders.values())
        if senders and len({self._front.token_of(each.id) for each in senders}) == 1:
            return senders[0]
        detail = (
            "several senders with tokens of their own: add ?phone_number_id= to say whose it is"
        )
        raise Problem(HTTPStatus.BAD_REQUEST, detail)

    @staticmethod
    def _known(owner: Owner, node: str) -> Sender:
        sender = owner(node)
        if sender is None:
            raise _no_object(node)
        return sender

    # -- what is passed on ----------------------------------------------------------------------

    def _passing(self, owner: Owner, *, takes: bool = False) -> Handler:
        """Return what passes a call on as it is."""

        @described(
            PASSED,
            gives=ANYTHING,
            takes=ANYTHING if takes else None,
            is_optional=True,
            refuses=REFUSED,
            problem=GraphError,
        )
        async def passing(request: web.Request) -> web.StreamResponse:
            sender = self._known(owner, request.match_info["node"])
            body = await read_body(request) or None
            async with self._call(request, sender, request.path, body) as passed:
                return await _forward(request, passed)

        return passing

    @described(PASSED, gives=ANYTHING, refuses=REFUSED, problem=GraphError)
    async def _read_node(self, request: web.Request) -> web.StreamResponse:
        node = request.match_info["node"]
        for owner in (self._number, self._waba, self._template):
            if owner(node) is not None:
                return await self._passing(owner)(request)
        sender = self._media_owner(request)
        status, shown = await self._ask(request, sender, request.path)
        is_file = status == HTTPStatus.OK and "url" in shown
        if scope() is not None and status not in UNANSWERED and (not is_file or _is_hidden(node)):
            raise _no_object(node)  # the same for what is another's and for what is nothing
        if status == HTTPStatus.OK and "url" in shown:
            # Whoever fetches it sends us a key of ours: it must not go to Meta's host.
            shown["url"] = f"{_origin(request)}{_folder(request)}/{sender.id}/media/{node}"
        return graph_answer(HTTPStatus(status), shown)

    @described(PASSED, gives=ANYTHING, refuses=REFUSED, problem=GraphError)
    async def _delete_media(self, request: web.Request) -> web.StreamResponse:
        node, sender = request.match_info["node"], self._media_owner(request)
        if _is_hidden(node):
            raise _no_object(node)
        async with self._call(request, sender, request.path, None) as passed:
            is_refused = passed.status >= HTTPStatus.BAD_REQUEST
            if scope() is not None and is_refused and passed.status not in UNANSWERED:
                raise _no_object(node)
            return await _forward(request, passed)

    @described(
        "A media file, from Meta",
        gives_text={200: "application/octet-stream"},
        refuses=REFUSED,
        problem=GraphError,
    )
    async def _download(self, request: web.Request) -> web.StreamResponse:
        """Ask Meta for the file's address, which is good for five minutes, and fetch it."""
        sender = self._known(self._number, request.match_info["node"])
        path = f"{_folder(request)}/{request.match_info['media']}"
        status, shown = await self._ask(request, sender, path)
        address = shown.get("url")
        if status != HTTPStatus.OK or not isinstance(address, str):
            return graph_answer(HTTPStatus(status), shown)
        file = self._front.passage.file(address, token=self._front.token_of(sender.id))
        async with file as passed:
            return await _forward(request, passed)

    @described(
        "Upload a media file to Meta",
        files=(MULTIPART,),
        gives=ANYTHING,
        refuses=REFUSED,
        problem=GraphError,
    )
    async def _upload(self, request: web.Request) -> web.StreamResponse:
        """Pass a file on piece by piece; it is never in memory as a whole."""
        sender = self._known(self._number, request.match_info["node"])
        if not request.content_type.startswith("multipart/"):
            detail = "send the file as multipart/form-data"
            raise Problem(HTTPStatus.UNSUPPORTED_MEDIA_TYPE, detail)
        if (request.content_length or 0) > FILE_MAX:
            raise _too_large()
        file = _File(request)
        headers = {"Content-Type": request.headers["Content-Type"]}
        if request.content_length is not None:
            headers["Content-Length"] = str(request.content_length)
        try:
            async with self._call(request, sender, request.path, file.pieces(), headers) as passed:
                return await _forward(request, passed)
        except EngineError:
            if file.problem is not None:
                raise file.problem from None
            raise

    async def _nothing(self, request: web.Request) -> web.StreamResponse:
        detail = f"{request.method} of this path is not passed on; README has the list"
        raise Problem(HTTPStatus.NOT_FOUND, detail)

    def _call(
        self,
        request: web.Request,
        sender: Sender,
        path: str,
        body: AsyncIterator[bytes] | bytes | None,
        headers: Mapping[str, str] | None = None,
    ) -> AbstractAsyncContextManager[Passed]:
        kind = request.headers.get("Content-Type")
        kept = headers or ({"Content-Type": kind} if kind and body is not None else {})
        query = {name: each for name, each in request.query.items() if name not in NOT_OURS}
        return self._front.passage.call(
            request.method,
            path,
            token=self._front.token_of(sender.id),
            query=query,
            headers=kept,
            body=body,
        )

    async def _ask(
        self, request: web.Request, sender: Sender, path: str
    ) -> tuple[int, dict[str, object]]:
        """Return status and JSON of a call whose answer is looked into."""
        async with self._call(request, sender, path, None) as passed:
            whole = b""
            async for piece in passed.pieces():
                whole += piece
                if len(whole) > ANSWER_MAX:
                    raise Problem(HTTPStatus.BAD_GATEWAY, "Meta's answer is too long")
        try:
            shown: object = msgspec.json.decode(whole)
        except (msgspec.DecodeError, RecursionError) as error:
            raise Problem(HTTPStatus.BAD_GATEWAY, "Meta's answer is no JSON") from error
        if not isinstance(shown, dict):
            raise Problem(HTTPStatus.BAD_GATEWAY, "Meta's answer is no JSON object")
        return passed.status, cast("dict[str, object]", shown)


class _File:
    """An upload on its way through, as long as it may be."""

    def __init__(self, request: web.Request) -> None:
        self._request = request
        self.problem: Problem | None = None  # the caller's fault: his call of Meta ends for it

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield it; end in a problem where it is too long, too slow or breaks off."""
        try:
            length = 0
            async for piece in pieces_in_time(self._request, PIECE):
                length += len(piece)
                if length > FILE_MAX:
                    raise _too_large()
                yield piece
        except Problem as problem:
            self.problem = problem
            raise


async def _forward(request: web.Request, passed: Passed) -> web.StreamResponse:
    """Answer with what Meta answers, piece by piece."""
    response = web.StreamResponse(
        status=passed.status, headers={"Content-Type": passed.content_type}
    )
    if passed.length is not None:
        response.content_length = passed.length
    await response.prepare(request)
    length = 0
    try:
        async for piece in passed.pieces():
            length += len(piece)
            if length > FILE_MAX:
                break
            await response.write(piece)
    except EngineError:
        length = FILE_MAX + 1
    if length > FILE_MAX:  # too late for an error: a cut connection says that it is not whole
        if request.transport is not None:
            request.transport.abort()
        return response
    await response.write_eof()
    return response


def _origin(request: web.Request) -> str:
    """Return our own address as the caller wrote it; a proxy in front may have ended TLS."""
    scheme = request.headers.get("X-Forwarded-Proto", request.scheme)
    return f"{'https' if scheme == 'https' else 'http'}://{request.host}"


def _folder(request: web.Request) -> str:
    return f"/{request.match_info['version']}"


def _too_large() -> Problem:
    detail = f"the file is larger than {FILE_MAX} bytes"
    return Problem(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, detail)


def _no_object(node: str) -> Problem:
    detail = f"Object with ID '{node}' does not exist: it belongs to no sender we know"
    return Problem(HTTPStatus.NOT_FOUND, detail)


def _is_hidden(node: str) -> bool:
    """Return whether a node is another portfolio's: with one token for all, Meta would show it."""
    caller = scope()
    return caller is not None and caller.hides(node)
