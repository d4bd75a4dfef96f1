"""Every way a send can end, on a real socket: what left, what came back, what that proves."""

import asyncio
import gzip
import logging
from collections.abc import AsyncIterator, Callable
from contextlib import suppress
from dataclasses import dataclass, field

import pytest
from aiohttp import ClientSession

from adapters.meta.client import MetaClient, build_session
from adapters.meta.payload import Objection
from engine.model import Gate, Priority, SenderId
from engine.outcomes import Accepted, Deferred, Dropped, InDoubt, Outcome, Retry, Unwritten
from engine.ports import FOREVER_MS
from tests.edge.meta_graph import (
    ACCEPTED,
    CLOSE,
    NOW_MS,
    RESET,
    SENDER,
    SILENT,
    TOKEN,
    FakeGraph,
    Reply,
    a_letter,
    graph_error,
    http,
    recorded,
)

WAMID = "wamid.HBgLMTY0NjcwNDM1OTUVAgARGBI4MjZGRDA0OUE2OTQ3RkEyMzcA"


@dataclass
class Desk:
    """A client on a fake Graph, with a clock and an objection that a test may change."""

    graph: FakeGraph
    session: ClientSession
    now_ms: int = NOW_MS
    objection: Objection = lambda _job: ""
    tokens: dict[SenderId, str] = field(default_factory=lambda: {SENDER: TOKEN})

    def __post_init__(self) -> None:
        self.client = self.a_client(self.graph.url)

    def a_client(self, url: str) -> MetaClient:
        return MetaClient(
            self.session,
            graph_url=url,
            graph_version="v25.0",
            token_of=lambda sender: self.tokens.get(sender, ""),
            now_ms=lambda: self.now_ms,
            objection=lambda job: self.objection(job),
        )

    async def answered(self, *replies: Reply) -> Outcome:
        self.graph.tell(*replies)
        return await self.client.send(a_letter())


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with FakeGraph() as graph, build_session() as session:
        yield Desk(graph, session)


# --- what is written ------------------------------------------------------------------------------


async def test_a_good_answer_names_the_message(desk: Desk) -> None:
    assert await desk.client.send(a_letter(body=b'{"to":"x"}')) == Accepted(WAMID)
    assert desk.graph.bodies == [b'{"to":"x"}']
    head = desk.graph.heads[0].decode()
    assert head.startswith(f"POST /v25.0/{SENDER}/messages HTTP/1.1\r\n")
    assert f"Authorization: Bearer {TOKEN}" in head
    assert "Content-Type: application/json" in head
    assert "Accept-Encoding: identity" in head
    assert "Cookie" not in head


@pytest.mark.parametrize("word", ["held_for_quality_assessment", "paused"])
async def test_a_held_message_is_accepted_and_held(desk: Desk, word: str) -> None:
    body = recorded("answer_accepted").replace(b'"accepted"', f'"{word}"'.encode())
    assert await desk.answered(Reply(http(200, body))) == Accepted(WAMID, held=True)


async def test_one_connection_serves_many_letters(desk: Desk) -> None:
    for sequence in range(5):
        await desk.client.send(a_letter(sequence=sequence))
    assert desk.graph.connections == 1


async def test_a_changed_token_is_used_at_once(desk: Desk) -> None:
    await desk.client.send(a_letter())
    desk.tokens[SENDER] = "EAAnext"
    await desk.client.send(a_letter())
    assert b"Authorization: Bearer EAAnext" in desk.graph.heads[1]


@pytest.mark.parametrize("token", ["", "two\r\nlines", "no–ascii"])
async def test_without_a_token_nothing_is_written(desk: Desk, token: str) -> None:
    desk.tokens[SENDER] = token
    outcome = await desk.client.send(a_letter())
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.until_ms) == (Gate.SENDER, NOW_MS + 60_000)
    assert desk.graph.connections == 0


# --- before the first byte ------------------------------------------------------------------------


async def test_a_refusal_in_the_last_moment_sends_no_byte(desk: Desk) -> None:
    desk.objection = lambda _job: "late"
    assert await desk.client.send(a_letter()) == Unwritten("late")
    assert (desk.graph.connections, desk.graph.bytes_read) == (1, 0)
    desk.objection = lambda _job: ""
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert desk.graph.connections == 2  # aiohttp gives up the connection of a refused body


async def test_a_refusal_on_a_used_connection_sends_no_byte(desk: Desk) -> None:
    await desk.client.send(a_letter())
    before = desk.graph.bytes_read
    desk.objection = lambda _job: "stopped"
    assert await desk.client.send(a_letter()) == Unwritten("stopped")
    assert desk.graph.bytes_read == before


async def test_a_large_body_is_refused_whole_too(desk: Desk) -> None:
    desk.objection = lambda _job: "lease_ends"
    letter = a_letter(body=b"x" * 200_000)
    assert await desk.client.send(letter) == Unwritten("lease_ends")
    assert desk.graph.bytes_read == 0


