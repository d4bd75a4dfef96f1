"""The sink: requests cut anywhere, several at once, stamped per sender; without a socket."""

import asyncio
import itertools

import msgspec
import pytest

from benchmarks import floor, message
from benchmarks.sink import Connection, Sink, quoted_after
from benchmarks.tuned import decode_answer


class Wire(asyncio.Transport):
    """A transport that keeps what was written."""

    def __init__(self) -> None:
        super().__init__()
        self.written = b""
        self.is_closed = False

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written += bytes(data)

    def close(self) -> None:
        self.is_closed = True


def connect(sink: Sink) -> tuple[Connection, Wire]:
    """Return a connection of `sink` and its wire."""
    connection, wire = Connection(sink), Wire()
    connection.connection_made(wire)
    return connection, wire


def a_sink() -> Sink:
    """Return a sink whose clock counts 1, 2, 3 ..."""
    return Sink(now_ns=itertools.count(1).__next__)


def bodies(written: bytes) -> list[bytes]:
    """Return the bodies of all answers on the wire."""
    found = []
    while written:
        head, _, rest = written.partition(b"\r\n\r\n")
        length = int(head.rpartition(b"Content-Length: ")[2])
        found.append(rest[:length])
        written = rest[length:]
    return found


@pytest.mark.parametrize("piece_bytes", [1, 7, 300, 10_000])
def test_requests_may_be_cut_anywhere(piece_bytes: int) -> None:
    sink = a_sink()
    connection, wire = connect(sink)
    stream = floor.request_bytes(0) * 3 + floor.request_bytes(1)
    for at in range(0, len(stream), piece_bytes):
        connection.data_received(stream[at : at + piece_bytes])
    wamids = [decode_answer(body).messages[0].id for body in bodies(wire.written)]
    assert len(set(wamids)) == 4
    assert {sender: stamps.tolist() for sender, stamps in sink.arrivals.items()} == {
        message.sender_id(0): [1, 2, 3],
        message.sender_id(1): [4],
    }


def test_the_answer_names_the_recipient_as_meta_does() -> None:
    connection, wire = connect(a_sink())
    connection.data_received(floor.request_bytes(5))
    answer = msgspec.json.decode(bodies(wire.written)[0])
    assert answer["contacts"] == [{"input": message.recipient(5), "wa_id": message.recipient(5)}]


def test_capturing_tells_recipient_and_template() -> None:
    sink = a_sink()
    connection, wire = connect(sink)
    connection.data_received(b"POST /_reset?capture=1&latency_ms=50 HTTP/1.1\r\n\r\n")
    connection.data_received(floor.request_bytes(2))
    assert sink.captured == [
        (message.sender_id(2), message.recipient(2), message.CAMPAIGN_TEMPLATE, 1)
    ]
    assert sink.latency_s == 0.05
    assert b"wamid." in wire.written


def test_a_reset_forgets_arrivals_of_open_connections_too() -> None:
    sink = a_sink()
    connection, wire = connect(sink)
    connection.data_received(floor.request_bytes(0))
    connection.data_received(b"POST /_reset HTTP/1.1\r\n\r\n")
    connection.data_received(floor.request_bytes(0))
    wire.written = b""
    connection.data_received(b"GET /_stamps HTTP/1.1\r\n\r\nGET /_count HTTP/1.1\r\n\r\n")
    assert [msgspec.json.decode(body) for body in bodies(wire.written)] == [
        {message.sender_id(0): [2]},
        {"sends": 1},
    ]


def test_chunked_bodies_are_refused_and_unknown_paths_are_not_sends() -> None:
    sink = a_sink()
    connection, wire = connect(sink)
    connection.data_received(b"GET /v25.0/123 HTTP/1.1\r\nHost: a\r\n\r\n")
    assert wire.written.startswith(b"HTTP/1.1 404")
    connection.data_received(
        b"POST /v25.0/1/messages HTTP/1.1\r\nTransfer-Encoding: chunked\r\n\r\n"
    )
    assert wire.is_closed
    assert sink.served == 0


def test_quoted_text_is_found_or_empty() -> None:
    data = b'{"to" : "49", "name":"x"}'
    assert quoted_after(data, b'"name":', 0, len(data)) == b"x"
    assert quoted_after(data, b'"to":', 0, len(data)) == b""


def test_every_message_weighs_the_same() -> None:
    sizes = {len(message.template_body(message.recipient(index))) for index in (0, 1, 10**8)}
    assert sizes == {message.BODY_BYTES}
