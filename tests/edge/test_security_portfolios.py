"""S10: a key of one portfolio sees, changes and learns nothing of another, on any route."""

import asyncio
import re
from collections.abc import AsyncIterator, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from tests.e2e.test_world import until
from tests.e2e.whole_house import PORTFOLIO, SENDER, Whole, a_message, a_whole_house, a_world

OTHER, OTHER_SENDER, OTHER_WABA = "portfolio-2", "206540352242922", "waba-2"
PERSON, STOPPED = "+4915112345678", "4915112345679"  # one stopped in the second portfolio
JSON_BODIES: dict[str, Any] = {  # what a route wants, so that it looks for the name at all
    "put /v1/portfolios/{id}": {"messaging_limit": 99},
    "put /v1/senders/{id}": {
        "portfolio_id": PORTFOLIO,
        "waba_id": "waba-1",
        "display_phone_number": "+1 555 0100",
        "access_token": "another-token",
    },
    "put /v1/wabas/{waba}/templates/{name}/{language}": {
        "category": "UTILITY",
        "components": [{"type": "BODY", "text": "Hi"}],
    },
    "post /v1/wabas/{waba}/templates/import": {},
    "put /v1/journeys/{id}": {"portfolio_id": OTHER},
    "put /v1/suppressions/{to}": {"category": "marketing"},
    "post /v1/doubts/{id}/resolve": {"as": "failed"},
    "post /v1/wabas/{waba}/templates/{name}/{language}/test": {"to": PERSON},
    "post /{version}/{phone_number_id}/messages": {
        "messaging_product": "whatsapp",
        "to": PERSON,
        **a_message("Ada"),
    },
}
OTHER_PAGE = f"/v1/wabas/{OTHER_WABA}"
OF_PEOPLE = "/v1/suppressions/{to}"  # everybody may be asked about: the words are a portfolio's
NEVER_THERE = {  # names that lead nowhere, in the shape of those that do
    "jobs": "pst.AAAAAQAAAAMAAAAAAAAAESJE2-e9XbFk",
    "doubts": "pst.AAAAAQAAAAMAAAAAAAAAESJE2-e9XbFk",
    "senders": "999999999999999",
    "keys": "ffffffff",
    "suppressions": "4915112345670",
}

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # who may what is decided by the API
]


@dataclass
class Houses:
    """A house of two portfolios, what the second has, and how each may call."""

    whole: Whole
    document: dict[str, Any]
    key: str
    others: dict[str, str]  # resource -> the name of the second portfolio's

    async def call(self, method: str, path: str, body: object, key: str) -> tuple[int, str]:
        """Return status and text of an answer."""
        headers = {"Authorization": f"Bearer {key}"}
        url = self.whole.url + path
        async with self.whole.session.request(method, url, json=body, headers=headers) as response:
            return response.status, await response.text()

    def filled(self, path: str, *, is_there: bool) -> str:
        """Return a path with the second portfolio's names, or with names of nothing."""
        resource = (re.findall(r"^/v1/([a-z]+)", path) or ["senders"])[0]
        is_of_waba = path.endswith(("/message_templates", "/phone_numbers"))
        own = self.others if is_there else {}
        names = {
            "id": own.get(resource, NEVER_THERE.get(resource, "never-there")),
            "waba": OTHER_WABA if is_there else "waba-9",
            "name": own.get("why", "never-there") if resource == "why" else "offer",
            "language": "en_US",
            "at": "1780000000000",
            "node": self.filled_node(is_of_waba=is_of_waba, is_there=is_there),
            "media": "1",
            "version": "v25.0",
            "phone_number_id": OTHER_SENDER if is_there else NEVER_THERE["senders"],
            "to": own.get(resource, NEVER_THERE.get(resource, "4915112345678")),
        }
        return re.sub(r"\{(\w+)\}", lambda found: names.get(found[1], "x"), path)

    @staticmethod
    def filled_node(*, is_of_waba: bool, is_there: bool) -> str:
        """Return the second portfolio's account or number, as Meta's paths name it."""
        if is_of_waba:
            return OTHER_WABA if is_there else "waba-9"
        return OTHER_SENDER if is_there else NEVER_THERE["senders"]

    def operations(self) -> Iterator[tuple[str, str, dict[str, Any]]]:
        """Yield every operation that needs a key."""
        for path, its in self.document["paths"].items():
            for method, operation in its.items():
                if operation["security"]:
                    yield method, path, operation


