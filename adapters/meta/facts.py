"""What Meta's news mean for numbers, accounts and portfolios: as facts, each with its time.

Meaning of the words: https://developers.facebook.com/documentation/business-messaging/whatsapp/webhooks
"""

import re
from collections.abc import Iterator
from typing import Final

from adapters.meta.codes import APP_CODES, TABLE, TOKEN_CODES, Family, Verdict
from adapters.meta.listings import MetaNumber
from adapters.meta.news import (
    ANSWERING,
    CAME_BACK,
    LEFT,
    SENDING,
    AccountAlert,
    AccountChanged,
    AccountJudged,
    LimitChanged,
    Notice,
    NumberNameJudged,
    NumberQualityChanged,
    NumberSecurity,
)
from engine.directory import Directory, Sender
from engine.facts import Fact, Source, of_account, of_portfolio, of_sender
from engine.model import Gate, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.senders import (
    ALERT,
    ANSWER,
    APP,
    BAN,
    GIVEN,
    LIMIT,
    LINK,
    NAME,
    NAMES_APPROVED,
    NUMBERS,
    POLICY,
    QUALITY,
    REFUSED,
    REPLIES,
    RESTRICTION,
    REVIEW,
    SECURITY,
    STATUS,
    THROUGHPUT,
    TOKEN,
    UNTOLD,
    UPGRADE,
    UPGRADE_MS,
    VERIFICATION,
    VIOLATION,
    status_fact,
)

UPGRADED_MPS: Final = 1_000  # M/throughput
NAME_NOT_APPROVED: Final = "131037"
FLAGGED: Final = "FLAGGED"
STATUS_OF: Final = {FLAGGED: FLAGGED, "UNFLAGGED": "CONNECTED"}  # before October 2025
WORDS_MAX: Final = 400  # characters of Meta's that are kept; all restrictions together have fewer
LAST_MS: Final = 999  # of a second
SPREAD_MS: Final = 2_000  # a new token is known to every process by then: a refused one was older
NOT_TOLD: Final = "LIMIT_NOT_TOLD"
EVENT: Final = "event"  # aspect: the last event, also one that we do not know
RESTRICTING: Final = {SENDING: RESTRICTION, ANSWERING: REPLIES}  # each has its own end
RESTRICTIONS: Final = "restrictions"  # aspect: those that close nothing here
BAN_COMING: Final = "ban_coming"  # aspect: announced, not yet in force

_NO_DIGIT: Final = re.compile(r"\D")


def moment(at_ms: int, arrived_ms: int) -> int:
    """Return when news became true: as Meta says, else when it came; never later than that.

    >>> moment(5_000, 9_000), moment(0, 9_000), moment(99_000, 9_000), moment(5_000, 0)
    (5000, 9000, 9000, 5000)
    """
    return min(at_ms or arrived_ms, arrived_ms) if arrived_ms else at_ms


def facts_of(notice: Notice, directory: Directory, arrived_ms: int) -> list[Fact]:
    """Return what a notice tells about numbers, accounts and portfolios; [] of unknown ones."""
    at_ms = moment(notice.at_ms, arrived_ms)
    match notice:
        case AccountChanged():
            return list(_account(notice, at_ms))
        case AccountJudged():
            return [_told(of_account(notice.waba, REVIEW), notice.decision, at_ms)]
        case AccountAlert():
            return [_alert(notice, directory, at_ms)]
        case LimitChanged():
            names = directory.portfolios_of_waba(notice.waba)
            late_ms = _late_ms(notice, arrived_ms)
            return [fact for name in names for fact in _limit_of(name, notice, late_ms)]
        case NumberQualityChanged() | NumberNameJudged() | NumberSecurity():
            sender = sender_of(notice, directory)
            facts = list(_number(notice, sender, directory, at_ms)) if sender else []
            if sender and isinstance(notice, NumberQualityChanged) and notice.places is not None:
                late_ms = _late_ms(notice, arrived_ms)
                facts.append(_limit(limit_name(sender, directory), notice.places, late_ms))
            return facts
        case _:
            return []  # templates are not ours


def _late_ms(notice: LimitChanged | NumberQualityChanged, arrived_ms: int) -> int:
    """Return the last moment at which a limit may have changed: no event has Meta asked for it.

    Meta dates by the second: what it answered in the first half of one may be over in the second.
    """
    return moment(notice.at_ms + LAST_MS if notice.at_ms else 0, arrived_ms)


def to_ask(notice: Notice, directory: Directory) -> list[SenderId]:
    """Return the numbers to ask Meta about: an event says that something changed, not to what."""
    match notice:
        case NumberQualityChanged() | NumberNameJudged():
            sender = sender_of(notice, directory)
            return [sender.id] if sender else []
        case AccountChanged(event=event) if event in CAME_BACK:
            return [each.id for each in directory.senders.values() if each.waba_id == notice.waba]
        case _:
            return []


