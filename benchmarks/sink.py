"""The sink: a bare HTTP/1.1 server that answers as Meta accepts and stamps each arrival.

It judges nothing (adapters/sandbox does) and must never be the bottleneck: `rows/sink_capacity.py`
measures it. Control on the same port: GET /_count, /_stamps, /_captured; POST /_reset?latency_ms=&
capture=. Stamps are CLOCK_MONOTONIC ns, comparable between all processes of one machine.
"""

import argparse
import asyncio
import gc
import secrets
import time
from array import array
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from urllib.parse import parse_qs

import msgspec
import uvloop

ROUTES_MAX = 4_096  # heads remembered; a client that varies its headers gets a fresh parse
BACKLOG = 4_096
EARLY_S = 0.000_5  # a reply due within half a timer tick leaves now
HEAD_END = b"\r\n\r\n"

# What Graph really adds to an answer; sizes matter to the client's parser, values do not.
GRAPH_HEADERS = (
    b'Etag: "5f1a6d4b9c3e8f7a2b1c0d9e8f7a6b5c4d3e2f10"\r\nCache-Control: private, no-cache\r\n'
    b"Expires: Sat, 01 Jan 2000 00:00:00 GMT\r\nPragma: no-cache\r\nVary: Accept-Encoding\r\n"
    b"Access-Control-Allow-Origin: *\r\nfacebook-api-version: v25.0\r\n"
    b"Strict-Transport-Security: max-age=15552000; preload\r\nx-fb-rev: 1020304050\r\n"
    b"x-fb-request-id: AbCdEfGhIjKlMnOpQrStUvW\r\nx-fb-trace-id: AbCdEfGhIjK\r\n"
    b"x-fb-debug: AbCdEfGhIjKlMnOpQrStUvWxYzAbCdEfGhIjKlMnOpQrStUvWxYz0123456789==\r\n"
)


@dataclass(frozen=True, slots=True)
class Route:
    """What one request head means: how long its body is, and whose arrivals it adds to."""

    target: bytes
    body_bytes: int
    sender: str
    stamp: Callable[[int], None] | None
    is_chunked: bool = False


class Sink:
    """All that one sink remembers, apart from sockets."""

    def __init__(self, now_ns: Callable[[], int] = time.monotonic_ns, extra: bytes = b"") -> None:
        self._now_ns = now_ns
        self._extra = extra
        self._nonce = secrets.token_hex(6).encode()
        self._routes: dict[bytes, Route] = {}
        self.latency_s = 0.0
        self.served = 0
        self.is_capturing = False
        self.arrivals: dict[str, array[int]] = {}
        self.captured: list[tuple[str, str, str, int]] = []

    def route(self, head: bytes) -> Route:
        """Parse a request head once; the same bytes are recognised from then on."""
        request_line, _, fields = head.partition(b"\r\n")
        target = request_line.split(b" ")[1]
        length = 0
        is_chunked = False
        for field in fields.lower().split(b"\r\n"):
            name, _, value = field.partition(b":")
            if name == b"content-length":
                length = int(value)
            is_chunked = is_chunked or name == b"transfer-encoding"
        parts = target.split(b"/")
        sender, stamp = "", None
        if len(parts) == 4 and parts[3] == b"messages":  # /version/id/messages
            sender = parts[2].decode()
            stamp = self.arrivals.setdefault(sender, array("q")).append
        route = Route(target, length, sender, stamp, is_chunked)
        if len(self._routes) >= ROUTES_MAX:
            self._routes.clear()
        self._routes[head] = route
        return route

    def known(self, head: bytes) -> Route:
        """Return what `head` means."""
        return self._routes.get(head) or self.route(head)

    def accept(self, route: Route, data: bytes, start: int, end: int) -> bytes:
        """Stamp one send whose body is data[start:end], and return Meta's accepting answer."""
        at_ns = self._now_ns()
        if route.stamp is None:
            return respond(b"404 Not Found", b'{"error":{"message":"unknown path","code":100}}')
        route.stamp(at_ns)
        self.served += 1
        to = quoted_after(data, b'"to":', start, end)
        if self.is_capturing:
            template = quoted_after(data, b'"name":', start, end)
            self.captured.append((route.sender, to.decode(), template.decode(), at_ns))
        body = (
            b'{"messaging_product":"whatsapp","contacts":[{"input":"%b","wa_id":"%b"}],'
            b'"messages":[{"id":"wamid.HBg%b%013d","message_status":"accepted"}]}'
        ) % (to, to, self._nonce, self.served)
        return respond(b"200 OK", body, self._extra)

    def control(self, target: bytes) -> bytes:
        """Answer one of the control paths."""
        path, _, query = target.partition(b"?")
        match path:
            case b"/_count":
                answer: object = {"sends": self.served}
            case b"/_stamps":
                answer = {sender: stamps.tolist() for sender, stamps in self.arrivals.items()}
            case b"/_captured":
                answer = self.captured
            case b"/_reset":
                self.reset({key: values[-1] for key, values in parse_qs(query.decode()).items()})
                answer = {}
            case _:
                return respond(b"404 Not Found", b"{}")
        return respond(b"200 OK", msgspec.json.encode(answer))

    def reset(self, wishes: dict[str, str]) -> None:
        """Forget all arrivals and take the new latency and capturing, both off by default."""
        self.served = 0
        self.latency_s = float(wishes.get("latency_ms", "0")) / 1000
        self.is_capturing = wishes.get("capture", "0") == "1"
        self.captured.clear()
        self.arrivals.clear()
        self._routes.clear()


