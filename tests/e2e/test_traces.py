"""A job that its caller traces can be followed: asked for, in the exported log, in log lines."""

import asyncio
import json
from pathlib import Path

import pytest
from structlog.testing import capture_logs

from tests.e2e.whole_house import SENDER, a_message, a_whole_house, a_world

pytestmark = [pytest.mark.usefixtures("redis_client"), pytest.mark.one_server]

TRACE = "00-12345678901234567890123456789012-b7ad6b7169203331-01"


def exported(directory: Path) -> list[dict[str, object]]:
    return [
        json.loads(line)
        for path in sorted(directory.glob("outcomes-*.ndjson"))
        for line in path.read_text().splitlines()
    ]


async def test_a_traced_job_that_fails_is_told_with_its_trace(
    server_url: str, tmp_path: Path
) -> None:
    world = a_world(faults=[{"kind": "error", "code": 131026, "times_max": 1}])
    with capture_logs() as lines:
        async with a_whole_house(server_url, tmp_path, world) as whole:
            job = {"sender": SENDER, "to": "+4915112345678", "message": a_message("Ada")}
            call = whole.session.post(
                whole.url + "/v1/jobs", json=job, headers={"traceparent": TRACE}
            )
            async with call as response:
                job_id = (await response.json())["results"][0]["id"]
            async with asyncio.timeout(20):
                while not any(line["event"] == "job_failed" for line in lines):
                    await asyncio.sleep(0.1)
            view = await whole.call("GET", f"/v1/jobs/{job_id}")
            assert (view["state"], view["traceparent"]) == ("failed", TRACE)
    [line] = [line for line in lines if line["event"] == "job_failed"]
    assert (line["traceparent"], line["sender"]) == (TRACE, SENDER)
    told = [each for each in exported(tmp_path) if each.get("traceparent") == TRACE]
    assert "failed" in {each["transition"] for each in told}
