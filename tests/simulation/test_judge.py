"""A judge that never convicts proves nothing: each breach must be found."""

import pytest

from tests.simulation.judge import DAY_MS, Judge

NOW_MS = 1_800_000_000_000


def a_judge(places: int = 1) -> Judge:
    judge = Judge({"MARKETING": 1_000, "UTILITY": 1_000, "AUTHENTICATION": 1_000})
    judge.told_limit(NOW_MS - DAY_MS, places)
    judge.told("gate", NOW_MS - DAY_MS, is_open=True)
    return judge


def arrive(
    judge: Judge,
    job: str,
    to: str,
    at_ms: int = NOW_MS,
    *,
    repeats_max: int = 0,
    priority: str = "MARKETING",
    taken: bool = True,
) -> None:
    judge.arrive(
        job=job,
        recipient=to,
        sender="s",
        priority=priority,
        gates=["gate"],
        mps=80,
        repeats_max=repeats_max,
        counts=True,
        taken=taken,
        now_ms=at_ms,
    )


def test_one_person_too_many_is_a_breach() -> None:
    judge = a_judge()
    arrive(judge, "1.1", "a")
    arrive(judge, "1.2", "b", NOW_MS + DAY_MS - 1)
    assert [breach.split()[1] for breach in judge.breaches] == ["I1:"]


def test_a_person_may_follow_one_that_left_the_window() -> None:
    judge = a_judge()
    arrive(judge, "1.1", "a")
    arrive(judge, "1.2", "b", NOW_MS + DAY_MS)
    assert judge.breaches == []


def lose_a_copy_and_fill_the_window(judge: Judge, priority: str, *, by_news: bool) -> None:
    arrive(judge, "1.1", "a", repeats_max=1, priority=priority, taken=False)
    if by_news:
        judge.told_foreign("+f", NOW_MS + 10_000, NOW_MS + 10_000)
    else:
        arrive(judge, "1.2", "b", NOW_MS + 10_000)
    arrive(judge, "1.1", "a", NOW_MS + 25_000, repeats_max=1, priority=priority)


def test_a_login_code_may_follow_its_lost_copy_into_a_debt_that_came_since() -> None:
    judge = a_judge()
    lose_a_copy_and_fill_the_window(judge, "AUTHENTICATION", by_news=True)
    assert judge.breaches == []


def test_no_other_priority_may_follow_its_lost_copy_into_a_debt() -> None:
    judge = a_judge()
    lose_a_copy_and_fill_the_window(judge, "UTILITY", by_news=True)
    assert [breach.split()[1] for breach in judge.breaches] == ["I1:"]


def test_giving_away_the_place_of_a_lost_copy_is_a_breach() -> None:
    judge = a_judge()
    lose_a_copy_and_fill_the_window(judge, "AUTHENTICATION", by_news=False)
    assert [breach.split()[1] for breach in judge.breaches] == ["I1:"]


@pytest.mark.parametrize(
    ("priority", "by_news", "held_ms", "is_right"),
    [
        ("AUTHENTICATION", True, 25_000, True),
        ("AUTHENTICATION", False, 25_000, False),
        ("AUTHENTICATION", True, DAY_MS, False),
        ("UTILITY", True, 25_000, False),
    ],
    ids=["a code by news", "its place given away", "its place is over", "no code"],
)
def test_a_login_code_may_follow_a_lease_that_ran_out_into_a_debt_that_came_since(
    priority: str, *, by_news: bool, held_ms: int, is_right: bool
) -> None:
    judge = a_judge()
    at_ms = NOW_MS + 25_000
    judge.told_doubt("1.1", at_ms - held_ms)
    if by_news:
        judge.told_foreign("+f", NOW_MS + 10_000, NOW_MS + 10_000)
    else:
        arrive(judge, "1.2", "b", NOW_MS + 10_000)
    arrive(judge, "1.1", "a", at_ms, priority=priority)
    assert (judge.breaches == []) is is_right


def test_a_second_copy_without_proof_is_a_breach() -> None:
    judge = a_judge(5)
    arrive(judge, "1.1", "a")
    arrive(judge, "1.1", "a", NOW_MS + 5_000)
    assert [breach.split()[1] for breach in judge.breaches] == ["I4:"]


