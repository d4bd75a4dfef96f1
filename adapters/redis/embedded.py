"""Start, share, adopt and stop the Redis-compatible server that lives beside the engine."""

import fcntl
import os
import secrets
import shutil
import signal
import subprocess
import time
from collections.abc import Mapping
from pathlib import Path
from typing import IO, Final, Self

from adapters.redis import server_process
from adapters.redis.server_program import (
    EmbeddedServerError,
    FoundServer,
    find_server,
    find_servers,
)
from adapters.redis.server_record import (
    ServerRecord,
    read_record,
    why_unreadable,
    write_record,
)

__all__ = ["EmbeddedServer", "EmbeddedServerError", "FoundServer", "find_server"]

START_TIMEOUT_MS: Final = 15_000
"""Until the first answer; 40 ms is usual, a busy machine needs more."""
LOAD_TIMEOUT_MS: Final = 600_000
"""While it says that it is still reading its append-only file."""
STOP_TIMEOUT_MS: Final = 15_000
"""From SIGTERM to SIGKILL; it only has to flush its append-only file."""
LOOK_EVERY_S: Final = 0.01
LOG_BYTES_MAX: Final = 10_000_000
"""The log starts anew at the next start when it has grown past this."""


class EmbeddedServer:
    """One server for one data directory, whoever starts it first.

    The process that holds `owner.lock` starts and stops the server; a second process on the
    same directory shares it and its `stop()` leaves it running. A server whose owner died is
    adopted. Nothing here is asynchronous: start it before the event loop, stop it after.
    """

    def __init__(
        self,
        data_dir: Path,
        *,
        found: FoundServer | None = None,
        tcp_port: int | None = None,
        password: str | None = None,
        appendfsync: str = "everysec",
        cluster_enabled: bool = False,
        directives: Mapping[str, str] | None = None,
        dies_with_owner: bool = True,
    ) -> None:
        assert tcp_port or not cluster_enabled, "a cluster node speaks TCP"
        self.data_dir = data_dir.absolute()
        self._found = found
        self._tcp_port = tcp_port
        self._password = password or (secrets.token_urlsafe(24) if tcp_port else None)
        self._directives = {"appendfsync": appendfsync, **(directives or {})}
        if cluster_enabled:
            self._directives["cluster-enabled"] = "yes"
        self._dies_with_owner = dies_with_owner
        self._record: ServerRecord | None = None
        self._child: subprocess.Popen[bytes] | None = None
        self._lock: IO[bytes] | None = None
        self._binary: Path | None = None

    @property
    def url(self) -> str:
        """The address for redis-py, through the unix socket."""
        record = self._running
        return server_process.unix_url(record.socket or "", record.password)

    @property
    def tcp_url(self) -> str | None:
        """The loopback address with its password, or None without a TCP port."""
        record = self._running
        if record.tcp_port is None:
            return None
        return f"redis://:{record.password}@127.0.0.1:{record.tcp_port}"

    @property
    def pid(self) -> int:
        """The server's process id."""
        return self._running.pid or 0

    @property
    def version(self) -> str:
        """The running server's own version, such as 9.1.2."""
        return self._running.version

    @property
    def flavour(self) -> str:
        """`valkey` or `redis`."""
        return self._running.flavour

    @property
    def binary(self) -> Path | None:
        """The program that was started, or None when a running server was adopted or shared."""
        return self._binary

    @property
    def is_owner(self) -> bool:
        """Whether `stop()` ends the server rather than leave it to the process that owns it."""
        return self._lock is not None

    @property
    def log_path(self) -> Path:
        """The server's own log."""
        return self.data_dir / "server.log"

    def __enter__(self) -> Self:
        """Start it."""
        self.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop it."""
        self.stop()

    def start(self) -> None:
        """Return when the server answers; raise EmbeddedServerError with the remedy otherwise.

        Starting what is started does nothing.
        """
        if self._record is not None:
            return
        self._lock = self._claim_directory()
        try:
            if self._lock is None:
                self._record = self._await_shared()
            else:
                self._record = self._adopted() or self._launched()
        except BaseException:
            self._unlock()
            raise

    def stop(self) -> float:
        """End the server when it is ours, with its data on disk; return the seconds it took.

        Stopping twice does nothing.
        """
        began_s = time.monotonic()
        record, self._record = self._record, None
        if record is not None:
            try:
                if self.is_owner:
                    self._end(record)
            finally:
                self._unlock()
        return time.monotonic() - began_s

    def revive(self) -> bool:
        """Start a server that died anew, at the same address; return whether it had died.

        Clients find it again by themselves. Does nothing when another process owns the server.
        """
        record = self._running
        if not self.is_owner or self._is_alive(record):
            return False
        socket = Path(record.socket or "")
        socket.parent.mkdir(mode=0o700, exist_ok=True)
        self._child = None
        self._record = self._launch_at(socket, record)
        return True

    @property
    def _running(self) -> ServerRecord:
        if self._record is None:
            raise EmbeddedServerError("The embedded server is not running: call start() first.")
        return self._record

    def _claim_directory(self) -> IO[bytes] | None:
        """Make the directory; return the lock on it, or None when another process has it."""
        try:
            self.data_dir.mkdir(mode=0o700, parents=True, exist_ok=True)
            lock = _try_lock(self.data_dir / "owner.lock")
            if lock and self.log_path.exists() and self.log_path.stat().st_size > LOG_BYTES_MAX:
                self.log_path.unlink()
        except OSError as error:
            raise EmbeddedServerError(
                f"The data directory {self.data_dir} cannot be used ({error.strerror}). "
                "Make it writable, or set PENSTOCK_DATA_DIR to another one."
            ) from error
        return lock

    def _adopted(self) -> ServerRecord | None:
        """Return the record of a server whose owner died, or None when none is left running."""
        record = read_record(self.data_dir)
        if record is None or not server_process.is_running(record):
            return None
        if record.dies_with_owner:
            self._await_end(record)  # it has its signal: adopted now, it would be gone at once
        deadline = _Deadline(START_TIMEOUT_MS, LOAD_TIMEOUT_MS)
        while server_process.is_running(record):
            if deadline.is_answering(record, self.data_dir):
                return record
            if deadline.is_over():
                raise EmbeddedServerError(
                    f"The server of {self.data_dir} still runs (process {record.pid}) but does "
                    f"not answer. End it with `kill {record.pid}` and start again."
                )
        return None

    def _await_shared(self) -> ServerRecord:
        """Return the record of the server that another process started or is starting."""
        deadline = _Deadline(START_TIMEOUT_MS, LOAD_TIMEOUT_MS)
        while not deadline.is_over():
            record = read_record(self.data_dir)
            if record is None:
                time.sleep(LOOK_EVERY_S)  # the other one has not come to writing it
            elif deadline.is_answering(record, self.data_dir):
                return record
        raise EmbeddedServerError(
            f"Another process holds {self.data_dir} but its server does not answer. "
            "Wait until it has stopped, or set PENSTOCK_DATA_DIR to another directory."
        )

    def _launched(self) -> ServerRecord:
        """Start a server on the directory and wait for its answer."""
        before = read_record(self.data_dir)
        server_process.sweep(before)
        return self._launch_at(server_process.make_socket_path(), before)

    def _launch_at(self, socket: Path, before: ServerRecord | None) -> ServerRecord:
        try:
            server = self._choose(before)
            child = self._spawn(server, socket)
            record = ServerRecord(
                flavour=server.flavour,
                version=server.version,
                pid=child.pid,
                socket=str(socket),
                tcp_port=self._tcp_port,
                password=self._password,
                dies_with_owner=self._will_follow(),
            )
            write_record(self.data_dir, record)
            self._await_answer(child, record)
        except BaseException:
            self._abandon(socket, before)
            raise
        self._binary = server.binary
        return record

    def _choose(self, before: ServerRecord | None) -> FoundServer:
        """Return the first server that can read what is in the directory."""
        reasons: list[str] = []
        for server in [self._found] if self._found else find_servers():
            why = why_unreadable(before, server)
            if why is None:
                return server
            reasons.append(why)
        raise EmbeddedServerError(
            f"The data directory {self.data_dir} cannot be opened: {'; '.join(reasons)}. "
            "Install the server that wrote it, or set PENSTOCK_DATA_DIR to an empty directory "
            "(the jobs and the quota ledger in the old one are then not known)."
        )

    def _spawn(self, server: FoundServer, socket: Path) -> subprocess.Popen[bytes]:
        configuration = server_process.configuration(
            self.data_dir,
            socket,
            tcp_port=self._tcp_port or 0,
            password=self._password,
            directives=self._directives,
        )
        self._child = server_process.spawn(
            server.binary, configuration, self.log_path, dies_with_parent=self._will_follow()
        )
        return self._child

    def _will_follow(self) -> bool:
        return self._dies_with_owner and server_process.can_follow_parent()

    def _await_answer(self, child: subprocess.Popen[bytes], record: ServerRecord) -> None:
        deadline = _Deadline(START_TIMEOUT_MS, LOAD_TIMEOUT_MS)
        while not deadline.is_answering(record, self.data_dir):
            if child.poll() is not None:
                raise EmbeddedServerError(
                    f"The embedded server ended at once (status {child.returncode}). Its log, "
                    f"{self.log_path}, ends with:\n{server_process.log_tail(self.log_path)}"
                )
            if deadline.is_over():
                raise EmbeddedServerError(
                    f"The embedded server did not answer in time; see {self.log_path}."
                )

    def _abandon(self, socket: Path, before: ServerRecord | None) -> None:
        """Leave the directory as it was before a start that failed."""
        if self._child is not None:
            self._child.kill()
            self._child.wait()
            self._child = None
        shutil.rmtree(socket.parent, ignore_errors=True)
        if before is not None:
            write_record(self.data_dir, before)

    def _end(self, record: ServerRecord) -> None:
        """Ask the server to flush and go; kill it when it does not."""
        for number in (signal.SIGTERM, signal.SIGKILL):
            if not self._is_alive(record):
                break
            os.kill(record.pid or 0, number)
            self._await_end(record)
        self._child = None
        server_process.sweep(record)
        stopped = ServerRecord(flavour=record.flavour, version=record.version)
        write_record(self.data_dir, stopped)

    def _await_end(self, record: ServerRecord) -> None:
        """Return when the server has ended, or when it had its time for that."""
        deadline_s = time.monotonic() + STOP_TIMEOUT_MS / 1000
        while self._is_alive(record) and time.monotonic() < deadline_s:
            time.sleep(LOOK_EVERY_S)

    def _is_alive(self, record: ServerRecord) -> bool:
        if self._child is not None:
            return self._child.poll() is None  # also reaps it: a dead child stays a zombie
        return server_process.is_running(record)

    def _unlock(self) -> None:
        if self._lock is not None:
            self._lock.close()
            self._lock = None


class _Deadline:
    """How long to go on asking a server: short while it is silent, long while it loads."""

    def __init__(self, silent_ms: int, loading_ms: int) -> None:
        self._silent_until_s = time.monotonic() + silent_ms / 1000
        self._loading_until_s = time.monotonic() + loading_ms / 1000
        self._is_loading = False

    def is_over(self) -> bool:
        """Whether to give up."""
        until_s = self._loading_until_s if self._is_loading else self._silent_until_s
        return time.monotonic() > until_s

    def is_answering(self, record: ServerRecord, data_dir: Path) -> bool:
        """Ask once; return whether it is ours and ready, after a short pause when it is not."""
        answer = server_process.ask(record, data_dir)
        self._is_loading = answer is server_process.Answer.LOADING
        if answer is server_process.Answer.STRANGER:
            raise EmbeddedServerError(
                f"The server at {record.socket} works on another directory than {data_dir}. "
                f"Delete {data_dir / 'server.json'} and start again."
            )
        if answer is server_process.Answer.READY:
            return True
        time.sleep(LOOK_EVERY_S)
        return False


def _try_lock(path: Path) -> IO[bytes] | None:
    """Return the held lock file, or None when another process holds it.

    The kernel gives it up when that process dies, however it dies.
    """
    file = path.open("ab")
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        return None
    return file
