"""S14 and S15: no number and no text of a message in logs, errors, key names or metrics."""

import asyncio
import json
import re
from pathlib import Path

import aiohttp
import pytest
from redis.asyncio import Redis

from adapters.logs import scrub
from engine.errors import LedgerAwayError
from tests.e2e.whole_house import KEY, SENDER, Whole, a_message, a_whole_house, a_world, rows

NUMBER = "4915550001234"
TEXT = "canary text of a message"
JOB = {"sender": SENDER, "to": f"+{NUMBER}", "message": a_message(TEXT)}


WRONG = [
    JOB | {"to": f"00{NUMBER}"},
    JOB | {"to": f"{NUMBER}{NUMBER}"},
    JOB | {"to": f"({NUMBER[:4]}) {NUMBER[4:]}"},
    JOB | {"to": int(NUMBER)},
    JOB | {"priority": NUMBER},
    JOB | {"message": a_message(TEXT, "one too many")},
    JOB | {"message": {"type": "text", "text": {"body": TEXT * 300}}},
    JOB | {"source": {"kind": "direct", "id": f"+{NUMBER} x"}},
]
RECIPIENTS, NDJSON = "/v1/campaigns/c1/recipients", "application/x-ndjson"
GRAPH = {"messaging_product": "whatsapp", "to": f"0{NUMBER}", **a_message(TEXT)}
BODIES: list[tuple[str, str, str]] = [  # path, media type, body
    ("/v1/jobs", "application/json", json.dumps(JOB)),
    *(("/v1/jobs", "application/json", json.dumps(each)) for each in WRONG),
    *(("/v1/jobs", "application/json", json.dumps([each])) for each in WRONG),
    *(("/v1/jobs", NDJSON, json.dumps(each)) for each in WRONG),
    ("/v1/jobs", "application/json", f'{{"to":"+{NUMBER}", {TEXT}'),
    (RECIPIENTS, "text/csv", f"+{NUMBER},{TEXT}\n"),
    (RECIPIENTS, "text/csv", f"to,name\n+{NUMBER},\n0{NUMBER},{TEXT}\n"),
    (RECIPIENTS, NDJSON, f'{{"to":"0{NUMBER}","fields":{{}}}}'),
    (f"/v25.0/{SENDER}/messages", "application/json", json.dumps(GRAPH)),
]


async def test_s14_a_number_and_a_text_are_in_no_log_error_key_or_metric(
    server_url: str,
    tmp_path: Path,
    redis_client: Redis,
    capfd: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    world = a_world(faults=[{"kind": "error", "code": 131026, "times_max": 1}])
    async with a_whole_house(server_url, tmp_path, world) as whole:
        told = [await posted(whole, *each) for each in BODIES]

        async def away(*_: object) -> None:
            raise LedgerAwayError(f"away: {NUMBER}")

        async def breaks(*_: object) -> None:
            raise RuntimeError(f"{NUMBER} {TEXT}")

        for fails in (away, breaks):
            with monkeypatch.context() as patch:
                patch.setattr(whole.house.ledger, "enqueue", fails)
                told.append(await posted(whole, *BODIES[0]))
        await whole.upload("c1", rows(5))
        await whole.call("POST", "/v1/campaigns/c1/start")
        async with asyncio.timeout(20):
            while not whole.report().accepted:
                await asyncio.sleep(0.05)
        async with whole.session.get(whole.url + "/metrics") as response:
            metrics = await response.text()
        names = str(await redis_client.keys("*"))
    printed = capfd.readouterr()
    everything = printed.out + printed.err + "".join(told) + metrics + names
    assert "request_broke" in printed.out  # as it was before anything is scrubbed
    assert NUMBER not in everything
    assert TEXT not in everything
    assert not re.search(r"491510000000\d", everything)


async def posted(whole: Whole, path: str, media: str, body: str) -> str:
    """Return what is answered to a body, whatever that is."""
    headers = {"Content-Type": media, "Authorization": f"Bearer {KEY}"}
    async with (
        aiohttp.ClientSession() as once,
        once.post(whole.url + path, data=body, headers=headers) as response,
    ):
        return await response.text()


@pytest.mark.parametrize(
    ("text", "left"),
    [
        ("to +4915112345678 failed", "to *** failed"),
        ("4915112345678", "***"),
        ("Bearer EAAGabcdefgh1234", "***"),
        ("psk_00000001_abcdefghijkl", "***"),
    ],
)
def test_s14_what_looks_like_a_secret_leaves_a_log_line(text: str, left: str) -> None:
    assert scrub(None, "", {"event": text})["event"] == left


async def test_s15_people_make_no_series(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    del redis_client
    async with a_whole_house(server_url, tmp_path) as whole:
        sizes: list[int] = []
        for turn in range(3):
            await whole.upload("c1", rows(400, turn * 400))
            async with whole.session.get(whole.url + "/metrics") as response:
                lines = (await response.text()).splitlines()
            # A script has series from its first call on, and the house calls some now and then.
            sizes.append(sum("penstock_redis_seconds" not in line for line in lines))
        # What Meta and the loops tell meanwhile has a few, whoever it is about.
        assert sizes[2] - sizes[1] < 40
