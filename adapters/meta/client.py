"""The road to Meta: one POST per letter, and for each way it can end exactly one outcome."""

import asyncio
import ssl
from collections import OrderedDict
from collections.abc import Callable
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import quote

from aiohttp import (
    ClientError,
    ClientPayloadError,
    ClientResponse,
    ClientSession,
    ClientTimeout,
    DummyCookieJar,
    TCPConnector,
)
from yarl import URL

from adapters.meta.answers import Judge, read_whole
from adapters.meta.breaker import Breaker
from adapters.meta.letter_request import (
    LastMoment,
    LetterRequest,
    Objection,
    RefusedError,
    head_of,
)
from engine.letters import Letter
from engine.model import Gate, JobKey, NowMs, SenderId
from engine.outcomes import Accepted, Deferred, InDoubt, Outcome, Retry, Unwritten
from engine.ports import Claimed

KEEPALIVE_S: Final = 30  # below Meta's own idle time (not published): a dying connection is a doubt
CONNECT_S: Final = 5
DNS_CACHE_S: Final = 60
ANSWER_MAX: Final = 1_048_576  # bytes; Meta's answers to a send are below 2 KiB
CANCELLED_MAX: Final = 65_536  # the largest concurrency there may be
NO_TOKEN_MS: Final = 60_000  # until a sender without a token is looked at again

TIMEOUT: Final = "timeout"
RESET: Final = "reset"
TRUNCATED: Final = "truncated"
TOO_LARGE: Final = "too_large"
UNREACHABLE: Final = "unreachable"  # refused, no DNS, no TLS, no connection in time
CANCELLED: Final = "cancelled"

# All that aiohttp and a wire can raise; ValueError and AssertionError are its own surprises.
WIRE_ERRORS: Final = (
    *(ClientError, OSError, EOFError, RuntimeError, ValueError, AssertionError),
    RefusedError,
)

OK: Final = 200
MAYBE: Final = object()

TokenOf = Callable[[SenderId], str]  # the access token; empty when there is none


@dataclass(slots=True)
class Road:
    """What every letter of one sender shares."""

    url: URL
    token: str = field(repr=False)
    head: bytes = field(repr=False)
    breaker: Breaker = field(default_factory=Breaker)


def build_session(ssl_context: ssl.SSLContext | None = None) -> ClientSession:
    """Return the sending session; call inside the running loop, the caller closes it.

    Nothing of the environment, no cookies, no redirects, no decompression; as many connections as
    letters are in flight, so that nobody waits for one after its send time was reserved.
    """
    connector = TCPConnector(
        limit=0,
        keepalive_timeout=KEEPALIVE_S,
        ttl_dns_cache=DNS_CACHE_S,
        ssl=ssl_context if ssl_context is not None else True,
    )
    return ClientSession(
        connector=connector,
        request_class=LetterRequest,
        cookie_jar=DummyCookieJar(),
        auto_decompress=False,
        trust_env=False,
        raise_for_status=False,
    )