def sender_of(
    notice: NumberQualityChanged | NumberNameJudged | NumberSecurity, directory: Directory
) -> Sender | None:
    """Return the sender a notice is about: it names the account and the number people see."""
    digits = _digits(notice.display_phone_number)
    return next(
        (
            each
            for each in directory.senders.values()
            if each.waba_id == notice.waba and digits == _digits(each.display_phone_number)
        ),
        None,
    )


def closing_fact(
    row: Verdict, waba: WabaId, sender: SenderId, at_ms: int, until_ms: int = 0
) -> Fact | None:
    """Return what an error number closes for everybody; None when it is about one message."""
    if row.gate is None or row.gate not in {Gate.SENDER, Gate.ACCOUNT}:
        return None
    if not until_ms:
        until_ms = FOREVER_MS if row.wait_ms >= FOREVER_MS else at_ms + row.wait_ms
    if row.code in TOKEN_CODES:
        name, value = of_sender(sender, TOKEN), REFUSED
    else:
        aspect = POLICY if row.family is Family.POLICY else ANSWER
        if row.code in APP_CODES:
            aspect = APP
        name, value = of_account(waba, aspect), str(row.code)
        if row.gate is Gate.SENDER:
            name = of_sender(sender, ANSWER)
    return Fact(name, value, at_ms, Source.ANSWER, until_ms, f"{row.code} {row.title}")


def closing_facts(
    directory: Directory,
    row: Verdict,
    waba: WabaId,
    sender: SenderId,
    at_ms: int,
    until_ms: int = 0,
) -> list[Fact]:
    """Return the same for each account that it closes: what is the app's limit closes all."""
    every = {each.waba_id: None for each in directory.senders.values()}
    wabas = every if row.code in APP_CODES else {waba: None}
    facts = [closing_fact(row, each, sender, at_ms, until_ms) for each in wabas]
    return [fact for fact in facts if fact is not None]


def facts_of_number(
    number: MetaNumber, sender: Sender, directory: Directory, at_ms: int
) -> list[Fact]:
    """Return what Meta, asked at `at_ms`, told of a number; what it does not tell stays as it was.

    That an error is over is dated so that one which came since then is the newer.
    """
    told = {QUALITY: number.quality, NAME: number.name_status}
    told[VERIFICATION] = number.code_verification_status
    if number.throughput_mps is not None:
        told[THROUGHPUT] = str(number.throughput_mps)
    facts = [
        Fact(of_sender(sender.id, aspect), value, at_ms, Source.REFRESH)
        for aspect, value in told.items()
        if value not in UNTOLD
    ]
    if number.messaging_limit is not None:
        facts.append(
            _limit(limit_name(sender, directory), number.messaging_limit, at_ms, Source.REFRESH)
        )
    if number.status not in UNTOLD:
        since_ms = _flagged_since_ms(sender, directory, number.status, at_ms)
        facts.append(status_fact(sender.id, number.status, since_ms, Source.REFRESH))
    token = directory.facts.get(of_sender(sender.id, TOKEN))
    if token is not None and token.value == REFUSED:  # Meta has just answered to it
        over_ms = max(at_ms - SPREAD_MS, token.at_ms + 1)
        facts.append(Fact(token.id, GIVEN, over_ms, Source.REFRESH))
    answer = directory.facts.get(of_sender(sender.id, ANSWER))
    if answer is not None and _is_over(answer, number):
        facts.append(Fact(answer.id, "", at_ms, Source.REFRESH))
    return facts


def _is_over(answer: Fact, number: MetaNumber) -> bool:
    """Return whether what closed a number cannot be so any more."""
    if answer.value == NAME_NOT_APPROVED:
        return number.name_status in NAMES_APPROVED
    row = TABLE.get(int(answer.value)) if answer.value.isdecimal() else None
    return number.is_connected and row is not None and row.family is Family.SENDER


def _told(name: str, value: str, at_ms: int, until_ms: int = 0, detail: str = "") -> Fact:
    return Fact(name, value[:WORDS_MAX], at_ms, Source.WEBHOOK, until_ms, detail[:WORDS_MAX])


