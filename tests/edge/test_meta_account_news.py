"""What news of accounts, numbers and limits mean: which facts, and what these close."""

from collections.abc import Mapping

import msgspec
import pytest

from adapters.meta.codes import verdict
from adapters.meta.facts import closing_fact, facts_of, facts_of_number, moment, to_ask
from adapters.meta.listings import read_number
from adapters.meta.news import AccountChanged, LimitChanged, Restriction
from adapters.meta.parsing import parse
from engine.directory import Directory, Portfolio, Sender
from engine.facts import Fact, Source, newest, of_account, of_portfolio, of_sender
from engine.model import PortfolioId, SenderId, WabaId
from engine.ports import FOREVER_MS
from engine.senders import account_closures, last_of, sender_closures, shut_by
from engine.shutting import Shut
from tests.edge.meta_graph import recorded

WABA, SENDER, PORTFOLIO = WabaId("102290129340398"), SenderId("106540352242922"), PortfolioId("p")
ANSWERING = "RESTRICTED_CUSTOMER_INITIATED_MESSAGING"
SENDING, ADDING = "RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"
ARRIVED_MS = 1_800_000_000_000


def a_directory(scope: str = "portfolio") -> Directory:
    directory = Directory()
    directory.portfolios[PORTFOLIO] = Portfolio(PORTFOLIO, 250, scope)
    directory.senders[SENDER] = Sender(SENDER, PORTFOLIO, WABA, "+1 555-078-3881")
    return directory


def told(name: str, directory: Directory | None = None) -> dict[str, Fact]:
    """Return the facts of a recorded webhook, by name."""
    directory = directory or a_directory()
    notices = parse(recorded(name)).notices
    return {fact.id: fact for n in notices for fact in facts_of(n, directory, ARRIVED_MS)}


def closed_until_ms(*changes: AccountChanged) -> int:
    """Return until when an account's templates wait after these, in their order."""
    closures = list(account_closures(facts_after(*changes), WABA))
    last = last_of(closures)
    return max(last.until_ms if last else 0, shut_by(closures).marketing)


def facts_after(*changes: AccountChanged) -> dict[str, Fact]:
    """Return what holds after these, in their order."""
    facts: dict[str, Fact] = {}
    for change in changes:
        facts |= {fact.id: fact for fact in facts_of(change, Directory(), 0)}
    return facts


def test_each_restriction_shuts_its_own_and_has_its_own_end() -> None:
    restricted = changed(
        "ACCOUNT_RESTRICTION", "", Restriction(SENDING, 5), Restriction(ANSWERING, 9)
    )
    closures = list(account_closures(facts_after(restricted), WABA))
    assert (last_of(closures), shut_by(closures)) == (None, Shut(5, 9, 5, 5))
    reinstated = facts_after(restricted, changed("DISABLED_UPDATE", "REINSTATE"))
    assert list(account_closures(reinstated, WABA)) == []


def changed(event: str, ban_state: str = "", *restrictions: Restriction) -> AccountChanged:
    return AccountChanged(
        waba=WABA, event=event, ban_state=ban_state, restrictions=restrictions, at_ms=1
    )


@pytest.mark.parametrize(
    ("change", "until_ms"),
    [
        (changed("ACCOUNT_RESTRICTION", "", Restriction(SENDING, 5), Restriction(ADDING, 9)), 5),
        (changed("ACCOUNT_RESTRICTION", "", Restriction(SENDING)), FOREVER_MS),
        (changed("ACCOUNT_RESTRICTION", "", Restriction(ADDING, 9)), 0),
        (changed("DISABLED_UPDATE", "SCHEDULE_FOR_DISABLE"), 0),
        (changed("DISABLED_UPDATE", "DISABLE"), FOREVER_MS),
        (changed("PARTNER_REMOVED"), FOREVER_MS),
        (changed("ACCOUNT_DELETED"), FOREVER_MS),
        (changed("ACCOUNT_VIOLATION"), 0),
        (changed("A_NEW_EVENT"), 0),
    ],
)
def test_an_account_is_closed_until(change: AccountChanged, until_ms: int) -> None:
    assert closed_until_ms(change) == until_ms


def test_what_closed_an_account_is_opened_by_its_own_end_only() -> None:
    removed, restricted = (
        changed("PARTNER_REMOVED"),
        changed("ACCOUNT_RESTRICTION", "", Restriction(SENDING, 5)),
    )
    assert closed_until_ms(removed, changed("PARTNER_ADDED")) == 0
    assert closed_until_ms(restricted, changed("PARTNER_ADDED")) == 5
    assert closed_until_ms(restricted, changed("DISABLED_UPDATE", "REINSTATE")) == 0
    assert closed_until_ms(changed("DISABLED_UPDATE", "DISABLE"), restricted) == FOREVER_MS


