"""What leaves for Meta and when, on a real socket; what came back proves how it ended."""

import asyncio
import gzip

import pytest

from engine.model import Gate
from engine.outcomes import Accepted, Deferred, InDoubt, Unwritten
from tests.edge.meta_graph import (
    ACCEPTED,
    CLOSE,
    NOW_MS,
    RESET,
    SENDER,
    SILENT,
    TOKEN,
    WAMID,
    Desk,
    FakeGraph,
    Reply,
    a_letter,
    http,
    recorded,
)

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


@pytest.mark.parametrize("token", ["", "two\r\nlines", "schlüssel"])
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
    assert desk.graph.connections == 1  # it is as good as it was


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


async def test_what_a_closing_connection_says_is_no_answer_to_us(desk: Desk) -> None:
    desk.graph.greeting = http(408, b"<html>")

    def wait(_job: object) -> str:  # until the greeting is here, which is before the write
        assert desk.session.connector is not None
        for protocol in desk.session.connector._acquired:
            protocol.data_received(desk.graph.greeting)
        return ""

    desk.objection = wait
    assert await desk.client.send(a_letter()) == Unwritten("connection_lost")
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
