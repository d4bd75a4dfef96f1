"""Every change that was taken is one line in the log, with the key's name and no recipient."""

import pytest
from structlog.testing import capture_logs

from adapters.api.audit import is_told
from adapters.api.openapi.described import ROLE
from adapters.api.openapi.document import operations_of
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


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
async def test_who_stops_a_person_or_lifts_a_stop_is_told_and_the_person_is_not(
    method: str,
) -> None:
    async with a_desk() as desk:
        with capture_logs() as lines:
            status, _ = await desk.call(method, "/v1/suppressions/+4915112345678")
        [told] = [line for line in lines if line["event"] == "api_change"]
    assert (status, told["key"]) == (200, "bootstrap")
    assert told["call"] == f"{method} /v1/suppressions/{{to}}"
    assert "4915112345678" not in str(lines)


# Sends, uploads and what belongs to one send; dead letters and doubts have lines of their own.
UNTOLD = {
    ("POST", "/v1/jobs"),
    ("DELETE", "/v1/jobs/{id}"),
    ("POST", "/v1/campaigns/{id}/recipients"),
    ("POST", "/{version}/{phone_number_id}/messages"),
    ("POST", "/{version}/{node}/media"),
    ("DELETE", "/{version}/{node}"),
}


async def test_every_other_route_that_changes_something_is_told() -> None:
    async with a_desk() as desk:
        assert desk.client.app is not None
        router = desk.client.app.router
        roles = {
            (route.method, route.resource.canonical): getattr(route.handler, ROLE, None)
            for route in router.routes()
            if route.resource is not None
        }
        operations = [(method, path) for method, path in operations_of(router) if method != "GET"]
    assert operations
    untold = {each for each in operations if not is_told(*each, roles.get(each))}
    assert untold == UNTOLD
