"""S1, S2, S3, S5: what Meta signed comes in, however often, and nothing else does."""

import asyncio
import hashlib
import hmac
import json
from pathlib import Path

import pytest
from redis.asyncio import Redis

from tests.e2e.whole_house import APP_SECRET, Whole, a_whole_house, a_world, rows
from tests.edge.meta_graph import recorded

pytestmark = pytest.mark.one_server  # the door, whatever ledger is behind it
PATH = "/webhooks/meta"
NEXT_SECRET = "the-next-app-secret"
VERIFY = "verify-token-of-the-test"
BODY = recorded("status_sent")


def signature(body: bytes, secret: str = APP_SECRET) -> str:
    return "sha256=" + hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()


async def posted(whole: Whole, body: bytes, **headers: str) -> int:
    async with whole.session.post(whole.url + PATH, data=body, headers=headers) as response:
        return response.status


@pytest.mark.parametrize(
    "told",
    [
        None,
        "",
        "sha256=" + "0" * 64,
        signature(BODY)[:-1],
        signature(BODY).upper(),
        signature(BODY).replace("sha256", "sha1"),
        signature(BODY, "another"),
        signature(BODY)[:-1] + "\u00e9",
        " " * 8 + signature(BODY)[8:],
    ],
)
async def test_s1_only_the_raw_body_as_it_was_signed_comes_in(
    server_url: str, tmp_path: Path, redis_client: Redis, told: str | None
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        kept = await redis_client.xlen("ps:inbox")
        headers = {} if told is None else {"X-Hub-Signature-256": told}
        assert await posted(whole, BODY, **headers) == 401
        other = json.dumps(json.loads(BODY), indent=1).encode()  # as a proxy might write it anew
        assert await posted(whole, other, **{"X-Hub-Signature-256": signature(BODY)}) == 401
        assert await redis_client.xlen("ps:inbox") == kept
        assert await posted(whole, BODY, **{"X-Hub-Signature-256": signature(BODY)}) == 200


async def test_s2_two_app_secrets_count_while_they_change(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    del redis_client
    secrets = f"{NEXT_SECRET},{APP_SECRET}"
    async with a_whole_house(server_url, tmp_path, meta_app_secret=secrets) as whole:
        for secret in (APP_SECRET, NEXT_SECRET):
            told = {"X-Hub-Signature-256": signature(BODY, secret)}
            assert await posted(whole, BODY, **told) == 200


async def test_s3_what_comes_again_changes_nothing(
    server_url: str, tmp_path: Path, redis_client: Redis
) -> None:
    del redis_client
    heard: list[bytes] = []
    async with a_whole_house(server_url, tmp_path, a_world(window_ms=600_000)) as whole:
        receive = whole.house.inbox.keep

        async def keep(body: bytes) -> None:
            heard.append(body)
            await receive(body)

        whole.house.webhook._inbox = keep
        await whole.upload("c1", rows(20))
        await whole.call("POST", "/v1/campaigns/c1/start")
        await whole.until("c1", lambda each: each["delivery"]["delivered"] == 20)
        before = await whole.completed("c1")
        quota = await whole.call("GET", "/v1/portfolios/portfolio-1/quota")
        for body in [*heard, *reversed(heard)]:
            assert await posted(whole, body, **{"X-Hub-Signature-256": signature(body)}) == 200
        async with asyncio.timeout(20):
            while await whole.house.inbox.length():
                await asyncio.sleep(0.02)
        assert await whole.call("GET", "/v1/campaigns/c1") == before
        again = await whole.call("GET", "/v1/portfolios/portfolio-1/quota")
        assert (again["used"], len(heard) > 1) == (quota["used"], True)


@pytest.mark.parametrize(
    ("asked", "status"),
    [
        ({}, 200),
        ({"hub.verify_token": "wrong"}, 403),
        ({"hub.verify_token": "w\u00f6rng"}, 403),
        ({"hub.mode": "unsubscribe"}, 403),
        ({"hub.challenge": "<script>alert(1)</script>"}, 400),
        ({"hub.challenge": "a" * 129}, 400),
    ],
)
async def test_s5_the_handshake_reflects_no_markup(
    server_url: str, tmp_path: Path, redis_client: Redis, asked: dict[str, str], status: int
) -> None:
    del redis_client
    async with a_whole_house(server_url, tmp_path, meta_verify_token=VERIFY) as whole:
        query = {"hub.mode": "subscribe", "hub.verify_token": VERIFY, "hub.challenge": "1158"}
        async with whole.session.get(whole.url + PATH, params=query | asked) as response:
            text = await response.text()
            assert response.status == status
            assert "<" not in text
            if status == 200:
                assert (text, response.content_type) == ("1158", "text/plain")
