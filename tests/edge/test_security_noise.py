"""What nobody can read, or what is cut off, leaves one plain line in the log and no trace of it."""

import asyncio
import json
import logging
from collections.abc import Generator
from contextlib import contextmanager

import pytest
from structlog.testing import capture_logs

from adapters.logs import LibraryLines
from tests.front_desk import SEND, Desk, a_desk

NUMBER, TOKEN = "+4915112345678", "Bearer psk_" + "t" * 40
HEAD = "POST /v1/jobs HTTP/1.1\r\nHost: here\r\n"
CASES = {
    "a head too long": f"{HEAD}Authorization: {TOKEN}{'x' * 9_000}\r\n\r\n",
    "a length that lies": (
        f"{HEAD}Authorization: {TOKEN}\r\nContent-Length: 3\r\n\r\n{NUMBER} X\r\n"
    ),
    "a length that is none": f"{HEAD}Content-Length: {NUMBER}\r\n\r\n",
    "a bad chunk": f"{HEAD}Transfer-Encoding: chunked\r\n\r\n{NUMBER}\r\nx\r\n",
    "a body cut off": (
        f'{HEAD}Authorization: Bearer {SEND}\r\nContent-Length: 999\r\n\r\n{{"to": "{NUMBER}"'
    ),
}


@contextmanager
def library_lines() -> Generator[list[str]]:
    """Collect what a process would write of its libraries."""
    root = logging.getLogger()
    before, lines = root.handlers[:], list[str]()
    root.handlers = [LibraryLines()]
    try:
        with capture_logs() as told:
            yield lines
        lines += [json.dumps(line, default=str) for line in told]
    finally:
        root.handlers = before


async def cut(desk: Desk, text: str) -> None:
    """Send this much, end the connection, and wait until it is ended there too."""
    reader, writer = await asyncio.open_connection("127.0.0.1", desk.client.port)
    writer.write(text.encode())
    writer.write_eof()
    async with asyncio.timeout(30):
        await reader.read()
    writer.close()


@pytest.mark.parametrize("text", CASES.values(), ids=CASES)
async def test_no_number_and_no_token_is_in_the_line(text: str) -> None:
    async with a_desk() as desk:
        with library_lines() as lines:
            await cut(desk, text)
            status, _ = await desk.call("GET", "/v1/campaigns", key=SEND)
    assert status == 200
    assert NUMBER[1:] not in str(lines)
    assert "psk_" not in str(lines)
    assert "Traceback" not in str(lines)


async def test_a_caller_who_went_away_is_no_error_of_ours() -> None:
    async with a_desk() as desk:
        with library_lines() as lines:
            await cut(desk, CASES["a body cut off"])
            await desk.call("GET", "/v1/campaigns", key=SEND)
    assert lines == []


async def test_a_line_of_a_library_is_one_of_ours() -> None:
    record = logging.LogRecord("aiohttp.server", logging.ERROR, "", 0, "it broke", (), None)
    record.exc_info = (ValueError, ValueError(NUMBER), None)
    with capture_logs() as lines:
        LibraryLines().emit(record)
    (line,) = lines
    assert (line["event"], line["logger"], line["error"]) == (
        "library",
        "aiohttp.server",
        "ValueError",
    )
    assert NUMBER not in str(line)