@pytest.mark.parametrize(
    ("name", "facts"),
    [
        ("limit", {of_portfolio(PORTFOLIO, "limit"): "2000"}),
        ("limit_unlimited", {of_portfolio(PORTFOLIO, "limit"): "-1"}),
        ("limit_not_set", {of_portfolio(PORTFOLIO, "alert"): "LIMIT_NOT_TOLD"}),
        (
            "number_throughput",
            {
                of_sender(SENDER, "event"): "THROUGHPUT_UPGRADE",
                of_sender(SENDER, "throughput"): "1000",
                of_sender(SENDER, "upgrade"): "THROUGHPUT_UPGRADE",
                of_portfolio(PORTFOLIO, "limit"): "-1",
            },
        ),
        ("number_name", {of_sender(SENDER, "name"): "APPROVED"}),
        ("security", {of_sender(SENDER, "security"): "PIN_RESET_REQUEST"}),
        (
            "account_violation",
            {
                of_account(WABA, "event"): "ACCOUNT_VIOLATION",
                of_account(WABA, "violation"): "ADULT",
            },
        ),
        ("account_review", {of_account(WABA, "review"): "APPROVED"}),
        (
            "account_alert",
            {of_account(WABA, "alert"): "INCREASED_CAPABILITIES_ELIGIBILITY_DEFERRED"},
        ),
        ("template_paused", {}),
    ],
)
def test_a_webhook_is_facts(name: str, facts: Mapping[str, str]) -> None:
    assert {key: fact.value for key, fact in told(name).items()} == facts


def test_an_upgrade_closes_the_number_for_the_minute_it_takes() -> None:
    facts = told("number_throughput")
    last = last_of(sender_closures(facts, SENDER))
    assert last is not None
    assert last.until_ms == last.at_ms + 60_000


def test_where_each_number_has_its_own_limit_it_is_the_numbers() -> None:
    facts = told("number_throughput", a_directory("phone_number"))
    assert facts[of_sender(SENDER, "limit")].value == "-1"
    assert of_portfolio(PORTFOLIO, "limit") not in facts


def test_news_of_a_stranger_are_no_facts() -> None:
    assert told("security", Directory()) == told("limit", Directory()) == {}


def test_an_event_that_does_not_tell_what_changed_has_meta_asked() -> None:
    [notice] = parse(recorded("number_throughput")).notices
    assert to_ask(notice, a_directory()) == [SENDER]
    assert to_ask(changed("ACCOUNT_RECONNECTED"), a_directory()) == [SENDER]
    assert to_ask(changed("ACCOUNT_VIOLATION"), a_directory()) == []


@pytest.mark.parametrize(
    ("code", "name", "until_ms"),
    [
        (190, of_sender(SENDER, "token"), FOREVER_MS),
        (131037, of_sender(SENDER, "answer"), FOREVER_MS),
        (131048, of_sender(SENDER, "answer"), 7 + 86_400_000),
        (131042, of_account(WABA, "answer"), 7 + 3_600_000),
        (131031, of_account(WABA, "policy"), 7 + 6 * 3_600_000),
    ],
)
def test_an_error_of_a_number_closes(code: int, name: str, until_ms: int) -> None:
    fact = closing_fact(verdict(code), WABA, SENDER, 7)
    assert fact is not None
    assert (fact.id, fact.until_ms) == (name, until_ms)


@pytest.mark.parametrize("code", [130429, 131026, 132001, 999_999])
def test_an_error_of_one_message_closes_nothing(code: int) -> None:
    assert closing_fact(verdict(code), WABA, SENDER, 7) is None


def a_number(**changes: object) -> list[Fact]:
    """Return the facts of Meta's answer about a number that was closed by 131037 and 190."""
    directory = a_directory()
    for aspect, value in (("answer", "131037"), ("token", "refused")):
        name = of_sender(SENDER, aspect)
        directory.facts[name] = Fact(name, value, 1, Source.ANSWER, FOREVER_MS)
    number = read_number(recorded("number_fields"))
    assert number is not None
    number = msgspec.structs.replace(number, **changes)
    return facts_of_number(number, directory.senders[SENDER], directory, 9)


def test_an_answer_about_a_number_tells_all_of_it_and_opens_what_cannot_be_so_any_more() -> None:
    assert {fact.about[2]: fact.value for fact in a_number()} == {
        "quality": "GREEN",
        "status": "CONNECTED",
        "name": "APPROVED",
        "verification": "VERIFIED",
        "throughput": "80",
        "limit": "2000",
        "token": "given",
        "answer": "",
    }


def test_what_an_answer_does_not_tell_stays() -> None:
    facts = a_number(quality="NA", status="", name_status="", throughput_mps=None)
    assert {fact.about[2] for fact in facts} == {"verification", "limit", "token"}


@pytest.mark.parametrize(
    ("status", "until_ms"),
    [
        ("CONNECTED", 0),
        ("FLAGGED", 0),
        ("RESTRICTED", 9 + 86_400_000),
        ("OFFLINE", FOREVER_MS),
        ("BANNED", FOREVER_MS),
        ("PENDING", FOREVER_MS),
        ("A_NEW_WORD", FOREVER_MS),
    ],
)
def test_a_status_closes_unless_it_is_known_to_send(status: str, until_ms: int) -> None:
    [fact] = [fact for fact in a_number(status=status) if fact.about[2] == "status"]
    assert fact.until_ms == until_ms


def test_no_news_are_from_the_future() -> None:
    assert moment(ARRIVED_MS + 1, ARRIVED_MS) == ARRIVED_MS


def test_a_limit_that_changed_in_the_very_second_in_which_meta_was_asked_is_the_newer() -> None:
    second_ms = 1_739_321_024_000
    [notice] = parse(recorded("limit")).notices
    assert isinstance(notice, LimitChanged)
    assert notice.at_ms == second_ms
    asked = Fact(of_portfolio(PORTFOLIO, "limit"), "250", second_ms + 300, Source.REFRESH)
    for arrived_ms, limit in ((second_ms + 700, "2000"), (second_ms + 200, "250")):
        [fact] = facts_of(notice, a_directory(), arrived_ms)
        assert newest(asked, fact).value == limit
