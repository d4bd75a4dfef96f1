"""What a refusal means, by whoever wrote it: something before Meta, or Meta by its code."""

import logging

import pytest

from engine.model import Gate, Priority
from engine.outcomes import Deferred, Dropped, InDoubt, Retry
from engine.ports import FOREVER_MS
from tests.edge.meta_graph import (
    CLOSE,
    NOW_MS,
    RESET,
    TOKEN,
    Desk,
    FakeGraph,
    Reply,
    a_letter,
    graph_error,
    http,
    recorded,
)

# --- refused by what stands before Meta -----------------------------------------------------------


@pytest.mark.parametrize("status", [301, 302, 303, 307, 308])
async def test_a_redirect_is_never_followed(desk: Desk, status: int) -> None:
    async with FakeGraph() as elsewhere:
        reply = Reply(http(status, b"", f"Location: {elsewhere.url}/steal"))
        outcome = await desk.answered(reply)
        assert elsewhere.connections == 0
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.strikes) == (status, True)


@pytest.mark.parametrize("status", [400, 401, 403, 404, 405, 411, 413, 414, 415, 422, 431])
async def test_a_refusal_by_a_gateway_is_a_retry_by_the_curve(desk: Desk, status: int) -> None:
    outcome = await desk.answered(Reply(http(status, b"<html>")))
    assert outcome == Retry(status, 0, f"HTTP {status} from a gateway")


async def test_a_bare_429_throttles(desk: Desk) -> None:
    outcome = await desk.answered(Reply(http(429, b"slow down", "Retry-After: 7")))
    assert outcome == Deferred(Gate.RATE, 429, NOW_MS + 7_000, "HTTP 429")
    outcome = await desk.answered(Reply(http(429, b"")))
    assert outcome == Deferred(Gate.RATE, 429, NOW_MS + 1_000, "HTTP 429")


# --- refused by Meta ------------------------------------------------------------------------------


async def test_a_recorded_throttle_keeps_the_words_and_hides_long_ids(desk: Desk) -> None:
    outcome = await desk.answered(Reply(http(400, recorded("answer_throttled"))))
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.code) == (Gate.RATE, 130429)
    assert outcome.until_ms == NOW_MS + 1_000
    assert outcome.reason == (
        "throughput reached: Cloud API message throughput has been reached."
        " (trace Az8or2yhqkZfEZ-_4Qn_Bam)"
    )


@pytest.mark.parametrize("status", [400, 429, 503])
async def test_the_code_decides_and_not_the_status(desk: Desk, status: int) -> None:
    outcome = await desk.answered(Reply(http(status, graph_error(131026))))
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.strikes) == (131026, False)


async def test_a_pair_waits_a_second_and_the_ledger_knows_whether_that_is_enough(
    desk: Desk,
) -> None:
    for _ in range(2):
        outcome = await desk.answered(Reply(http(400, graph_error(131056))))
        assert isinstance(outcome, Deferred)
        assert (outcome.gate, outcome.until_ms) == (Gate.PAIR, NOW_MS + 1_000)


async def test_an_account_waits_as_long_as_the_header_says(desk: Desk) -> None:
    usage = '{"1":[{"type":"x","call_count":100,"estimated_time_to_regain_access":19}]}'
    header = f"X-Business-Use-Case-Usage: {usage}"
    outcome = await desk.answered(Reply(http(400, graph_error(80007), header)))
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.until_ms) == (Gate.ACCOUNT, NOW_MS + 19 * 60_000)


async def test_a_bad_token_closes_the_sender_until_somebody_opens_it(desk: Desk) -> None:
    words = f"Malformed access token {TOKEN} for +1 650 555 1234"
    outcome = await desk.answered(Reply(http(401, graph_error(190, error_data=words))))
    assert outcome == Deferred(
        Gate.SENDER,
        190,
        FOREVER_MS,
        "access token expired or invalid: Malformed access token … for …",
    )


async def test_an_unknown_code_is_dropped_and_strikes(desk: Desk) -> None:
    outcome = await desk.answered(Reply(http(400, graph_error(999_999))))
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.strikes) == (999_999, True)


async def test_an_unknown_code_that_calls_itself_transient_is_tried_again(desk: Desk) -> None:
    outcome = await desk.answered(Reply(http(500, graph_error(999_999, is_transient=True))))
    assert isinstance(outcome, Retry)


async def test_a_wrong_phone_number_id_closes_the_sender(desk: Desk) -> None:
    outcome = await desk.answered(Reply(http(400, graph_error(100, error_subcode=33))))
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.code) == (Gate.SENDER, 33)


@pytest.mark.parametrize("code", [1, 131000])
async def test_an_unknown_error_is_no_proof_where_a_copy_would_hurt(desk: Desk, code: int) -> None:
    reply = Reply(http(500, graph_error(code)))
    desk.graph.tell(reply, reply)
    marketing = await desk.client.send(a_letter(priority=Priority.MARKETING))
    assert marketing == InDoubt("unproven")
    urgent = await desk.client.send(a_letter(priority=Priority.AUTHENTICATION))
    assert isinstance(urgent, Retry)
    assert urgent.until_ms == 0


@pytest.mark.parametrize("odd", [b'"text"', b"[1]", b"null", b"7", b'{"details":3}'])
async def test_odd_details_do_not_hide_the_code(desk: Desk, odd: bytes) -> None:
    body = b'{"error":{"code":130429,"message":"m","error_data":%s}}' % odd
    outcome = await desk.answered(Reply(http(400, body)))
    assert isinstance(outcome, Deferred)


# --- secrets --------------------------------------------------------------------------------------


async def test_the_token_is_in_no_log_no_outcome_and_no_text_of_ours(
    desk: Desk, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    outcomes = [
        await desk.answered(reply)
        for reply in (
            Reply(then=RESET),
            Reply(b"HTTP/1.1 junk\r\n\r\n", CLOSE),
            Reply(http(400, graph_error(190, error_data=f"bad {TOKEN}"))),
            Reply(http(400, graph_error(100, message=f"bad {TOKEN}", fbtrace_id=TOKEN))),
            Reply(http(302, b"", "Location: http://127.0.0.1:1/")),
        )
    ]
    shown = [*map(repr, outcomes), repr(desk.client), *map(repr, desk.client._roads.values())]
    assert not any("canary" in text for text in [*shown, caplog.text])
