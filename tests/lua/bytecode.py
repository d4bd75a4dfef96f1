"""Which global names a compiled Lua 5.1 chunk reaches for, also where it never ran."""

from __future__ import annotations

import importlib
import struct
from typing import Any, Final

lua51: Any = importlib.import_module("lupa.lua51")  # has no types

GET_GLOBAL: Final = 5  # opcodes of Lua 5.1, lopcodes.h
SET_GLOBAL: Final = 7
OPCODE_BITS: Final = 0x3F
CONSTANT_AT: Final = 14  # bits
HEADER_BYTES: Final = 12


def globals_of(code: str) -> set[str]:
    """Return the names of the globals that a chunk reads or sets anywhere."""
    lua: Any = lua51.LuaRuntime(encoding=None)
    dump = lua.eval("function(code) return string.dump(assert(loadstring(code))) end")
    found: set[str] = set()
    _read_function(_Dump(dump(code.encode()), HEADER_BYTES), found)
    return found


class _Dump:
    def __init__(self, data: bytes, at: int) -> None:
        self.data, self.at = data, at

    def take(self, form: str) -> Any:  # noqa: ANN401 (a number of the form's kind)
        (value,) = struct.unpack_from(f"<{form}", self.data, self.at)
        self.at += struct.calcsize(form)
        return value

    def take_text(self) -> str:
        size = self.take("Q")
        text = self.data[self.at : self.at + size].rstrip(b"\0")
        self.at += size
        return text.decode("latin-1")

    def take_constant(self) -> object:
        match self.take("B"):
            case 4:
                return self.take_text()
            case 3:
                return self.take("d")
            case 1:
                return self.take("B")
            case _:
                return None

    def take_words(self) -> tuple[int, ...]:
        size = self.take("i")
        words = struct.unpack_from(f"<{size}I", self.data, self.at)
        self.at += 4 * size
        return words


def _read_function(dump: _Dump, found: set[str]) -> None:
    """Read one function as ldump.c writes it, and those within it."""
    dump.take_text()  # where it comes from
    dump.at += 2 * 4 + 4  # its lines; upvalues, parameters, varargs, stack
    code = dump.take_words()
    constants = [dump.take_constant() for _ in range(dump.take("i"))]
    reaching = (word for word in code if word & OPCODE_BITS in (GET_GLOBAL, SET_GLOBAL))
    found.update(str(constants[word >> CONSTANT_AT]) for word in reaching)
    for _ in range(dump.take("i")):
        _read_function(dump, found)
    dump.take_words()  # lines
    for _ in range(dump.take("i")):  # locals
        dump.take_text()
        dump.at += 8
    for _ in range(dump.take("i")):  # upvalues
        dump.take_text()
