"""Both clients against the real server: what goes in, what comes out, what is cut and goes on."""

import asyncio
import gzip
import io
import random
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path
from typing import Any

import msgspec
import pytest
from aiohttp import web
from yarl import URL

from adapters.client import shapes
from adapters.client.asynchronous import AsyncClient
from adapters.client.errors import (
    BrokenError,
    ConflictError,
    InvalidError,
    KeyRefusedError,
    NotFoundError,
    UnreachableError,
)
from adapters.client.shapes import CampaignPlan, Job, Recipient, template
from adapters.client.sync import Client
from adapters.client.talks import Patience
from tests.e2e.whole_house import KEY, SENDER, Whole, a_whole_house, rows
from tests.redis_servers import free_port

PERSON = "+4915112345678"
SHAPES: dict[type[msgspec.Struct], str] = {  # ours -> the document's
    shapes.Job: "JobBody",
    shapes.CampaignPlan: "CampaignBody",
    shapes.QuietHours: "QuietBody",
    shapes.Recipient: "Recipient",
    shapes.JobOutcome: "ItemOutcome",
    shapes.JobStatus: "JobAnswer",
    shapes.WaitingFor: "WaitingFor",
    shapes.Campaign: "CampaignAnswer",
    shapes.CampaignStatus: "CampaignStatusAnswer",
    shapes.Counts: "CountsAnswer",
    shapes.UploadOutcome: "Uploaded",
    shapes.RowFault: "Reject",
}

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # the client, whatever ledger is behind the API
]


@pytest.fixture
async def whole(server_url: str, tmp_path: Path) -> AsyncIterator[Whole]:
    async with a_whole_house(server_url, tmp_path) as made:
        yield made


def a_job(to: str = PERSON, key: str = "") -> Job:
    return Job(sender=SENDER, to=to, key=key, message=template("update", "en_US", ["Ada"]))


async def test_a_program_without_a_loop_sends_asks_and_is_refused(whole: Whole) -> None:
    def act() -> None:
        with Client(whole.url, KEY) as client:
            sent = client.send(a_job(key="k1"))
            assert (client.send(a_job(key="k1")).id, sent.status) == (sent.id, "accepted")
            assert client.job(str(sent.id)).id == sent.id
            with pytest.raises(ConflictError):
                client.send(a_job(key="k1", to="+4915112345679"))
            with pytest.raises(InvalidError) as refused:
                client.send(a_job(to="0151"))
            assert refused.value.errors[0].code == "no_country_code"
            with pytest.raises(NotFoundError):
                client.campaign("never")
        with Client(whole.url, "psk_wrong") as stranger, pytest.raises(KeyRefusedError):
            stranger.job("pst.x")

    await asyncio.to_thread(act)


async def test_a_program_with_a_loop_does_all_that_a_campaign_needs(
    whole: Whole, tmp_path: Path
) -> None:
    packed = tmp_path / "people.csv.gz"
    packed.write_bytes(gzip.compress(rows(10).encode()))
    async with AsyncClient(whole.url, KEY) as client:
        plan = CampaignPlan(
            name="Autumn", senders=[SENDER], message=template("offer", "en_US", ["{{name}}"])
        )
        made = await client.create_campaign(plan, key="autumn")
        assert (await client.create_campaign(plan, key="autumn")).id == made.id
        uploaded = await client.upload(made.id, packed)
        assert (uploaded.read, uploaded.accepted) == (10, 10)
        people = (Recipient(f"+49151{n:08}", {"name": "Ada"}) for n in range(5, 15))
        uploaded = await client.upload(made.id, people)
        assert (uploaded.accepted, uploaded.duplicates) == (5, 5)
        assert (await client.start(made.id)).state == "running"
        await client.pause(made.id)
        await client.resume(made.id)
        async with asyncio.timeout(20):
            while not (status := await client.campaign(made.id)).is_over:
                await asyncio.sleep(0.05)
        assert (status.counts.accepted, status.enqueued) == (15, 15)
        await asyncio.gather(*(client.send(a_job(to=f"+49152{n:08}")) for n in range(20)))


