"""What goes on for hours is told once a minute, with how often; each other event once."""

import pytest
from structlog.testing import capture_logs

from adapters.house.telling import AGAIN_MS, Repeats, Teller, tell_changed
from adapters.logs import scrub
from engine.errors import LedgerAwayError
from engine.events import FactChanged, GateClosed, JobsClaimed, LedgerFailed, LoopFailed
from engine.facts import Fact, Source, of_account, of_sender
from engine.model import Gate, PortfolioId

P = PortfolioId("p1")
EVENTS = ("ledger_failed", "loop_failed")


class Hands:
    """A clock in somebody's hands."""

    now_ms = 1_000_000

    def __call__(self) -> int:
        return self.now_ms


def test_the_first_is_told_and_then_one_a_minute() -> None:
    clock = Hands()
    repeats = Repeats(clock)
    assert [repeats.times("fold", "Away") for _ in range(3)] == [1, 0, 0]
    assert repeats.times("fold", "Broken") == 1, "another reason is news"
    clock.now_ms += AGAIN_MS - 1
    assert repeats.times("fold", "Away") == 0
    clock.now_ms += 1
    assert repeats.times("fold", "Away") == 4, "with those that were kept back"
    assert repeats.times("fold", "Away") == 0


def test_a_ledger_that_is_away_for_an_hour_fills_no_disk() -> None:
    clock = Hands()
    teller = Teller(clock)
    error = LedgerAwayError("Redis does not answer")
    with capture_logs() as lines:
        for _ in range(3_600):
            for number in range(20):
                portfolio = PortfolioId(f"p{number}")
                teller.tell(LedgerFailed(portfolio, "claim", error, 1_000))
            teller.tell(LoopFailed("fold", error))
            clock.now_ms += 1_000
    by_event = {name: [line for line in lines if line["event"] == name] for name in EVENTS}
    assert {name: len(found) for name, found in by_event.items()} == dict.fromkeys(EVENTS, 60)
    assert by_event["ledger_failed"][1]["times"] == 60 * 20
    assert by_event["loop_failed"][1]["times"] == 60


def test_a_refusal_is_told_when_its_reason_changes() -> None:
    teller = Teller(Hands())
    with capture_logs() as lines:
        for why in ("clock", "clock", "", "recovering", "", "clock"):
            teller.tell(JobsClaimed(P, [], [], why, 1))
    assert [line["why"] for line in lines] == ["clock", "recovering", "clock"]


@pytest.mark.parametrize(
    ("fact", "level"),
    [
        (Fact("sender/1/quality", "GREEN", 1, Source.REFRESH), "info"),
        (Fact("sender/1/quality", "YELLOW", 1, Source.REFRESH), "warning"),
        (Fact("waba/1/alert", "INCREASED_CAPABILITIES", 1, Source.WEBHOOK), "warning"),
        (Fact("portfolio/1/limit", "250", 1, Source.WEBHOOK), "warning"),
        (Fact("portfolio/1/limit", "250", 1, Source.OPERATOR), "info"),
        (Fact("sender/1/pause", "paused", 1, Source.OPERATOR, 9), "warning"),
        (Fact("sender/1/pause", "", 1, Source.OPERATOR), "info"),
        (Fact("sender/1/name", "APPROVED", 1, Source.WEBHOOK), "info"),
    ],
)
def test_a_change_is_a_warning_where_somebody_should_look(fact: Fact, level: str) -> None:
    with capture_logs() as lines:
        Teller(Hands()).tell(FactChanged(fact, None))
    [line] = lines
    kind, name, aspect = fact.about
    assert (line["event"], line["log_level"]) == (f"{kind}_changed", level)
    assert (line[kind], line["aspect"], line["now"]) == (name, aspect, fact.value)
    assert (line["was"], line["closed_until_ms"]) == ("", fact.until_ms)


def test_a_throttle_tells_of_a_number_once_a_minute() -> None:
    clock = Hands()
    teller = Teller(clock)
    with capture_logs() as lines:
        for _ in range(120):
            for sender in ("106540352242922", "106540352242923"):
                teller.tell(GateClosed(P, Gate.RATE, sender))
            clock.now_ms += 1_000
    assert [line["sender"] for line in lines] == ["106540352242922", "106540352242923"] * 2
    assert [line["times"] for line in lines] == [1, 1, 60, 60]


def test_whom_a_line_is_about_is_told_whole() -> None:
    """Meta's ids are as long as phone numbers: what scrubs these must leave those."""
    number, account, refresh = "106540352242922", "102290129340398", Source.REFRESH
    news = [
        Fact(of_sender(number, "quality"), "RED", 1, refresh),
        Fact(of_sender(number, "quality"), "GREEN", 2, refresh),
        Fact(of_account(account, "ban"), "DISABLED", 1, refresh, detail="by 4915112345678"),
    ]
    with capture_logs() as lines:
        for fact in news:
            tell_changed(FactChanged(fact, None))
        Teller(Hands()).tell(GateClosed(P, Gate.TEMPLATE, f"{number}|{account}/offer/en_US"))
    told = [scrub(None, "", line) for line in lines]
    assert [line.get("sender", line.get("waba")) for line in told] == [number] * 2 + [
        account,
        number,
    ]
    assert told[3]["template"] == f"{account}/offer/en_US"
    assert told[2]["detail"] == "by ***"
    assert [line["log_level"] for line in told] == ["warning", "info", "info", "warning"]
