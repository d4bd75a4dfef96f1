"""A trial: one message written now to one number, answered with Meta's whole response."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout
from asyncio_throttle.throttler import Throttler

from adapters.meta.answers import graph_error, read_whole
from adapters.meta.codes import verdict
from engine.errors import ProviderAwayError, ProviderRefusedError
from engine.model import SenderId

TIMEOUT_S: Final = 20
ANSWER_MAX: Final = 2**20  # bytes
TRIALS_PER_S: Final = 1  # of one sender: they take no send slots, so they must not add up
LOOK_AGAIN_S: Final = 0.1
HIDDEN: Final = frozenset({"set-cookie"})


class Trials:
    """Writes single messages past the queue, at most one a second for each sender."""

    def __init__(
        self,
        session: ClientSession,
        *,
        graph_url: str,
        graph_version: str,
        token_of: Callable[[SenderId], str],
    ) -> None:
        self._session = session
        self._root = f"{graph_url.rstrip('/')}/{graph_version}"
        self._token_of = token_of
        self._throttles: dict[SenderId, Throttler] = {}

    async def send(
        self, sender: SenderId, to: str, message: Mapping[str, object]
    ) -> dict[str, object]:
        """Return what Meta answered, yes or no, and what was asked: ready to be passed on.

        `body` is JSON where Meta's is, else text. ProviderAwayError when nothing came back.
        """
        token = self._token_of(sender)
        if not token:
            raise ProviderRefusedError(f"sender {sender} has no access token", code=190)
        throttle = self._throttles.get(sender)
        if throttle is None:
            throttle = self._throttles[sender] = Throttler(TRIALS_PER_S, 1, LOOK_AGAIN_S)
        await throttle.acquire()  # type: ignore[no-untyped-call]  # it has no types
        member = "to" if to.lstrip("+").isdigit() else "recipient"
        content: dict[str, object] = {"messaging_product": "whatsapp", member: to, **message}
        headers = {
            "Authorization": f"Bearer {token}",
            "Content-Type": "application/json",
            "Accept-Encoding": "identity",
        }
        try:
            response = await self._session.post(
                f"{self._root}/{quote(sender, safe='')}/messages",
                data=msgspec.json.encode(content),
                headers=headers,
                timeout=ClientTimeout(total=TIMEOUT_S),
                allow_redirects=False,
            )
            raw = await read_whole(response, ANSWER_MAX)
        except (ClientError, OSError, EOFError, ValueError) as error:
            detail = f"no answer ({type(error).__name__}): it may have been sent all the same"
            raise ProviderAwayError(detail) from None
        shown = response.headers.items()
        return {
            "ok": response.status == HTTPStatus.OK,
            "reached_nobody": response.status >= HTTPStatus.BAD_REQUEST and _reached_nobody(raw),
            "status": response.status,
            "headers": {name: value for name, value in shown if name.lower() not in HIDDEN},
            "body": _body(raw),
            "request": content,
        }


def _reached_nobody(raw: bytes | None) -> bool:
    """Return whether a refusal is Meta's own, with a code that proves that nothing was taken."""
    error = graph_error(raw) if raw else None
    if error is None:
        return False
    row = verdict(error.code, error.details, error.error_subcode or 0)
    return row.proves and row.undelivered


def _body(raw: bytes | None) -> object:
    """Return an answer's body as JSON where it is, else as text."""
    if raw is None:
        return None
    try:
        return msgspec.json.decode(raw)
    except (msgspec.DecodeError, RecursionError):
        return raw.decode(errors="replace")