async def test_a_stream_through_a_wire_that_breaks_adds_every_job_once(whole: Whole) -> None:
    tries = 0

    async def shaky(request: web.Request) -> web.StreamResponse:
        """Pass a call on; lose every second answer."""
        nonlocal tries
        tries += 1
        body = await request.read()
        headers = {name: request.headers[name] for name in ("Authorization", "Content-Type")}
        url = whole.url + request.path
        async with whole.session.post(url, data=io.BytesIO(body), headers=headers) as passed:
            answer = await passed.read()
        if tries % 2:
            assert request.transport is not None
            request.transport.abort()
        return web.Response(status=passed.status, body=answer)

    async with served(shaky) as url:
        quick = Patience(first_s=0.01)
        async with AsyncClient(url, KEY, quick) as client:
            jobs = (a_job(to=f"+49151{n:08}") for n in range(6_000))
            outcome = await client.send_all([*jobs, a_job(to="0151")], key="night")
            assert (outcome.repeated, outcome.accepted, outcome.rejected) == (6_000, 0, 1)
            assert outcome.rejects[0].index == 6_000
            again = await client.send_all([a_job(to=f"+49151{n:08}") for n in range(10)], "night")
            assert again.accepted == 0
    assert tries == 6


async def test_a_refusal_in_the_middle_of_a_body_is_heard(whole: Whole, tmp_path: Path) -> None:
    wrong = tmp_path / "wrong.csv"
    wrong.write_bytes(b"phone,name\n" + b"+4915112345678,Ada\n" * 300_000)
    none = Patience(repeats_max=0)
    async with AsyncClient(whole.url, KEY, none) as client:
        with pytest.raises(InvalidError, match="column `to`"):
            await client.upload("c1", wrong)
    with Client(whole.url, KEY, none) as other, pytest.raises(InvalidError, match="column `to`"):
        await asyncio.to_thread(other.upload, "c1", wrong)