class Replies:
    """Delayed replies in the order they came; one timer serves all that are due."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._waiting: deque[tuple[float, asyncio.Transport, bytes]] = deque()

    def send_after(self, delay_s: float, transport: asyncio.Transport, reply: bytes) -> None:
        """Write `reply` once `delay_s` has passed; every reply of a run waits equally long."""
        self._waiting.append((self._loop.time() + delay_s, transport, reply))
        if len(self._waiting) == 1:
            self._loop.call_later(delay_s, self._send_due)

    def _send_due(self) -> None:
        waiting = self._waiting
        until_s = self._loop.time() + EARLY_S
        while waiting and waiting[0][0] <= until_s:
            _, transport, reply = waiting.popleft()
            if not transport.is_closing():
                transport.write(reply)
        if waiting:
            self._loop.call_later(max(0.0, waiting[0][0] - self._loop.time()), self._send_due)


class Connection(asyncio.Protocol):
    """One keep-alive connection; requests may be cut anywhere or arrive several at once."""

    def __init__(self, sink: Sink, replies: Replies | None = None) -> None:
        self._sink = sink
        self._replies = replies
        self._rest = b""
        self._transport: asyncio.Transport

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        """Keep the transport."""
        self._transport = transport  # type: ignore[assignment]

    def data_received(self, data: bytes) -> None:
        """Answer every whole request in `data`; keep the rest for the next call."""
        if self._rest:
            data = self._rest + data
        sink, size, at = self._sink, len(data), 0
        answers: list[bytes] = []
        while at < size:
            head_end = data.find(HEAD_END, at)
            if head_end < 0:
                break
            route = sink.known(data[at:head_end])
            if route.is_chunked:
                self._transport.write(respond(b"411 Length Required", b"{}"))
                self._transport.close()
                return
            body_at = head_end + 4
            end = body_at + route.body_bytes
            if end > size:
                break
            if route.stamp is None and route.target.startswith(b"/_"):
                answers.append(sink.control(route.target))
            else:
                answers.append(sink.accept(route, data, body_at, end))
            at = end
        self._rest = data[at:] if at < size else b""
        if answers:
            self._reply(answers[0] if len(answers) == 1 else b"".join(answers))

    def _reply(self, reply: bytes) -> None:
        if self._replies is not None and self._sink.latency_s > 0:
            self._replies.send_after(self._sink.latency_s, self._transport, reply)
        else:
            self._transport.write(reply)


def respond(status: bytes, body: bytes, extra: bytes = b"") -> bytes:
    """Return a whole HTTP answer."""
    return (
        b"HTTP/1.1 %b\r\nContent-Type: application/json; charset=UTF-8\r\n%bContent-Length: %d"
        b"\r\n\r\n%b"
    ) % (status, extra, len(body), body)


def quoted_after(data: bytes, key: bytes, start: int, end: int) -> bytes:
    """Return the quoted text that follows `key` in data[start:end], or b"" when it is absent."""
    at = data.find(key, start, end)
    if at < 0:
        return b""
    opening = data.find(b'"', at + len(key), end)
    closing = data.find(b'"', opening + 1, end)
    return data[opening + 1 : closing] if 0 <= opening < closing else b""


async def serve(port: int, *, has_graph_headers: bool) -> None:
    """Serve until killed; the first line on stdout is the port."""
    loop = asyncio.get_running_loop()
    sink = Sink(extra=GRAPH_HEADERS if has_graph_headers else b"")
    replies = Replies(loop)
    server = await loop.create_server(
        lambda: Connection(sink, replies), "127.0.0.1", port, backlog=BACKLOG
    )
    print(server.sockets[0].getsockname()[1], flush=True)
    gc.disable()  # nothing here makes circles, and a pause would look like the engine's
    await server.serve_forever()


def main() -> None:
    """Start a sink from the command line."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, default=0, help="0: any free one")
    parser.add_argument("--graph-headers", action="store_true", help="as many as Graph sends")
    chosen = parser.parse_args()
    uvloop.run(serve(chosen.port, has_graph_headers=chosen.graph_headers))


if __name__ == "__main__":
    main()
