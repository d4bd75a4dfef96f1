"""Forgetting a person: over HTTP, in exported files, and what is left in Redis afterwards."""

from pathlib import Path
from typing import Any

import pytest

from adapters.redis.erase import NOBODY, erase_log
from engine.model import PortfolioId, RecipientKey
from engine.suppressions import Whom
from tests.front_desk import PORTFOLIO, SEND, Desk, a_desk, a_job

P1 = PortfolioId("p1")
PERSON, OTHER = "+4915112345678", "+4915112345679"
ANNA, BEN = RecipientKey(b"anna\x00\xff12"), RecipientKey(b"ben\x00\xff123")


def line(recipient: RecipientKey) -> bytes:
    return b'{"at":"x","portfolio":"p1","recipient":"%s","counted":true}\n' % (
        recipient.hex().encode()
    )


def test_a_person_is_overwritten_wherever_a_piece_of_the_file_ends(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "outcomes-p1-2026-01-01.ndjson"
    other = tmp_path / "outcomes-p2-2026-01-01.ndjson"
    for piece in (40, 41, 57, 64, 4_096):
        monkeypatch.setattr("adapters.redis.erase.PIECE_BYTES", piece)
        first.write_bytes(line(ANNA) + line(BEN) + line(ANNA) * 20 + line(BEN))
        other.write_bytes(line(ANNA))
        assert erase_log(tmp_path, P1, [ANNA]) == 21
        assert erase_log(tmp_path, P1, [ANNA]) == 0
        nobody = line(ANNA).replace(ANNA.hex().encode(), NOBODY)
        assert first.read_bytes() == nobody + line(BEN) + nobody * 20 + line(BEN)
        assert other.read_bytes() == line(ANNA)


async def erased(desk: Desk, **more: object) -> dict[str, Any]:
    status, shown = await desk.call("POST", "/v1/erasures", {"to": PERSON} | more)
    assert status == 200, shown
    [portfolio] = shown["portfolios"]
    return {"complete": shown["complete"], **portfolio}


async def test_queued_jobs_of_a_person_end_and_a_stop_is_left_by_wish() -> None:
    async with a_desk() as desk:
        for to in (PERSON, OTHER, PERSON):
            assert (await desk.call("POST", "/v1/jobs", a_job(to=to)))[0] == 202
        await desk.call("PUT", f"/v1/suppressions/{PERSON}", {"category": "marketing"})
        assert await erased(desk) == {
            "complete": True,
            "portfolio_id": PORTFOLIO,
            "unsent": 2,
            "ended": 0,
            "open": 0,
            "log_lines": 0,
        }
        suppressed = desk.ledger.slot(PortfolioId(PORTFOLIO))[0].suppressed
        assert {category for _, category in suppressed} == {""}
        assert (await erased(desk, keep_stop=False))["unsent"] == 0
        assert desk.ledger.slot(PortfolioId(PORTFOLIO))[0].suppressed == set()
        known = await desk.front.suppressions.of(
            PortfolioId(PORTFOLIO), desk.front.recipients.key(PERSON[1:])
        )
        assert known == {}


async def test_all_ids_of_a_person_are_forgotten() -> None:
    async with a_desk() as desk:
        key, portfolio = desk.front.recipients.key, PortfolioId(PORTFOLIO)
        pair = (key(PERSON[1:]), key("US.1"))
        await desk.front.suppressions.unite(portfolio, [pair])
        await desk.call("POST", "/v1/jobs", a_job(to="US.1"))
        assert (await erased(desk))["unsent"] == 1
        assert await desk.front.suppressions.ids_of(portfolio, pair) == {
            each: [each] for each in pair
        }
        for each in pair:
            assert set(await desk.front.suppressions.of(portfolio, each)) == {Whom(each, None)}


async def test_only_an_admin_forgets_and_whom_is_checked() -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", "/v1/erasures", {"to": PERSON}, key=SEND))[0] == 403
        status, problem = await desk.call("POST", "/v1/erasures", {"to": "0151"})
        assert (status, problem["errors"][0]["pointer"]) == (422, "/to")
