"""Graph calls passed on for a caller: streamed both ways, with the sender's own token."""

from __future__ import annotations

import ssl
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from typing import Final
from urllib.parse import urlsplit

from aiohttp import (
    ClientError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from engine.errors import EngineError

CONNECTIONS: Final = 16
CONNECT_S: Final = 5
SILENCE_S: Final = 30  # between two pieces; a large file may take long, a dead peer may not
TOTAL_S: Final = 600
PIECE: Final = 2**16
# Where Meta keeps files: K/business-phone-numbers/media.md shows lookaside.fbsbx.com
FILE_HOSTS: Final = (".fbsbx.com", ".whatsapp.net")


class PassageError(EngineError):
    """Meta did not answer a call passed on, or not as it should; the caller may ask again."""


class Passed:
    """An answer of Meta while it is read."""

    def __init__(self, response: ClientResponse) -> None:
        self._response = response
        self.status = response.status
        self.content_type = response.headers.get("Content-Type", "application/octet-stream")
        self.length = response.content_length

    async def pieces(self) -> AsyncIterator[bytes]:
        """Yield the body; PassageError when it breaks off."""
        try:
            async for piece in self._response.content.iter_chunked(PIECE):
                yield piece
        except (ClientError, TimeoutError, OSError) as error:
            raise PassageError(f"Meta's answer broke off: {type(error).__name__}") from error


def build_passage_session(ssl_context: ssl.SSLContext | None = None) -> ClientSession:
    """Return a session for `Passage`; call inside the running loop, the caller closes it."""
    return ClientSession(
        connector=TCPConnector(
            limit=CONNECTIONS, ssl=ssl_context if ssl_context is not None else True
        ),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=TOTAL_S, connect=CONNECT_S, sock_read=SILENCE_S),
        trust_env=False,
    )


class Passage:
    """The road to Meta for calls that are no sends; it knows nothing of what they mean.

    A redirect is never followed: it would carry the token to a host nobody chose.
    """

    def __init__(self, session: ClientSession, *, graph_url: str) -> None:
        self._session = session
        self._graph_url = graph_url.rstrip("/")

    @asynccontextmanager
    async def call(
        self,
        method: str,
        path: str,
        *,
        token: str,
        query: Mapping[str, str] | None = None,
        headers: Mapping[str, str] | None = None,
        body: AsyncIterator[bytes] | bytes | None = None,
    ) -> AsyncGenerator[Passed]:
        """Make a call of the Graph API; PassageError when there is no answer."""
        url = URL(self._graph_url + path, encoded=True).with_query(dict(query or {}))
        async with self._asked(method, url, token, headers or {}, body) as passed:
            yield passed

    @asynccontextmanager
    async def file(self, address: str, *, token: str) -> AsyncGenerator[Passed]:
        """Fetch a file from the address Meta gave; PassageError when that is not Meta's."""
        if not self._is_metas(address):
            raise PassageError("Meta named a host for the file that is not one of its own")
        async with self._asked("GET", URL(address, encoded=True), token, {}, None) as passed:
            yield passed

    @asynccontextmanager
    async def _asked(
        self,
        method: str,
        url: URL,
        token: str,
        headers: Mapping[str, str],
        body: AsyncIterator[bytes] | bytes | None,
    ) -> AsyncGenerator[Passed]:
        every = {"Authorization": f"Bearer {token}", **headers}
        try:
            response = await self._session.request(
                method, url, headers=every, data=body, allow_redirects=False
            )
        except (ClientError, TimeoutError, OSError) as error:
            raise PassageError(f"Meta does not answer: {type(error).__name__}") from error
        try:
            if 300 <= response.status < 400:  # noqa: PLR2004 (the redirects)
                raise PassageError("Meta sent the call elsewhere, and that is not followed")
            yield Passed(response)
        finally:
            response.close()

    def _is_metas(self, address: str) -> bool:
        """Return whether an address is one of Meta's, or of the Graph that is set."""
        try:
            parts, graph = urlsplit(address), urlsplit(self._graph_url)
            host = parts.hostname or ""
            is_graphs = (parts.scheme, host, parts.port) == (
                graph.scheme,
                graph.hostname,
                graph.port,
            )
        except ValueError:
            return False
        return is_graphs or (parts.scheme == "https" and host.endswith(FILE_HOSTS))
