"""Uploading a file, or rows: one that is cut goes on from where the API says it ended."""

from __future__ import annotations

import gzip
import secrets
from collections.abc import Iterable, Iterator
from http import HTTPStatus
from io import BytesIO
from itertools import islice
from typing import IO, TypeVar, cast

import msgspec

from adapters.client.errors import BusyError, NotFoundError, UnreachableError, error_of
from adapters.client.shapes import Recipient, UploadOutcome
from adapters.client.steps import Call, Talk, path_of
from adapters.client.talks import ERRORS_MAX, NDJSON, UPLOAD_TIMEOUT_S, Patience, asked_for

MOVED_ON = "offset_mismatch"  # what was cut was still being read when it was asked for

ROWS_PER_PART = 20_000  # held until their part is taken

Shape = TypeVar("Shape")


class _Progress(msgspec.Struct):
    offset: int


def upload_file(
    campaign_id: str,
    file: IO[bytes],
    kind: str,
    encoding: str,
    shape: type[Shape],
    patience: Patience,
) -> Talk[Shape]:
    """Upload a CSV or NDJSON file from where it stands; after a cut only what is not taken yet.

    The API is asked where it ended; where it cannot tell, all of it is sent: rows count once.
    """
    begin, key, offset, turn = file.tell(), secrets.token_urlsafe(12), 0, 0
    whole = {"Content-Type": kind, "Idempotency-Key": key}
    whole |= {"Content-Encoding": encoding} if encoding else {}
    body, headers = file, whole
    while True:
        path = path_of("v1", "campaigns", campaign_id, "recipients")
        answer = yield Call("POST", path, body, headers, timeout_s=UPLOAD_TIMEOUT_S)
        if 0 < answer.status < HTTPStatus.MULTIPLE_CHOICES:
            return msgspec.json.decode(answer.body, type=shape)
        error = error_of(answer)
        may_pass = isinstance(error, (BusyError, UnreachableError)) or error.code == MOVED_ON
        if not may_pass or turn >= patience.repeats_max:
            raise error
        yield patience.pause(turn, error)
        taken = yield from _taken(campaign_id, key, patience)
        turn = 0 if taken > offset else turn + 1
        offset = taken
        file.seek(begin)
        body, headers = _rest(file, begin, whole, offset)


def _taken(campaign_id: str, key: str, patience: Patience) -> Talk[int]:
    """Return how many bytes of a file are taken; none where nobody knows of the upload."""
    call = Call("GET", path_of("v1", "campaigns", campaign_id, "uploads", key))
    try:
        return (yield from asked_for(call, _Progress, patience)).offset
    except NotFoundError:
        return 0


def _rest(
    file: IO[bytes], begin: int, whole: dict[str, str], offset: int
) -> tuple[IO[bytes], dict[str, str]]:
    """Return what is left of a file and its headers; what was packed goes on unpacked."""
    if not offset:
        return file, whole
    headers = whole | {"Upload-Offset": str(offset)}
    if headers.pop("Content-Encoding", "") != "gzip":
        file.seek(begin + offset)
        return file, headers
    unpacked = cast("IO[bytes]", gzip.GzipFile(fileobj=file, mode="rb"))
    unpacked.seek(offset)
    return unpacked, headers


def upload_rows(
    campaign_id: str, rows: Iterable[Recipient], patience: Patience
) -> Talk[UploadOutcome]:
    """Upload rows in parts with constant memory; row numbers count from 1 over all parts."""
    outcome, first = UploadOutcome(), 0
    every: Iterator[Recipient] = iter(rows)
    encoder = msgspec.json.Encoder()
    while part := list(islice(every, ROWS_PER_PART)):
        body = BytesIO(encoder.encode_lines(part))
        told = yield from upload_file(campaign_id, body, NDJSON, "", UploadOutcome, patience)
        outcome.read += told.read
        outcome.accepted += told.accepted
        outcome.duplicates += told.duplicates
        outcome.rejected += told.rejected
        for each in told.errors[: ERRORS_MAX - len(outcome.errors)]:
            each.row += first
            outcome.errors.append(each)
        first += len(part)
    return outcome
