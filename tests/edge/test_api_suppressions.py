"""Suppressions over HTTP: one person or a file, one portfolio or all, and what is refused."""

import gzip
import io
from typing import Any

import pytest

from engine.model import Category, PortfolioId
from engine.resting import Miss, Reason
from tests.front_desk import PORTFOLIO, READ, SEND, Desk, a_desk

PERSON = "+4915112345678"
PATH = f"/v1/suppressions/{PERSON}"
CSV = (
    "to;category;action\n"
    "+4915112345678;marketing;\n"
    "0151;;\n"
    "+4915112345679;;add\n"
    "+4915112345680;news;add\n"
    "+4915112345681;;delete\n"
    "+4915112345678;marketing;remove\n"
    "+4915112345682\n"
)


def refused(desk: Desk, person: str, portfolio: str = PORTFOLIO) -> set[str]:
    """Return which kinds of messages the gate refuses for a person; empty text is all."""
    key = desk.front.recipients.key(person)
    suppressed = desk.ledger.slot(PortfolioId(portfolio))[0].suppressed
    return {category for recipient, category in suppressed if recipient == key}


def kinds(shown: dict[str, list[dict[str, str]]]) -> set[tuple[str, str]]:
    return {(each["portfolio_id"], each["category"]) for each in shown["suppressions"]}


async def import_file(
    desk: Desk, body: str | bytes, query: str = "", **headers: str
) -> tuple[int, dict[str, Any]]:
    kind = {"Content-Type": "text/csv", "Authorization": f"Bearer {SEND}"} | headers
    path = "/v1/suppressions" + query
    data = io.BytesIO(body.encode() if isinstance(body, str) else body)
    async with desk.client.post(path, data=data, headers=kind) as response:
        return response.status, await response.json(content_type=None)


async def test_a_person_is_refused_shown_and_allowed_again() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("PUT", PATH, {"category": "marketing"}, key=SEND)
        assert (status, kinds(shown)) == (200, {(PORTFOLIO, "marketing")})
        assert shown["suppressions"][0]["since"] == "2026-05-28T20:26:40.000Z"
        await desk.call("PUT", "/v1/suppressions/4915112345678", {})  # the same person
        _, shown = await desk.call("GET", PATH, key=READ)
        assert kinds(shown) == {(PORTFOLIO, "marketing"), (PORTFOLIO, "all")}
        assert refused(desk, "4915112345678") == {"", "marketing"}
        _, shown = await desk.call("DELETE", PATH + "?category=marketing", key=SEND)
        assert kinds(shown) == {(PORTFOLIO, "all")}
        _, shown = await desk.call("DELETE", PATH, key=SEND)
        assert (shown, refused(desk, "4915112345678")) == (
            {"to": PERSON, "suppressions": []},
            set(),
        )


async def test_lifting_all_lifts_each_kind() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", PATH, {"category": "utility"})
        await desk.call("DELETE", PATH)
        assert refused(desk, "4915112345678") == set()


async def test_one_portfolio_is_meant_or_all_and_those_to_come() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", "/v1/portfolios/p2", {"messaging_limit": 250})
        await desk.call("PUT", PATH + "?portfolio=p2", {})
        assert (refused(desk, "4915112345678"), refused(desk, "4915112345678", "p2")) == (
            set(),
            {""},
        )
        await desk.call("PUT", PATH, {"category": "marketing"})
        await desk.call("PUT", "/v1/portfolios/p3", {"messaging_limit": 250})
        _, shown = await desk.call("GET", PATH)
        assert kinds(shown) == {
            *((each, "marketing") for each in (PORTFOLIO, "p2", "p3")),
            ("p2", "all"),
        }
        _, shown = await desk.call("GET", PATH + "?portfolio=p3")
        assert kinds(shown) == {("p3", "marketing")}


@pytest.mark.parametrize(
    ("method", "path", "body", "status", "pointer"),
    [
        ("PUT", "/v1/suppressions/0151", {}, 422, "/to"),
        ("GET", "/v1/suppressions/+49%20151", None, 422, "/to"),
        ("PUT", PATH, {"category": "news"}, 422, "/category"),
        ("PUT", PATH, {"categories": "all"}, 422, "/categories"),
        ("DELETE", PATH + "?category=news", None, 422, "/category"),
        ("PUT", PATH + "?portfolio=p9", {}, 404, None),
    ],
)
async def test_what_cannot_be_is_named(
    method: str, path: str, body: object, status: int, pointer: str | None
) -> None:
    async with a_desk() as desk:
        seen, problem = await desk.call(method, path, body)
        assert seen == status, problem
        assert [each["pointer"] for each in problem["errors"]] == ([pointer] if pointer else [])


