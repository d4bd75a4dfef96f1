"""Templates and numbers, page by page, within Meta's patience."""

import asyncio
from collections.abc import AsyncIterator

import msgspec
import pytest

from adapters.meta.management import (
    CALLS_PER_HOUR,
    Management,
    build_management_session,
)
from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.model import TemplateStatus, WabaId
from tests.edge.meta_graph import (
    CLOSE,
    NOW_MS,
    RESET,
    SENDER,
    TOKEN,
    FakeGraph,
    ManagedGraph,
    Reply,
    graph_error,
    http,
    recorded,
)

WABA = WabaId("102290129340398")
NUMBER = Reply(http(200, recorded("number_fields")))
REVIEW = Reply(http(200, b'{"account_review_status":"APPROVED"}'))
FIRST = Reply(http(200, recorded("template_list_first")))
LAST = Reply(http(200, recorded("template_list_last")))
FULL = 'X-Business-Use-Case-Usage: {"1":[{"call_count":100,"estimated_time_to_regain_access":%d}]}'


@pytest.fixture
async def desk() -> AsyncIterator[ManagedGraph]:
    async with FakeGraph() as graph, build_management_session() as session:
        yield ManagedGraph(graph, session)


async def test_all_pages_are_read_and_a_bad_row_costs_only_itself(desk: ManagedGraph) -> None:
    desk.graph.tell(FIRST, LAST)
    templates = await desk.management.templates(WABA, TOKEN)
    assert [(one.id, one.name, one.language) for one in templates] == [
        ("1", "order", "en_US"),
        ("3", "offer", "de"),
    ]
    order, offer = templates
    assert (order.status, order.category, order.quality) == (
        TemplateStatus.APPROVED,
        "UTILITY",
        "GREEN",
    )
    assert msgspec.json.decode(order.components) == [{"type": "BODY", "text": "Hi {{1}}"}]
    assert (offer.status, offer.quality) == (TemplateStatus.UNKNOWN, "UNKNOWN")
    assert desk.management.unreadable == 1


async def test_the_next_page_is_asked_for_without_following_a_link(desk: ManagedGraph) -> None:
    desk.graph.tell(FIRST, LAST)
    await desk.management.templates(WABA, TOKEN)
    first, second = (head.split(b"\r\n")[0] for head in desk.graph.heads)
    assert b"after=" not in first
    assert second.endswith(b"&limit=100&after=QVFJ HTTP/1.1")
    assert b"token" not in second.lower()
    assert f"Authorization: Bearer {TOKEN}".encode() in desk.graph.heads[1]


async def test_a_circle_of_pages_ends(desk: ManagedGraph) -> None:
    desk.graph.tell(FIRST, FIRST, FIRST)
    assert len(await desk.management.templates(WABA, TOKEN)) == 2
    assert desk.management.unreadable > 0  # nobody knows what it leaves out


async def test_a_page_that_goes_on_and_does_not_tell_where_is_no_list(desk: ManagedGraph) -> None:
    lost = {"data": [], "paging": {"next": "https://graph.facebook.com/x"}}
    desk.graph.tell(*[Reply(http(200, msgspec.json.encode(lost)))] * 3)
    with pytest.raises(ProviderAwayError):
        await desk.management.templates(WABA, TOKEN)


async def test_a_cursor_gone_bad_starts_again_once(desk: ManagedGraph) -> None:
    bad = Reply(http(400, graph_error(131059)))
    desk.graph.tell(FIRST, bad, FIRST, LAST)
    assert len(await desk.management.templates(WABA, TOKEN)) == 2
    desk.graph.tell(bad, bad)
    with pytest.raises(ProviderRefusedError, match="131059"):
        await desk.management.templates(WABA, TOKEN)


async def test_a_number_is_read(desk: ManagedGraph) -> None:
    desk.graph.tell(NUMBER)
    number = await desk.management.number(WABA, SENDER, TOKEN)
    assert number.id == SENDER
    assert number.is_connected
    assert (number.quality, number.throughput_mps, number.messaging_limit) == ("GREEN", 80, 2_000)


@pytest.mark.parametrize(
    ("node", "review"),
    [
        (b'{"id":"1","account_review_status":"pending"}', "PENDING"),
        (b'{"id":"1"}', ""),
        (b"[]", ""),
    ],
)
async def test_the_review_of_an_account_is_read(
    desk: ManagedGraph, node: bytes, review: str
) -> None:
    desk.graph.tell(Reply(http(200, node)))
    assert await desk.management.review(WABA, TOKEN) == review


async def test_a_limit_that_is_not_told_is_none(desk: ManagedGraph) -> None:
    desk.graph.tell(Reply(http(200, b'{"id":"1","throughput":{"level":"NOT_APPLICABLE"}}')))
    number = await desk.management.number(WABA, SENDER, TOKEN)
    assert (number.throughput_mps, number.messaging_limit) == (None, None)
    assert not number.is_connected


@pytest.mark.parametrize(
    "reply",
    [
        Reply(http(502, b"<html>")),
        Reply(http(500, graph_error(2))),
        Reply(http(500, graph_error(1))),
    ],
)
async def test_what_may_pass_is_tried_again(desk: ManagedGraph, reply: Reply) -> None:
    desk.graph.tell(reply, reply, NUMBER)
    assert (await desk.management.number(WABA, SENDER, TOKEN)).id == SENDER
    assert desk.slept_s == [0.5, 1.0]


@pytest.mark.parametrize("reply", [Reply(then=RESET), Reply(then=CLOSE)])
async def test_a_lost_answer_is_asked_for_again(desk: ManagedGraph, reply: Reply) -> None:
    desk.graph.tell(*[reply] * 4, NUMBER)  # aiohttp itself repeats a lost GET once
    assert (await desk.management.number(WABA, SENDER, TOKEN)).id == SENDER
    assert desk.slept_s == [0.5, 1.0]


