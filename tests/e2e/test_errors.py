"""Each error number of Meta's, answered and told later: what closes, for how long, what it costs.

What is expected stands in tests/edge/test_meta_codes.py, written down apart from the table.
"""

import asyncio
import re
import time
from collections.abc import AsyncGenerator, Callable
from contextlib import asynccontextmanager
from datetime import datetime
from pathlib import Path
from typing import Any, cast

import pytest

from adapters.meta.codes import ILL
from engine.model import Gate
from engine.ports import FOREVER_MS
from tests.e2e.whole_house import LOOK_EVERY_S, Whole, a_message, a_whole_house, a_world
from tests.edge.test_meta_codes import DEFERRED, DROPPED, RETRIED
from tests.held_steps import HeldSteps

pytestmark = [
    pytest.mark.usefixtures("redis_client"),
    pytest.mark.one_server,  # the ledger's part in it: tests/lua and tests/contract, on each
    pytest.mark.timeout(120),
]

WAITS = {code: (gate, wait) for gate, codes in DEFERRED.items() for code, wait in codes.items()}
CODES = (*WAITS, *RETRIED, *DROPPED)
OF_THE_APP = (4, 341)  # each closes every account, so it has a house of its own
OF_ONE_ACCOUNT = [code for code in CODES if code not in OF_THE_APP]
PARTS = 4  # what a house tells itself of its numbers grows with the square of how many it has
HOUSES = [
    *(pytest.param(OF_ONE_ACCOUNT[at::PARTS], id=f"of one account {at}") for at in range(PARTS)),
    *(pytest.param([code], id=str(code)) for code in OF_THE_APP),
]
TIMED = {Gate.ACCOUNT.value, Gate.SENDER.value, Gate.PAIR.value}
TOKEN_CODES = {0, 102, 190}  # answers only: a message that was accepted had a good token
UNPROVEN = {1, 2, 131000, 131016, 133004, 135000}  # told later they prove nothing: the place stays
TEXT = {"type": "BODY", "text": "Hi {{1}}, you are welcome."}
LATER_MS = 1_234  # as nothing else; told before the answer is recorded, it would end its job
FURNISHED_AT_ONCE = 4  # all at once would want more connections than one client has


@asynccontextmanager
async def a_house_of_errors(
    server_url: str, directory: Path, kind: str, codes: list[int]
) -> AsyncGenerator[tuple[Whole, dict[int, str]]]:
    """Give each number of Meta's a portfolio, an account, a sender and a token, and a job to each.

    Yields the house and the jobs by the number that they meet.
    """
    names = {code: str(code) for code in codes}
    plan: dict[str, Any] = {
        "portfolios": [{"id": name, "limit": 40} for name in names.values()],
        "wabas": [{"id": f"w{name}", "portfolio_id": name} for name in names.values()],
        "senders": [
            {
                "phone_number_id": name,
                "waba_id": f"w{name}",
                "portfolio_id": name,
                "display_phone_number": f"+1 555 {name}",
                "token": f"token-{name}",
            }
            for name in names.values()
        ],
        "templates": [
            {"waba": f"w{name}", "name": "update", "category": "UTILITY", "components": [TEXT]}
            for name in names.values()
        ],
        "faults": [
            {"kind": kind, "code": code, "phone_number_ids": [name], "delay_ms": LATER_MS}
            for code, name in names.items()
        ],
        "window_ms": 86_400_000,
    }

    async def furnish(whole: Whole) -> None:
        turn = asyncio.Semaphore(FURNISHED_AT_ONCE)

        async def furnish_in_turn(name: str) -> None:
            async with turn:
                await furnish_one(whole, name)

        await asyncio.gather(*(furnish_in_turn(name) for name in names.values()))

    async with a_whole_house(server_url, directory, a_world(**plan), furnish=furnish) as whole:
        jobs = {code: await a_job(whole, name) for code, name in names.items()}
        yield whole, jobs


async def furnish_one(whole: Whole, name: str) -> None:
    await whole.call("PUT", f"/v1/portfolios/{name}", {"messaging_limit": 40})
    sender = {
        "portfolio_id": name,
        "waba_id": f"w{name}",
        "display_phone_number": f"+1 555 {name}",
        "access_token": f"token-{name}",
    }
    await whole.call("PUT", f"/v1/senders/{name}", sender)
    await whole.call("POST", f"/v1/wabas/w{name}/templates/import", {})
    async with asyncio.timeout(30):  # a new number is asked about at once: that answer opens, too
        while not await is_asked(whole, name):
            await asyncio.sleep(0.05)


async def is_asked(whole: Whole, name: str) -> bool:
    """Return whether Meta has told how a number stands."""
    told = (await whole.call("GET", f"/v1/senders/{name}"))["told"]
    return any(fact["source"] == "refresh" for fact in told.values())


async def a_job(whole: Whole, sender: str) -> str:
    message = a_message("A", name="update")
    job = {"sender": sender, "to": "+4915100000001", "message": message}
    return str((await whole.call("POST", "/v1/jobs", job))["results"][0]["id"])


async def seen(
    whole: Whole, jobs: dict[int, str], holds: Callable[[int, dict[str, Any]], bool]
) -> dict[int, dict[str, Any]]:
    """Return each job once it is as it should be, or as it is after half a minute."""
    shown: dict[int, dict[str, Any]] = {}
    until_s = time.monotonic() + 30
    while len(shown) < len(jobs):
        for code in jobs.keys() - shown.keys():
            job = await whole.call("GET", f"/v1/jobs/{jobs[code]}")
            if holds(code, job) or time.monotonic() > until_s:
                shown[code] = job
        await asyncio.sleep(5 * LOOK_EVERY_S)  # a look is a call for each job
    return shown


