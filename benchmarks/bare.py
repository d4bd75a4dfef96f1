"""Bare aiohttp: the line the engine is measured against. It does nothing but send.

Long-lived coroutines post the same message as fast as answers come back. Run it alone with
`python -m benchmarks.bare --url http://127.0.0.1:PORT`; the rig runs it beside the engine.
"""

import argparse
import asyncio
import gc
import itertools
import signal
import time
from collections.abc import Callable

import msgspec
import uvloop

from benchmarks import message, tuned

GC_THRESHOLD = 20_000  # collections become rare, memory stays flat


class BareReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of bare aiohttp did after its warm-up."""

    sends_per_s: float
    cpu_us_per_send: float
    core_share: float
    in_flight: int
    gc: str


def tune_gc() -> None:
    """Freeze what lives forever and make collections rare; to be called after the warm-up."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(GC_THRESHOLD, 20, 100)


async def send_forever(graph_url: str, in_flight: int, count: Callable[[], object]) -> None:
    """Keep `in_flight` sends under way until cancelled, calling `count` after each."""
    async with tuned.open_session() as session:

        async def keep_sending(index: int) -> None:
            url = tuned.message_url(graph_url, index % message.SENDERS)
            body = message.template_body(message.recipient(index))
            while True:
                await tuned.post(session, url, body)
                count()

        async with asyncio.TaskGroup() as group:
            for index in range(in_flight):
                group.create_task(keep_sending(index))


async def measure(chosen: argparse.Namespace) -> BareReport:
    """Send for `chosen.seconds` after the warm-up (0: until SIGTERM) and report."""
    stopped = asyncio.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        asyncio.get_running_loop().add_signal_handler(number, stopped.set)
    counter = itertools.count()
    sending = asyncio.create_task(send_forever(chosen.url, chosen.in_flight, counter.__next__))
    await asyncio.sleep(chosen.warm_seconds)
    if chosen.gc == "tuned":
        tune_gc()
    first, wall_ns, cpu_ns = next(counter), time.monotonic_ns(), time.process_time_ns()
    stop = asyncio.create_task(stopped.wait())
    await asyncio.wait(
        {stop, sending}, timeout=chosen.seconds or None, return_when=asyncio.FIRST_COMPLETED
    )
    sends = next(counter) - first - 1  # this look is itself counted
    wall_ns, cpu_ns = time.monotonic_ns() - wall_ns, time.process_time_ns() - cpu_ns
    if sending.done():
        await sending  # only an error ends it: let it be seen
    sending.cancel()
    return BareReport(
        sends_per_s=sends / wall_ns * 1e9,
        cpu_us_per_send=cpu_ns / max(sends, 1) / 1000,
        core_share=cpu_ns / wall_ns,
        in_flight=chosen.in_flight,
        gc=chosen.gc,
    )


def main() -> None:
    """Run bare aiohttp from the command line and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--url", required=True, help="http://host:port of the sink")
    parser.add_argument("--in-flight", type=int, default=200)
    parser.add_argument("--seconds", type=float, default=5.0, help="0: until SIGTERM")
    parser.add_argument("--warm-seconds", type=float, default=1.0)
    parser.add_argument("--gc", choices=("default", "tuned"), default="default")
    report = uvloop.run(measure(parser.parse_args()))
    print(msgspec.json.encode(report).decode())


if __name__ == "__main__":
    main()
