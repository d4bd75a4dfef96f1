"""Jobs over HTTP: one, many, a stream, and everything that is no job."""

import io
import json

import pytest
from redis.asyncio import Redis

from engine.events import JobsEnqueued
from engine.model import JobState, PortfolioId, SenderId, WabaId
from engine.outcomes import Accepted
from engine.ports import FOREVER_MS, Ask, SenderSpec, Settlement
from tests.front_desk import PORTFOLIO, READ, SEND, SENDER, WABA, a_desk, a_job, a_message


async def test_a_job_is_accepted_and_can_be_asked_for() -> None:
    async with a_desk() as desk:
        status, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        assert (status, shown["accepted"], shown["rejected"]) == (202, 1, 0)
        job_id = shown["results"][0]["id"]
        assert job_id.startswith("pst.")
        status, view = await desk.call("GET", f"/v1/jobs/{job_id}", key=READ)
        assert (status, view["state"]) == (200, JobState.QUEUED)
        assert isinstance(desk.events[-1], JobsEnqueued)


async def test_the_same_key_again_is_one_job_and_another_body_under_it_is_refused() -> None:
    async with a_desk() as desk:
        _, first = await desk.call("POST", "/v1/jobs", a_job(key="order-1"))
        _, again = await desk.call("POST", "/v1/jobs", a_job(key="order-1"))
        status, other = await desk.call(
            "POST", "/v1/jobs", a_job(key="order-1", message=a_message("Bob", "XYZ"))
        )
        assert again["results"][0] == first["results"][0] | {"status": "duplicate"}
        assert (status, other["errors"][0]["pointer"]) == (409, "/key")


async def test_an_idempotency_key_makes_an_array_one_call() -> None:
    async with a_desk() as desk:
        headers = {"Idempotency-Key": "batch-7"}
        jobs = [a_job(), a_job(to="4915112345679")]
        _, first = await desk.call("POST", "/v1/jobs", jobs, headers=headers)
        _, again = await desk.call("POST", "/v1/jobs", jobs, headers=headers)
        assert (first["accepted"], again["accepted"], again["duplicates"]) == (2, 0, 2)


@pytest.mark.parametrize(
    ("changes", "pointer", "code"),
    [
        ({"to": "0151 234"}, "/to", "no_country_code"),
        ({"sender": "1"}, "/sender", "unknown_sender"),
        ({"message": a_message("Ada")}, "/message/template/components/0", "parameter_count"),
        ({"message": a_message(name="ofer")}, "/message/template/name", "unknown_template"),
        ({"message": a_message(name="old")}, "/message/template/name", "template_not_sendable"),
        (
            {"message": a_message("Ada\nB", "x")},
            "/message/template/components/0/parameters/0/text",
            "forbidden_character",
        ),
        ({"message": {"type": "text", "text": {}}}, "/message/text/body", "missing"),
        ({"message": {"type": "fax"}}, "/message/type", "unknown_type"),
        (
            {"message": {"type": "text", "text": {"body": "a"}, "to": "1"}},
            "/message/to",
            "misplaced",
        ),
        ({"not_before": "tomorrow"}, "/not_before", "invalid"),
        ({"priorty": "utility"}, "/priorty", "unknown_field"),
        ({"source": {"kind": "direct", "id": "a b"}}, "/source/id", "invalid"),
        ({"source": {"kind": "campaign", "id": "frist"}}, "/source/id", "unknown_source"),
    ],
)
async def test_what_is_wrong_is_named(changes: dict[str, object], pointer: str, code: str) -> None:
    async with a_desk() as desk:
        status, problem = await desk.call("POST", "/v1/jobs", a_job(**changes))
        found = [(each["pointer"], each["code"]) for each in problem["errors"]]
        assert (status, found) == (422, [(pointer, code)])


async def test_a_misspelled_field_is_answered_with_the_right_one() -> None:
    async with a_desk() as desk:
        _, problem = await desk.call("POST", "/v1/jobs", a_job(priorty="utility"))
        assert "did you mean `priority`?" in problem["detail"]


async def test_a_wrong_value_is_answered_with_the_right_ones_and_not_repeated() -> None:
    async with a_desk() as desk:
        _, problem = await desk.call("POST", "/v1/jobs", a_job(priority="4915112345678"))
        expected = "must be one of authentication, marketing, service, utility"
        assert problem["errors"] == [
            {"pointer": "/priority", "code": "invalid", "detail": expected}
        ]


async def test_good_jobs_of_an_array_are_kept_and_bad_ones_are_named_in_their_place() -> None:
    async with a_desk() as desk:
        jobs = [a_job(), a_job(to="x"), {"sender": SENDER}, a_job(to="4915112345679")]
        status, shown = await desk.call("POST", "/v1/jobs", jobs)
        assert (status, shown["accepted"], shown["rejected"]) == (202, 2, 2)
        assert [each["status"] for each in shown["results"]] == [
            "accepted",
            "rejected",
            "rejected",
            "accepted",
        ]