def gate_of(job: dict[str, Any]) -> str | None:
    return job["waiting_for"][0]["gate"] if job["waiting_for"] else None


def expected(code: int) -> tuple[str, str | None, int | None]:
    """Return state, gate and code of a job whose send is answered with a number."""
    if code in DROPPED:
        return "failed", None, code
    gate = WAITS[code][0] if code in WAITS else Gate.RETRY
    return "waiting", gate.value, None


def fits(code: int, job: dict[str, Any]) -> bool:
    """Return whether a job stands as its number wants it; where Meta is ill, a breaker may wait."""
    is_broken = code in ILL and told(job) == ("waiting", Gate.SENDER.value, None)
    return is_broken or told(job) == expected(code)


def stands(code: int, job: dict[str, Any]) -> bool:
    """Return whether it waits with or without an end, too, as it does once its number was told.

    What a look at Meta brings meanwhile opens nothing that an answer closed, for two seconds.
    """
    if not fits(code, job) or gate_of(job) not in TIMED or code not in WAITS:
        return fits(code, job)
    return (job["waiting_for"][0]["until"] is None) == (WAITS[code][1] == FOREVER_MS)


def told(job: dict[str, Any]) -> tuple[str, str | None, int | None]:
    return job["state"], gate_of(job), job["code"]


@pytest.mark.parametrize("codes", HOUSES)
async def test_an_answer_closes_its_gate_for_its_time_and_spends_an_attempt_or_none(
    server_url: str, tmp_path: Path, codes: list[int]
) -> None:
    began_ms = time.time() * 1_000
    async with a_house_of_errors(server_url, tmp_path, "error", codes) as (whole, jobs):
        shown = await seen(whole, jobs, stands)
        assert shown.keys() == set(codes)
        assert {code: told(job) for code, job in shown.items() if not fits(code, job)} == {}
        ended_ms = time.time() * 1_000
        for code, (gate, wait_ms) in {code: WAITS[code] for code in codes if code in WAITS}.items():
            if gate.value in TIMED:
                until = shown[code]["waiting_for"][0]["until"]
                assert (until is None) == (wait_ms == FOREVER_MS), code
                if until is not None:
                    until_ms = datetime.fromisoformat(until).timestamp() * 1_000
                    assert began_ms <= until_ms - wait_ms <= ended_ms or gate is Gate.PAIR, code
        for code in set(RETRIED) & set(codes):
            async with asyncio.timeout(20):  # it may be under way once more just now
                while not await failures(whole, str(code)):
                    await asyncio.sleep(LOOK_EVERY_S)
        for code in WAITS.keys() & set(codes):
            assert await failures(whole, str(code)) == 0, code


async def failures(whole: Whole, portfolio: str) -> int:
    """Return the attempts that the one job of a portfolio has spent, as its row says.

    It is kept aside, queued or in flight, whatever came meanwhile: all are read in one step.
    """
    tag, client = f"ps:{{{portfolio}}}:", cast("Any", whole.house.client)
    async with client.pipeline(transaction=True) as step:
        step.hvals(tag + "aside").lrange(tag + "q:1", 0, -1).hvals(tag + "open")
        aside, queued, under_way = await step.execute()
    rows = [record[1:] for record in aside] + queued + [record[7:] for record in under_way]
    return sum(row[15] for row in rows)  # part_rows.lua


@pytest.mark.parametrize("codes", HOUSES)
async def test_told_later_it_closes_the_same_and_gives_the_place_back_where_it_proves_something(
    server_url: str, tmp_path: Path, codes: list[int], monkeypatch: pytest.MonkeyPatch
) -> None:
    told_later = HeldSteps(monkeypatch, LATER_MS)
    async with a_house_of_errors(server_url, tmp_path, "late_error", codes) as (whole, jobs):
        await seen(whole, jobs, lambda _, job: job["state"] == "accepted")
        told_later.take()
        shown = await seen(whole, jobs, lambda _, job: job["delivery"] == "undelivered")
        assert {(job["state"], job["delivery"]) for job in shown.values()} == {
            ("accepted", "undelivered")
        }
        used = {code: await used_of(whole, str(code)) for code in codes}
        assert used == {code: int(code in UNPROVEN) for code in codes}
        closing = {Gate.ACCOUNT, Gate.SENDER}
        closes = {code for code, (gate, _) in WAITS.items() if gate in closing and code in codes}
        closed = {
            code
            for code in codes
            if code not in TOKEN_CODES
            and await is_closed(whole, str(code), expected_to_be=code in closes)
        }
        assert closed == closes - TOKEN_CODES
        assert await counted_errors(whole) == {(str(code), str(code)) for code in codes if code}


async def counted_errors(whole: Whole) -> set[tuple[str, str]]:
    """Return the senders and numbers of the errors that a scrape tells."""
    async with whole.session.get(whole.url + "/metrics") as response:
        text = await response.text()
    line = re.compile(r'penstock_provider_errors_total\{code="(.*?)",sender="(.*?)"\} 1\.0')
    return {(sender, code) for code, sender in line.findall(text)}


async def used_of(whole: Whole, portfolio: str) -> int:
    return int((await whole.call("GET", f"/v1/portfolios/{portfolio}/quota"))["used"])


async def is_closed(whole: Whole, name: str, *, expected_to_be: bool) -> bool:
    """Return whether a sender is closed; what is expected may take a moment."""
    until_s = time.monotonic() + 10
    while True:
        shown = await whole.call("GET", f"/v1/senders/{name}")
        if bool(shown["closed_by"]) == expected_to_be or time.monotonic() > until_s:
            return bool(shown["closed_by"])
        await asyncio.sleep(0.05)
