"""saq as it ships: one Redis job a send.

Worker: `python -m saq benchmarks.peers.saq_peer.settings`.
Its loop is set to uvloop, as ours is; its number of Redis operations at once stays at the default.
"""

import asyncio
import os
from typing import Any

import uvloop
from redis.asyncio import Redis
from saq.queue.redis import RedisQueue

from benchmarks import message, tuned
from benchmarks.peers.bulk import BulkReport, fill, fill_from_command_line

asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())  # pyright: ignore[reportDeprecated]
URLS = [
    tuned.message_url(os.environ["BENCH_GRAPH_URL"], sender) for sender in range(message.SENDERS)
]
queue = RedisQueue(Redis.from_url(os.environ["BENCH_REDIS_URL"]))


async def startup(ctx: dict[str, Any]) -> None:
    """Open the session inside the worker's loop."""
    ctx["session"] = tuned.open_session()


async def shutdown(ctx: dict[str, Any]) -> None:
    """Close the session."""
    await ctx["session"].close()


async def send(ctx: dict[str, Any], *, sender: int, body: str) -> None:
    """Send one message; saq keeps its result as long as it always does."""
    await tuned.post(ctx["session"], URLS[sender], body.encode())


settings = {
    "queue": queue,
    "functions": [send],
    "concurrency": int(os.environ.get("BENCH_IN_FLIGHT", "200")),
    "startup": startup,
    "shutdown": shutdown,
}


async def fill_queue(jobs: int) -> BulkReport:
    """Enqueue `jobs` sends."""

    async def enqueue(sender: int, body: str) -> object:
        return await queue.enqueue("send", sender=sender, body=body)

    await queue.connect()
    try:
        return await fill(jobs, enqueue)
    finally:
        await queue.disconnect()


if __name__ == "__main__":
    fill_from_command_line(fill_queue)
