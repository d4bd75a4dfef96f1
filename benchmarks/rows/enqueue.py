"""Row 4: how fast a campaign is taken in, through the Python API and as NDJSON over HTTP."""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Sequence

import aiohttp
import msgspec

from benchmarks import engine_under_test, machine, message, programs
from benchmarks.engine_under_test import Setup
from benchmarks.figures import Figure, for_reference, measured
from benchmarks.rig import Rig, RigError

NAME = "enqueue"
SETUP = Setup(senders=message.SENDERS, mps=1_000)
ROWS_PER_CALL = 50_000
LINES_PER_CHUNK = 500  # about 40 KB, as a browser or curl would send
START_PATIENCE_S = 15.0


async def measure(rig: Rig, *, smoke: bool) -> list[Figure]:
    """Return jobs per second of both ways in, and what Redis spent on a job."""
    rows = [message.row(index) for index in range(5_000 if smoke else 200_000)]
    in_process: list[float] = []
    over_http: list[float] = []
    redis_us: list[float] = []
    for _ in range(1 if smoke else 5):
        await rig.afresh()
        await engine_under_test.prepare(rig.place, SETUP)
        before_ns = rig.redis_cpu_ns()
        in_process.append(await through_python(rig, rows))
        redis_us.append((rig.redis_cpu_ns() - before_ns) / len(rows) / 1000)
        await rig.afresh()
        await engine_under_test.prepare(rig.place, SETUP)
        over_http.append(await through_http(rig, rows))
    return [
        measured("enqueue.in_process_per_s", in_process),
        measured("enqueue.http_per_s", over_http),
        for_reference("enqueue.redis_us", "bulk enqueue: Redis CPU", "µs/job", redis_us),
    ]


async def through_python(rig: Rig, rows: Sequence[engine_under_test.Row]) -> float:
    """Return jobs/s of the Python API, its client on the worker's core."""
    batches = [rows[at : at + ROWS_PER_CALL] for at in range(0, len(rows), ROWS_PER_CALL)]
    gc.collect()
    gc.freeze()  # what the caller holds is not looked through for the engine's sake
    accepted = 0
    with programs.pinned(machine.worker_core()):
        begun_s = time.perf_counter()
        for batch in batches:
            accepted += await engine_under_test.enqueue(rig.place, batch)
        took_s = time.perf_counter() - begun_s
    if accepted != len(rows):
        raise RigError(f"{accepted} of {len(rows)} rows were accepted")
    return accepted / took_s


async def through_http(rig: Rig, rows: Sequence[engine_under_test.Row]) -> float:
    """Return jobs/s of one streamed NDJSON upload, from first byte sent to answer read."""
    chunks = ndjson(rows)
    path, headers = engine_under_test.upload_request(rig.place)
    url = f"http://127.0.0.1:{rig.place.api_port}"
    async with (
        rig.running(engine_under_test.api_command(rig.place)) as api,
        aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=300)) as session,
    ):
        await until_alive(session, url + "/healthz", api)
        begun_s = time.perf_counter()
        async with session.post(url + path, data=stream(chunks), headers=headers) as response:
            answer = await response.read()
            took_s = time.perf_counter() - begun_s
            if not response.ok:
                raise RigError(f"the upload got {response.status}: {answer[:500]!r}")
    return len(rows) / took_s


def ndjson(rows: Sequence[engine_under_test.Row]) -> list[bytes]:
    """Return the rows as an upload takes them, in chunks encoded beforehand."""
    lines = [
        msgspec.json.encode({"to": to, "fields": {"name": name, "code": code}}) + b"\n"
        for to, (name, code) in rows
    ]
    return [
        b"".join(lines[at : at + LINES_PER_CHUNK]) for at in range(0, len(lines), LINES_PER_CHUNK)
    ]


async def stream(chunks: Sequence[bytes]) -> AsyncIterator[bytes]:
    """Yield the chunks."""
    for chunk in chunks:
        yield chunk


async def until_alive(session: aiohttp.ClientSession, url: str, api: programs.Program) -> None:
    """Return when the API answers."""
    deadline_s = time.monotonic() + START_PATIENCE_S
    while True:
        try:
            async with session.get(url) as response:
                if response.ok:
                    return
        except aiohttp.ClientError:
            pass
        if not api.is_running or time.monotonic() > deadline_s:
            raise RigError(f"the API does not answer:\n{api.log_tail()}")
        await asyncio.sleep(0.05)
