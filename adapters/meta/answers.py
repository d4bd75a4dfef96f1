"""What an answer to a send proves: phase first, then content."""

import re
from collections.abc import Mapping
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import ClientResponse

from adapters.meta.codes import (
    ILL,
    SECOND_MS,
    Action,
    Verdict,
    clean,
    verdict,
)
from adapters.meta.usage import regain_ms
from engine.letters import Letter
from engine.model import Gate, NowMs, Priority
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry
from engine.ports import FOREVER_MS

HELD: Final = frozenset({"held_for_quality_assessment", "paused"})
"""Kept by Meta to judge the template: the OpenAPI schema's MessageStatus names both."""

# Refused by something between us and Meta's application: it never saw the message.
REFUSED_BEFORE: Final = frozenset({400, 401, 403, 404, 405, 411, 413, 414, 415, 422, 429, 431})

# In an outage that the breaker knows. Longer than a breaker is open: the next probe is another job.
PROBED_REST_MS: Final = 15 * SECOND_MS
UNPROVEN_REST_MS: Final = 30 * SECOND_MS  # and each time four times as long: 42 minutes in all

BY_THE_CURVE: Final = 0  # as `until_ms` of a Retry: engine.delivery knows the curve, we do not

TRACE: Final = re.compile(r"[A-Za-z0-9_-]{1,40}", re.ASCII)  # a token is longer

NO_ID: Final = "no_id"  # 2xx, and no id in it: Meta has almost surely taken it
GATEWAY: Final = "gateway"  # an error page that Meta's application did not write
UNPROVEN: Final = "unproven"  # Meta's own unknown error: no evidence either way


class Taken(msgspec.Struct):
    """One message that Meta took."""

    id: str
    message_status: str = ""


class TakenAnswer(msgspec.Struct):
    """The part of a good answer that a sender reads."""

    messages: list[Taken]


class Details(msgspec.Struct):
    """What Meta adds to an error."""

    details: str = ""


class GraphError(msgspec.Struct):
    """An error of the Graph API; `error_data` is an object, a text, or not there."""

    code: int
    message: str = ""
    error_subcode: int | None = None
    error_data: msgspec.Raw = msgspec.Raw()
    error_user_msg: str | None = None  # of template calls: what is wrong, in the account's language
    is_transient: bool | None = None
    fbtrace_id: str | None = None

    @property
    def details(self) -> str:
        """Return Meta's words, uncleaned; localised, so nothing may be decided by them."""
        try:
            found = _details.decode(self.error_data) if self.error_data else ""
        except UNREADABLE:
            found = ""
        words = found.details if isinstance(found, Details) else found
        return words or self.message


class ErrorAnswer(msgspec.Struct):
    """A refusing answer."""

    error: GraphError


UNREADABLE: Final = (msgspec.DecodeError, UnicodeError, RecursionError)
_taken = msgspec.json.Decoder(TakenAnswer)
_error = msgspec.json.Decoder(ErrorAnswer, strict=False)
_details = msgspec.json.Decoder(Details | str)


def graph_error(raw: bytes) -> GraphError | None:
    """Return the Graph error that `raw` holds, or None when Meta's application did not write it."""
    try:
        return _error.decode(raw).error
    except UNREADABLE:
        return None


async def read_whole(response: ClientResponse, bytes_max: int) -> bytes | None:
    """Return the whole answer, or None when it is larger than bytes_max."""
    content = response.content
    try:
        raw = await content.read(bytes_max + 1)  # what has come: nearly always all of it
        while not content.at_eof() and len(raw) <= bytes_max:
            raw += await content.read(bytes_max + 1 - len(raw))
    finally:
        if not content.at_eof():  # too large, broken or cancelled
            response.close()
    return raw if len(raw) <= bytes_max else None


class Judge:
    """Turns answers into outcomes. One for all senders of a process."""

    def __init__(self, now_ms: NowMs) -> None:
        self._now_ms = now_ms

    def accept(self, raw: bytes) -> Accepted | InDoubt:
        """Return what a 2xx answer proves."""
        try:
            taken = _taken.decode(raw).messages[0]
        except (*UNREADABLE, IndexError):
            return InDoubt(NO_ID)
        if not taken.id:
            return InDoubt(NO_ID)
        return Accepted(taken.id, taken.message_status in HELD)

    def refuse(
        self, status: int, raw: bytes, headers: Mapping[str, str], letter: Letter
    ) -> tuple[Outcome, bool]:
        """Return what any other answer proves, and whether a Meta in good health wrote it."""
        if HTTPStatus.MULTIPLE_CHOICES <= status < HTTPStatus.BAD_REQUEST:
            reason = f"HTTP {status}: a redirect is never followed; check graph_url"
            return Dropped(status, reason, strikes=True), False
        error = graph_error(raw)
        if error is not None:
            return self._outcome(error, headers, letter), error.code not in ILL
        if status == HTTPStatus.TOO_MANY_REQUESTS:
            until_ms = self._now_ms() + max(SECOND_MS, regain_ms(headers))
            return Deferred(Gate.RATE, status, until_ms, "HTTP 429"), True
        if status in REFUSED_BEFORE:
            return Retry(status, BY_THE_CURVE, f"HTTP {status} from a gateway"), False
        return InDoubt(GATEWAY), False

    def in_outage(self, outcome: Retry, failures: int) -> Deferred | Retry:
        """Return how a job goes on that met an outage which is known: it shall not die of it.

        It spends nothing where Meta says that its service is down, which proves that the message
        was not taken. Any other answer is written again only as often as the job has attempts,
        for each write may be a copy; but so late that few outages last that long.
        """
        now_ms = self._now_ms()
        if outcome.code in ILL and verdict(outcome.code).proves:
            rest_ms = now_ms + PROBED_REST_MS
            return Deferred(Gate.RETRY, outcome.code, rest_ms, outcome.reason)
        outcome.until_ms = max(outcome.until_ms, now_ms + (UNPROVEN_REST_MS << 2 * failures))
        return outcome

    def _outcome(self, error: GraphError, headers: Mapping[str, str], letter: Letter) -> Outcome:
        row = verdict(error.code, error.details, error.error_subcode or 0)
        if not row.proves and letter.job.lane.priority is Priority.MARKETING:
            return InDoubt(UNPROVEN)
        reason = _reason(row, error)
        if row.action is Action.DEFER:
            return self._deferred(row, reason, headers)
        if row.action is Action.RETRY or (row.strikes and error.is_transient):
            until_ms = self._now_ms() + row.wait_ms if row.wait_ms else BY_THE_CURVE
            return Retry(error.code, until_ms, reason)
        return Dropped(error.code, reason, row.strikes)

    def _deferred(self, row: Verdict, reason: str, headers: Mapping[str, str]) -> Deferred:
        gate = row.gate or Gate.RATE
        wait_ms = row.wait_ms
        if gate is Gate.ACCOUNT and row.wait_ms:
            wait_ms = regain_ms(headers) or wait_ms
        until_ms = FOREVER_MS if wait_ms >= FOREVER_MS else self._now_ms() + wait_ms
        return Deferred(gate, row.code, until_ms, reason)


def _reason(row: Verdict, error: GraphError) -> str:
    """Return title, Meta's words and its trace id, fit for logs."""
    trace = error.fbtrace_id or ""
    words = clean(error.details)
    reason = row.title if words in {"", row.title} else f"{row.title}: {words}"
    return f"{reason} (trace {trace})" if TRACE.fullmatch(trace) else reason
