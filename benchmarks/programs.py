"""Start other programs on a core of their own, and read what they have cost so far."""

import asyncio
import os
import signal
import sys
import time
from collections import defaultdict
from collections.abc import AsyncGenerator, Generator, Mapping, Sequence
from contextlib import asynccontextmanager, contextmanager, suppress
from dataclasses import dataclass, field
from pathlib import Path

STOP_TIMEOUT_S = 10.0
ROOT = Path(__file__).resolve().parent.parent
CPUCLOCK_SCHED = 2  # include/uapi/linux/time.h: the scheduler's clock, in ns, of all threads


@dataclass(frozen=True, slots=True, kw_only=True)
class Command:
    """What to start: arguments (the interpreter first) and what its environment adds to ours."""

    arguments: Sequence[str]
    environment: Mapping[str, str] = field(default_factory=dict)


def python(*arguments: str, environment: Mapping[str, str] | None = None) -> Command:
    """Return a command for this interpreter."""
    return Command(arguments=(sys.executable, *arguments), environment=environment or {})


class Program:
    """One running program and the children it has."""

    def __init__(self, child: asyncio.subprocess.Process, log_path: Path) -> None:
        self._child = child
        self._log_path = log_path
        self.pid = child.pid

    @property
    def is_running(self) -> bool:
        """Whether it has not ended yet."""
        return self._child.returncode is None

    def log_tail(self) -> str:
        """Return the end of what it wrote to stderr."""
        return self._log_path.read_text(encoding="utf-8", errors="replace")[-2_000:]

    def cpu_ns(self) -> int:
        """Return the CPU time so far of it and its living descendants."""
        return sum(cpu_ns(pid) for pid in family(self.pid))

    async def read_line(self, timeout_s: float = 15.0) -> str:
        """Return its next line on stdout; an ended or silent program is an error with its log."""
        assert self._child.stdout is not None
        line = b""
        with suppress(TimeoutError):
            line = await asyncio.wait_for(self._child.stdout.readline(), timeout_s)
        if not line:
            raise RuntimeError(f"no line from the program; its log ends with:\n{self.log_tail()}")
        return line.decode().strip()

    def kill(self) -> None:
        """End it at once, without a chance to tidy up, as a machine that loses power would."""
        for pid in family(self.pid):
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)

    async def stop(self) -> None:
        """Ask it to end, and kill it when it does not; stopping twice does nothing."""
        if self._child.returncode is None:
            with suppress(ProcessLookupError):
                self._child.terminate()
            try:
                await asyncio.wait_for(self._child.wait(), STOP_TIMEOUT_S)
            except TimeoutError:
                self.kill()
                await self._child.wait()


@asynccontextmanager
async def running(
    command: Command, core: int, log_path: Path, *, has_report: bool = False
) -> AsyncGenerator[Program, None]:
    """Start `command` pinned to `core`; it is ended on the way out.

    Its stdout is read with `read_line` when it `has_report`, and goes to the log otherwise: a pipe
    that nobody empties would stop it.
    """
    with log_path.open("ab") as log, pinned(core):
        child = await asyncio.create_subprocess_exec(
            *command.arguments,
            stdout=asyncio.subprocess.PIPE if has_report else log,
            stderr=log,
            cwd=ROOT,
            env={**os.environ, **command.environment},
        )
    program = Program(child, log_path)
    try:
        yield program
    finally:
        await program.stop()


@contextmanager
def pinned(core: int) -> Generator[None, None, None]:
    """Keep this process, and what it starts meanwhile, on one core."""
    before = os.sched_getaffinity(0)
    os.sched_setaffinity(0, {core})
    try:
        yield
    finally:
        os.sched_setaffinity(0, before)


def cpu_ns(pid: int) -> int:
    """Return the CPU time of all threads of a process, 0 once it is gone."""
    try:
        return time.clock_gettime_ns((~pid << 3) | CPUCLOCK_SCHED)
    except OSError:
        return 0


def family(pid: int) -> list[int]:
    """Return `pid` and all its living descendants."""
    children: defaultdict[int, list[int]] = defaultdict(list)
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            fields = path.read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
            children[int(fields[1])].append(int(path.parent.name))
    members = [pid]
    for member in members:
        members.extend(children[member])
    return members
