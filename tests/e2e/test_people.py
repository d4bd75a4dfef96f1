"""People through the whole house: who stopped, under which id, and what still goes to them."""

import asyncio
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis

from engine.model import PortfolioId
from tests.e2e.test_world import until
from tests.e2e.whole_house import PORTFOLIO, SENDER, Whole, a_message, a_whole_house, a_world, rows

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

OWNER, QUOTA = PortfolioId(PORTFOLIO), f"/v1/portfolios/{PORTFOLIO}/quota"
DIALLED, REAL = "+5511987654321", "551187654321"  # Brazil: with and without the ninth digit


async def a_job(whole: Whole, to: str, name: str = "offer") -> str:
    job = {"sender": SENDER, "to": to, "message": a_message("A", name=name)}
    return str((await whole.call("POST", "/v1/jobs", job))["results"][0]["id"])


async def ends(whole: Whole, to: str, name: str = "offer") -> str:
    """Send a message and return how that ended."""
    job = await a_job(whole, to, name)
    shown = await until(whole, lambda each: each["state"] in ENDS, f"/v1/jobs/{job}")
    return str(shown["state"])


ENDS = ("accepted", "failed", "suppressed")


async def test_who_is_suppressed_gets_nothing_of_that_kind_and_all_again_after(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        person = "+4915100000001"
        await whole.call("PUT", f"/v1/suppressions/{person}", {"category": "marketing"})
        assert await ends(whole, person) == "suppressed"
        assert await ends(whole, person, "update") == "accepted"
        await whole.call("DELETE", f"/v1/suppressions/{person}")
        assert await ends(whole, person) == "accepted"


async def test_a_file_of_stops_empties_a_campaign_that_is_uploaded_already(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        await whole.upload("c1", rows(20))
        people = "\n".join(["to", *(f"+49151{number:08}" for number in range(15))])
        headers = {"Content-Type": "text/csv"}
        address = whole.url + "/v1/suppressions"
        async with whole.session.post(address, data=people, headers=headers) as response:
            assert (await response.json())["added"] == 15
        await whole.call("POST", "/v1/campaigns/c1/start")
        counts: dict[str, Any] = (await whole.completed("c1"))["counts"]
        assert (counts["suppressed"], counts["accepted"]) == (15, 5)
        assert whole.report().accepted == 5


async def test_who_had_enough_marketing_today_is_left_alone_until_tomorrow(
    server_url: str, tmp_path: Path
) -> None:
    person = "+4915100000001"
    fault = {"kind": "late_error", "code": 131049, "recipients": [person], "times_max": 1}
    async with a_whole_house(server_url, tmp_path, a_world(faults=[fault])) as whole:
        assert await ends(whole, person) == "accepted"
        path = f"/v1/suppressions/{person}"
        shown = await until(whole, lambda each: bool(each["suppressions"]), path)
        [rest] = shown["suppressions"]
        assert (rest["category"], rest["code"]) == ("marketing", 131049)
        assert await ends(whole, person) == "suppressed"
        assert await ends(whole, person, "update") == "accepted"
        assert await ends(whole, "+4915100000002") == "accepted"


@pytest.mark.parametrize("code", [131049, 131050])
async def test_what_an_answer_says_of_a_person_holds_for_the_next_message(
    server_url: str, tmp_path: Path, code: int
) -> None:
    person = "+4915100000001"
    fault = {"kind": "error", "code": code, "recipients": [person], "times_max": 1}
    async with a_whole_house(server_url, tmp_path, a_world(faults=[fault])) as whole:
        assert await ends(whole, person) == "failed"
        path = f"/v1/suppressions/{person}"
        await until(whole, lambda each: bool(each["suppressions"]), path)
        assert await ends(whole, person) == "suppressed"
        assert await ends(whole, person, "update") == "accepted"


@pytest.mark.one_server
async def test_an_experiment_ends_when_the_person_writes_and_a_third_miss_rests_a_week(
    server_url: str, tmp_path: Path
) -> None:
    ada, bob = "+4915100000001", "+4915100000002"
    held = {"kind": "error", "code": 130472, "recipients": [ada], "times_max": 1}
    missed = {"kind": "error", "code": 131026, "recipients": [bob], "times_max": 3}
    async with a_whole_house(server_url, tmp_path, a_world(faults=[held, missed])) as whole:
        assert await ends(whole, ada) == "failed"
        path = f"/v1/suppressions/{ada}"
        shown = await until(whole, lambda each: bool(each["suppressions"]), path)
        assert [each["code"] for each in shown["suppressions"]] == [130472]
        assert await ends(whole, ada) == "suppressed"
        await whole.control("POST", "inbound", {"phone_number_id": SENDER, "from": ada})
        await until(whole, lambda each: not each["suppressions"], path)
        assert await ends(whole, ada) == "accepted"
        assert [await ends(whole, bob, "update") for _ in range(3)] == ["failed"] * 3
        path = f"/v1/suppressions/{bob}"
        shown = await until(whole, lambda each: bool(each["suppressions"]), path)
        assert [each["code"] for each in shown["suppressions"]] == [131026]
        assert await ends(whole, bob) == "suppressed"
        assert await ends(whole, bob, "update") == "accepted"
        assert whole.report().clean, whole.report().violations


async def test_a_stop_told_under_metas_id_stops_the_number_that_is_dialled(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(wa_ids={DIALLED.removeprefix("+"): REAL})
    async with a_whole_house(server_url, tmp_path, world) as whole:
        job = await a_job(whole, DIALLED)
        await until(whole, lambda each: each["delivery"] == "delivered", f"/v1/jobs/{job}")
        stop = {"phone_number_id": SENDER, "recipient": REAL}
        await whole.control("POST", "preferences", stop)
        path = f"/v1/suppressions/{DIALLED}"
        await until(whole, lambda each: bool(each["suppressions"]), path)
        assert await ends(whole, DIALLED) == "suppressed"
        assert await ends(whole, DIALLED, "update") == "accepted"


async def test_who_has_two_ids_takes_one_place_once_meta_has_told_so(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(wa_ids={DIALLED.removeprefix("+"): REAL}, window_ms=86_400_000)
    async with a_whole_house(server_url, tmp_path, world) as whole:
        job = await a_job(whole, DIALLED, "update")
        await until(whole, lambda each: each["delivery"] == "delivered", f"/v1/jobs/{job}")
        people = whole.house.persons.people
        key = whole.house.recipients.key
        dialled, real = key(DIALLED.removeprefix("+")), key(REAL)
        async with asyncio.timeout(20):
            while await people.leads(OWNER, [dialled]) != {dialled: real}:
                await asyncio.sleep(0.05)
        before = (await whole.call("GET", QUOTA))["used"]
        for to in (DIALLED, "+" + REAL, DIALLED):
            assert await ends(whole, to, "update") == "accepted"
        assert (await whole.call("GET", QUOTA))["used"] == before + 1
        uploaded = await whole.upload("c1", f"to,name\n{DIALLED},Ana\n+{REAL},Ana\n")
        assert (uploaded["accepted"], uploaded["duplicates"]) == (1, 1)
        assert whole.report().clean


async def test_who_is_forgotten_is_found_nowhere_any_more(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    person = "+4915100000001"
    async with a_whole_house(server_url, tmp_path) as whole:
        job = await a_job(whole, person)
        await until(whole, lambda each: each["delivery"] == "delivered", f"/v1/jobs/{job}")
        await whole.upload("c1", rows(5))  # a draft: it holds the person's number
        assert await holding(redis_client, person.encode())
        wamid = (await whole.call("GET", f"/v1/jobs/{job}"))["wamid"]
        assert await holding(redis_client, wamid.encode())
        answer = await whole.call("POST", "/v1/erasures", {"to": person})
        assert (answer["complete"], answer["portfolios"][0]["unsent"]) == (True, 1)
        assert await holding(redis_client, person.encode()) == set()
        assert await holding(redis_client, wamid.encode()) == set()
        await whole.call("POST", "/v1/campaigns/c1/start")
        counts = (await whole.completed("c1"))["counts"]
        assert (counts["accepted"], counts["suppressed"]) == (4, 1)
        portfolio = next(iter(whole.report().windows))
        assert await whole.house.ledger.audit(PortfolioId(portfolio)) == []
        assert (await whole.call("GET", f"/v1/jobs/{job}"))["wamid"] == "erased"


async def holding(client: Any, wanted: bytes) -> set[bytes]:  # noqa: ANN401 (redis-py's replies)
    """Return the keys that hold some bytes, in whatever form they are stored."""
    found: set[bytes] = set()
    for key in await client.keys("ps:*"):
        if wanted in key or wanted in await content_of(client, key):
            found.add(key)
    return found


async def content_of(client: Any, key: bytes) -> bytes:  # noqa: ANN401 (redis-py's replies)
    """Return all that a key holds, joined."""
    match await client.type(key):
        case b"hash":
            return b"|".join(part for pair in (await client.hgetall(key)).items() for part in pair)
        case b"list":
            return b"|".join(await client.lrange(key, 0, -1))
        case b"set":
            return b"|".join(await client.smembers(key))
        case b"zset":
            return b"|".join(await client.zrange(key, 0, -1))
        case b"stream":
            return repr(await client.xrange(key)).encode()
        case _:
            return bytes(await client.get(key) or b"")


async def test_marketing_to_the_united_states_is_refused_at_the_door_unless_it_is_to_be_tried(
    server_url: str, tmp_path: Path
) -> None:
    person = "+16505551234"
    job = {"sender": SENDER, "to": person, "message": a_message("A")}
    async with a_whole_house(server_url, tmp_path) as whole:
        [result] = (await whole.call("POST", "/v1/jobs", [job]))["results"]
        assert result["errors"][0]["code"] == "country_marketing"
        assert await ends(whole, person, "update") == "accepted"
        uploaded = await whole.upload("c1", f"to,name\n{person},Ada\n+4915100000001,Bob\n")
        assert (uploaded["accepted"], uploaded["rejected"]) == (1, 1)
        assert uploaded["errors"][0]["row"] == 2
    async with a_whole_house(server_url, tmp_path, no_marketing="") as whole:
        assert await ends(whole, person) == "accepted"
