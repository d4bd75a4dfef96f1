"""The promise under everything: a body that refuses leaves not one byte, on both event loops."""

import asyncio
from collections.abc import Callable

import pytest

from adapters.meta.client import MetaClient, build_session
from engine.outcomes import Accepted, Outcome, Unwritten
from tests.edge.meta_graph import NOW_MS, TOKEN, FakeGraph, a_letter

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
