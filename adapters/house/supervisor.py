"""One process that keeps others alive: who dies is started again, and all stop when told to."""

from __future__ import annotations

import asyncio
import signal
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Final

import structlog

from adapters.redis.server_process import can_follow_parent, follow_parent

SOON_S: Final = 1.0  # before the first restart; twice that before each next one
LATEST_S: Final = 30.0
SETTLED_S: Final = 60.0  # who lived so long begins with SOON_S again
DRAIN_S: Final = 35.0  # from the signal to the kill: a worker drains in 25 s and records in 2

log = structlog.get_logger("penstock")


@dataclass(frozen=True, slots=True)
class Patience:
    """How long a supervisor waits, in seconds."""

    soon_s: float = SOON_S
    latest_s: float = LATEST_S
    settled_s: float = SETTLED_S
    drain_s: float = DRAIN_S


class Supervisor:
    """Runs commands side by side until SIGTERM or SIGINT, each again whenever it ends."""

    def __init__(
        self,
        commands: Sequence[Sequence[str]],
        environment: Mapping[str, str],
        patience: Patience | None = None,
    ) -> None:
        self._commands = commands
        self._environment = dict(environment)
        self._patience = patience or Patience()
        self._stop = asyncio.Event()
        self._running: dict[int, asyncio.subprocess.Process] = {}

    async def run(self) -> bool:
        """Return when all have ended after a signal: whether each of them ended in order."""
        loop = asyncio.get_running_loop()
        for number in (signal.SIGTERM, signal.SIGINT):
            loop.add_signal_handler(number, self._stop.set)
        keepers = [
            asyncio.create_task(self._keep(place, command))
            for place, command in enumerate(self._commands)
        ]
        await self._stop.wait()
        log.info("stopping", processes=len(self._running), deadline_s=self._patience.drain_s)
        for process in self._running.values():
            _tell(process, signal.SIGTERM)
        _, late = await asyncio.wait(keepers, timeout=self._patience.drain_s)
        for place, process in self._running.items():
            log.error("process_killed", process=place, pid=process.pid)
            _tell(process, signal.SIGKILL)
        statuses = await asyncio.gather(*keepers)
        return not late and not any(statuses)

    async def _keep(self, place: int, command: Sequence[str]) -> int:
        """Return how the last process ended; 0 when there was none to stop."""
        wait_s = self._patience.soon_s
        while True:
            lived_s, status = await self._run_once(place, command)
            if self._stop.is_set():
                # Who had not begun yet, and so had no ear for the signal, has nothing to drain.
                return 0 if status == -signal.SIGTERM else status
            if lived_s >= self._patience.settled_s:
                wait_s = self._patience.soon_s
            log.error("process_ended", process=place, status=status, again_in_s=wait_s)
            with suppress(TimeoutError):
                await asyncio.wait_for(self._stop.wait(), wait_s)
            if self._stop.is_set():
                return 0
            wait_s = min(2 * wait_s, self._patience.latest_s)

    async def _run_once(self, place: int, command: Sequence[str]) -> tuple[float, int]:
        loop = asyncio.get_running_loop()
        started_s = loop.time()
        # Should this one be killed, they stop in order and leave their ports to whoever follows it.
        process = await asyncio.create_subprocess_exec(
            *command,
            env=self._environment,
            preexec_fn=follow_parent() if can_follow_parent() else None,
        )
        self._running[place] = process
        log.info("process_started", process=place, pid=process.pid)
        if self._stop.is_set():  # the signal came while it started
            _tell(process, signal.SIGTERM)
        status = await process.wait()
        del self._running[place]
        return loop.time() - started_s, status


def _tell(process: asyncio.subprocess.Process, number: signal.Signals) -> None:
    with suppress(ProcessLookupError):  # it has just ended
        process.send_signal(number)
