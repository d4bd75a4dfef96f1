"""What the newest facts say of a number and its account: what closes it, until when, how fast.

https://developers.facebook.com/documentation/business-messaging/whatsapp/business-phone-numbers/phone-numbers
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace

from engine.facts import Fact, Known, Source, of_account, of_sender
from engine.model import Category, Gate
from engine.moments import moment_text
from engine.ports import FOREVER_MS
from engine.quota import DAY_MS
from engine.shutting import NOTHING_SHUT, NOTIFICATIONS, PLACES, Shut

# Aspects of a sender.
PAUSE = "pause"  # `paused`, by an operator
TOKEN = "token"  # noqa: S105 (the name of an aspect): `given`, or `refused` by Meta
STATUS = "status"  # CONNECTED, PENDING, OFFLINE, FLAGGED, RESTRICTED, BANNED, …
ANSWER = "answer"  # the number of the error that closed it (of an account too)
APP = "app"  # the same, of what is the whole app's: each account has it
POLICY = "policy"  # the same, of an account that Meta blocks for what it did
UPGRADE = "upgrade"  # its throughput is being raised
QUALITY = "quality"  # GREEN, YELLOW, RED or UNKNOWN
NAME = "name"  # what became of its display name
VERIFICATION = "verification"  # of the number itself: VERIFIED, NOT_VERIFIED, EXPIRED
THROUGHPUT = "throughput"  # messages a second, as Meta tells
CEILING = "ceiling"  # messages a second, as an operator set
NUMBERS = "numbers"  # how many a portfolio may register
LIMIT = "limit"  # unique recipients, where each number has its own; of a portfolio too
SECURITY = "security"  # the last event, such as PIN_RESET_REQUEST
ALERT = "alert"  # the last alert (of an account too)

# Aspects of an account.
RESTRICTION = "restriction"  # it may not begin to write, until when
REPLIES = "replies"  # it may not answer, until when
BAN = "ban"  # SCHEDULE_FOR_DISABLE, DISABLE or REINSTATE
LINK = "link"  # whether it is still ours: the event that ended or renewed it
REVIEW = "review"  # APPROVED, REJECTED, PENDING or DEFERRED
VIOLATION = "violation"  # what it did wrong

PAUSED = "paused"
REFUSED = "refused"
GIVEN = "given"

UPGRADE_MS = 60_000  # M/throughput: the switch takes at most a minute, and nothing can be sent
OPEN_STATUSES = frozenset({"CONNECTED", "FLAGGED"})  # a flagged number may send; no upgrades
RESTING_STATUSES = frozenset({"RESTRICTED", "RATE_LIMITED"})  # until the window resets, a day
GOOD_QUALITIES = frozenset({"GREEN", "YELLOW"})  # the flag of a number goes without harm
NAMES_APPROVED = frozenset({"APPROVED", "AVAILABLE_WITHOUT_REVIEW"})
SLOWED = frozenset({"YELLOW", "RED"})  # qualities with a share of their own
UNTOLD = frozenset({"", "UNKNOWN", "NA", "NONE"})  # tells nothing: what was known stays

CLOSES_SENDER = (PAUSE, TOKEN, STATUS, ANSWER, UPGRADE)
CLOSES_ACCOUNT = (RESTRICTION, REPLIES, BAN, LINK, POLICY, APP, ANSWER)

CLOSES_IN_PART = {
    # "you can not send any notification messages until the 24-hour window is reset. However, you
    # can respond to any messages": the seed's documents.
    (STATUS, "RESTRICTED"): NOTIFICATIONS,
    # Meta names neither a length nor an end; answers to people who wrote still go:
    # https://developers.facebook.com/documentation/business-messaging/whatsapp/support/error-codes
    (ANSWER, "131048"): NOTIFICATIONS,
    # Wrongly classified templates; the limit is one of templates:
    # https://developers.facebook.com/documentation/business-messaging/whatsapp/templates/template-categorization
    (POLICY, "131064"): NOTIFICATIONS,
    # https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks/reference/account_update
    (RESTRICTION, "RESTRICTED_BIZ_INITIATED_MESSAGING"): NOTIFICATIONS,
    (REPLIES, "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"): (Category.SERVICE,),
}
"""What closes only some categories of messages, by aspect and value; all else closes everything.

