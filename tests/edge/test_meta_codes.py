"""Every number that Meta documents, and what it does to a letter."""

import pytest

from adapters.meta.answers import Judge
from adapters.meta.codes import ROWS, TABLE, Action, clean, verdict
from engine.model import Gate, Priority
from engine.outcomes import Deferred, Dropped, Outcome, Retry
from engine.ports import FOREVER_MS
from tests.edge.meta_graph import NOW_MS, a_letter, graph_error

S, M, H, D = 1_000, 60_000, 3_600_000, 86_400_000

DEFERRED = {
    Gate.RATE: {130429: S},
    Gate.PAIR: {131056: S},
    Gate.ACCOUNT: {
        **dict.fromkeys((4, 17, 32, 613, 341), 5 * M),
        **dict.fromkeys((80007, 80008), M),
        368: 6 * H,
        131031: 6 * H,
        131042: H,
        131064: D,
    },
    Gate.SENDER: {
        **dict.fromkeys((0, 190, 102, 10, 200, 219, 299, 131005, 3, 33, 133010), FOREVER_MS),
        **dict.fromkeys((131037, 131045, 133000, 133006, 133005, 133008, 133009), FOREVER_MS),
        131057: M,
        2494100: M,
        133015: 5 * M,
        133016: 3 * D,
        131048: D,
    },
    Gate.TEMPLATE: dict.fromkeys((132001, 132015, 132016, 132068, 134102, 141002), FOREVER_MS),
}
RETRIED = {
    **dict.fromkeys((1, 2, 131000, 131016, 133004, 135000, 131053), 0),
    132069: H,
    134101: 10 * M,
    131208: M,
}
DROPPED = (
    *(100, 506, 130472, 130497, 131008, 131009, 131020, 131021, 131026, 131030, 131041, 131044),
    *(131047, 131049, 131050, 131051, 131052, 131055, 131062, 131063, 132000, 132005, 132007),
    *(132008, 132012, 132018, 134011, 134100, 137000, 139200),
    *(code for code in range(131201, 131216) if code != 131208),
)


def _outcome(code: int) -> Outcome:
    letter = a_letter(priority=Priority.UTILITY)
    return Judge(lambda: NOW_MS).refuse(400, graph_error(code), {}, letter)[0]


@pytest.mark.parametrize(
    ("gate", "code", "wait_ms"),
    [(gate, code, wait) for gate, codes in DEFERRED.items() for code, wait in codes.items()],
)
def test_a_closed_gate_costs_no_attempt(gate: Gate, code: int, wait_ms: int) -> None:
    outcome = _outcome(code)
    assert isinstance(outcome, Deferred)
    assert outcome.gate is gate
    assert outcome.until_ms == (FOREVER_MS if wait_ms == FOREVER_MS else NOW_MS + wait_ms)
    assert not verdict(code).spends


@pytest.mark.parametrize(("code", "wait_ms"), RETRIED.items())
def test_what_may_pass_is_tried_again(code: int, wait_ms: int) -> None:
    outcome = _outcome(code)
    assert isinstance(outcome, Retry)
    assert outcome.until_ms == (NOW_MS + wait_ms if wait_ms else 0)
    assert verdict(code).spends


@pytest.mark.parametrize("code", DROPPED)
def test_what_never_will_is_dropped_without_a_strike(code: int) -> None:
    outcome = _outcome(code)
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.strikes) == (code, False)


def test_the_tests_know_every_row() -> None:
    deferred = {code for codes in DEFERRED.values() for code in codes} - {219, 299}
    assert deferred | set(RETRIED) | set(DROPPED) == set(TABLE)
    assert len(ROWS) == len(TABLE)  # no code twice


@pytest.mark.parametrize("code", TABLE)
def test_every_row_has_a_source_and_a_gate_where_it_defers(code: int) -> None:
    row = TABLE[code]
    assert row.source.startswith("https://")
    assert row.title
    assert (row.gate is not None) == (row.action is Action.DEFER)


@pytest.mark.parametrize("code", [1, 2, 131000, 131016, 133004, 135000, 999_999])
def test_a_failure_of_meta_s_own_proves_nothing_about_who_was_reached(code: int) -> None:
    assert not verdict(code).undelivered


@pytest.mark.parametrize("code", [131026, 131049, 131050, 131042, 132015, 130472, 131053])
def test_a_failure_with_a_reason_gives_the_place_back(code: int) -> None:
    assert verdict(code).undelivered


@pytest.mark.parametrize(
    ("words", "kept"),
    [
        ("Recipient 491701234567 not allowed", "Recipient … not allowed"),
        ("call +1 (650) 555-1234 now", "call … now"),
        ("token EAAG" + "x" * 40, "token …"),
        ("a\x00b\x1b[31mc\nd\u2028e\ud800f", "a b [31mc d e f"),
        ("x " * 500, "x " * 80),
        ("100 of 200 in 24 hours", "100 of 200 in 24 hours"),
        ("Expected 4 of type TEXT", "Expected 4 of type TEXT"),
    ],
)
def test_words_lose_people_tokens_and_control_characters(words: str, kept: str) -> None:
    assert clean(words) == kept
