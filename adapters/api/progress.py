"""An upload under its own name, so that one that was cut is taken up where it ended.

The names are those of https://datatracker.ietf.org/doc/draft-ietf-httpbis-resumable-upload/: an
`Upload-Offset` says how many bytes of the file are taken, always to the end of a row, and counted
unpacked where the body is gzip. The name is the call's `Idempotency-Key`.
"""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from hashlib import blake2b
from http import HTTPStatus
from typing import Final

import msgspec
from aiohttp import web

from adapters.api.problems import FieldError, Problem
from adapters.api.tables import TableState
from engine.directory import Campaign
from engine.results import Taken, Upload, UploadStore

KEY: Final = "Idempotency-Key"
OFFSET: Final = "Upload-Offset"
COMPLETE: Final = "Upload-Complete"
KEY_MAX: Final = 255
OFFSET_DIGITS_MAX: Final = 15


class Progress(msgspec.Struct):
    """How far an upload came: bytes, rows, and what the rest of the file needs to be read."""

    offset: int = 0
    complete: bool = False
    read: int = 0
    accepted: int = 0  # as the ledger counts it
    rejected: int = 0
    kind: str = ""
    table: TableState | None = None

    @property
    def duplicates(self) -> int:
        """Return how many rows were known; what it reads once more is counted when that is over."""
        return max(0, self.read - self.accepted - self.rejected)


class Named:
    """One upload as this request takes it; without a name nothing of it is noted."""

    def __init__(self, store: UploadStore, campaign: Campaign, name: str) -> None:
        self._store = store
        self._portfolio = campaign.portfolio_id
        self._upload = Upload(campaign.source, name, secrets.token_hex(8))
        self.is_named = bool(name)
        self.progress = Progress()

    @property
    def tally(self) -> str:
        """Return the name under which the ledger counts its rows; empty without a name."""
        return self._upload.tally if self.is_named else ""

    async def begin(self, request: web.Request) -> None:
        """Take the upload up where it ended, or from its begin; raise when the caller errs."""
        offset = _offset(request)
        if not self.is_named:
            if offset:
                raise _wrong(KEY, "missing", "name the upload that goes on: the key it began with")
            return
        known = await self._store.take(self._portfolio, self._upload, anew=not offset)
        if offset:
            progress = _decoded(known)
            if offset != progress.offset or request.content_type != progress.kind:
                raise self._mismatch(progress)
            self.progress = progress
        else:
            self.progress = Progress(kind=request.content_type)

    async def note(self, rejects: Sequence[bytes]) -> None:
        """Note how far it came and which rows it refused; raise when another one took it up."""
        progress = self.progress
        state = msgspec.json.encode(progress)
        accepted = await self._store.note(
            self._portfolio, self._upload, state, rejects, complete=progress.complete
        )
        if accepted is None:
            detail = "another connection has taken this upload up; go on there"
            raise Problem(HTTPStatus.CONFLICT, detail, code="upload_continued")
        progress.accepted = accepted

    def headers(self) -> dict[str, str]:
        """Return what an answer tells of it."""
        return headers_of(self.progress) if self.is_named else {}

    def _mismatch(self, progress: Progress) -> Problem:
        detail = f"{progress.offset} bytes of {progress.kind or 'it'} are taken: go on from there"
        error = FieldError(f"/{OFFSET}", "offset_mismatch", detail)
        return Problem(HTTPStatus.CONFLICT, detail, code="offset_mismatch", errors=[error])


def headers_of(progress: Progress) -> dict[str, str]:
    """Return how far an upload came as headers; a truth value is `?1` or `?0` (RFC 8941)."""
    return {OFFSET: str(progress.offset), COMPLETE: f"?{int(progress.complete)}"}


def name_of(key: str) -> str:
    """Return the name of the upload that a caller's key means; empty without one."""
    if len(key) > KEY_MAX:
        raise _wrong(KEY, "too_long", f"at most {KEY_MAX} characters")
    return (
        blake2b(key.encode("utf-8", "surrogateescape"), digest_size=12).hexdigest() if key else ""
    )


async def progress_of(store: UploadStore, campaign: Campaign, key: str) -> Progress | None:
    """Return how far an upload came; None when nobody knows it, or no longer.

    Who asks is about to take it up: a connection that still takes it is ended with its next piece,
    so that the answer stays true.
    """
    upload = Upload(campaign.source, name_of(key), secrets.token_hex(8))
    known = await store.take(campaign.portfolio_id, upload, anew=False)
    return None if known.state is None else _decoded(known)


def _decoded(known: Taken) -> Progress:
    progress = Progress()
    if known.state is not None:
        progress = msgspec.json.decode(known.state, type=Progress)
    progress.accepted = known.accepted
    return progress


def _offset(request: web.Request) -> int:
    text = request.headers.get(OFFSET, "0")
    if not (text.isascii() and text.isdigit() and len(text) <= OFFSET_DIGITS_MAX):
        raise _wrong(OFFSET, "invalid", "is a number of bytes")
    return int(text)


def _wrong(header: str, code: str, detail: str) -> Problem:
    error = FieldError(f"/{header}", code, detail)
    return Problem(HTTPStatus.BAD_REQUEST, f"{header}: {detail}", code=code, errors=[error])