async def test_an_answer_goes_into_a_file_and_one_that_breaks_off_is_asked_for_again(
    whole: Whole, tmp_path: Path
) -> None:
    expected = await whole.call("GET", "/openapi.json")
    tries = 0

    async def shaky(request: web.Request) -> web.StreamResponse:
        nonlocal tries
        tries += 1
        body = msgspec.json.encode(expected)
        response = web.StreamResponse(headers={"Content-Length": str(len(body))})
        await response.prepare(request)
        await response.write(body if tries % 2 == 0 else body[: len(body) // 2])
        if tries % 2:
            assert request.transport is not None
            request.transport.close()
        return response

    quick = Patience(first_s=0.01)
    async with served(shaky) as url:
        with (tmp_path / "sync").open("w+b") as file, Client(url, KEY, quick) as client:
            await asyncio.to_thread(client.download, "/results.csv", file)
        with (tmp_path / "async").open("w+b") as file:
            async with AsyncClient(url, KEY, quick) as other:
                await other.download("/results.csv", file)
    for name in ("sync", "async"):
        assert msgspec.json.decode((tmp_path / name).read_bytes()) == expected
    assert tries == 4
    with (tmp_path / "none").open("w+b") as file, Client(whole.url, KEY) as client:
        with pytest.raises(NotFoundError):
            await asyncio.to_thread(client.download, "/v1/campaigns/never", file)
        assert file.tell() == 0


async def test_no_client_follows_a_redirect(whole: Whole) -> None:
    arrived: list[str] = []

    async def redirect(request: web.Request) -> web.StreamResponse:
        arrived.append(request.path)
        raise web.HTTPTemporaryRedirect("/elsewhere")

    async with served(redirect) as url:
        async with AsyncClient(url, KEY) as client:
            with pytest.raises(BrokenError):
                await client.job("pst.x")
        with Client(url, KEY) as other, pytest.raises(BrokenError):
            await asyncio.to_thread(other.job, "pst.x")
    assert arrived == ["/v1/jobs/pst.x"] * 2
    assert whole.url


async def test_nobody_there_is_told_with_the_address() -> None:
    url = f"http://127.0.0.1:{free_port()}"
    none = Patience(repeats_max=0)
    with Client(url, KEY, none) as client, pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
        await asyncio.to_thread(client.job, "pst.x")
    async with AsyncClient(url, KEY, none) as other:
        with pytest.raises(UnreachableError, match=r"127\.0\.0\.1"):
            await other.job("pst.x")


async def test_the_shapes_are_those_of_the_document(whole: Whole) -> None:
    document = await whole.call("GET", "/openapi.json")
    known = document["components"]["schemas"]
    for shape, name in SHAPES.items():
        if name not in known:
            assert name == "Recipient"  # a line of a file: the document names no schema for it
            continue
        fields = {each.encode_name for each in msgspec.structs.fields(shape)}
        assert fields <= set(known[name]["properties"]), name


class served:  # noqa: N801 (used as a function is)
    """A server with one answer for all; its address."""

    def __init__(self, answer: Callable[[web.Request], Any]) -> None:
        app = web.Application(client_max_size=2**26)
        app.router.add_route("*", "/{tail:.*}", answer)
        self._runner = web.AppRunner(app)

    async def __aenter__(self) -> str:
        await self._runner.setup()
        port = free_port()
        await web.TCPSite(self._runner, "127.0.0.1", port).start()
        return f"http://127.0.0.1:{port}"

    async def __aexit__(self, *_: object) -> None:
        await self._runner.cleanup()


async def test_a_file_through_a_wire_that_is_cut_goes_on_where_it_ended(
    whole: Whole, tmp_path: Path
) -> None:
    file = tmp_path / "people.csv"
    file.write_text("\n".join(["to,name", *(f"+49151{n:08},Ada" for n in range(20_000))]))
    async with a_wire(whole, 200_000) as (url, passed):
        async with AsyncClient(url, KEY, Patience(first_s=0.01)) as client:
            uploaded = await client.upload("c1", file)
        assert (uploaded.read, uploaded.accepted, uploaded.duplicates) == (20_000, 20_000, 0)
        assert passed[-1] < file.stat().st_size < sum(passed)
    packed = tmp_path / "more.csv.gz"
    rest = ["to,name", *(f"+49152{n:08},Name {random.random()}" for n in range(20_000))]
    packed.write_bytes(gzip.compress("\n".join(rest).encode()))
    async with a_wire(whole, 150_000) as (url, _):
        with Client(url, KEY, Patience(first_s=0.01)) as other:
            uploaded = await asyncio.to_thread(other.upload, "c1", packed)
    assert (uploaded.read, uploaded.accepted, uploaded.duplicates) == (20_000, 20_000, 0)
    people = [Recipient(f"+49153{n:08}", {"name": "Ada"}) for n in range(20_000)]
    async with a_wire(whole, 200_000) as (url, _):
        with Client(url, KEY, Patience(first_s=0.01)) as other:
            uploaded = await asyncio.to_thread(other.upload, "c1", people)
    assert (uploaded.read, uploaded.accepted, uploaded.duplicates) == (20_000, 20_000, 0)
    assert (await whole.call("GET", "/v1/campaigns/c1"))["enqueued"] == 60_000


@asynccontextmanager
async def a_wire(whole: Whole, cut_after: int) -> AsyncGenerator[tuple[str, list[int]]]:
    """Pass connections on; hang up once on who sent so much, when some of it is taken."""
    before = (await whole.call("GET", "/v1/campaigns/c1"))["enqueued"]
    passed: list[int] = []
    was_cut = False
    tasks: list[asyncio.Task[Any] | None] = []

    async def carry(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        tasks.append(asyncio.current_task())
        place = len(passed)
        passed.append(0)
        address = URL(whole.url)
        back, there = await asyncio.open_connection(address.host, address.port)
        returning = asyncio.create_task(flow(back, writer))
        try:
            await pass_on(reader, there, place)
            there.close()
            await returning
        finally:
            returning.cancel()
            there.transport.abort()
            writer.transport.abort()

    async def pass_on(
        reader: asyncio.StreamReader, there: asyncio.StreamWriter, place: int
    ) -> None:
        nonlocal was_cut
        while piece := await reader.read(16_384):
            passed[place] += len(piece)
            there.write(piece)
            await there.drain()
            if passed[place] > cut_after and not was_cut:
                was_cut = True
                await whole.until("c1", lambda each: each["enqueued"] > before + 4_000)
                return

    async def flow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionError):
            while piece := await reader.read(16_384):
                writer.write(piece)
                await writer.drain()
            writer.transport.abort()

    server = await asyncio.start_server(carry, "127.0.0.1", 0)
    async with server:
        yield f"http://127.0.0.1:{server.sockets[0].getsockname()[1]}", passed
        for task in filter(None, tasks):
            task.cancel()
        await asyncio.gather(*filter(None, tasks), return_exceptions=True)