def test_a_repeat_before_its_doubt_time_is_a_breach() -> None:
    judge = a_judge(5)
    arrive(judge, "1.1", "a", repeats_max=1)
    arrive(judge, "1.1", "a", NOW_MS + 999, repeats_max=1)
    assert [breach.split()[1] for breach in judge.breaches] == ["I4:"]


def test_a_send_through_a_closed_gate_is_a_breach() -> None:
    judge = a_judge(5)
    judge.told("gate", NOW_MS, is_open=False)
    arrive(judge, "1.1", "a", NOW_MS + 500)
    assert judge.breaches == []
    arrive(judge, "1.2", "a", NOW_MS + 1_101)
    assert [breach.split()[1] for breach in judge.breaches] == ["I3:"]


def test_a_send_without_a_ledger_is_a_breach() -> None:
    judge = a_judge(5)
    judge.away_since_ms = NOW_MS - 2_001
    arrive(judge, "1.1", "a")
    assert [breach.split()[1] for breach in judge.breaches] == ["I14:"]


def test_a_burst_above_the_rate_is_a_breach() -> None:
    judge = a_judge(500)
    for number in range(84):
        arrive(judge, f"1.{number}", f"p{number}")
    assert [breach.split()[1] for breach in judge.breaches] == ["I8:"]


def send_to_a_pair(judge: Judge, *moments_ms: int) -> list[bool]:
    """Send to one person at these moments after the first; return which Meta refused."""
    refused = []
    for number, after_ms in enumerate(moments_ms):
        is_refused = judge.refuses_pair("s", "a", NOW_MS + after_ms)
        if not is_refused:
            arrive(judge, f"1.{number}", "a", NOW_MS + after_ms)
        refused.append(is_refused)
    return refused


def test_a_burst_is_paid_back_before_the_next_message() -> None:
    judge = a_judge()
    assert send_to_a_pair(judge, 0, 5_999, 11_999, 12_000, 18_000) == [
        *[False] * 2,
        True,
        *[False] * 2,
    ]
    assert judge.breaches == []


def test_a_pair_refused_again_within_its_wait_is_a_breach() -> None:
    judge = a_judge()
    assert send_to_a_pair(judge, 0, 1, 7_000, 10_999) == [False, False, True, True]
    assert [breach.split()[1] for breach in judge.breaches] == ["pair:", "pair:"]


def test_pairs_refused_often_are_a_breach() -> None:
    judge = a_judge()
    assert send_to_a_pair(judge, 0, 1, 7_000, 11_000) == [False, False, True, True]
    assert [breach.split()[1] for breach in judge.breaches] == ["pair:"]


@pytest.mark.parametrize(
    ("counts_s", "priority", "is_right"),
    [
        pytest.param(3_600, "AUTHENTICATION", True, id="a doubt holds its person's place"),
        pytest.param(3_600, "MARKETING", False, id="marketing follows nobody into a debt"),
        pytest.param(90_000, "AUTHENTICATION", False, id="the doubt is out of the window"),
    ],
)
def test_a_login_code_follows_the_doubt_of_another_job(
    counts_s: int, priority: str, *, is_right: bool
) -> None:
    judge = a_judge()
    at_ms = NOW_MS + counts_s * 1_000
    arrive(judge, "1.1", "a", repeats_max=1, taken=False)
    judge.told_foreign("+f", at_ms - 60_000, at_ms - 60_000)
    arrive(judge, "2.1", "a", at_ms, priority=priority)
    assert (judge.breaches == []) is is_right


def test_a_refused_copy_holds_no_place_for_another_job() -> None:
    judge = a_judge()
    judge.arrive(
        job="1.1",
        recipient="a",
        sender="s",
        priority="MARKETING",
        gates=["gate"],
        mps=80,
        repeats_max=0,
        counts=True,
        taken=False,
        now_ms=NOW_MS,
    ).refused = True
    judge.told_foreign("+f", NOW_MS + 10_000, NOW_MS + 10_000)
    arrive(judge, "2.1", "a", NOW_MS + 60_000, priority="AUTHENTICATION")
    assert [breach.split()[1] for breach in judge.breaches] == ["I1:"]
