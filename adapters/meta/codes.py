"""What each of Meta's error numbers means for a send: the only table of them in the house.

Read 2025-11 and 2026-05 to 2026-07 from the addresses beside the rows. Titles are ours and short;
Meta's own are to be deprecated. Only the number decides, never the HTTP status or the wording.
"""

import re
from dataclasses import dataclass
from enum import StrEnum
from typing import Final

from engine.model import Gate
from engine.ports import FOREVER_MS
from engine.resting import Rest

# --- where the rows come from -------------------------------------------------------------------

WHATSAPP: Final = "https://developers.facebook.com/documentation/business-messaging/whatsapp"
ERRORS: Final = f"{WHATSAPP}/support/error-codes"
GRAPH: Final = "https://developers.facebook.com/docs/graph-api/guides/error-handling"
USAGE: Final = "https://developers.facebook.com/docs/graph-api/overview/rate-limiting"
PAIRS: Final = f"{WHATSAPP}/about-the-platform"
USER_IDS: Final = f"{WHATSAPP}/business-scoped-user-ids"
CATEGORIES: Final = f"{WHATSAPP}/templates/template-categorization"
PER_USER: Final = f"{WHATSAPP}/templates/marketing-templates/per-user-limits"
MARKETING: Final = (  # a copy of Meta's pages
    "https://github.com/kapso-meta-docs/documentation/tree/1bda228/documentation/whatsapp"
    "/marketing-messages"
)
OPENAPI: Final = "https://github.com/facebook/openapi"  # business-messaging-api_v23.0.yaml
PYWA: Final = "https://github.com/david-lev/pywa/blob/0bcf2f1/pywa/errors.py"

# --- waits; those without an address are ours, for Meta publishes none --------------------------

SECOND_MS: Final = 1_000
MINUTE_MS: Final = 60 * SECOND_MS
HOUR_MS: Final = 60 * MINUTE_MS
DAY_MS: Final = 24 * HOUR_MS
APP_WAIT_MS: Final = 5 * MINUTE_MS  # Meta says minutes to an hour; the usage headers know better
POLICY_WAIT_MS: Final = 6 * HOUR_MS  # then one look; `account_update` opens it earlier
PAYMENT_WAIT_MS: Final = HOUR_MS  # then one look, for nothing tells us that somebody paid


class Action(StrEnum):
    """What a number asks of the engine."""

    RETRY = "retry"  # may pass; costs an attempt
    DEFER = "defer"  # the message is fine; `gate` is closed; costs no attempt
    DROP = "drop"  # never for this message


class Family(StrEnum):
    """A bounded label for metrics."""

    THROTTLE = "throttle"
    PAIR = "pair"
    ACCESS = "access"
    POLICY = "policy"
    PAYMENT = "payment"
    SENDER = "sender"
    TEMPLATE = "template"
    RECIPIENT = "recipient"
    CONTENT = "content"
    OUTAGE = "outage"
    UNKNOWN = "unknown"


@dataclass(frozen=True, slots=True)
class Verdict:
    """One row: what to do when Meta answers, or later reports, `code`."""

    code: int
    title: str
    family: Family
    action: Action
    source: str
    gate: Gate | None = None  # which one closes, for `DEFER`
    wait_ms: int = 0  # for how long; FOREVER_MS: until an operator or a refresh opens it
    undelivered: bool = True  # reported later: surely nobody was reached, the place is given back
    proves: bool = True  # as an answer: surely the message was not taken
    strikes: bool = False  # a number we do not know

    @property
    def spends(self) -> bool:
        """Return whether it costs an attempt."""
        return self.action is Action.RETRY


def _defer(gate: Gate, family: Family, wait_ms: int, titles: dict[int, str]) -> list[Verdict]:
    return [
        Verdict(code, title, family, Action.DEFER, source_of(code), gate, wait_ms)
        for code, title in titles.items()
    ]


def _drop(family: Family, titles: dict[int, str]) -> list[Verdict]:
    return [
        Verdict(code, title, family, Action.DROP, source_of(code)) for code, title in titles.items()
    ]


def _retry(
    titles: dict[int, str],
    family: Family = Family.OUTAGE,
    wait_ms: int = 0,
    *,
    undelivered: bool = True,
    proves: bool = True,
) -> list[Verdict]:
    """Return rows that wait for the caller's backoff, and at least `wait_ms`."""
    return [
        Verdict(
            *(code, title, family, Action.RETRY, source_of(code), None, wait_ms),
            undelivered=undelivered,
            proves=proves,
        )
        for code, title in titles.items()
    ]


