"""A caller's trace is read as W3C's page says, and never refuses a job."""

import pytest

from engine.traces import text_of, trace_of

TRACE, PARENT = "0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331"
GOOD = f"00-{TRACE}-{PARENT}-01"


@pytest.mark.parametrize("said", [GOOD, f" {GOOD}\t", f"00-{TRACE}-{PARENT}-00", GOOD[:-1] + "3"])
def test_a_good_one_is_told_again_as_it_came(said: str) -> None:
    assert text_of(trace_of([said])) == said.strip()


@pytest.mark.parametrize(
    "said",
    [
        "",
        "00",
        GOOD.upper(),
        f"00-{'0' * 32}-{PARENT}-01",
        f"00-{TRACE}-{'0' * 16}-01",
        f"ff-{TRACE}-{PARENT}-01",
        f"00-{TRACE}-{PARENT}-01-more",
        f"00-{TRACE}-{PARENT}-1",
        f"00-{TRACE[:-1]}g-{PARENT}-01",
        f"01-{TRACE}-{PARENT}-01more",
        GOOD + "\n",
        GOOD.replace("0af", "\u0660af"),
    ],
)
def test_a_bad_one_is_ignored(said: str) -> None:
    assert trace_of([said]) == b""


def test_of_several_none_is_believed() -> None:
    assert trace_of([GOOD, GOOD]) == trace_of([]) == b""


@pytest.mark.parametrize("rest", ["", "-what-comes-later"])
def test_of_a_later_version_what_all_share_is_taken(rest: str) -> None:
    assert text_of(trace_of([f"cc-{TRACE}-{PARENT}-ff{rest}"])) == GOOD


def test_what_was_not_packed_here_is_told_as_none() -> None:
    assert text_of(b"") == text_of(b"short") == ""