async def furnish_two(whole: Whole) -> None:
    for portfolio, sender, waba, campaign, journey in (
        (PORTFOLIO, SENDER, "waba-1", "campaign-1", "journey-1"),
        (OTHER, OTHER_SENDER, OTHER_WABA, "campaign-2", "journey-2"),
    ):
        await whole.call("PUT", f"/v1/portfolios/{portfolio}", {"messaging_limit": 40})
        body = {"portfolio_id": portfolio, "waba_id": waba, "display_phone_number": "+1 555 0100"}
        token = {"access_token": f"token-of-{sender}"}
        await whole.call("PUT", f"/v1/senders/{sender}", body | token)
        await whole.call("POST", f"/v1/wabas/{waba}/templates/import", {})
        made = {"id": campaign, "name": "Autumn", "senders": [sender]}
        await whole.call("POST", "/v1/campaigns", made | {"message": a_message("{{name}}")})
        await whole.call("PUT", f"/v1/journeys/{journey}", {"portfolio_id": portfolio})
        await whole.call("PUT", f"/v1/wabas/{waba}/template-rules", {"profile": "seed"})


def a_world_of_two() -> Any:  # noqa: ANN401
    text = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
    number = {"display_phone_number": "+1 555 0100"}
    return a_world(
        portfolios=[{"id": PORTFOLIO, "limit": 40}, {"id": OTHER, "limit": 40}],
        wabas=[
            {"id": "waba-1", "portfolio_id": PORTFOLIO},
            {"id": OTHER_WABA, "portfolio_id": OTHER},
        ],
        senders=[
            {
                "phone_number_id": sender,
                "waba_id": waba,
                "portfolio_id": portfolio,
                "token": f"token-of-{sender}",
                **number,
            }
            for sender, waba, portfolio in (
                (SENDER, "waba-1", PORTFOLIO),
                (OTHER_SENDER, OTHER_WABA, OTHER),
            )
        ],
        templates=[
            {"waba": waba, "name": name, "components": [text]}
            for waba, name in (("waba-1", "offer"), (OTHER_WABA, "offer"), (OTHER_WABA, "theirs"))
        ],
        window_ms=86_400_000,  # nobody's place falls free while a test compares
    )


@pytest.fixture
async def houses(server_url: str, tmp_path: Path) -> AsyncIterator[Houses]:
    async with a_whole_house(server_url, tmp_path, a_world_of_two(), furnish=furnish_two) as whole:
        job = {"sender": OTHER_SENDER, "to": PERSON, "message": a_message("Ada")}
        sent = await whole.call("POST", "/v1/jobs", job)
        made: dict[str, str] = {}
        for portfolio in (PORTFOLIO, OTHER):
            body = {"name": portfolio, "role": "admin", "portfolio": portfolio}
            made[portfolio] = (await whole.call("POST", "/v1/keys", body))["key"]
        await whole.call("PUT", f"/v1/suppressions/{STOPPED}?portfolio={OTHER}", {})
        others = {
            "jobs": sent["results"][0]["id"],
            "campaigns": "campaign-2",
            "journeys": "journey-2",
            "why": "campaign-2",
            "doubts": sent["results"][0]["id"],
            "portfolios": OTHER,
            "senders": OTHER_SENDER,
            "keys": made[OTHER].split("_")[1],
            "suppressions": STOPPED,
        }
        document = await whole.call("GET", "/openapi.json")
        yield Houses(whole, document, made[PORTFOLIO], others)


async def test_s10_what_is_another_portfolios_is_answered_as_what_is_not_there(
    houses: Houses,
) -> None:
    asked = 0
    for method, path, operation in houses.operations():
        if not any(each["in"] == "path" for each in operation.get("parameters", ())):
            continue
        body = JSON_BODIES.get(f"{method} {path}")
        there, nowhere = (houses.filled(path, is_there=each) for each in (True, False))
        assert there != nowhere, f"`houses.others` names nothing of this kind yet: {path}"
        status, text = await houses.call(method, there, body, houses.key)
        told = await houses.call(method, nowhere, body, houses.key)
        shown = status, plain(text, there)
        assert shown == (told[0], plain(told[1], nowhere)), (method, path)
        assert (status == 200) if path == OF_PEOPLE else (status >= 400), (method, path)
        asked += 1
    assert asked >= 50


