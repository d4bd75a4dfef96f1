"""Scripts in which the shared empty array NONE breaks whatever is written to it."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from typing import Final

from adapters.redis.assembly import read_scripts

BEGIN: Final = "argv, tag = arguments, keys[1]"  # of every call; a library may set no metatable
GUARD: Final = "setmetatable(NONE, { __newindex = function() error('NONE was written to') end })"


@contextmanager
def guarded_scripts() -> Generator[None]:
    """Let all that reads scripts here read guarded ones; production's say the same otherwise."""
    scripts = read_scripts()  # one dictionary for the life of a process
    plain = dict(scripts)
    scripts |= {name: text.replace(BEGIN, f"{GUARD}\n{BEGIN}") for name, text in plain.items()}
    try:
        yield
    finally:
        scripts |= plain
