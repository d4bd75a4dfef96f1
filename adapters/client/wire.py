"""What both wires say alike: headers of a call, and the kind of a file."""

from __future__ import annotations

import os
from pathlib import Path
from typing import IO

from adapters.client.steps import Call

MEDIA = {
    ".csv": "text/csv",
    ".ndjson": "application/x-ndjson",
    ".jsonl": "application/x-ndjson",
}


def headers_of(call: Call, key: str) -> dict[str, str]:
    """Return all headers of a call; a file tells its length, so that it is not chunked."""
    headers = {"Authorization": f"Bearer {key}", "Accept": "application/json", **call.headers}
    if isinstance(call.body, bytes):
        headers["Content-Length"] = str(len(call.body))
    elif call.body is not None:
        headers["Content-Length"] = str(_length(call.body))
    return headers


def encoding_of(path: Path) -> tuple[str, str]:
    """Return media type and content encoding of a file by its name.

    >>> encoding_of(Path("people.csv.gz"))
    ('text/csv', 'gzip')
    """
    is_packed = path.suffix.lower() == ".gz"
    suffix = Path(path.stem).suffix if is_packed else path.suffix
    kind = MEDIA.get(suffix.lower())
    if kind is None:
        raise ValueError(f"{path} is none of {', '.join(MEDIA)}, plain or .gz")
    return kind, "gzip" if is_packed else ""


def _length(file: IO[bytes]) -> int:
    place = file.tell()
    length = file.seek(0, os.SEEK_END)
    file.seek(place)
    return length - place
