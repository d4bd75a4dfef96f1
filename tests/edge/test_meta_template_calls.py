"""Meta's management of templates on the wire: what is written, and what an answer proves."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import msgspec
import pytest

from adapters.meta.management import Management, build_management_session
from adapters.meta.template_calls import TemplateCalls
from adapters.meta.trial import Trials
from engine.directory import TemplateDraft
from engine.errors import ProviderAwayError, ProviderBusyError, ProviderRefusedError
from engine.model import Category, SenderId, TemplateStatus, WabaId
from tests.edge.meta_graph import (
    CLOSE,
    SENDER,
    TOKEN,
    FakeGraph,
    ManagedGraph,
    Reply,
    graph_error,
    http,
)
from tests.front_desk import a_template

WABA = WabaId("waba-1")
OFFER = a_template(meta_id="77")
DRAFT = TemplateDraft(Category.MARKETING, [{"type": "BODY", "text": "Ho {{1}}, {{2}}."}])
FULL = 'X-Business-Use-Case-Usage: {"1":[{"call_count":100,"estimated_time_to_regain_access":%d}]}'
ROW = {
    "id": "77",
    "name": "offer",
    "language": "en_US",
    "status": "PAUSED",
    "category": "MARKETING",
    "correct_category": "UTILITY",
    "quality_score": {"score": "RED"},
    "components": [{"type": "BODY", "text": "Hi"}],
}


def told(content: object, status: int = 200, *headers: str) -> Reply:
    return Reply(http(status, msgspec.json.encode(content), *headers))


@dataclass
class Desk(ManagedGraph):
    """Template calls on it."""

    def __post_init__(self) -> None:
        super().__post_init__()
        self.calls = TemplateCalls(self.management, lambda _: TOKEN, lambda: self.now_ms)

    def asked(self, place: int) -> str:
        return self.graph.heads[place].split(b"\r\n")[0].decode()


@pytest.fixture
async def desk() -> AsyncIterator[Desk]:
    async with FakeGraph() as graph, build_management_session() as session:
        yield Desk(graph, session)


async def test_a_creation_brings_back_what_meta_made_of_it(desk: Desk) -> None:
    desk.graph.tell(told({"id": "4711", "status": "PENDING", "category": "UTILITY"}))
    answer = await desk.calls.create(OFFER, DRAFT)
    assert (answer.meta_id, answer.status, answer.category) == (
        "4711",
        TemplateStatus.PENDING,
        Category.UTILITY,
    )
    assert desk.asked(0) == "POST /v25.0/waba-1/message_templates HTTP/1.1"


async def test_a_hundred_creations_an_hour_are_enough(desk: Desk) -> None:
    desk.management = Management(
        desk.session,
        graph_url=desk.graph.url,
        graph_version="v25.0",
        now_ms=lambda: desk.now_ms,
        calls_per_hour=1_000,
    )
    desk.calls = TemplateCalls(desk.management, lambda _: TOKEN, lambda: desk.now_ms)
    desk.graph.tell(*[told({"id": "1"})] * 101)
    for _ in range(100):
        await desk.calls.create(OFFER, DRAFT)
    with pytest.raises(ProviderBusyError, match="none for 60 min"):
        await desk.calls.create(OFFER, DRAFT)
    desk.now_ms += 3_600_000
    await desk.calls.create(OFFER, DRAFT)
    assert len(desk.graph.heads) == 101


async def test_an_edit_and_a_deletion_name_one_language(desk: Desk) -> None:
    desk.graph.tell(told({"success": True}), told({"success": True}))
    await desk.calls.edit(OFFER, DRAFT)
    await desk.calls.delete(OFFER)
    assert desk.asked(0) == "POST /v25.0/77 HTTP/1.1"
    assert desk.asked(1).startswith("DELETE /v25.0/waba-1/message_templates?hsm_id=77&name=offer ")


@pytest.mark.parametrize("reply", [Reply(http(502, b"<html>")), Reply(then=CLOSE), told({"x": 1})])
async def test_what_may_have_been_done_is_not_done_twice(desk: Desk, reply: Reply) -> None:
    desk.graph.tell(reply)
    with pytest.raises(ProviderAwayError):
        await desk.calls.edit(OFFER, DRAFT)
    assert len(desk.graph.heads) == 1


async def test_what_was_throttled_was_not_done_and_is_done_later(desk: Desk) -> None:
    desk.graph.tell(
        Reply(http(400, graph_error(80008), FULL % 7)),
        told({"success": True}),
        Reply(http(400, graph_error(80008), FULL % 60)),
    )
    await desk.calls.edit(OFFER, DRAFT)
    assert sum(desk.slept_s) == 7 * 60
    with pytest.raises(ProviderBusyError, match="none for 60 min"):
        await desk.calls.delete(OFFER)


async def test_meta_s_own_words_say_what_is_wrong(desk: Desk) -> None:
    words = "Variables can't be at the start or end of the template."
    refused = graph_error(100, error_subcode=2388299, error_user_msg=words)
    desk.graph.tell(Reply(http(400, refused)))
    with pytest.raises(ProviderRefusedError, match="Variables can't be at the start"):
        await desk.calls.create(OFFER, DRAFT)


async def test_one_template_is_read_by_its_id(desk: Desk) -> None:
    desk.graph.tell(told(ROW))
    found = await desk.calls.one(OFFER)
    assert found is not None
    assert (found.status, found.quality, found.coming_category) == (
        TemplateStatus.PAUSED,
        "RED",
        "UTILITY",
    )
    assert desk.asked(0).startswith("GET /v25.0/77?fields=")


async def test_an_id_that_names_nothing_is_looked_for_by_its_name(desk: Desk) -> None:
    gone = Reply(http(400, graph_error(100)))
    other = ROW | {"name": "offer_two", "id": "78"}
    german = ROW | {"language": "de", "id": "79"}
    desk.graph.tell(gone, told({"data": [other, german, ROW | {"id": "80"}]}))
    found = await desk.calls.one(OFFER)
    assert found is not None
    assert found.meta_id == "80"
    desk.graph.tell(gone, told({"data": [other, german]}))
    assert await desk.calls.one(OFFER) is None


async def test_what_is_gone_by_its_id_may_have_been_made_anew(desk: Desk) -> None:
    gone = ROW | {"status": "PENDING_DELETION"}
    desk.graph.tell(told(gone), told({"data": [gone, ROW | {"id": "80"}]}))
    found = await desk.calls.one(OFFER)
    assert found is not None
    assert (found.meta_id, found.status) == ("80", TemplateStatus.PAUSED)
    desk.graph.tell(told(gone), told({"data": []}))
    found = await desk.calls.one(OFFER)
    assert found is not None
    assert found.status is TemplateStatus.PENDING_DELETION
    desk.graph.tell(told({"data": [ROW | {"id": "80"}, gone]}))
    (listed,) = (await desk.calls.listing(WABA)).templates
    assert listed.meta_id == "80"


async def test_a_language_with_a_hyphen_is_the_same(desk: Desk) -> None:
    hyphened = ROW | {"language": str(ROW["language"]).replace("_", "-")}
    desk.graph.tell(told(hyphened))
    assert await desk.calls.one(OFFER) is not None
    desk.graph.tell(Reply(http(400, graph_error(100))), told({"data": [hyphened]}))
    assert await desk.calls.one(OFFER) is not None


async def test_a_row_that_cannot_be_read_is_no_deletion(desk: Desk) -> None:
    desk.graph.tell(told(ROW | {"category": "NEWS"}))
    with pytest.raises(ProviderAwayError):
        await desk.calls.one(OFFER)
    gone = Reply(http(400, graph_error(100)))
    desk.graph.tell(gone, told({"data": [{"name": 7}]}))
    with pytest.raises(ProviderAwayError):
        await desk.calls.one(OFFER)
    desk.graph.tell(told({"data": [ROW, ROW | {"category": "NEWS"}, {"name": 7}]}))
    listing = await desk.calls.listing(WABA)
    assert (len(listing.templates), listing.unreadable) == (1, 2)


async def test_a_sample_goes_to_a_session_of_the_token_s_app(desk: Desk) -> None:
    desk.graph.tell(told({"id": "9"}), told({"id": "upload:AB?sig=C"}), told({"h": "4::x"}))
    handle = await desk.calls.upload_sample(WABA, "a b.png", "image/png", b"png")
    assert handle == "4::x"
    assert desk.asked(1) == (
        "POST /v25.0/9/uploads?file_name=a+b.png&file_length=3&file_type=image%2Fpng HTTP/1.1"
    )
    assert desk.asked(2) == "POST /v25.0/upload:AB?sig=C HTTP/1.1"
    assert f"Authorization: OAuth {TOKEN}".encode() in desk.graph.heads[2]


async def test_a_sample_that_is_cut_off_goes_on_where_it_ended(desk: Desk) -> None:
    desk.graph.tell(told({"id": "9"}), told({"id": "upload:AB?sig=C"}))
    desk.graph.tell(
        Reply(then=CLOSE), told({"id": "upload:AB", "file_offset": 2}), told({"h": "4::x"})
    )
    assert await desk.calls.upload_sample(WABA, "a.png", "image/png", b"png!") == "4::x"
    assert desk.asked(3) == "GET /v25.0/upload:AB?sig=C HTTP/1.1"
    assert f"Authorization: OAuth {TOKEN}".encode() in desk.graph.heads[3]
    assert b"file_offset: 2\r\n" in desk.graph.heads[4]
    assert desk.graph.bodies[-1] == b"g!"
    desk.graph.tell(told({"id": "9"}), told({"id": "upload:AB?sig=C"}))
    desk.graph.tell(Reply(then=CLOSE), told({"id": "upload:AB", "file_offset": 5}))
    with pytest.raises(ProviderAwayError):
        await desk.calls.upload_sample(WABA, "a.png", "image/png", b"png!")


async def test_a_trial_gives_back_everything_but_the_token(desk: Desk) -> None:
    def trials(token: str) -> Trials:
        return Trials(
            desk.session, graph_url=desk.graph.url, graph_version="v25.0", token_of=lambda _: token
        )

    refused = graph_error(132001, error_data={"details": "does not exist"})
    desk.graph.tell(Reply(http(404, refused, "x-fb-trace-id: T", "Set-Cookie: a=b")))
    answer = await trials(TOKEN).send(SENDER, "+4915112345678", {"type": "template"})
    assert (answer["ok"], answer["status"]) == (False, 404)
    assert "132001" in str(answer["body"])
    assert "x-fb-trace-id" in str(answer["headers"])
    assert "canary" not in str(answer)
    assert "cookie" not in str(answer).lower()
    with pytest.raises(ProviderRefusedError, match="no access token"):
        await trials("").send(SenderId("1"), "+4915112345678", {})
    desk.graph.tell(Reply(then=CLOSE))
    with pytest.raises(ProviderAwayError, match="may have been sent"):
        await trials(TOKEN).send(SENDER, "+4915112345678", {})