async def test_a_stream_answers_its_rejects_and_a_summary() -> None:
    async with a_desk() as desk:
        jobs = [a_job(to=f"49151{n:08}") for n in range(1_200)]
        lines = [json.dumps(job) for job in jobs]
        lines[700] = "{broken"
        response = await desk.client.post(
            "/v1/jobs",
            data="\n".join(lines),
            headers={"Authorization": f"Bearer {SEND}", "Content-Type": "application/x-ndjson"},
        )
        answer = [json.loads(line) for line in (await response.text()).splitlines()]
        assert answer[0]["index"] == 700
        assert answer[-1] == {"accepted": 1_199, "duplicates": 0, "rejected": 1, "read": 1_200}


async def test_a_full_queue_says_when_to_come_back() -> None:
    async with a_desk(queue_max=1) as desk:
        await desk.call("POST", "/v1/jobs", a_job())
        response = await desk.client.post(
            "/v1/jobs", json=a_job(), headers={"Authorization": f"Bearer {SEND}"}
        )
        assert (response.status, response.headers["Retry-After"]) == (429, "5")


@pytest.mark.parametrize(
    ("body", "status", "code"),
    [
        (b"{", 400, "malformed"),
        (b'{"a":' * 40 + b"1" + b"}" * 40, 400, "too_deep"),
        (b"[" * 100_000, 400, "too_deep"),
        (b'{"sender": NaN}', 400, "malformed"),
        (b"\xff\xfe", 400, "malformed"),
        (b'"' + b"a" * (9 * 2**20) + b'"', 413, "too_long"),
    ],
)
async def test_a_body_that_is_none_is_refused(body: bytes, status: int, code: str) -> None:
    async with a_desk() as desk:
        response = await desk.client.post(
            "/v1/jobs", data=io.BytesIO(body), headers={"Authorization": f"Bearer {SEND}"}
        )
        assert response.content_type == "application/problem+json"
        assert (response.status, (await response.json(content_type=None))["code"]) == (status, code)


MESSAGE = json.dumps(a_message())
REPEATED = [
    pytest.param('"sender": "1",', "/sender", id="a member"),
    pytest.param('"key" :"a", "key" :"b",', "/key", id="with a space before the colon"),
    pytest.param('"key":"a", "\\u006bey":"b",', "/key", id="written otherwise"),
    pytest.param('"source":{"kind":"direct","id":"a","id":"b"},', "/source/id", id="deeper"),
]


@pytest.mark.parametrize(("members", "pointer"), REPEATED)
async def test_a_name_that_is_there_twice_is_refused(members: str, pointer: str) -> None:
    job = f'{{{members}"sender":"{SENDER}","to":"+4915112345678","message":{MESSAGE}}}'
    headers = {"Authorization": f"Bearer {SEND}"}
    async with a_desk() as desk:
        response = await desk.client.post("/v1/jobs", data=job, headers=headers)
        problem = await response.json(content_type=None)
        assert (response.status, problem["errors"][0]["pointer"]) == (400, pointer)
        assert problem["code"] == "repeated_key"
        lines = job + "\n" + json.dumps(a_job(key='looks like a "name":'))
        response = await desk.client.post(
            "/v1/jobs", data=lines, headers=headers | {"Content-Type": "application/x-ndjson"}
        )
        answer = [json.loads(line) for line in (await response.text()).splitlines()]
        assert answer[0]["errors"][0]["code"] == "repeated_key"
        assert (answer[-1]["accepted"], answer[-1]["rejected"]) == (1, 1)


async def test_metas_own_message_is_not_judged_for_it() -> None:
    message = MESSAGE[:-1] + ', "biz": 1, "biz": 2}'
    job = f'{{"sender":"{SENDER}","to":"+4915112345678","message":{message}}}'
    async with a_desk() as desk:
        headers = {"Authorization": f"Bearer {SEND}"}
        response = await desk.client.post("/v1/jobs", data=job, headers=headers)
        assert response.status == 202, await response.text()


async def test_keys_open_only_what_their_role_may() -> None:
    async with a_desk() as desk:
        assert (await desk.call("POST", "/v1/jobs", a_job(), "nobody"))[0] == 401
        assert (await desk.call("POST", "/v1/jobs", a_job(), READ))[0] == 403
        assert (await desk.call("PUT", "/v1/portfolios/p", {"messaging_limit": 1}, SEND))[0] == 403