async def test_a_connection_found_closed_sends_no_byte(desk: Desk) -> None:
    def cut(_job: object) -> str:
        assert desk.session.connector is not None
        for protocol in desk.session.connector._acquired:
            assert protocol.transport is not None
            protocol.transport.abort()
        return ""

    desk.objection = cut
    assert await desk.client.send(a_letter()) == Unwritten("connection_lost")
    assert desk.graph.bytes_read == 0


async def test_a_refused_connection_is_unwritten(desk: Desk) -> None:
    async with FakeGraph() as gone:
        pass
    assert await desk.a_client(gone.url).send(a_letter()) == Unwritten("unreachable")


async def test_a_host_without_an_address_is_unwritten(desk: Desk) -> None:
    client = desk.a_client("http://graph.invalid")
    assert await client.send(a_letter()) == Unwritten("unreachable")


async def test_a_server_without_tls_is_unwritten(desk: Desk) -> None:
    client = desk.a_client(desk.graph.url.replace("http:", "https:"))
    assert await client.send(a_letter(deadline_s=5)) == Unwritten("unreachable")


async def test_a_closed_session_is_unwritten(desk: Desk) -> None:
    await desk.session.close()
    assert await desk.client.send(a_letter()) == Unwritten("unreachable")


async def test_a_reset_at_connecting_is_never_called_unwritten_when_bytes_left(desk: Desk) -> None:
    desk.graph.is_rude = True
    outcome = await desk.client.send(a_letter())
    assert isinstance(outcome, Unwritten | InDoubt)
    if isinstance(outcome, Unwritten):
        assert desk.graph.bytes_read == 0


# --- after the first byte -------------------------------------------------------------------------

HALF = recorded("answer_accepted")[:40]


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        pytest.param(Reply(then=RESET), "reset", id="reset after the body"),
        pytest.param(Reply(then=CLOSE), "reset", id="closed after the body"),
        pytest.param(Reply(b"HTTP/1.1 200 O", CLOSE), "reset", id="half a head"),
        pytest.param(Reply(http(200, HALF, length=400), CLOSE), "truncated", id="half a body"),
        pytest.param(Reply(http(400, HALF, length=400), CLOSE), "truncated", id="half an error"),
        pytest.param(Reply(b"SSH-2.0-OpenSSH\r\n\r\n", CLOSE), "reset", id="no HTTP"),
        pytest.param(Reply(http(200, HALF)), "no_id", id="200 cut by a proxy"),
        pytest.param(Reply(http(200, b"{}")), "no_id", id="200 without messages"),
        pytest.param(Reply(http(200, b'{"messages":[]}')), "no_id", id="200 with no message"),
        pytest.param(Reply(http(200, b'{"messages":[{"id":""}]}')), "no_id", id="empty id"),
        pytest.param(Reply(http(200, b"[" * 100_000)), "no_id", id="200 nested"),
        pytest.param(Reply(http(201, b"<html>")), "no_id", id="201 with a page"),
        pytest.param(Reply(http(204, b"")), "no_id", id="204"),
        pytest.param(Reply(http(200, b" " * 1_100_000)), "too_large", id="huge"),
        pytest.param(
            Reply(http(200, gzip.compress(b"0" * 50_000_000), "Content-Encoding: gzip")),
            "no_id",
            id="gzip bomb",
        ),
        *[
            pytest.param(Reply(http(status, b"<html>")), "gateway", id=f"{status} page")
            for status in (500, 502, 503, 504, 599, 408, 425, 409)
        ],
    ],
)
async def test_without_proof_it_is_in_doubt(desk: Desk, reply: Reply, reason: str) -> None:
    assert await desk.answered(reply) == InDoubt(reason)
    assert desk.client.doubts == {reason: 1}
    assert await desk.client.send(a_letter()) == Accepted(WAMID)  # and the road goes on


async def test_a_slow_answer_is_in_doubt(desk: Desk) -> None:
    desk.graph.tell(Reply(then=SILENT))
    assert await desk.client.send(a_letter(deadline_s=0.05)) == InDoubt("timeout")


async def test_a_body_that_stops_is_in_doubt(desk: Desk) -> None:
    desk.graph.tell(Reply(http(200, HALF, length=400), SILENT))
    assert await desk.client.send(a_letter(deadline_s=0.05)) == InDoubt("timeout")


async def test_an_answer_in_pieces_without_a_length_is_read(desk: Desk) -> None:
    body = recorded("answer_accepted")
    pieces = b"".join(b"%x\r\n%s\r\n" % (1, body[i : i + 1]) for i in range(len(body)))
    head = b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n"
    assert await desk.answered(Reply(head + pieces + b"0\r\n\r\n")) == Accepted(WAMID)


async def test_a_kept_connection_that_dies_under_the_letter_is_in_doubt(desk: Desk) -> None:
    await desk.client.send(a_letter())
    assert await desk.answered(Reply(then=RESET)) == InDoubt("reset")
    assert desk.graph.connections == 1  # it was the kept one, and nothing was repeated
    assert len(desk.graph.bodies) == 2


