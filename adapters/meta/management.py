"""Ask Meta about templates and numbers: rarely, patiently, never on the sending session.

Calls are counted per app and account, 200 an hour, 5,000 for an account with a number:
https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform
Who goes on calling while throttled waits longer, and a shared client would hold up the sends too.
"""

import asyncio
import ssl
from collections import deque
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Final
from urllib.parse import quote, urlencode

import msgspec
from aiohttp import ClientError, ClientSession, ClientTimeout, DummyCookieJar, TCPConnector
from asyncio_throttle.throttler import Throttler
from tenacity import AsyncRetrying, retry_if_exception, stop_after_attempt, wait_exponential
from yarl import URL

from adapters.meta.answers import graph_error, read_whole
from adapters.meta.codes import Action, clean, verdict
from adapters.meta.listings import (
    ACCOUNT_FIELDS,
    NUMBER_FIELDS,
    TEMPLATE_FIELDS,
    MetaNumber,
    MetaTemplate,
    read_number,
    read_page,
    read_review,
    read_template,
)
from adapters.meta.usage import regain_ms, usages
from engine.errors import (
    EngineError,
    ProviderAwayError,
    ProviderBusyError,
    ProviderRefusedError,
)
from engine.model import NowMs, SenderId, WabaId

CALLS_PER_HOUR: Final = 200
ACTIVE_CALLS_PER_HOUR: Final = 5_000
"""Of an account, and of one that has a registered number:
https://developers.facebook.com/documentation/business-messaging/whatsapp/about-the-platform"""
HOUR_S: Final = 3_600
LOOK_AGAIN_S: Final = 1  # how often the throttle looks for a free call
CONNECTIONS: Final = 4
TIMEOUT_S: Final = 30
CONNECT_S: Final = 5
ANSWER_MAX: Final = 8 * 1_048_576  # bytes; a page of 100 templates is below 1 MiB
PAGE: Final = 100  # templates a page
PAGES_MAX: Final = 1_000
TRIES: Final = 3
TRY_AGAIN_S: Final = 0.5  # and twice that before the third
PATIENCE_MS: Final = 15 * 60_000  # a longer wait is told instead of waited for
FULL_PERCENT: Final = 95  # of a quota: from here on Meta is about to throttle
REST_MS: Final = 60_000  # after a full quota that does not say for how long
# https://developers.facebook.com/docs/graph-api/overview/rate-limiting
THROTTLED: Final = frozenset({4, 17, 32, 613, 341, 80007, 80008, 80012})
CURSOR_CODE: Final = 131059  # v24 and later: the cursor is not good any more; begin again

Sleep = Callable[[float], Awaitable[None]]


@dataclass(frozen=True, slots=True)
class Question:
    """One management call; only a GET may be repeated when nobody knows whether it was done."""

    url: URL
    token: str
    method: str = "GET"
    content: bytes | None = None
    headers: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(slots=True)
class CallQuota:
    """One account's calls: one at a time, so that the throttle has one who waits."""

    throttle: Throttler  # its `rate_limit` is what the account has an hour, as far as is known
    closed_until_ms: int = 0
    begun_ms: deque[int] = field(default_factory=deque[int])  # the calls of the last hour
    turn: asyncio.Lock = field(default_factory=asyncio.Lock)


def build_management_session(ssl_context: ssl.SSLContext | None = None) -> ClientSession:
    """Return a session for `Management`; call inside the running loop, the caller closes it."""
    return ClientSession(
        connector=TCPConnector(
            limit=CONNECTIONS, ssl=ssl_context if ssl_context is not None else True
        ),
        cookie_jar=DummyCookieJar(),
        timeout=ClientTimeout(total=TIMEOUT_S, connect=CONNECT_S),
        auto_decompress=False,
        trust_env=False,
    )


