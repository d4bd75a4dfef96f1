"""Ctrl-C as an event: waited for between two pictures, and a way out of a call that hangs."""

from __future__ import annotations

import select
import signal
import socket
from collections.abc import Generator
from contextlib import contextmanager
from types import FrameType
from typing import Final, Self

BYTES: Final = 64  # of signals that came at once


class Leaving:
    """Whether somebody wants to leave; as a context it listens for that.

    An exception that comes between any two instructions may be swallowed where it comes, and half
    a picture may be written by then. So only what may last long is interrupted by one.
    """

    def __init__(self) -> None:
        self._is_wanted = False
        self._is_interruptible = False

    def __enter__(self) -> Self:
        self._heard, self._told = socket.socketpair()
        self._told.setblocking(False)  # noqa: FBT003 (the library's)
        self._old_fd = signal.set_wakeup_fd(self._told.fileno())
        self._old_handler = signal.signal(signal.SIGINT, self._wanted)
        return self

    def __exit__(self, *_error: object) -> None:
        signal.signal(signal.SIGINT, self._old_handler)
        signal.set_wakeup_fd(self._old_fd)
        self._heard.close()
        self._told.close()

    def within(self, wait_s: float) -> bool:
        """Wait so long; return whether somebody wants to leave, as soon as that is so."""
        if not self._is_wanted and select.select([self._heard], [], [], wait_s)[0]:
            self._heard.recv(BYTES)
        return self._is_wanted

    @contextmanager
    def interrupting(self) -> Generator[None]:
        """Let KeyboardInterrupt end what goes on here, once somebody wants to leave."""
        self._is_interruptible = True
        try:
            if self._is_wanted:
                raise KeyboardInterrupt
            yield
        finally:
            self._is_interruptible = False

    def _wanted(self, _number: int, _frame: FrameType | None) -> None:
        self._is_wanted = True
        if self._is_interruptible:
            raise KeyboardInterrupt