ILL: Final = frozenset({2, 131000, 131016, 133004})
"""Meta's own services fail: in a storm of these whoever writes on only burns attempts and doubts.

https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
"""
SOURCES: Final = {
    **dict.fromkeys((17, 32, 102, 341, 506, 613), GRAPH),
    80008: USAGE,
    131049: PER_USER,
    131056: PAIRS,
    131062: USER_IDS,
    131064: CATEGORIES,
    141002: OPENAPI,
    **dict.fromkeys((131055, 134100, 134101, 134102), MARKETING),
    **dict.fromkeys((131020, 131030, 131041, 131044, 132008), PYWA),
    **dict.fromkeys(range(131201, 131216), PYWA),
}
"""Where a number is described, when that is not ERRORS."""


def source_of(code: int) -> str:
    """Return the address where `code` is described."""
    return SOURCES.get(code, ERRORS)


ROWS: Final[tuple[Verdict, ...]] = (
    # --- too fast: the message is fine -----------------------------------------------------------
    *_defer(Gate.RATE, Family.THROTTLE, SECOND_MS, {130429: "throughput reached"}),
    # The first wait: each further one in a row is four times as long, which the ledger counts.
    *_defer(Gate.PAIR, Family.PAIR, SECOND_MS, {131056: "pair rate limit"}),
    *_defer(
        *(Gate.ACCOUNT, Family.THROTTLE, APP_WAIT_MS),
        {
            4: "app call limit",
            17: "user call limit",
            32: "page call limit",
            341: "application limit",
            613: "custom call limit",
        },
    ),
    *_defer(
        *(Gate.ACCOUNT, Family.THROTTLE, MINUTE_MS),
        {80007: "account rate limit", 80008: "too many management calls"},
    ),
    # --- the account -----------------------------------------------------------------------------
    *_defer(
        *(Gate.ACCOUNT, Family.POLICY, POLICY_WAIT_MS),
        {368: "blocked for policy violations", 131031: "account locked"},
    ),
    *_defer(
        *(Gate.ACCOUNT, Family.POLICY, DAY_MS),
        {131064: "limit reached because of wrongly classified templates"},
    ),
    *_defer(Gate.ACCOUNT, Family.PAYMENT, PAYMENT_WAIT_MS, {131042: "payment problem"}),
    # --- the token and the number ----------------------------------------------------------------
    *_defer(
        *(Gate.SENDER, Family.ACCESS, FOREVER_MS),
        {
            0: "token expired or invalidated",
            3: "capability or permission missing",
            10: "permission denied",
            102: "session expired",
            190: "access token expired or invalid",
            200: "permission missing or removed",  # and everything to 299
            131005: "access denied",
        },
    ),
    *_defer(
        *(Gate.SENDER, Family.SENDER, FOREVER_MS),
        {
            33: "phone number id deleted or wrong",
            131037: "display name not approved",
            131045: "incorrect certificate",
            133000: "incomplete deregistration",
            133005: "PIN mismatch",
            133006: "phone number must be verified again",
            133008: "too many PIN guesses",
            133009: "PIN guessed too fast",
            133010: "phone number not registered",
        },
    ),
    *_defer(
        *(Gate.SENDER, Family.SENDER, MINUTE_MS),
        {131057: "maintenance mode", 2494100: "number in maintenance mode"},
    ),
    *_defer(Gate.SENDER, Family.SENDER, 5 * MINUTE_MS, {133015: "number recently deleted"}),
    *_defer(Gate.SENDER, Family.SENDER, 3 * DAY_MS, {133016: "register limit"}),
    # Meta names no duration; business partners report hours to a day and more.
    *_defer(Gate.SENDER, Family.POLICY, DAY_MS, {131048: "spam rate limit"}),
    # --- the template ----------------------------------------------------------------------------
    *_defer(
        *(Gate.TEMPLATE, Family.TEMPLATE, FOREVER_MS),
        {
            132001: "template not found in this language",
            132015: "template paused",
            132016: "template disabled",
            132068: "flow blocked",
            134102: "template unavailable for marketing messages",
            141002: "template not approved",
        },
    ),
    *_retry({132069: "flow throttled"}, Family.TEMPLATE, HOUR_MS),
    *_retry({134101: "template still syncing"}, Family.TEMPLATE, 10 * MINUTE_MS),
    # --- may pass --------------------------------------------------------------------------------
    *_retry(
        {1: "unknown error", 131000: "something went wrong"},
        undelivered=False,
        proves=False,  # an unknown error is not evidence
    ),
    *_retry(
        {
            2: "service down",
            131016: "service unavailable",
            133004: "server unavailable",
            135000: "generic user error",
        },
        undelivered=False,
    ),
    *_retry({131053: "media could not be fetched"}, Family.CONTENT),
    *_retry({131208: "group rate limit"}, Family.THROTTLE, MINUTE_MS),
    # --- never for this person -------------------------------------------------------------------
    *_drop(
        Family.RECIPIENT,
        {
            130472: "recipient is in an experiment",
            130497: "account may not write to this country",
            131021: "sender is the recipient",
            131026: "undeliverable",
            131030: "recipient not in the allowed list",
            131047: "more than 24 hours since the recipient wrote",
            131049: "kept back to keep the ecosystem healthy",
            131050: "recipient stopped marketing messages",
            131062: "not possible with a user id",
            137000: "identity key differs",
        },
    ),
    # --- never for this message ------------------------------------------------------------------
    *_drop(
        Family.CONTENT,
        {
            100: "invalid parameter",
            506: "duplicate post",
            131008: "required parameter missing",
            131009: "parameter value invalid",
            131020: "group message invalid",
            131041: "group message not possible",
            131044: "payment for calls missing",
            131051: "unsupported message type",
            131052: "media download error",
            131055: "only marketing templates",
            131063: "marketing templates disabled on Cloud API",
            132000: "template parameter count differs",
            132005: "template text too long",
            132007: "template text against the policy",
            132008: "template parameter value invalid",
            132012: "template parameter format differs",
            132018: "template parameter invalid",
            134011: "payments terms not accepted",
            134100: "only marketing messages",
            139200: "direct send blocked",
            **{c: "group message error" for c in range(131201, 131216) if c != 131208},  # noqa: PLR2004 - the group throttle, above
        },
    ),
)