class Management:
    """Reads templates and numbers. Calls of one account take turns and wait for its quota.

    Each call raises a ProviderError when it cannot answer.
    """

    def __init__(
        self,
        session: ClientSession,
        *,
        graph_url: str,
        graph_version: str,
        now_ms: NowMs,
        calls_per_hour: int = CALLS_PER_HOUR,
        active_calls_per_hour: int = ACTIVE_CALLS_PER_HOUR,
        patience_ms: int = PATIENCE_MS,
        sleep: Sleep = asyncio.sleep,
    ) -> None:
        self._session = session
        self._root = f"{graph_url.rstrip('/')}/{graph_version}"
        self._now_ms = now_ms
        self._calls_per_hour = calls_per_hour
        self._active_calls_per_hour = active_calls_per_hour
        self._patience_ms = patience_ms
        self._sleep = sleep
        self._quotas: dict[WabaId, CallQuota] = {}
        self.unreadable = 0
        """Rows that could not be read, for metrics."""

    async def templates(self, waba: WabaId, token: str) -> list[MetaTemplate]:
        """Return all templates of an account, each language apart."""
        try:
            return await self._pages(waba, token)
        except ProviderRefusedError as error:
            if error.code != CURSOR_CODE:
                raise
            return await self._pages(waba, token)  # from the beginning, once

    async def number(self, waba: WabaId, sender: SenderId, token: str) -> MetaNumber:
        """Return what Meta knows of one number; it counts as a call of its account.

        An account of which one number is connected has more calls from then on.
        """
        body = await self._get(waba, f"{quote(sender, safe='')}", {"fields": NUMBER_FIELDS}, token)
        number = read_number(body)
        if number is None:
            raise ProviderAwayError("Meta's answer about a number cannot be read")
        if number.is_connected:
            self._quotas[waba].throttle.rate_limit = self._active_calls_per_hour
        return number

    async def review(self, waba: WabaId, token: str) -> str:
        """Return what became of an account's review; empty when Meta does not tell."""
        body = await self._get(waba, quote(waba, safe=""), {"fields": ACCOUNT_FIELDS}, token)
        return read_review(body)

    async def _pages(self, waba: WabaId, token: str) -> list[MetaTemplate]:
        return await self._listed(waba, {"fields": TEMPLATE_FIELDS, "limit": str(PAGE)}, token)

    async def _listed(self, waba: WabaId, query: dict[str, str], token: str) -> list[MetaTemplate]:
        found: list[MetaTemplate] = []
        seen = {""}
        path = f"{quote(waba, safe='')}/message_templates"
        for _ in range(PAGES_MAX):
            page = read_page(await self._get(waba, path, query, token))
            if page is None:
                raise ProviderAwayError("Meta's page of templates cannot be read")
            rows, after = page
            templates = [read_template(row) for row in rows]
            found += [template for template in templates if template is not None]
            self.unreadable += templates.count(None)
            if after in seen:  # the last page, or a circle: who knows what it leaves out
                self.unreadable += bool(after)
                return found
            seen.add(after)
            query["after"] = after
        raise ProviderAwayError(f"Meta lists more than {PAGES_MAX} pages of templates")

    async def template_rows(self, waba: WabaId, name: str, token: str) -> list[MetaTemplate]:
        """Return all languages of one name; empty when Meta has none.

        What cannot be read may be the one that is asked for, so it is no answer.
        """
        unreadable = self.unreadable
        query = {"fields": TEMPLATE_FIELDS, "limit": str(PAGE), "name": name}
        found = await self._listed(waba, query, token)
        if self.unreadable > unreadable:
            raise ProviderAwayError(f"Meta's list of templates called {name} cannot be read")
        return [each for each in found if each.name == name]

    async def call(
        self,
        waba: WabaId,
        method: str,
        path: str,
        token: str,
        *,
        query: Mapping[str, str] | None = None,
        content: object = None,
    ) -> bytes:
        """Return the answer's body to a call on the quota of `waba`; `content` goes as JSON."""
        body = None if content is None else msgspec.json.encode(content)
        headers = {} if body is None else {"Content-Type": "application/json"}
        question = Question(self._url(path, query or {}), token, method, body, headers)
        return await self._ask(waba, question)

    async def upload(
        self, waba: WabaId, session_id: str, token: str, content: bytes, offset: int = 0
    ) -> bytes:
        """Return the answer to the rest of a file, which goes to an upload session.

        `content` is what comes after the first `offset` bytes, which Meta has.
        https://developers.facebook.com/docs/graph-api/guides/upload
        """
        headers = {
            "Authorization": f"OAuth {token}",
            "file_offset": str(offset),
            "Content-Type": "application/octet-stream",
        }
        url = self._session_url(session_id)
        return await self._ask(waba, Question(url, token, "POST", content, headers))

    async def upload_state(self, waba: WabaId, session_id: str, token: str) -> bytes:
        """Return what Meta tells of an upload session: how much of its file came; same page."""
        headers = {"Authorization": f"OAuth {token}"}
        return await self._ask(
            waba, Question(self._session_url(session_id), token, "GET", None, headers)
        )

    def _session_url(self, session_id: str) -> URL:
        return self._url(quote(session_id, safe=":?=&_-."), {})

    def _url(self, path: str, query: Mapping[str, str]) -> URL:
        asked = f"?{urlencode(query)}" if query else ""
        return URL(f"{self._root}/{path}{asked}", encoded=True)

    async def _get(self, waba: WabaId, path: str, query: Mapping[str, str], token: str) -> bytes:
        return await self._ask(waba, Question(self._url(path, query), token))

    async def _ask(self, waba: WabaId, question: Question) -> bytes:
        """Return the answer's body; what may pass is tried again, in its turn."""
        may_pass = self._may_pass if question.method == "GET" else self._was_not_done
        retrying = AsyncRetrying(
            retry=retry_if_exception(may_pass),
            stop=stop_after_attempt(TRIES),
            wait=wait_exponential(multiplier=TRY_AGAIN_S),
            sleep=self._sleep,
            reraise=True,
        )
        body: bytes = await retrying(self._ask_once, waba, question)
        return body

    def _was_not_done(self, error: BaseException) -> bool:
        return isinstance(error, ProviderBusyError) and self._may_pass(error)

    def _may_pass(self, error: BaseException) -> bool:
        if isinstance(error, ProviderBusyError):
            return error.until_ms - self._now_ms() <= self._patience_ms
        return isinstance(error, ProviderAwayError)

    async def _ask_once(self, waba: WabaId, question: Question) -> bytes:
        quota = self._quotas.get(waba)
        if quota is None:
            throttle = Throttler(self._calls_per_hour, HOUR_S, LOOK_AGAIN_S)
            quota = self._quotas[waba] = CallQuota(throttle)
        async with quota.turn:
            await self._wait_for(quota)
            headers = {
                "Authorization": f"Bearer {question.token}",
                "Accept-Encoding": "identity",
                **question.headers,
            }
            try:
                response = await self._session.request(
                    question.method,
                    question.url,
                    headers=headers,
                    data=question.content,
                    allow_redirects=False,
                )
                body = await read_whole(response, ANSWER_MAX)
            except (ClientError, OSError, EOFError, ValueError) as error:
                # Its text could repeat headers; its name cannot.
                raise ProviderAwayError(f"No answer from Meta: {type(error).__name__}") from None
            self._obey(quota, response.headers)
            if body is None:
                raise ProviderAwayError(f"Meta's answer is larger than {ANSWER_MAX} bytes")
            if response.status != HTTPStatus.OK:
                raise self._error(quota, response.status, body, response.headers)
        return body

    async def _wait_for(self, quota: CallQuota) -> None:
        wait_ms = quota.closed_until_ms - self._now_ms()
        if wait_ms > self._patience_ms:
            raise self._busy(quota)
        if wait_ms > 0:
            await self._sleep(wait_ms / 1_000)
        await self._take_turn(quota)

    async def _take_turn(self, quota: CallQuota) -> None:
        """Wait for a free call of the hour; a wait beyond patience is told, as Meta's is."""
        now_ms, begun_ms = self._now_ms(), quota.begun_ms
        while begun_ms and begun_ms[0] <= now_ms - HOUR_S * 1_000:
            begun_ms.popleft()
        if len(begun_ms) >= quota.throttle.rate_limit:
            free_ms = begun_ms[0] + HOUR_S * 1_000
            if free_ms - now_ms > self._patience_ms:
                quota.closed_until_ms = max(quota.closed_until_ms, free_ms)
                raise self._busy(quota)
        await quota.throttle.acquire()  # type: ignore[no-untyped-call]  # it has no types
        begun_ms.append(self._now_ms())

    def _busy(self, quota: CallQuota) -> ProviderBusyError:
        wait_ms = quota.closed_until_ms - self._now_ms()
        minutes = -(-wait_ms // 60_000)
        detail = f"too many management calls for this account: none for {minutes} min"
        return ProviderBusyError(detail, until_ms=quota.closed_until_ms, wait_ms=wait_ms)

    def _obey(self, quota: CallQuota, headers: Mapping[str, str]) -> None:
        """Close the quota when Meta says so, or is about to."""
        fullest = max((line.percent for line in usages(headers)), default=0.0)
        wait_ms = regain_ms(headers) or (REST_MS if fullest >= FULL_PERCENT else 0)
        if wait_ms:
            quota.closed_until_ms = max(quota.closed_until_ms, self._now_ms() + wait_ms)

    def _error(
        self, quota: CallQuota, status: int, body: bytes, headers: Mapping[str, str]
    ) -> EngineError:
        error = graph_error(body)
        code = error.code if error else 0
        if code in THROTTLED or status == HTTPStatus.TOO_MANY_REQUESTS:
            until_ms = self._now_ms() + (regain_ms(headers) or REST_MS)
            quota.closed_until_ms = max(quota.closed_until_ms, until_ms)
            return self._busy(quota)
        if error is None:
            if status >= HTTPStatus.INTERNAL_SERVER_ERROR:
                return ProviderAwayError(f"HTTP {status} from a gateway")
            return ProviderRefusedError(f"HTTP {status} from a gateway", code=status)
        row = verdict(code, error.details, error.error_subcode or 0)
        if row.action is Action.RETRY:
            return ProviderAwayError(f"{code} {row.title}")
        words = clean(error.error_user_msg or error.details)
        return ProviderRefusedError(f"{code} {row.title}: {words}", code=code)
