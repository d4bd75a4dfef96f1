"""Every name that a script uses is there: Lua would say so only where that line is reached."""

import pytest

from adapters.redis.assembly import read_scripts
from tests.lua.bytecode import globals_of
from tests.lua.guarded import GUARD

LUA_HAS = {
    *("redis", "string", "table", "math", "tonumber", "unpack", "ipairs", "pairs", "next"),
    *("setmetatable", "rawget"),
}


@pytest.mark.parametrize("name", sorted(read_scripts()))
def test_a_script_reaches_for_nothing_that_is_not_there(name: str) -> None:
    text = read_scripts()[name].replace(GUARD, "")  # what it brings is the test's own
    assert globals_of(f"{text}\nreturn main") <= LUA_HAS


def test_a_name_that_nothing_brings_is_found_where_it_is_never_reached() -> None:
    code = "local a = 1\nlocal function main() if a > 1 then absent() gone = 2 end end\nreturn main"
    assert globals_of(code) == {"absent", "gone"}