class MetaClient:
    """See engine.letters.Messenger."""

    def __init__(
        self,
        session: ClientSession,
        *,
        graph_url: str,
        graph_version: str,
        token_of: TokenOf,
        now_ms: NowMs,
        objection: Objection,
    ) -> None:
        self._session = session
        self._root = f"{graph_url.rstrip('/')}/{graph_version}"
        self._token_of = token_of
        self._now_ms = now_ms
        self._objection = objection
        self._judge = Judge(now_ms)
        self._roads: dict[SenderId, Road] = {}
        self._timeouts: dict[float, ClientTimeout] = {}
        self._cancelled: OrderedDict[tuple[JobKey, int], object] = OrderedDict()

    async def send(self, letter: Letter) -> Outcome:
        """See Messenger.send. A cancelled send raises; then ask `letter_was_written`."""
        road = self._road(letter.sender)
        if road is None:
            until_ms = self._now_ms() + NO_TOKEN_MS
            return Deferred(Gate.SENDER, 0, until_ms, "no access token for this sender")
        breaker = road.breaker
        if breaker.open_until_ms and (until_ms := breaker.refuses_until_ms(self._now_ms())):
            return Deferred(
                Gate.SENDER, 0, until_ms, "no answers from Meta, or it is ill: waiting for a probe"
            )
        body = LastMoment(letter, road.head, self._now_ms, self._objection)
        try:
            response = await self._session.post(
                road.url,
                data=body,
                timeout=self._timeouts.get(letter.deadline_s) or self._timeout(letter.deadline_s),
                allow_redirects=False,
            )
            raw = await read_whole(response, ANSWER_MAX)
        except asyncio.CancelledError:
            self._note_cancelled(letter, breaker, body)
            raise
        except WIRE_ERRORS as error:
            return self._broken(breaker, body, _name(error))
        if response.status == OK and raw is not None and not breaker.trouble:
            outcome = self._judge.accept(raw)
            if isinstance(outcome, Accepted):
                return outcome
        return self._answered(response, raw, letter, breaker)

    def letter_was_written(self, job: Claimed) -> bool:
        """Return whether the letter of `job`, whose `send` was cancelled, may have been sent.

        False only where it is certain that no byte of it left, and never will. Ask once.
        """
        return self._cancelled.pop((job.key, job.attempt), MAYBE) is MAYBE

    def _answered(
        self, response: ClientResponse, raw: bytes | None, letter: Letter, breaker: Breaker
    ) -> Outcome:
        """Return what an answer proves that is not plainly good."""
        if raw is None:
            return self._doubt(TOO_LARGE, breaker)
        outcome: Outcome
        if HTTPStatus.OK <= response.status < HTTPStatus.MULTIPLE_CHOICES:
            outcome, is_healthy = self._judge.accept(raw), True
        else:
            outcome, is_healthy = self._judge.refuse(response.status, raw, response.headers, letter)
        if isinstance(outcome, InDoubt):
            return self._doubt(outcome.reason, breaker)
        if is_healthy:
            breaker.note_answer()
        else:
            breaker.note_trouble(self._now_ms())
            if breaker.open_until_ms and isinstance(outcome, Retry):
                return self._judge.in_outage(outcome, letter.job.failures)
        return outcome

    def _broken(self, breaker: Breaker, body: LastMoment, reason: str) -> Outcome:
        """Return what a broken exchange proves: all hangs on whether a byte had left."""
        if body.written_at_ms:
            return self._doubt(reason, breaker)
        if body.refusal:
            breaker.note_unwritten()
            return Unwritten(body.refusal)
        breaker.note_trouble(self._now_ms())
        return Unwritten(UNREACHABLE)

    def _doubt(self, reason: str, breaker: Breaker) -> InDoubt:
        breaker.note_trouble(self._now_ms())
        return InDoubt(reason)

    def _note_cancelled(self, letter: Letter, breaker: Breaker, body: LastMoment) -> None:
        if body.written_at_ms:
            self._doubt(CANCELLED, breaker)
            return
        breaker.note_unwritten()
        self._cancelled[(letter.job.key, letter.job.attempt)] = None
        if len(self._cancelled) > CANCELLED_MAX:
            self._cancelled.popitem(last=False)

    def _road(self, sender: SenderId) -> Road | None:
        """Return the sender's road with the token of now, or None when it has none we can send."""
        token = self._token_of(sender)
        road = self._roads.get(sender)
        if road is not None and (road.token is token or road.token == token):
            return road
        if not token or not token.isascii() or not token.isprintable():
            return None
        if road is None:
            url = URL(f"{self._root}/{quote(sender, safe='')}/messages", encoded=True)
            road = self._roads[sender] = Road(url, token, head_of(url, token))
        else:
            road.token, road.head = token, head_of(road.url, token)
        return road

    def _timeout(self, deadline_s: float) -> ClientTimeout:
        timeout = ClientTimeout(total=deadline_s, connect=CONNECT_S)
        self._timeouts[deadline_s] = timeout
        return timeout


def _name(error: Exception) -> str:
    """Return the doubt's reason, of a closed set."""
    if isinstance(error, TimeoutError):
        return TIMEOUT
    return TRUNCATED if isinstance(error, ClientPayloadError) else RESET
