"""`/openapi.json`: every route and no other, sound by the specification, and true under fire."""

import asyncio
import os
import re
import traceback
from pathlib import Path
from typing import Any

import pytest
import schemathesis
from aiohttp import web
from hypothesis import HealthCheck, given, settings
from hypothesis.errors import Unsatisfiable
from openapi_spec_validator import validate
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.core.result import Ok
from schemathesis.specs.openapi import checks

from adapters.api.app import FOREIGN
from adapters.api.openapi.document import operations_of, undescribed
from adapters.house import shared
from tests.e2e.whole_house import KEY, PORTFOLIO, SENDER, WABA, Whole, a_whole_house
from tests.front_desk import a_desk

EXAMPLES = int(
    os.environ.get("PENSTOCK_TEST_FIRE", "12")
)  # of each operation and mode: a thousand calls in well under a minute
PARTS = 4  # each a test of its own: all of it takes a minute of a machine with nothing else to do
EXAMPLES_ARE_FEW = EXAMPLES == 12  # the suite repeats itself; a longer run looks further
CHECKS = [
    not_a_server_error,
    checks.status_code_conformance,
    checks.content_type_conformance,
    checks.response_schema_conformance,
    checks.response_headers_conformance,
]
GRAPH = {"version": "v25.0", "node": SENDER}
OFFER = {"waba": WABA, "name": "offer", "language": "en_US"}
KNOWN: dict[str, dict[str, str]] = {  # path parameters that lead somewhere, by how a path begins
    "/v1/senders/{id}": {"id": SENDER},
    "/v1/portfolios/{id}": {"id": PORTFOLIO},
    "/v1/wabas/{waba}": {"waba": WABA},
    "/v1/wabas/{waba}/templates/{name}/{language}": OFFER,
    "/v1/campaigns/{id}": {"id": "c1"},
    "/v1/campaigns/{id}/uploads": {"id": "c1", "key": "people"},
    "/v1/journeys/{id}": {"id": "j1"},
    "/v1/why/{name}": {"name": "c1"},
    "/{version}/{phone_number_id}/messages": {"version": "v25.0", "phone_number_id": SENDER},
    "/{version}/{node}": GRAPH,
    "/{version}/{node}/media/{media}": GRAPH | {"media": "1"},
    "/{version}/{node}/message_templates": GRAPH | {"node": WABA},
    "/{version}/{node}/phone_numbers": GRAPH | {"node": WABA},
}

pytestmark = pytest.mark.usefixtures("redis_client")


@schemathesis.serializer("application/x-ndjson", "text/csv", "application/octet-stream")
def as_text(_context: object, value: object) -> bytes:
    """Send a body that is no JSON as it is."""
    return value if isinstance(value, bytes) else str(value).encode(errors="surrogatepass")


async def test_every_route_is_described_and_every_described_one_is_a_route(
    server_url: str, tmp_path: Path
) -> None:
    async with a_whole_house(server_url, tmp_path) as whole:
        router = whole.house.runners[0].app.router
        assert undescribed(router, FOREIGN) == []
        document = await whole.call("GET", "/openapi.json")
        told = {(word.upper(), path) for path, its in document["paths"].items() for word in its}
        assert told == set(operations_of(router))
        assert not re.search(r"DESIGN|INTERFACE|HOUSE|RULES", str(document))


async def test_a_route_without_description_is_found() -> None:
    async with a_desk() as desk:
        router = desk.client.app.router
        assert ("POST", "/webhooks/meta") in undescribed(router, FOREIGN)
        assert undescribed(router) == []


def test_what_answers_every_method_alike_is_no_operation() -> None:
    async def nothing(_request: web.Request) -> web.Response:
        return web.Response(status=404)

    app = web.Application()
    app.router.add_get("/there", nothing)
    app.router.add_route("*", "/{rest:.*}", nothing)
    assert list(operations_of(app.router)) == [("GET", "/there")]


async def test_the_document_is_sound() -> None:
    async with a_desk() as desk:
        document = await (await desk.client.get("/openapi.json")).json()
        validate(document)
        secured = document["paths"]["/v1/keys"]["post"]["security"]
        assert (document["openapi"], secured) == ("3.1.0", [{"key": ["admin"]}])


async def test_an_answer_that_is_not_as_described_is_found() -> None:
    async with a_desk() as desk:
        _, shown = await desk.call("GET", f"/v1/senders/{SENDER}")
        assert desk.conformance is not None
        faults = desk.conformance.faults
        path = f"/v1/senders/{SENDER}"
        assert faults("GET", path, 200, shown) == []
        assert faults("GET", path, 200, shown | {"throughput": "80"}) != []
        assert faults("GET", path, 200, {"id": SENDER}) != []
        assert faults("GET", path, 418, shown) != []


@pytest.mark.one_server  # what is fired at is the API
@pytest.mark.timeout(120)
@pytest.mark.parametrize("part", range(PARTS))
async def test_nothing_breaks_it_and_every_answer_is_as_described(
    server_url: str, tmp_path: Path, part: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    # Who fires asks nobody again: a 503 after a stall of the machine would be a fault.
    monkeypatch.setattr(shared, "KEYS_HOLD_MS", 60_000)
    async with a_whole_house(server_url, tmp_path) as whole:
        headers = {"Content-Type": "text/csv", "Idempotency-Key": "people"}
        path = f"{whole.url}/v1/campaigns/c1/recipients"
        file = "to,name\n+4915112345678,Ada\n"
        async with whole.session.post(path, data=file, headers=headers) as response:
            assert response.status == 202
        await whole.call("PUT", "/v1/journeys/j1", {"portfolio_id": PORTFOLIO})
        document = await whole.call("GET", "/openapi.json")
        faults = await asyncio.to_thread(fire, whole, document, part)
        assert not faults, "\n\n".join(f"{name}\n{fault}" for name, fault in faults.items())


def known_in(path: str) -> dict[str, str] | None:
    """Return what to put into a path: the names of the longest beginning that has all of its."""
    wanted = set(re.findall(r"\{(\w+)\}", path))
    fitting = [each for each in KNOWN if path.startswith(each) and KNOWN[each].keys() == wanted]
    return KNOWN[max(fitting, key=len)] if fitting else None


def fire(whole: Whole, document: dict[str, Any], part: int) -> dict[str, str]:
    """Call each operation of a part with what fits and what does not; return what was wrong."""
    schema = schemathesis.openapi.from_dict(document)
    headers = {"Authorization": f"Bearer {KEY}"}
    faults: dict[str, str] = {}
    operations = list(schema.get_all_operations())
    assert len(operations) == sum(map(len, document["paths"].values()))
    for found in operations[part::PARTS]:
        assert isinstance(found, Ok)
        operation = found.ok()
        for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
            name = f"{operation.method.upper()} {operation.path}"
            known = known_in(operation.path)

            @given(case=operation.as_strategy(generation_mode=mode, path_parameters=known))
            @settings(
                max_examples=EXAMPLES,
                deadline=None,
                derandomize=EXAMPLES_ARE_FEW,
                database=None,
                suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
            )
            def call(case: schemathesis.Case[Any]) -> None:
                response = case.call(base_url=whole.url, headers=headers)
                case.validate_response(response, checks=CHECKS)

            try:
                call()
            except Unsatisfiable:
                assert mode is GenerationMode.NEGATIVE, name  # it takes nothing: nothing is wrong
            except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 (all are shown at once)
                faults[f"{name} {mode.value}"] = "".join(traceback.format_exception_only(error))[
                    :1500
                ]
    return faults
