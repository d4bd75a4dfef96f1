"""Every change that was taken is one line in the log, with the key's name and no recipient."""

from structlog.testing import capture_logs

from tests.front_desk import ADMIN, PORTFOLIO, READ, SENDER, a_campaign, a_desk, a_job


async def test_a_change_is_told_with_the_name_of_its_key() -> None:
    async with a_desk() as desk:
        with capture_logs() as lines:
            await desk.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "ill"})
        (told,) = [line for line in lines if line["event"] == "api_change"]
    assert (told["key"], told["id"]) == ("bootstrap", SENDER)
    assert told["call"] == "POST /v1/senders/{id}/pause"


async def test_looks_sends_and_refusals_are_not_told() -> None:
    async with a_desk() as desk:
        await a_campaign(desk)
        with capture_logs() as lines:
            await desk.call("GET", f"/v1/portfolios/{PORTFOLIO}")
            await desk.call("POST", "/v1/jobs", a_job())
            await desk.call("POST", f"/v1/senders/{SENDER}/pause", {"reason": "no"}, key=READ)
            await desk.call("POST", "/v1/senders/404/resume", key=ADMIN)
            await desk.upload("c1", "to,name,code\n+4915112345678,Ada,X\n")
    assert [line for line in lines if line["event"] == "api_change"] == []
    assert "4915112345678" not in str(lines)
