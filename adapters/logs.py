"""Log lines: JSON for machines or text for people, to stderr; never a number, never a token."""

from __future__ import annotations

import logging
import re
import sys
from collections.abc import MutableMapping
from typing import Any

import structlog

_LONG_DIGITS = re.compile(r"\+?\d{8,15}(?!\d)")
_IDS = frozenset(  # long numbers there are Meta's or the operator's, never a person's
    {
        *("timestamp", "level", "traceparent", "job"),
        *("sender", "waba", "portfolio", "template", "campaign", "id", "node"),
    }
)
SAID_MAX = 200
_TOKENS = re.compile(r"\b(?:psk_|EAA|Bearer )[A-Za-z0-9_\-]{8,}")


def configure_logs(kind: str) -> None:
    """Send all log lines to stderr as `json` or `console`."""
    renderer: Any = structlog.processors.JSONRenderer()
    if kind == "console":
        renderer = structlog.dev.ConsoleRenderer(colors=sys.stderr.isatty())
    structlog.configure(
        processors=[
            structlog.processors.add_log_level,
            structlog.processors.TimeStamper(fmt="iso", utc=True),
            scrub,
            renderer,
        ],
        wrapper_class=structlog.make_filtering_bound_logger(logging.INFO),
        # One write a line: processes that share a pipe would cut each other's lines in two.
        logger_factory=structlog.WriteLoggerFactory(sys.stderr),
        cache_logger_on_first_use=True,
    )
    logging.basicConfig(level=logging.WARNING, handlers=[LibraryLines()], force=True)


class LibraryLines(logging.Handler):
    """Lines of libraries, told as ours are: of an error its type only, its text may hold anything.

    What no parser could read of a request is in such a text, tokens and numbers with it.
    """

    def emit(self, record: logging.LogRecord) -> None:
        """Tell of one record."""
        kind = record.exc_info[0] if record.exc_info else None
        told = {"logger": record.name, "said": str(record.msg)[:SAID_MAX]}
        error = {} if kind is None else {"error": kind.__name__}
        structlog.get_logger("library").warning("library", **told, **error)


def scrub(
    _logger: object, _method: str, line: MutableMapping[str, Any]
) -> MutableMapping[str, Any]:
    """Take out whatever looks like a token, or like a phone number where no id is told."""
    for name, value in line.items():
        if isinstance(value, str):
            told = _TOKENS.sub("***", value)
            line[name] = told if name in _IDS else _LONG_DIGITS.sub("***", told)
    return line
