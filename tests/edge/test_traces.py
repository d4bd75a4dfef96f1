"""A caller's `traceparent` stays with its job: at every door, in memory and on a real server."""

import json
from collections.abc import Mapping
from pathlib import Path

import pytest
from redis.asyncio import Redis
from structlog.testing import capture_logs

from adapters.house.traced import LINES_MAX, tell_traced
from adapters.logs import scrub
from adapters.memory.traces import MemoryTraces
from adapters.redis import keys
from adapters.redis.outcome_log import OutcomeLog, Record
from adapters.redis.traces import KEPT_MS, RedisTraces
from engine.errors import LedgerAwayError
from engine.events import LedgerFailed
from engine.model import JobKey, PortfolioId
from engine.traces import trace_of
from engine.tracing import Traces
from tests.front_desk import PORTFOLIO, SEND, SENDER, Desk, a_desk, a_job, a_message

P = PortfolioId(PORTFOLIO)
NOW_MS = 1_764_000_000_000
ONE = "00-12345678901234567890123456789012-b7ad6b7169203331-01"
OTHER = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-00"
GRAPH = f"/v25.0/{SENDER}/messages"


async def trace_of_job(desk: Desk, job_id: str) -> str | None:
    status, shown = await desk.call("GET", f"/v1/jobs/{job_id}")
    assert status == 200
    trace: str | None = shown["traceparent"]
    return trace


async def posted(desk: Desk, body: object, trace: str) -> list[str]:
    _, shown = await desk.call("POST", "/v1/jobs", body, SEND, headers={"traceparent": trace})
    return [each["id"] for each in shown["results"]]


@pytest.mark.parametrize("is_real", [False, True])
async def test_each_door_keeps_it(redis_client: Redis, *, is_real: bool) -> None:
    async with a_desk(redis=redis_client if is_real else None) as desk:
        [alone] = await posted(desk, a_job(), ONE)
        assert await trace_of_job(desk, alone) == ONE
        pair = await posted(desk, [a_job(to="4915112345679"), a_job(to="4915112345670")], OTHER)
        assert [await trace_of_job(desk, each) for each in pair] == [OTHER, OTHER]
        [bare] = await posted(desk, a_job(), "rubbish")
        assert await trace_of_job(desk, bare) is None
        body = {"messaging_product": "whatsapp", "to": "+4915112345671"} | a_message()
        headers = {"traceparent": ONE, "Penstock-Source": "journey:welcome"}
        await desk.call("PUT", "/v1/journeys/welcome", {"name": "Welcome"})
        _, shown = await desk.call("POST", GRAPH, body, SEND, headers=headers)
        assert await trace_of_job(desk, shown["messages"][0]["id"]) == ONE


async def test_a_stream_is_of_one_trace(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        lines = "\n".join(json.dumps(a_job(to=f"491511234567{n}", key=str(n))) for n in range(3))
        headers = {
            "Authorization": f"Bearer {SEND}",
            "Content-Type": "application/x-ndjson",
            "traceparent": ONE,
        }
        response = await desk.client.post("/v1/jobs", data=lines, headers=headers)
        assert response.status == 202
        [again] = await posted(desk, a_job(to="4915112345671", key="1"), OTHER)
        assert await trace_of_job(desk, again) == ONE  # the first that it came with


async def test_jobs_without_one_leave_nothing_behind(redis_client: Redis) -> None:
    async with a_desk(redis=redis_client) as desk:
        await desk.call("POST", "/v1/jobs", [a_job(), a_job(to="4915112345679")], SEND)
        assert [key async for key in redis_client.scan_iter("*trace*")] == []


async def test_a_store_that_is_away_takes_no_job_back() -> None:
    class Away(MemoryTraces):
        async def keep(self, portfolio: PortfolioId, traces: Mapping[JobKey, bytes]) -> None:
            raise LedgerAwayError(f"{len(traces)} of {portfolio}")

    async with a_desk() as desk:
        desk.front.intake._traces = Away()
        [job] = await posted(desk, a_job(), ONE)
        assert job
        failed = [event for event in desk.events if isinstance(event, LedgerFailed)]
        assert [event.call for event in failed] == ["traces"]


@pytest.mark.parametrize("is_real", [False, True])
async def test_the_first_stays_and_others_have_none(redis_client: Redis, *, is_real: bool) -> None:
    traces: Traces = RedisTraces(redis_client, lambda: NOW_MS) if is_real else MemoryTraces()
    one, other = trace_of([ONE]), trace_of([OTHER])
    await traces.keep(P, {JobKey(1, 1): one, JobKey(1, 5_000): other})
    await traces.keep(P, {JobKey(1, 1): other})
    await traces.keep(P, {})
    asked = [JobKey(1, 1), JobKey(1, 2), JobKey(1, 5_000), JobKey(2, 1)]
    assert await traces.of(P, asked) == {JobKey(1, 1): one, JobKey(1, 5_000): other}
    assert await traces.of(PortfolioId("other"), asked) == {}


async def test_they_are_forgotten_a_month_after_the_last(redis_client: Redis) -> None:
    now_ms = NOW_MS
    traces = RedisTraces(redis_client, lambda: now_ms)
    await traces.keep(P, {JobKey(1, 1): trace_of([ONE])})
    assert 0 < await redis_client.pttl(keys.traces(P, JobKey(1, 1))) <= KEPT_MS
    assert await traces.buckets(P) == {"1:0"}
    now_ms += KEPT_MS + 1
    await traces.keep(P, {JobKey(2, 5_000): trace_of([ONE])})
    assert await traces.buckets(P) == {"2:1"}


async def test_the_outcome_log_tells_it(redis_client: Redis, tmp_path: Path) -> None:
    async with a_desk(redis=redis_client) as desk:
        await posted(desk, a_job(), ONE)
        await desk.call("POST", "/v1/jobs", a_job(to="4915112345679"), SEND)
        traces = RedisTraces(redis_client, lambda: desk.now_ms)
        log = OutcomeLog(redis_client, tmp_path, process="one", span_ms=1, traces=traces)
        await log.export(P, desk.now_ms)
    lines = read_lines(tmp_path)
    assert [line.get("traceparent") for line in lines] == [ONE, None]


def read_lines(directory: Path) -> list[dict[str, object]]:
    [path] = directory.iterdir()
    return [json.loads(line) for line in path.read_text().splitlines()]


def test_an_id_of_a_trace_is_no_phone_number() -> None:
    line: dict[str, object] = {"traceparent": ONE, "note": "4915112345678"}
    assert scrub(None, "", line) == {"traceparent": ONE, "note": "***"}


def a_record(transition: str, traceparent: str = ONE) -> Record:
    return Record(
        at="2026-01-01T00:00:00Z",
        portfolio=P,
        transition=transition,
        job="1.1",
        traceparent=traceparent,
    )


async def test_what_went_wrong_with_a_traced_job_is_a_line() -> None:
    with capture_logs() as lines:
        transitions = ("enqueued", "accepted", "failed", "in_doubt", "unknown")
        await tell_traced(P, [a_record(each) for each in transitions])
        await tell_traced(P, [a_record("failed", "")])
    assert [line["event"] for line in lines] == ["job_failed", "job_in_doubt", "job_unknown"]
    assert {line["traceparent"] for line in lines} == {ONE}


async def test_a_storm_is_counted_and_not_told_line_by_line() -> None:
    with capture_logs() as lines:
        await tell_traced(P, [a_record("failed")] * (LINES_MAX + 7))
    assert len(lines) == LINES_MAX + 1
    assert lines[-1]["jobs"] == 7