async def test_three_tries_are_enough(desk: ManagedGraph) -> None:
    desk.graph.tell(*[Reply(http(502, b"<html>"))] * 3)
    with pytest.raises(ProviderAwayError):
        await desk.management.number(WABA, SENDER, TOKEN)
    assert len(desk.graph.heads) == 3


@pytest.mark.parametrize(
    ("reply", "code"),
    [
        (Reply(http(401, graph_error(190, error_data=f"bad {TOKEN}"))), 190),
        (Reply(http(400, graph_error(100))), 100),
        (Reply(http(404, b"<html>")), 404),
        (Reply(http(302, b"", "Location: http://127.0.0.1:1/")), 302),
    ],
)
async def test_what_never_will_pass_is_told_at_once(
    desk: ManagedGraph, reply: Reply, code: int
) -> None:
    desk.graph.tell(reply)
    with pytest.raises(ProviderRefusedError) as caught:
        await desk.management.number(WABA, SENDER, TOKEN)
    assert caught.value.code == code
    assert "canary" not in str(caught.value)
    assert len(desk.graph.heads) == 1


async def test_too_many_calls_wait_as_long_as_meta_says(desk: ManagedGraph) -> None:
    desk.graph.tell(Reply(http(400, graph_error(80008), FULL % 7)), NUMBER)
    assert (await desk.management.number(WABA, SENDER, TOKEN)).id == SENDER
    assert sum(desk.slept_s) == 7 * 60
    assert len(desk.graph.heads) == 2


async def test_a_wait_beyond_patience_is_told_and_costs_no_call(desk: ManagedGraph) -> None:
    desk.graph.tell(Reply(http(400, graph_error(80008), FULL % 60)))
    for _ in range(2):
        with pytest.raises(ProviderBusyError) as caught:
            await desk.management.number(WABA, SENDER, TOKEN)
        assert caught.value.until_ms == NOW_MS + 3_600_000
    assert len(desk.graph.heads) == 1


async def test_a_nearly_full_quota_is_rested_before_meta_throttles(desk: ManagedGraph) -> None:
    almost = 'X-Business-Use-Case-Usage: {"1":[{"call_count":96}]}'
    desk.graph.tell(Reply(http(200, recorded("number_fields"), almost)), NUMBER)
    await desk.management.number(WABA, SENDER, TOKEN)
    assert desk.slept_s == []
    await desk.management.number(WABA, SENDER, TOKEN)
    assert desk.slept_s == [60.0]


async def test_calls_of_one_account_take_turns(desk: ManagedGraph) -> None:
    desk.graph.tell(Reply(http(400, graph_error(80008), FULL % 60)))
    calls = [desk.management.number(WABA, SENDER, TOKEN) for _ in range(5)]
    errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [ProviderBusyError] * 5
    assert len(desk.graph.heads) == 1  # the others heard of it before they called


async def test_a_whole_hour_of_calls_is_told_instead_of_waited_for(desk: ManagedGraph) -> None:
    desk.graph.tell(*[REVIEW] * CALLS_PER_HOUR)
    for _ in range(CALLS_PER_HOUR):
        await desk.management.review(WABA, TOKEN)
    with pytest.raises(ProviderBusyError) as caught:
        await desk.management.review(WABA, TOKEN)
    assert caught.value.until_ms == NOW_MS + 3_600_000
    assert len(desk.graph.heads) == CALLS_PER_HOUR


async def test_an_account_with_a_number_that_is_connected_has_more_calls(
    desk: ManagedGraph,
) -> None:
    """Else a start with 300 numbers would know a third of them only after an hour."""
    asked = CALLS_PER_HOUR + 10
    desk.graph.tell(NUMBER, *[REVIEW] * asked)
    await desk.management.number(WABA, SENDER, TOKEN)
    for _ in range(asked):
        await desk.management.review(WABA, TOKEN)
    assert len(desk.graph.heads) == 1 + asked


async def test_who_asks_when_the_hour_is_used_up_is_told_instead_of_held_up(
    desk: ManagedGraph,
) -> None:
    """Somebody waits for the answer: an operator's call hung for the rest of the hour."""
    desk.graph.tell(NUMBER)
    hurried = Management(
        desk.session,
        graph_url=desk.graph.url,
        graph_version="v25.0",
        now_ms=lambda: desk.now_ms,
        calls_per_hour=1,
        active_calls_per_hour=1,
        patience_ms=200,
    )
    await hurried.number(WABA, SENDER, TOKEN)
    calls = [hurried.number(WABA, SENDER, TOKEN) for _ in range(3)]
    async with asyncio.timeout(30):
        errors = await asyncio.gather(*calls, return_exceptions=True)
    assert [type(error) for error in errors] == [ProviderBusyError] * 3
    assert len(desk.graph.heads) == 1


async def test_one_account_s_quota_is_not_another_s(desk: ManagedGraph) -> None:
    desk.graph.tell(Reply(http(400, graph_error(80008), FULL % 60)), NUMBER)
    with pytest.raises(ProviderBusyError):
        await desk.management.number(WABA, SENDER, TOKEN)
    assert (await desk.management.number(WabaId("2"), SENDER, TOKEN)).id == SENDER


@pytest.mark.parametrize("body", [b"", b"[]", b"<html>", b'{"data":7}', b"[" * 100_000])
async def test_an_odd_page_is_no_list(desk: ManagedGraph, body: bytes) -> None:
    desk.graph.tell(*[Reply(http(200, body))] * 3)
    with pytest.raises(ProviderAwayError):
        await desk.management.templates(WABA, TOKEN)