async def test_s10_nothing_of_another_portfolio_is_shown_or_changed(houses: Houses) -> None:
    admin = str(houses.whole.session.headers["Authorization"]).removeprefix("Bearer ")
    async with asyncio.timeout(30):  # until the house has asked Meta, as it does when it starts
        while "APPROVED" not in (await houses.call("GET", OTHER_PAGE, None, admin))[1]:
            await asyncio.sleep(0.05)
    sent = f"/v1/jobs/{houses.others['jobs']}"
    await until(houses.whole, lambda each: each["delivery"] == "delivered", sent)
    before = [await houses.call("GET", each, None, admin) for each in others_pages(houses)]
    for method, path, operation in houses.operations():
        if method == "get" and "{" not in path:
            _, text = await houses.call(method, path, None, houses.key)
            shown = [name for name in (*houses.others.values(), OTHER_WABA) if name in text]
            assert shown == [], path
        elif "{" in path:
            there = houses.filled(path, is_there=True)
            await houses.call(method, there, JSON_BODIES.get(f"{method} {path}"), houses.key)
        del operation
    after = [await houses.call("GET", each, None, admin) for each in others_pages(houses)]
    assert [status for status, _ in before] == [200] * len(before)
    assert after == before


async def test_s10_no_body_reaches_another_portfolio(houses: Houses) -> None:
    bodies: list[tuple[str, dict[str, Any]]] = [
        ("/v1/jobs", {"sender": OTHER_SENDER, "to": PERSON, "message": a_message("Ada")}),
        (
            "/v1/campaigns",
            {"name": "x", "senders": [OTHER_SENDER], "message": a_message("{{name}}")},
        ),
        (
            "/v1/campaigns",
            {
                "name": "x",
                "id": "campaign-2",
                "senders": [SENDER],
                "message": a_message("{{name}}"),
            },
        ),
        ("/v1/keys", {"name": "x", "portfolio": OTHER}),
        ("/v1/dead/drop", {"sender": OTHER_SENDER}),
        ("/v1/dead/replay", {"sender": OTHER_SENDER}),
        ("/v1/dead/replay", {"ids": [houses.others["jobs"]]}),
        ("/v1/dead/drop", {"sender": SENDER, "ids": [houses.others["jobs"]]}),
        (
            "/v1/jobs",
            {
                "sender": SENDER,
                "to": PERSON,
                "message": a_message("Ada") | {"context": {"message_id": houses.others["jobs"]}},
            },
        ),
    ]
    for path, body in bodies:
        status, _ = await houses.call("POST", path, body, houses.key)
        assert status in (404, 409, 422), path
    of_a_person = f"suppressions/{STOPPED}?portfolio={OTHER}"
    for method in ("PUT", "DELETE"):
        assert (await houses.call(method, f"/v1/{of_a_person}", {}, houses.key))[0] == 404, method
    file = f"/v1/suppressions?portfolio={OTHER}"
    assert (await houses.call("POST", file, None, houses.key))[0] == 404
    for query in (f"dead?sender={OTHER_SENDER}", f"doubts?portfolio={OTHER}", of_a_person):
        assert (await houses.call("GET", f"/v1/{query}", None, houses.key))[0] == 404, query
    taken = await houses.call(
        "PUT", "/v1/journeys/journey-2", {"portfolio_id": PORTFOLIO}, houses.key
    )
    assert taken[0] == 409
    assert (await houses.whole.call("GET", "/v1/journeys/journey-2"))["portfolio_id"] == OTHER
    campaign = await houses.whole.call("GET", "/v1/campaigns/campaign-2")
    assert (campaign["portfolio_id"], campaign["name"]) == (OTHER, "Autumn")


async def test_s10_a_sender_does_not_move_into_another_waba(houses: Houses) -> None:
    body = JSON_BODIES["put /v1/senders/{id}"] | {"waba_id": OTHER_WABA}
    status, _ = await houses.call("PUT", f"/v1/senders/{SENDER}", body, houses.key)
    assert status == 404
    shown = await houses.whole.call("GET", f"/v1/senders/{SENDER}")
    assert shown["waba_id"] == "waba-1"
    body["waba_id"] = "waba-1"
    assert (await houses.call("PUT", f"/v1/senders/{SENDER}", body, houses.key))[0] == 200


async def test_s10_a_key_of_a_portfolio_works_in_it_and_makes_keys_for_it_only(
    houses: Houses,
) -> None:
    job = {"sender": SENDER, "to": PERSON, "message": a_message("Ada")}
    assert (await houses.call("POST", "/v1/jobs", job, houses.key))[0] == 202
    made = await houses.call("POST", "/v1/keys", {"name": "node"}, houses.key)
    assert f'"portfolio":"{PORTFOLIO}"' in made[1]