async def test_a_kept_connection_that_died_before_is_not_used(desk: Desk) -> None:
    assert await desk.answered(Reply(ACCEPTED.raw, CLOSE)) == Accepted(WAMID)
    assert desk.session.connector is not None
    while any(  # until aiohttp has heard of it
        protocol.is_connected()
        for idle in desk.session.connector._conns.values()
        for protocol, _ in idle
    ):
        await asyncio.sleep(0)
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert desk.graph.connections == 2


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
    assert desk.client.codes[130429] == 1


@pytest.mark.parametrize("status", [200 + 200, 429, 503])
async def test_the_code_decides_and_not_the_status(desk: Desk, status: int) -> None:
    outcome = await desk.answered(Reply(http(status, graph_error(131026))))
    assert isinstance(outcome, Dropped)
    assert (outcome.code, outcome.strikes) == (131026, False)


async def test_a_pair_waits_four_times_longer_each_time(desk: Desk) -> None:
    waits: list[int] = []
    for _ in range(6):
        outcome = await desk.answered(Reply(http(400, graph_error(131056))))
        assert isinstance(outcome, Deferred)
        assert outcome.gate is Gate.PAIR
        waits.append(outcome.until_ms - NOW_MS)
    assert waits == [1_000, 4_000, 16_000, 64_000, 256_000, 256_000]
    await desk.client.send(a_letter())  # accepted: the pair is forgiven
    outcome = await desk.answered(Reply(http(400, graph_error(131056))))
    assert isinstance(outcome, Deferred)
    assert outcome.until_ms == NOW_MS + 1_000


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
    assert desk.client.codes[-1] == 1
    assert 999_999 not in desk.client.codes  # metrics stay bounded


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


# --- cancelled ------------------------------------------------------------------------------------


async def _cancelled(desk: Desk, when: Callable[[], bool]) -> bool:
    letter = a_letter()
    task = asyncio.ensure_future(desk.client.send(letter))
    while not when():
        await asyncio.sleep(0)
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task
    assert task.cancelled()
    return desk.client.letter_was_written(letter.job)


async def test_a_letter_cancelled_after_its_first_byte_may_have_been_sent(desk: Desk) -> None:
    desk.graph.tell(Reply(then=SILENT))
    assert await _cancelled(desk, desk.graph.asked.is_set)
    assert desk.client.doubts == {"cancelled": 1}


async def test_a_letter_cancelled_at_any_step_is_unwritten_only_without_bytes(desk: Desk) -> None:
    seen: set[bool] = set()
    async with FakeGraph() as other:
        elsewhere = desk.a_client(other.url)
        for most in range(40):
            await _cancel_after(desk, most, elsewhere, seen)
    assert seen == {True, False}


async def _cancel_after(desk: Desk, most: int, elsewhere: MetaClient, seen: set[bool]) -> None:
    steps = iter(range(most))
    before = desk.graph.bytes_read
    desk.graph.replies.clear()
    desk.graph.tell(Reply(then=SILENT))
    was_written = await _cancelled(desk, lambda: next(steps, None) is None)
    await elsewhere.send(a_letter())  # while this goes there and back, what had left arrives
    seen.add(was_written)
    if not was_written:
        assert desk.graph.bytes_read == before
    desk.client._roads.clear()  # no breaker here


# --- the breaker ----------------------------------------------------------------------------------


async def test_five_doubts_in_a_row_stop_the_writing_until_a_probe_comes_back(desk: Desk) -> None:
    for _ in range(5):
        assert isinstance(await desk.answered(Reply(then=RESET)), InDoubt)
    outcome = await desk.client.send(a_letter())
    assert isinstance(outcome, Deferred)
    assert (outcome.gate, outcome.until_ms) == (Gate.SENDER, NOW_MS + 5_000)
    assert len(desk.graph.bodies) == 5
    desk.now_ms += 5_000
    assert isinstance(await desk.answered(Reply(then=RESET)), InDoubt)  # the probe
    assert isinstance(await desk.client.send(a_letter()), Deferred)
    desk.now_ms += 5_000
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


async def test_one_letter_probes_and_the_others_wait(desk: Desk) -> None:
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    desk.now_ms += 5_000
    outcomes = await asyncio.gather(*(desk.client.send(a_letter(sequence=n)) for n in range(8)))
    assert sum(isinstance(outcome, Accepted) for outcome in outcomes) == 1
    assert sum(isinstance(outcome, Deferred) for outcome in outcomes) == 7


async def test_one_sender_s_trouble_is_not_another_s(desk: Desk) -> None:
    desk.tokens[SenderId("2")] = "EAAtwo"
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    assert await desk.client.send(a_letter(sender=SenderId("2"))) == Accepted(WAMID)


async def test_refusals_of_meta_s_own_are_no_trouble(desk: Desk) -> None:
    for _ in range(10):
        await desk.answered(Reply(http(500, graph_error(131016))))
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


async def test_a_probe_that_refuses_itself_lets_another_one_probe(desk: Desk) -> None:
    for _ in range(5):
        await desk.answered(Reply(then=RESET))
    desk.now_ms += 5_000
    desk.objection = lambda _job: "late"
    assert await desk.client.send(a_letter()) == Unwritten("late")
    desk.objection = lambda _job: ""
    assert await desk.client.send(a_letter()) == Accepted(WAMID)


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
