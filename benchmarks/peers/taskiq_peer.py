"""taskiq over Redis streams as it ships.

Worker: `taskiq worker benchmarks.peers.taskiq_peer:broker`.
Results are not kept (its default). It uses uvloop by itself.
"""

import os

import aiohttp
from taskiq import TaskiqEvents, TaskiqState
from taskiq_redis import RedisStreamBroker

from benchmarks import message, tuned
from benchmarks.peers.bulk import BulkReport, fill, fill_from_command_line

URLS = [
    tuned.message_url(os.environ["BENCH_GRAPH_URL"], sender) for sender in range(message.SENDERS)
]
# consumer_id "0": also what was enqueued before the group existed.
broker = RedisStreamBroker(os.environ["BENCH_REDIS_URL"], consumer_id="0")


@broker.on_event(TaskiqEvents.WORKER_STARTUP)
async def startup(state: TaskiqState) -> None:
    """Open the session inside the worker's loop."""
    state.session = tuned.open_session()


@broker.on_event(TaskiqEvents.WORKER_SHUTDOWN)
async def shutdown(state: TaskiqState) -> None:
    """Close the session."""
    await state.session.close()


@broker.task(task_name="send")
async def send(sender: int, body: str) -> None:
    """Send one message."""
    session: aiohttp.ClientSession = broker.state.session
    await tuned.post(session, URLS[sender], body.encode())


async def fill_queue(jobs: int) -> BulkReport:
    """Enqueue `jobs` sends."""
    await broker.startup()
    try:
        return await fill(jobs, send.kiq)
    finally:
        await broker.shutdown()


if __name__ == "__main__":
    fill_from_command_line(fill_queue)
