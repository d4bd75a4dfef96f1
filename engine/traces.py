"""A caller's place in its trace, as a header says it and as it is kept.

https://www.w3.org/TR/trace-context/#traceparent-header
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from typing import Final

TRACE_BYTES: Final = 25  # trace id 16, parent id 8, flags 1

_FORM: Final = re.compile(r"([0-9a-f]{2})-([0-9a-f]{32})-([0-9a-f]{16})-([0-9a-f]{2})(-.*)?")
_KNOWN: Final = "00"
_FORBIDDEN: Final = "ff"
_SAMPLED: Final = 0x01  # the one flag that every later version keeps


def trace_of(said: Sequence[str]) -> bytes:
    """Return the trace that `traceparent` headers name, packed; empty where there is none.

    One that breaks the format, or that comes twice, is ignored: a trace never refuses a job. Of a
    later version the part that every version shares is taken, as version 00.

    >>> text_of(trace_of(["00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"]))
    '00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01'
    >>> trace_of(["00-0AF7651916CD43DD8448EB211C80319C-B7AD6B7169203331-01"])
    b''
    """
    found = _FORM.fullmatch(said[0].strip(" \t")) if len(said) == 1 else None
    if found is None:
        return b""
    version, trace, parent, flags, more = found.groups()
    if version == _FORBIDDEN or not trace.strip("0") or not parent.strip("0"):
        return b""
    if version != _KNOWN:
        flags = f"{int(flags, 16) & _SAMPLED:02x}"
    elif more is not None:
        return b""
    return bytes.fromhex(trace + parent + flags)


def text_of(trace: bytes) -> str:
    """Return a packed trace as its header says it; empty for none."""
    if len(trace) != TRACE_BYTES:
        return ""
    return f"{_KNOWN}-{trace[:16].hex()}-{trace[16:24].hex()}-{trace[24:].hex()}"