# What a failure means for the next message to that person. Those that speak of the person only:
# a rest refuses marketing messages, others go. Where Meta names no time the times are ours.
RESTS: Final = {
    # Meta's limit of marketing messages a person gets; "do not immediately resend": quick retries
    # are blocked for up to 24 hours.
    131049: Rest(DAY_MS, PER_USER),
    # Also a phone that is off, or too old: one of them says nothing, three in a month do.
    131026: Rest(7 * DAY_MS, ERRORS, times=3, within_ms=30 * DAY_MS),
    # The same until the person writes: Meta holds back what is not an answer.
    130472: Rest(7 * DAY_MS, ERRORS, until_written=True),
}

TABLE: Final = {row.code: row for row in ROWS}
APP_CODES: Final = frozenset({4, 341})  # the app's own limit: one house is one app
TOKEN_CODES: Final = frozenset({0, 102, 190})  # the token itself: all that use it stand still
PERMISSION_CODES: Final = range(200, 300)  # one row for all of them: GRAPH
BAD_OBJECT_CODE: Final = 100
BAD_OBJECT_SUBCODE: Final = 33  # with 100: the phone number id is wrong or not ours


def verdict(code: int, details: str = "", subcode: int = 0) -> Verdict:
    """Return what `code` asks of us; an unlisted number is dropped and strikes.

    >>> verdict(130429).gate
    <Gate.RATE: 'rate'>
    >>> verdict(999_999).strikes
    True
    """
    if code == BAD_OBJECT_CODE and subcode == BAD_OBJECT_SUBCODE:
        return TABLE[BAD_OBJECT_SUBCODE]
    row = TABLE.get(200 if code in PERMISSION_CODES else code)
    if row is not None:
        return row
    title = clean(details) or "unknown code"
    return Verdict(
        *(code, title, Family.UNKNOWN, Action.DROP, ERRORS),
        undelivered=False,  # what we do not know proves nothing
        strikes=True,
    )


# --- words that may be kept -----------------------------------------------------------------------

DETAILS_MAX: Final = 160  # characters of Meta's words that a dead letter keeps
TELLING: Final = re.compile(r"\+?\d(?:[\s().-]{0,2}\d){6,}|[A-Za-z0-9_\-=+/|]{24,}")
"""A phone number, or a run as long as a token: Graph repeats a malformed token in its error."""
CONTROLS: Final = re.compile(r"[\x00-\x1f\x7f-\x9f\u2028\u2029\ud800-\udfff]+")


def clean(details: str) -> str:
    """Return Meta's words fit for logs: no numbers of people, no tokens, no control characters.

    >>> clean("Recipient +1 555 000 1234 is bad" + chr(10))
    'Recipient … is bad'
    """
    cut = details[: 8 * DETAILS_MAX]
    return TELLING.sub("…", CONTROLS.sub(" ", cut)).strip()[:DETAILS_MAX]
