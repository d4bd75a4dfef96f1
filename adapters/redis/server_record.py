"""Remember in the data directory which server wrote it and where that server listens now."""

import os
import tempfile
from pathlib import Path
from typing import Final

import msgspec

from adapters.redis.server_program import EmbeddedServerError, FoundServer

FILE_NAME: Final = "server.json"

LAST_REDIS_VALKEY_READS: Final = (7, 2)
"""Valkey left Redis at 7.2.4: it reads files of Redis up to here, and none of a later Redis."""


class ServerRecord(msgspec.Struct, frozen=True, kw_only=True):
    """What `server.json` holds; `pid` and `socket` are None while no server runs."""

    flavour: str
    version: str
    pid: int | None = None
    socket: str | None = None
    tcp_port: int | None = None
    password: str | None = None
    dies_with_owner: bool = False  # it is told to stop when the process that started it ends


def read_record(data_dir: Path) -> ServerRecord | None:
    """Return the record of `data_dir`, or None when no server has used it yet."""
    path = data_dir / FILE_NAME
    try:
        return msgspec.json.decode(path.read_bytes(), type=ServerRecord)
    except FileNotFoundError:
        return None
    except (msgspec.DecodeError, msgspec.ValidationError) as error:
        raise EmbeddedServerError(
            f"{path} cannot be read ({error}). It only says which server wrote this directory: "
            "delete that one file if the same server is still installed."
        ) from error


def write_record(data_dir: Path, record: ServerRecord) -> None:
    """Replace the record in one step, readable by its owner only: it may hold a password."""
    handle, name = tempfile.mkstemp(dir=data_dir, prefix=FILE_NAME)
    with os.fdopen(handle, "wb") as file:
        file.write(msgspec.json.format(msgspec.json.encode(record)))
    Path(name).replace(data_dir / FILE_NAME)


def why_unreadable(record: ServerRecord | None, server: FoundServer) -> str | None:
    """Return why `server` cannot read files written under `record`, or None when it can.

    A newer version reads what an older one of the same flavour wrote, never the other way
    round; Valkey also reads Redis up to 7.2. Tried: Redis 7.0 and 8.2 refuse Valkey 9.1's
    files, Valkey 9.1 refuses Redis 8.2's.
    """
    if record is None:
        return None
    written = FoundServer(server.binary, record.flavour, record.version).version_numbers
    if record.flavour == server.flavour:
        readable = written[0] <= server.version_numbers[0]
    else:
        readable = record.flavour == "redis" and written <= LAST_REDIS_VALKEY_READS
    if readable:
        return None
    return (
        f"it was written by {record.flavour} {record.version}, and {server.binary} is "
        f"{server.flavour} {server.version}, which cannot read those files"
    )
