"""What goes on for hours is told once a minute, with how often; each other event once."""

import pytest
from structlog.testing import capture_logs

from adapters.house.telling import AGAIN_MS, Repeats, Teller
from engine.errors import LedgerAwayError
from engine.events import FactChanged, JobsClaimed, LedgerFailed, LoopFailed
from engine.facts import Fact, Source
from engine.model import PortfolioId

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
    assert (line["name"], line["aspect"], line["now"]) == (name, aspect, fact.value)
    assert (line["was"], line["closed_until_ms"]) == ("", fact.until_ms)
