"""Where Meta calls us: the handshake, the signature, the body kept, and 200 at once.

https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/create-webhook-endpoint
"""

import asyncio
import hmac
import re
from collections.abc import Awaitable, Callable, Sequence
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from adapters.meta.parsing import BODY_MAX
from engine.errors import EngineError

PATH: Final = "/webhooks/meta"
BODY_TIMEOUT_S: Final = 20  # for the whole body: a slower one is no webhook of Meta's
SIGNATURE: Final = re.compile(r"sha256=([0-9a-f]{64})", re.ASCII)
CHALLENGE: Final = re.compile(r"[A-Za-z0-9_-]{1,128}", re.ASCII)

Inbox = Callable[[bytes], Awaitable[None]]
"""Keeps a body so that it survives a crash; raises EngineError or OSError when it could not."""

UNSET: Final = "unset"
SIGNATURE_WRONG: Final = "signature"
ENCODED: Final = "encoding"
TOO_LARGE: Final = "size"
TOO_SLOW: Final = "slow"
CUT_OFF: Final = "cut"
INBOX_AWAY: Final = "inbox"
HANDSHAKE_WRONG: Final = "handshake"

NOT_SET: Final = (
    "PENSTOCK_META_APP_SECRET is not set, so nobody can tell Meta's webhooks from forged ones: set "
    "it to the app secret of your Meta app"
)
VERIFY_MISSING: Final = (
    "PENSTOCK_META_VERIFY_TOKEN is not set: set it to the verify token you gave Meta for this URL"
)


class Webhook:
    """The two routes. `app_secrets` holds two while the secret is being changed."""

    def __init__(self, *, app_secrets: Sequence[str], verify_token: str, inbox: Inbox) -> None:
        self._secrets = [secret.encode() for secret in app_secrets if secret]
        self._verify_token = verify_token.encode()
        self._inbox = inbox
        self.kept = 0
        self.refused: dict[str, int] = dict.fromkeys(
            (
                *(UNSET, SIGNATURE_WRONG, ENCODED, TOO_LARGE, TOO_SLOW, CUT_OFF),
                *(INBOX_AWAY, HANDSHAKE_WRONG),
            ),
            0,
        )
        """Refused calls by reason, for metrics."""

    def routes(self) -> list[web.RouteDef]:
        """Return the routes to add to an application."""
        return [
            web.get(PATH, self.shake_hands, allow_head=False),
            web.post(PATH, self.receive),
        ]

    async def shake_hands(self, request: web.Request) -> web.Response:
        """Answer Meta's challenge to whoever knows the verify token."""
        if not self._verify_token:
            return self._refuse(UNSET, HTTPStatus.FORBIDDEN, VERIFY_MISSING)
        query = request.query
        told = query.get("hub.verify_token", "").encode(errors="replace")
        is_known = hmac.compare_digest(told, self._verify_token)
        if not is_known or query.get("hub.mode") != "subscribe":
            return self._refuse(HANDSHAKE_WRONG, HTTPStatus.FORBIDDEN, "The verify token is wrong")
        challenge = query.get("hub.challenge", "")
        if CHALLENGE.fullmatch(challenge) is None:
            return self._refuse(HANDSHAKE_WRONG, HTTPStatus.BAD_REQUEST, "The challenge is odd")
        return web.Response(text=challenge, content_type="text/plain")

    async def receive(self, request: web.Request) -> web.Response:
        """Keep a signed body, then answer; anything but 200 makes Meta call again for days."""
        if not self._secrets:
            return self._refuse(UNSET, HTTPStatus.FORBIDDEN, NOT_SET)
        signature = SIGNATURE.fullmatch(request.headers.get("X-Hub-Signature-256", ""))
        if signature is None:
            return self._refuse(SIGNATURE_WRONG, HTTPStatus.UNAUTHORIZED, "No signature of Meta's")
        body = await self._body(request)
        if isinstance(body, web.Response):
            return body
        if not self._is_signed(body, signature[1]):
            return self._refuse(
                SIGNATURE_WRONG, HTTPStatus.UNAUTHORIZED, "The signature does not fit the body"
            )
        return await self._keep(body)

    async def _body(self, request: web.Request) -> bytes | web.Response:
        """Return the raw body, or the refusal of one that is not as Meta's are."""
        if "Content-Encoding" in request.headers:
            return self._refuse(
                *(ENCODED, HTTPStatus.UNSUPPORTED_MEDIA_TYPE, "Send the body as it is")
            )
        try:
            if request.content.is_eof():  # it came with its head, or at once after it
                body: bytes | None = request.content.read_nowait()
            else:
                async with asyncio.timeout(BODY_TIMEOUT_S):
                    body = await _read(request)
        except TimeoutError:
            return self._refuse(TOO_SLOW, HTTPStatus.REQUEST_TIMEOUT, "The body did not come")
        except web.RequestPayloadError:
            return self._refuse(CUT_OFF, HTTPStatus.BAD_REQUEST, "The body breaks off")
        if body is None or len(body) > BODY_MAX:
            return self._refuse(
                *(TOO_LARGE, HTTPStatus.REQUEST_ENTITY_TOO_LARGE, f"At most {BODY_MAX} bytes")
            )
        return body

    async def _keep(self, body: bytes) -> web.Response:
        try:
            await self._inbox(body)
        except (EngineError, OSError):  # of which a TimeoutError is one
            return self._refuse(
                *(INBOX_AWAY, HTTPStatus.SERVICE_UNAVAILABLE, "It could not be kept; send it again")
            )
        self.kept += 1
        return web.Response()

    def _is_signed(self, body: bytes, told: str) -> bool:
        """Return whether one of our secrets signed `body`; as slow for a wrong one as for both."""
        fits, theirs = False, bytes.fromhex(told)
        for secret in self._secrets:
            fits |= hmac.compare_digest(hmac.digest(secret, body, "sha256"), theirs)
        return fits

    def _refuse(self, reason: str, status: HTTPStatus, detail: str) -> web.Response:
        self.refused[reason] += 1
        problem: dict[str, object] = {
            "type": "about:blank",
            "title": status.phrase,
            "status": status.value,
            "detail": detail,
            "code": reason,
            "errors": [],
        }
        return web.Response(
            body=msgspec.json.encode(problem),
            status=status.value,
            content_type="application/problem+json",
        )


async def _read(request: web.Request) -> bytes | None:
    """Return the raw body, or None when it is larger than BODY_MAX.

    The application's own limit does not apply: it is made for other routes.
    """
    if (request.content_length or 0) > BODY_MAX:
        return None
    body = bytearray()
    async for piece in request.content.iter_any():
        body += piece
        if len(body) > BODY_MAX:
            return None
    return bytes(body)