async def test_a_waiting_job_is_cancelled_and_stays_known_by_its_key(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        _, shown = await desk.call("POST", "/v1/jobs", a_job(key="order-1"), SEND)
        path = f"/v1/jobs/{shown['results'][0]['id']}"
        assert (await desk.call("DELETE", path, key=READ))[0] == 403
        for _ in range(2):
            status, answer = await desk.call("DELETE", path, key=SEND)
            assert (status, answer["state"]) == (200, "cancelled")
        assert (await desk.call("GET", path))[1]["state"] == "cancelled"
        _, again = await desk.call("POST", "/v1/jobs", a_job(key="order-1"), SEND)
        assert again["results"][0] == shown["results"][0] | {"status": "duplicate"}
        ask = Ask(PortfolioId(PORTFOLIO), "w", 1, 10, 10)
        assert (await desk.ledger.claim([ask]))[0].jobs == []
        assert await desk.ledger.audit(PortfolioId(PORTFOLIO)) == []


async def test_a_job_in_flight_is_not_cancelled_and_the_answer_says_why(
    redis_client: Redis,
) -> None:
    async with a_desk(redis=redis_client) as desk:
        _, shown = await desk.call("POST", "/v1/jobs", a_job(), SEND)
        path = f"/v1/jobs/{shown['results'][0]['id']}"
        (answer,) = await desk.ledger.claim([Ask(PortfolioId(PORTFOLIO), "w", 1, 10, 10)])
        status, problem = await desk.call("DELETE", path, key=SEND)
        assert (status, problem["code"]) == (409, "in_flight")
        settled = [Settlement(answer.jobs[0].key, 1, Accepted("wamid.1"))]
        await desk.ledger.settle(PortfolioId(PORTFOLIO), settled)
        assert (await desk.call("DELETE", path, key=SEND))[1]["code"] == "ended"
        assert (await desk.call("DELETE", f"{path}A", key=SEND))[0] == 404


async def test_nobody_can_guess_the_id_of_a_job() -> None:
    async with a_desk() as desk:
        _, shown = await desk.call("POST", "/v1/jobs", a_job())
        job_id = shown["results"][0]["id"]
        forged = job_id[:-1] + ("A" if job_id[-1] != "A" else "E")
        assert (await desk.call("GET", f"/v1/jobs/{forged}"))[0] == 404


async def test_a_job_that_waits_says_for_what_how_far_and_until_when() -> None:
    async with a_desk() as desk:
        await desk.call("PUT", f"/v1/portfolios/{PORTFOLIO}", {"messaging_limit": 1})
        ids: list[str] = []
        for number in range(2):
            _, shown = await desk.call("POST", "/v1/jobs", a_job(to=f"+491511234567{number}"))
            ids.append(shown["results"][0]["id"])
        for wish in (1, 2):
            await desk.ledger.claim([Ask(PortfolioId(PORTFOLIO), "w", wish, 10, 10)])
            desk.now_ms += 1_000
        assert (await desk.call("GET", f"/v1/jobs/{ids[0]}"))[1]["waiting_for"] == []
        (waits,) = (await desk.call("GET", f"/v1/jobs/{ids[1]}"))[1]["waiting_for"]
        assert (waits["gate"], waits["number"], waits["limit"]) == ("quota", 1, 1)
        assert waits["until"] > "2026"
        spec = SenderSpec(WabaId(WABA), closed_until_ms=FOREVER_MS)
        await desk.ledger.put_sender(PortfolioId(PORTFOLIO), SenderId(SENDER), spec)
        (waits,) = (await desk.call("GET", f"/v1/jobs/{ids[1]}"))[1]["waiting_for"]
        assert (waits["gate"], waits["until"]) == ("sender", None)


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"expires_at": "2001-01-01T00:00:00Z"}, 422),
        ({"expires_at": "2001-01-01T00:00:00Z", "key": "k"}, 202),  # maybe it is known, and sent
        ({"not_before": "2030-01-02T00:00:00Z", "expires_at": "2030-01-01T00:00:00Z"}, 422),
        ({"not_before": "2030-01-01T00:00:00Z", "expires_at": "2030-01-02T00:00:00Z"}, 202),
    ],
)
async def test_what_no_moment_is_left_for_is_refused_at_the_door(
    changes: dict[str, str], status: int
) -> None:
    async with a_desk() as desk:
        found, shown = await desk.call("POST", "/v1/jobs", a_job(**changes), SEND)
    assert found == status
    if status == 422:
        (error,) = shown["errors"]
        assert (error["pointer"], error["code"]) == ("/expires_at", "expired")


async def test_what_is_missing_is_named_by_its_pointer() -> None:
    async with a_desk() as desk:
        _, shown = await desk.call("POST", "/v1/jobs", {"to": "x"}, SEND)
    assert shown["errors"] == [
        {"pointer": "/sender", "code": "missing", "detail": "`sender` is missing; give it"}
    ]