async def test_a_rest_is_shown_with_its_end_and_lifted_with_all_else() -> None:
    async with a_desk() as desk:
        reason = Reason(desk.front.recipients.key("4915112345678"), 131049)
        await desk.front.resting.learn(PortfolioId(PORTFOLIO), [Miss(reason, desk.now_ms)])
        _, shown = await desk.call("GET", PATH)
        assert shown["suppressions"] == [
            {
                "portfolio_id": PORTFOLIO,
                "category": "marketing",
                "until": "2026-05-29T20:26:40.000Z",
                "code": 131049,
            }
        ]
        assert refused(desk, "4915112345678") == {"marketing"}
        _, shown = await desk.call("DELETE", PATH)
        assert (shown["suppressions"], refused(desk, "4915112345678")) == ([], set())


async def test_who_may_only_read_may_not_refuse() -> None:
    async with a_desk() as desk:
        assert (await desk.call("PUT", PATH, {}, key=READ))[0] == 403
        assert (await desk.call("DELETE", PATH, key=READ))[0] == 403


async def test_a_file_is_taken_row_by_row_and_bad_rows_are_named() -> None:
    async with a_desk() as desk:
        assert await import_file(desk, CSV) == (
            200,
            {
                "read": 7,
                "added": 2,
                "removed": 1,
                "rejected": 4,
                "errors": [
                    {
                        "row": 8,
                        "field": "",
                        "code": "columns",
                        "detail": "has 1 columns, the header has 3",
                    },
                    {
                        "row": 3,
                        "field": "to",
                        "code": "no_country_code",
                        "detail": "starts with 0; E.164 starts with the country code",
                    },
                    {
                        "row": 5,
                        "field": "category",
                        "code": "unknown_category",
                        "detail": "is none of all, authentication, service, utility, marketing",
                    },
                    {
                        "row": 6,
                        "field": "action",
                        "code": "unknown_action",
                        "detail": "is neither add nor remove",
                    },
                ],
                "stopped": "",
                "detail": "",
            },
        )
        assert refused(desk, "4915112345678") == set()  # its last row counts
        assert refused(desk, "4915112345679") == {""}


async def test_a_plain_list_of_numbers_is_a_file_too_packed_or_not() -> None:
    async with a_desk() as desk:
        rows = "\n".join(["to", *(f"+49151{number:08}" for number in range(3_000))])
        status, shown = await import_file(
            desk,
            gzip.compress(rows.encode()),
            "?portfolio=" + PORTFOLIO,
            **{"Content-Encoding": "gzip"},
        )
        assert (status, shown["added"], shown["rejected"]) == (200, 3_000, 0)
        assert refused(desk, "4915100002999") == {""}


async def test_ndjson_says_the_same() -> None:
    async with a_desk() as desk:
        body = (
            b'{"to":"US.13491208655302741918","category":"marketing"}\n\n'
            b'{"to":"+4915112345678","kategorie":"x"}\nno json\n'
            b'{"to":"+4915112345679","action":"remove"}'
        )
        headers = {"Content-Type": "application/x-ndjson", "Authorization": f"Bearer {SEND}"}
        async with desk.client.post("/v1/suppressions", data=body, headers=headers) as response:
            shown = await response.json()
        assert (shown["added"], shown["removed"], shown["rejected"]) == (1, 1, 2)
        assert [each["row"] for each in shown["errors"]] == [3, 4]
        assert shown["errors"][0]["field"] == "kategorie"
        assert refused(desk, "US.13491208655302741918") == {Category.MARKETING.value}


@pytest.mark.parametrize(
    ("body", "kind", "status", "code"),
    [
        (b"number\n+4915112345678\n", "text/csv", 422, "missing_column"),
        (b"to\n+4915112345678\n", "application/json", 415, "unsupported_media_type"),
        (b"{" + b"x" * 2_000_000, "application/x-ndjson", 413, "too_long"),
    ],
)
async def test_a_file_that_is_none_is_refused_whole(
    body: bytes, kind: str, status: int, code: str
) -> None:
    async with a_desk() as desk:
        seen, problem = await import_file(desk, body, **{"Content-Type": kind})
        assert (seen, problem["code"]) == (status, code)
