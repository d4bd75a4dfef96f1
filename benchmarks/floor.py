"""A hand-written HTTP client: the fastest a Python process can ask, used to load the sink."""

import argparse
import asyncio
import time

import msgspec
import uvloop

from benchmarks import message


class FloorReport(msgspec.Struct, frozen=True, kw_only=True):
    """What one run of the hand-written client did."""

    requests_per_s: float
    cpu_us_per_request: float
    core_share: float
    connections: int
    depth: int


class Asker(asyncio.Protocol):
    """One connection that keeps `depth` requests under way, counting answers by their first line.

    Answers are never parsed: the sink's are whole and of one kind, and this client only loads it.
    """

    def __init__(self, request: bytes, depth: int) -> None:
        self._request = request
        self._depth = depth
        self.answers = 0
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Ask `depth` times at once."""
        self._transport = transport  # type: ignore[assignment]
        self._transport.write(self._request * self._depth)

    def data_received(self, data: bytes) -> None:
        """Ask once more for each answer."""
        answers = data.count(b"HTTP/1.1 200")
        self.answers += answers
        self._transport.write(self._request * answers)


def request_bytes(sender: int) -> bytes:
    """Return one whole send request as aiohttp would write it."""
    body = message.template_body(message.recipient(sender))
    head = (
        f"POST {message.messages_path(sender)} HTTP/1.1\r\nHost: 127.0.0.1\r\n"
        f"Authorization: Bearer {'t' * 190}\r\nContent-Type: application/json\r\nAccept: */*\r\n"
        f"Accept-Encoding: gzip, deflate\r\nUser-Agent: floor\r\n"
        f"Content-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


async def measure(chosen: argparse.Namespace) -> FloorReport:
    """Ask for `chosen.seconds` over all connections and report."""
    loop = asyncio.get_running_loop()
    askers: list[Asker] = []
    for index in range(chosen.connections):
        asker = Asker(request_bytes(index % message.SENDERS), chosen.depth)
        await loop.create_connection(lambda asker=asker: asker, "127.0.0.1", chosen.port)  # type: ignore[misc]
        askers.append(asker)
    await asyncio.sleep(chosen.warm_seconds)
    before = sum(asker.answers for asker in askers)
    wall_ns, cpu_ns = time.monotonic_ns(), time.process_time_ns()
    await asyncio.sleep(chosen.seconds)
    answers = sum(asker.answers for asker in askers) - before
    wall_ns, cpu_ns = time.monotonic_ns() - wall_ns, time.process_time_ns() - cpu_ns
    return FloorReport(
        requests_per_s=answers / wall_ns * 1e9,
        cpu_us_per_request=cpu_ns / max(answers, 1) / 1000,
        core_share=cpu_ns / wall_ns,
        connections=chosen.connections,
        depth=chosen.depth,
    )


def main() -> None:
    """Load a sink from the command line and print one JSON line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--connections", type=int, default=128)
    parser.add_argument("--depth", type=int, default=1, help="requests under way per connection")
    parser.add_argument("--seconds", type=float, default=3.0)
    parser.add_argument("--warm-seconds", type=float, default=0.5)
    print(msgspec.json.encode(uvloop.run(measure(parser.parse_args()))).decode())


if __name__ == "__main__":
    main()