def _account(notice: AccountChanged, at_ms: int) -> Iterator[Fact]:
    """Yield what happened to an account; each cause closes and opens apart from the others."""
    waba = notice.waba
    yield _told(of_account(waba, EVENT), notice.event, at_ms)
    others = sorted({each.kind for each in notice.restrictions} - RESTRICTING.keys())
    for kind, aspect in RESTRICTING.items():
        until_ms = notice.restricted_until_ms(kind)
        if until_ms is not None:
            yield _told(of_account(waba, aspect), kind, at_ms, until_ms)
    if others:
        yield _told(of_account(waba, RESTRICTIONS), " ".join(others), at_ms)
    if notice.ban_state == "DISABLE":
        yield _told(of_account(waba, BAN), "DISABLE", at_ms, FOREVER_MS, notice.ban_date)
    elif notice.ban_state == "REINSTATE":
        yield _told(of_account(waba, BAN), "REINSTATE", at_ms)
        yield _told(of_account(waba, RESTRICTION), "REINSTATE", at_ms)
        yield _told(of_account(waba, REPLIES), "REINSTATE", at_ms)
        # Meta counts in seconds, we in less: a refusal of the same second was before it.
        yield _told(of_account(waba, POLICY), "REINSTATE", at_ms + LAST_MS)
    elif notice.ban_state:
        yield _told(of_account(waba, BAN_COMING), notice.ban_state, at_ms, 0, notice.ban_date)
    if notice.event in LEFT:
        yield _told(of_account(waba, LINK), notice.event, at_ms, FOREVER_MS, notice.cause)
    elif notice.event in CAME_BACK:
        yield _told(of_account(waba, LINK), notice.event, at_ms)
    if notice.violation:
        yield _told(of_account(waba, VIOLATION), notice.violation, at_ms)


def _alert(notice: AccountAlert, directory: Directory, at_ms: int) -> Fact:
    is_number = notice.entity_type == "PHONE_NUMBER" and notice.entity_id in directory.senders
    name = of_sender(notice.entity_id, ALERT) if is_number else of_account(notice.waba, ALERT)
    detail = " ".join(part for part in (notice.severity, notice.state) if part)
    return _told(name, notice.kind, at_ms, 0, detail)


def _number(
    notice: NumberQualityChanged | NumberNameJudged | NumberSecurity,
    sender: Sender,
    directory: Directory,
    at_ms: int,
) -> Iterator[Fact]:
    match notice:
        case NumberSecurity():
            yield _told(of_sender(sender.id, SECURITY), notice.event, at_ms)
        case NumberNameJudged():
            yield _told(of_sender(sender.id, NAME), notice.decision, at_ms)
            answer = directory.facts.get(of_sender(sender.id, ANSWER))
            is_closed = answer is not None and answer.value == NAME_NOT_APPROVED
            if is_closed and notice.decision in NAMES_APPROVED:
                yield _told(of_sender(sender.id, ANSWER), "", at_ms)
        case NumberQualityChanged():
            yield from _quality(notice, sender, directory, at_ms)


def _quality(
    notice: NumberQualityChanged, sender: Sender, directory: Directory, at_ms: int
) -> Iterator[Fact]:
    event = notice.event
    yield _told(of_sender(sender.id, EVENT), event, at_ms)
    if event in STATUS_OF:
        status = STATUS_OF[event]
        since_ms = _flagged_since_ms(sender, directory, status, at_ms)
        yield status_fact(sender.id, status, since_ms, Source.WEBHOOK)
    if event == FLAGGED:  # only a number that is RED becomes flagged
        yield _told(of_sender(sender.id, QUALITY), "RED", at_ms)
    if event == "THROUGHPUT_UPGRADE":
        yield _told(of_sender(sender.id, THROUGHPUT), str(UPGRADED_MPS), at_ms)
        yield _told(of_sender(sender.id, UPGRADE), event, at_ms, at_ms + UPGRADE_MS)


def _flagged_since_ms(sender: Sender, directory: Directory, status: str, at_ms: int) -> int:
    """Return since when a number has a status: one that is still flagged has been so for longer."""
    known = directory.facts.get(of_sender(sender.id, STATUS))
    is_still = known is not None and known.value == status == FLAGGED
    return min(known.at_ms, at_ms) if known is not None and is_still else at_ms


def limit_name(sender: Sender, directory: Directory) -> str:
    """Return whose limit a number's is: its own where each has one, else its portfolio's."""
    portfolio = directory.portfolios.get(sender.portfolio_id)
    if portfolio is not None and portfolio.quota_scope == "phone_number":
        return of_sender(sender.id, LIMIT)
    return of_portfolio(sender.portfolio_id, LIMIT)


def _limit_of(portfolio: str, notice: LimitChanged, at_ms: int) -> Iterator[Fact]:
    """Yield a limit; where Meta tells none that can be read, the last one stays, and we say so."""
    if notice.numbers is not None:
        yield _told(of_portfolio(portfolio, NUMBERS), str(notice.numbers), at_ms)
    if notice.places is not None:
        yield _limit(of_portfolio(portfolio, LIMIT), notice.places, at_ms)
    elif notice.word:
        detail = f"Meta told {notice.word}, which is no limit; the last one stays"
        yield _told(of_portfolio(portfolio, ALERT), NOT_TOLD, at_ms, 0, detail)


def _limit(name: str, places: int, at_ms: int, source: Source = Source.WEBHOOK) -> Fact:
    return Fact(name, str(places), at_ms, source)


def _digits(number: str) -> str:
    return _NO_DIGIT.sub("", number)
