"""What the usage headers say, also when they say nonsense."""

import pytest

from adapters.meta.usage import regain_ms, usages

BUSINESS = "X-Business-Use-Case-Usage"


@pytest.mark.parametrize(
    ("headers", "wait_ms"),
    [
        ({}, 0),
        ({"X-App-Usage": '{"call_count":28,"total_time":25,"total_cputime":25}'}, 0),
        ({BUSINESS: '{"1":[{"type":"any","estimated_time_to_regain_access":19}]}'}, 19 * 60_000),
        (
            {BUSINESS: '{"1":[{"estimated_time_to_regain_access":1}],"2":[{"call_count":5},'
             '{"estimated_time_to_regain_access":2}]}'},
            2 * 60_000,
        ),
        ({BUSINESS: '{"1":[{"estimated_time_to_regain_access":99999999}]}'}, 86_400_000),
        ({BUSINESS: '{"1":[{"estimated_time_to_regain_access":-3}]}'}, 0),
        ({BUSINESS: "{"}, 0),
        ({BUSINESS: '{"1":7}'}, 0),
        ({BUSINESS: "[" * 8_000}, 0),
        ({BUSINESS: " " * 9_000}, 0),
        ({"Retry-After": "30"}, 30_000),
        ({"Retry-After": "Wed, 21 Oct 2026 07:28:00 GMT"}, 0),
        ({"Retry-After": "٣"}, 0),
        ({"Retry-After": "9" * 4_000}, 0),
    ],
)  # fmt: skip
def test_the_longest_wait_counts(headers: dict[str, str], wait_ms: int) -> None:
    assert regain_ms(headers) == wait_ms


def test_the_fullest_quota_counts() -> None:
    found = usages({"X-App-Usage": '{"call_count":28,"total_time":96,"total_cputime":25}'})
    assert [line.percent for line in found] == [96]


def test_a_header_that_cannot_be_read_hides_no_other() -> None:
    line = '{"call_count":100,"estimated_time_to_regain_access":2}'
    headers = {"X-App-Usage": '{"call_count":"', "X-Business-Use-Case-Usage": f'{{"1":[{line}]}}'}
    assert regain_ms(headers) == 120_000
