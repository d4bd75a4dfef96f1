"""The promise under everything: a letter leaves whole, as aiohttp would send it, or not at all."""

import asyncio
from collections.abc import Callable

import pytest
from aiohttp import ClientSession

from adapters.meta.client import MetaClient, build_session
from engine.outcomes import Accepted, Outcome, Unwritten
from tests.edge.meta_graph import NOW_MS, SENDER, TOKEN, WAMID, Desk, FakeGraph, a_letter

uvloop = pytest.importorskip("uvloop")


async def _refused_and_accepted(*, first_is_accepted: bool) -> tuple[list[Outcome], int, int]:
    """Send a letter that is accepted before or after one that is refused."""
    async with FakeGraph() as graph, build_session() as session:
        late = 2 if first_is_accepted else 1
        client = MetaClient(
            session,
            graph_url=graph.url,
            graph_version="v25.0",
            token_of=lambda _sender: TOKEN,
            now_ms=lambda: NOW_MS,
            objection=lambda job: "late" if job.key.sequence == late else "",
        )
        outcomes = [await client.send(a_letter(sequence=n)) for n in (1, 2)]
        one_request = len(graph.heads[0]) + 4 + len(graph.bodies[0])
        return outcomes, graph.bytes_read, one_request


@pytest.mark.parametrize("first_is_accepted", [True, False])
@pytest.mark.parametrize(
    "make_loop", [asyncio.new_event_loop, uvloop.new_event_loop], ids=["asyncio", "uvloop"]
)
def test_only_the_accepted_letter_left_bytes(
    make_loop: Callable[[], asyncio.AbstractEventLoop], *, first_is_accepted: bool
) -> None:
    with asyncio.Runner(loop_factory=make_loop) as runner:
        outcomes, bytes_read, one_request = runner.run(
            _refused_and_accepted(first_is_accepted=first_is_accepted)
        )
    assert sorted(type(outcome).__name__ for outcome in outcomes) == [
        Accepted.__name__,
        Unwritten.__name__,
    ]
    assert Unwritten("late") in outcomes
    assert bytes_read == one_request


async def test_a_letter_looks_on_the_wire_as_aiohttp_would_send_it(desk: Desk) -> None:
    body = b'{"to":"+16505551234","text":{"body":"\xc3\xa4"}}'
    await desk.client.send(a_letter(body=body))
    headers = {
        "Authorization": f"Bearer {TOKEN}",
        "Content-Type": "application/json",
        "Accept-Encoding": "identity",
    }
    address = f"{desk.graph.url}/v25.0/{SENDER}/messages"
    async with ClientSession() as plain, plain.post(address, data=body, headers=headers):
        pass
    ours, theirs = (set(head.split(b"\r\n")) for head in desk.graph.heads)
    assert ours == theirs
    assert desk.graph.bodies == [body, body]


async def test_a_body_larger_than_any_buffer_leaves_whole(desk: Desk) -> None:
    body = b"x" * 5_000_000
    assert await desk.client.send(a_letter(body=body)) == Accepted(WAMID)
    assert desk.graph.bodies == [body]


async def test_a_connection_that_has_not_taken_all_of_a_body_serves_no_other_letter(
    desk: Desk,
) -> None:
    """A server may answer what is too large without reading it."""
    desk.graph.is_hasty = True
    assert await desk.client.send(a_letter(body=b"x" * 5_000_000)) == Accepted(WAMID)
    assert await desk.client.send(a_letter()) == Accepted(WAMID)
    assert desk.graph.connections == 2


async def test_the_sending_session_sends_nothing_but_letters(desk: Desk) -> None:
    with pytest.raises(TypeError, match="only letters"):
        await desk.session.post(desk.graph.url, data=b"{}")
    with pytest.raises(TypeError, match="only letters"):
        await desk.session.get(desk.graph.url)
    assert desk.graph.bytes_read == 0