Templates wait also where the person wrote lately: only what is no template is surely an answer.
"""


@dataclass(frozen=True, slots=True)
class Closure:
    """One reason why a number or an account may not send, and until when."""

    gate: Gate
    aspect: str
    fact: Fact

    @property
    def categories(self) -> tuple[Category, ...]:
        """Return what it closes."""
        if self.aspect == QUALITY:
            return (Category.MARKETING,)
        return CLOSES_IN_PART.get((self.aspect, self.fact.value), PLACES)

    @property
    def is_whole(self) -> bool:
        """Return whether it closes everything."""
        return self.categories == PLACES

    @property
    def end(self) -> str:
        """Return until when it holds, for people.

        >>> Closure(Gate.SENDER, "status", Fact("x", "RESTRICTED", 0, Source.REFRESH, 9_000)).end
        'until 1970-01-01T00:00:09Z'
        >>> Closure(Gate.SENDER, "pause", Fact("x", "", 0, Source.OPERATOR, FOREVER_MS)).end
        'until that is mended'
        """
        if self.fact.until_ms >= FOREVER_MS:
            return "until that is mended"
        return f"until {moment_text(self.fact.until_ms)}"

    @property
    def sentence(self) -> str:
        """Return it for people.

        >>> fact = Fact("sender/1/pause", "paused", 0, Source.OPERATOR, 9, "too many complaints")
        >>> Closure(Gate.SENDER, "pause", fact).sentence
        'paused (too many complaints), told by operator'
        >>> fact = Fact("sender/1/status", "RESTRICTED", 0, Source.REFRESH, 9)
        >>> Closure(Gate.SENDER, "status", fact).sentence
        'status RESTRICTED, told by refresh: authentication, utility, marketing wait'
        """
        detail = f" ({self.fact.detail})" if self.fact.detail else ""
        what = self.fact.value if self.aspect == PAUSE else f"{self.aspect} {self.fact.value}"
        told = f"{what}{detail}, told by {self.fact.source.value}"
        if self.is_whole:
            return told
        verb = "wait" if len(self.categories) > 1 else "waits"
        return f"{told}: {', '.join(self.categories)} {verb}"


@dataclass(frozen=True, slots=True)
class QualityGuard:
    """Which share of a number's send times marketing may take when people complain.

    1 changes nothing, 0 holds marketing back. The seed's documents advise to send only what people
    need while the quality is low, and fewer messages are what brings a rating back:
    https://developers.facebook.com/documentation/business-messaging/whatsapp/messaging-limits
    """

    yellow_share: float = 1.0
    red_share: float = 1.0

    def share(self, quality: str) -> float:
        """Return the share at a quality.

        >>> QualityGuard(0.5, 0.1).share("YELLOW"), QualityGuard(0.5, 0.1).share("GREEN")
        (0.5, 1.0)
        """
        return {"YELLOW": self.yellow_share, "RED": self.red_share}.get(quality, 1.0)


UNGUARDED = QualityGuard()


def status_fact(sender: str, status: str, at_ms: int, source: Source) -> Fact:
    """Return a number's status as a fact: whether it closes, and until when.

    A word we do not know closes: only a connected number can send and receive.

    >>> status_fact("1", "OFFLINE", 0, Source.REFRESH).until_ms == FOREVER_MS
    True
    """
    until_ms = FOREVER_MS
    if status in OPEN_STATUSES:
        until_ms = 0
    elif status in RESTING_STATUSES:
        until_ms = at_ms + DAY_MS
    return Fact(of_sender(sender, STATUS), status, at_ms, source, until_ms)


def sender_closures(
    facts: Known, sender: str, guard: QualityGuard = UNGUARDED
) -> Iterator[Closure]:
    """Yield what closes a number; also what is over already, for its end says so."""
    for aspect in CLOSES_SENDER:
        fact = facts.get(of_sender(sender, aspect))
        if fact is not None and fact.until_ms:
            yield Closure(Gate.SENDER, aspect, fact)
    fact = facts.get(of_sender(sender, QUALITY))
    if fact is not None and guard.share(fact.value) <= 0:
        yield Closure(Gate.SENDER, QUALITY, replace(fact, until_ms=FOREVER_MS))


def account_closures(facts: Known, waba: str) -> Iterator[Closure]:
    """Yield what closes an account, in the same way."""
    for aspect in CLOSES_ACCOUNT:
        fact = facts.get(of_account(waba, aspect))
        if fact is not None and fact.until_ms:
            yield Closure(Gate.ACCOUNT, aspect, fact)


def closed_for(
    facts: Known,
    sender: str,
    waba: str,
    category: Category,
    *,
    now_ms: int,
    guard: QualityGuard = UNGUARDED,
) -> Closure | None:
    """Return what holds a number's messages of a category the longest; None while they leave."""
    closures = [*sender_closures(facts, sender, guard), *account_closures(facts, waba)]
    its = (each for each in closures if category in each.categories)
    last = max(its, key=lambda closure: closure.fact.until_ms, default=None)
    return last if last is not None and last.fact.until_ms > now_ms else None


def last_of(closures: Iterable[Closure]) -> Fact | None:
    """Return the fact that opens last of those that close everything; None when none does."""
    whole = (each.fact for each in closures if each.is_whole)
    return max(whole, key=lambda fact: fact.until_ms, default=None)


def shut_by(closures: Iterable[Closure]) -> Shut:
    """Return until when each category waits, by what closes only some."""
    shut = NOTHING_SHUT
    for each in closures:
        if not each.is_whole:
            shut = shut.also(each.categories, each.fact.until_ms)
    return shut


def granted_mps(facts: Known, sender: str, known_mps: int) -> int:
    """Return a number's throughput: an operator's word holds until Meta says less, later.

    Coexistence numbers stay at 20 whatever level Meta lists, so Meta's word never raises above an
    operator's: https://developers.facebook.com/documentation/business-messaging/whatsapp/throughput
    """
    told, ceiling = facts.get(of_sender(sender, THROUGHPUT)), facts.get(of_sender(sender, CEILING))
    if ceiling is None:
        return int(told.value) if told else known_mps
    if told is None or told.at_ms <= ceiling.at_ms:
        return int(ceiling.value)
    return min(int(told.value), int(ceiling.value))


def value_of(facts: Known, name: str) -> str:
    """Return what a fact says; empty when nobody told."""
    fact = facts.get(name)
    return fact.value if fact else ""
