"""Portfolios, senders, templates, keys and probes over HTTP."""

import pytest

from engine.directory import Role
from engine.errors import LedgerAwayError, ProviderBusyError
from engine.model import TemplateStatus
from tests.front_desk import (
    ADMIN,
    NOW_MS,
    PORTFOLIO,
    SEND,
    SENDER,
    WABA,
    a_desk,
    a_job,
    a_template,
)


@pytest.mark.parametrize(
    ("limit", "places"), [(250, 250), ("TIER_2K", 2_000), ("UNLIMITED", -1), ("10000", 10_000)]
)
async def test_a_limit_is_what_meta_says(limit: object, places: int) -> None:
    async with a_desk() as desk:
        path = f"/v1/portfolios/{PORTFOLIO}"
        assert (await desk.call("PUT", path, {"messaging_limit": limit}))[0] == 200
        _, quota = await desk.call("GET", path + "/quota")
        assert (quota["limit"], quota["window_seconds"]) == (places, 86_400)


@pytest.mark.parametrize("limit", ["TIER_NOT_SET", "many", -2, True])
async def test_a_limit_that_is_none_is_refused(limit: object) -> None:
    async with a_desk() as desk:
        body = {"messaging_limit": limit}
        status, _ = await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", body)
        assert status == 422


async def test_a_token_goes_in_and_never_comes_out() -> None:
    async with a_desk() as desk:
        for path in (f"/v1/senders/{SENDER}", "/v1/senders"):
            status, shown = await desk.call("GET", path)
            assert status == 200
            assert SENDER in str(shown)
            assert "token-of-the-test" not in str(shown)


async def test_a_sender_shows_its_rate_its_queue_and_its_quota() -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", "/v1/jobs", a_job()))[0] == 202
        _, shown = await desk.call("GET", f"/v1/senders/{SENDER}")
        assert (shown["rate_limit"], shown["throughput"]) == (80, 80)
        assert shown["queue"] == {"marketing": {"queued": 1}}
        assert shown["quota"].keys() == {"limit", "used", "available", "next_free_at"}
        later = a_job(to="+4915112345679") | {"not_before": "2099-01-01T00:00:00Z"}
        assert (await desk.call("POST", "/v1/jobs", later))[0] == 202
        _, shown = await desk.call("GET", f"/v1/senders/{SENDER}")
        assert shown["queue"] == {"marketing": {"queued": 1, "waiting": {"schedule": 1}}}


async def test_a_sender_stays_in_its_portfolio() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", "/v1/portfolios/other", {"messaging_limit": 250})
        body = {"portfolio_id": "other", "waba_id": WABA, "display_phone_number": "+1"}
        assert (await desk.call("PUT", f"/v1/senders/{SENDER}", body))[0] == 409


async def test_an_import_that_replaces_closes_what_is_gone() -> None:
    async with a_desk() as desk:
        desk.master.templates = [a_template()]
        path = f"/v1/wabas/{WABA}/templates"
        _, shown = await desk.call("POST", path + "/import", {"mode": "replace"})
        assert (shown["imported"], shown["deleted"]) == (1, 2)
        _, shown = await desk.call("GET", path + "/update/en_US")
        assert shown["status"] == TemplateStatus.DELETED


async def test_an_import_needs_a_sender_for_its_token() -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", "/v1/wabas/w9/templates/import", {}))[0] == 404


async def test_a_key_is_shown_once_and_works() -> None:
    async with a_desk() as desk:
        body = {"name": "journeys", "role": "send"}
        status, shown = await desk.call("POST", "/v1/keys", body)
        assert (status, shown["role"]) == (201, Role.SEND)
        assert (await desk.call("POST", "/v1/jobs", a_job(), shown["key"]))[0] == 202
        _, keys = await desk.call("GET", "/v1/keys")
        assert shown["key"] not in str(keys)


async def test_a_ledger_that_is_away_is_503_and_nothing_else(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    async with a_desk() as desk:

        async def away(*_: object) -> None:
            raise LedgerAwayError("away")

        monkeypatch.setattr(desk.ledger, "enqueue", away)
        response = await desk.client.post(
            "/v1/jobs", json=a_job(), headers={"Authorization": f"Bearer {SEND}"}
        )
        assert (response.status, response.headers["Retry-After"]) == (503, "1")


async def test_meta_s_own_wait_is_told_for_asking_sooner_makes_it_longer() -> None:
    async with a_desk() as desk:
        wait_ms = 58 * 60_000 + 1
        busy = ProviderBusyError("none for 59 min", until_ms=NOW_MS + wait_ms, wait_ms=wait_ms)
        desk.master.error = busy
        headers = {"Authorization": f"Bearer {ADMIN}"}
        answer = await desk.client.post(
            f"/v1/wabas/{WABA}/templates/import", json={}, headers=headers
        )
        assert (answer.status, answer.headers["Retry-After"]) == (503, str(58 * 60 + 1))


async def test_probes_need_no_key_and_readiness_says_why_not() -> None:
    async with a_desk() as desk:
        assert (await desk.client.get("/healthz")).status == 200
        assert (await desk.client.get("/readyz")).status == 200
        desk.objections.append("draining")
        response = await desk.client.get("/readyz")
        assert (response.status, (await response.json())["objections"]) == (503, ["draining"])


@pytest.mark.parametrize("path", ["/v1/nothing", "/v1/campaigns/c9", "/v1/portfolios/p9"])
async def test_what_is_not_there_is_a_problem(path: str) -> None:
    async with a_desk() as desk:
        response = await desk.client.get(path, headers={"Authorization": f"Bearer {SEND}"})
        assert (response.status, response.content_type) == (404, "application/problem+json")


async def test_an_error_of_ours_shows_and_logs_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    async with a_desk() as desk:

        async def broken(*_: object) -> None:
            raise RuntimeError("+4915112345678")

        monkeypatch.setattr(desk.ledger, "enqueue", broken)
        status, shown = await desk.call("POST", "/v1/jobs", a_job())
        assert (status, shown["code"]) == (500, "internal")
        printed = capsys.readouterr()
        assert "4915112345678" not in printed.out + printed.err + str(shown)