async def test_s10_the_same_idempotency_key_in_two_portfolios_is_two_campaigns(
    houses: Houses,
) -> None:
    made: list[str] = []
    for portfolio, sender in ((PORTFOLIO, SENDER), (OTHER, OTHER_SENDER)):
        body = {"name": portfolio, "role": "admin", "portfolio": portfolio}
        key = (await houses.whole.call("POST", "/v1/keys", body))["key"]
        campaign = {"name": "x", "senders": [sender], "message": a_message("{{name}}")}
        headers = {"Authorization": f"Bearer {key}", "Idempotency-Key": "1"}
        url = houses.whole.url + "/v1/campaigns"
        async with (
            aiohttp.ClientSession(headers=headers) as session,
            session.post(url, json=campaign) as response,
        ):
            assert response.status == 201
            made.append((await response.json())["id"])
    assert made[0] != made[1]


async def test_s10_a_word_of_a_portfolios_key_is_a_word_in_that_portfolio(houses: Houses) -> None:
    path = f"/v1/suppressions/{PERSON}"
    status, _ = await houses.call("PUT", path, {"category": "marketing"}, houses.key)
    assert (status, await stops(houses, PERSON)) == (200, {(PORTFOLIO, "marketing")})
    headers = {"Authorization": f"Bearer {houses.key}", "Content-Type": "text/csv"}
    url = houses.whole.url + "/v1/suppressions"
    async with houses.whole.session.post(url, data="to\n" + PERSON, headers=headers) as response:
        assert response.status == 200
    assert await stops(houses, PERSON) == {(PORTFOLIO, "marketing"), (PORTFOLIO, "all")}
    assert (await houses.call("DELETE", path, None, houses.key))[0] == 200
    assert await stops(houses, PERSON) == set()


async def test_s10_an_erasure_of_a_portfolios_key_leaves_what_others_have_and_want(
    houses: Houses,
) -> None:
    job = f"/v1/jobs/{houses.others['jobs']}"
    ended = await until(houses.whole, lambda each: each["state"] == "accepted", job)
    await houses.whole.call("PUT", f"/v1/suppressions/{PERSON}", {"category": "marketing"})
    await houses.call("PUT", f"/v1/suppressions/{PERSON}", {}, houses.key)
    for to in (PERSON, STOPPED):
        body = {"to": to, "keep_stop": False}
        status, text = await houses.call("POST", "/v1/erasures", body, houses.key)
        assert (status, PORTFOLIO in text, OTHER in text) == (200, True, False)
    assert (await houses.whole.call("GET", job))["wamid"] == ended["wamid"] != "erased"
    # What the house ordered everywhere still holds in the portfolio that forgot the person.
    assert await stops(houses, PERSON) == {(PORTFOLIO, "marketing"), (OTHER, "marketing")}
    assert await stops(houses, STOPPED) == {(OTHER, "all")}
    await houses.whole.call("POST", "/v1/erasures", {"to": PERSON, "keep_stop": False})
    assert await stops(houses, PERSON) == set()
    assert (await houses.whole.call("GET", job))["wamid"] == "erased"


async def stops(houses: Houses, to: str) -> set[tuple[str, str]]:
    """Return where a person is stopped, and from what."""
    shown = await houses.whole.call("GET", f"/v1/suppressions/{to}")
    return {(each["portfolio_id"], each["category"]) for each in shown["suppressions"]}


def others_pages(houses: Houses) -> list[str]:
    """Return where the second portfolio's things stand."""
    one, waba = houses.others, f"/v1/wabas/{OTHER_WABA}/templates"
    return [
        f"/v1/campaigns/{one['campaigns']}",
        f"/v1/campaigns/{one['campaigns']}/results.csv",
        f"/v1/journeys/{one['journeys']}",
        f"/v1/why/{one['why']}",
        OTHER_PAGE,
        f"/v1/wabas/{OTHER_WABA}/template-rules",
        f"/v1/wabas/{OTHER_WABA}/template-sets",
        f"/v1/portfolios/{OTHER}",
        f"/v1/senders/{OTHER_SENDER}",
        waba,
        f"{waba}/theirs/en_US",
        f"/v1/suppressions/{STOPPED}?portfolio={OTHER}",
        "/v1/keys",
    ]


def plain(text: str, path: str) -> str:
    """Return an answer without the names that were asked for, and without what is new each time."""
    names = sorted(enumerate(path.split("/")), key=lambda each: -len(each[1]))
    for place, name in names:
        text = text.replace(name, f"<{place}>") if len(name) > 3 else text
    return re.sub(r'"(fbtrace_id|since)":"[^"]*"', "", text)
