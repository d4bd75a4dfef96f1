"""Every script says what its places mean, is small, reads no clock, and has its own tests."""

import re
from pathlib import Path
from typing import Final

from tests.architecture.source_tree import ROOT, faults_in, lua_files, short

BODY_LINES_MAX: Final = 80
COLUMNS_MAX: Final = 100
PLACE: Final = re.compile(r"\b(?:KEYS|ARGV)\[\d+\]")
FORBIDDEN_COMMANDS: Final = re.compile(
    r"""redis\.p?call\s*\(\s*['"](KEYS|SCAN|RANDOMKEY|FLUSHALL|FLUSHDB)['"]""", re.IGNORECASE
)
CLOCK: Final = re.compile(r"""redis\.p?call\s*\(\s*['"]TIME['"]""", re.IGNORECASE)
# Not in the server all tests run on, or not in Redis 7.0 and Valkey 7.2.
FORBIDDEN_LIBRARIES: Final = re.compile(r"\b(bit|struct|cmsgpack)\.\w+|\bmath\.random\b")


def header_and_body(text: str) -> tuple[str, str]:
    """Return the leading comment and what follows it."""
    lines = text.splitlines()
    end = next((at for at, line in enumerate(lines) if not line.startswith("--")), len(lines))
    return "\n".join(lines[:end]), "\n".join(lines[end:])


def code_of(body: str) -> str:
    """Return the body without its comments."""
    return re.sub(r"--(?!\[\[).*", "", body)


def unexplained(text: str) -> set[str]:
    """Return the places that the body uses and the header does not explain."""
    header, body = header_and_body(text)
    return set(PLACE.findall(code_of(body))) - set(PLACE.findall(header))


def clock_reads(text: str) -> int:
    """Return how often a script asks the server for the time."""
    return len(CLOCK.findall(code_of(header_and_body(text)[1])))


def is_tested(path: Path) -> bool:
    """Whether a script has its test file; a part that several scripts share is named in one."""
    tests = ROOT / "tests/lua"
    if path.stem.startswith("part_"):
        return any(path.stem in test.read_text() for test in tests.glob("test_*.py"))
    return (tests / f"test_{path.stem}.py").exists()


def test_a_script_explains_every_place_it_reads() -> None:
    assert faults_in(lua_files(), lambda path: unexplained(path.read_text())) == {}


def strange_first_line(path: Path) -> str:
    first = path.read_text().splitlines()[0]
    return "" if re.match(rf"-- {re.escape(path.stem)}: \w.*", first) else first


def test_a_script_begins_with_its_name_and_purpose() -> None:
    assert faults_in(lua_files(), strange_first_line) == {}


def too_long(path: Path) -> tuple[int, int] | None:
    text = path.read_text()
    lines = len(header_and_body(text)[1].strip().splitlines())
    columns = max(map(len, text.splitlines()))
    return (lines, columns) if lines > BODY_LINES_MAX or columns > COLUMNS_MAX else None


def test_a_script_is_not_too_long() -> None:
    assert faults_in(lua_files(), too_long) == {}


def test_a_script_decides_by_the_time_it_is_given() -> None:
    others = [path for path in lua_files() if not path.stem.startswith("clock_guard")]
    assert faults_in(others, lambda path: clock_reads(path.read_text())) == {}


def forbidden_in(path: Path) -> list[str]:
    code = code_of(header_and_body(path.read_text())[1])
    return FORBIDDEN_COMMANDS.findall(code) + FORBIDDEN_LIBRARIES.findall(code)


def test_a_script_never_walks_the_key_space() -> None:
    assert faults_in(lua_files(), forbidden_in) == {}


def test_a_script_has_tests_of_its_own() -> None:
    untested = [short(path) for path in lua_files() if not is_tested(path)]
    assert untested == [], "tests/lua/test_….py is missing"


PLANTED: Final = """-- planted: a script with everything wrong.
-- KEYS[1]  known
local known, secret = KEYS[1], KEYS[2] -- ARGV[7] is only mentioned
local now = redis.call( 'time' )
return redis.pcall("scan", ARGV[1])
"""


def test_a_planted_fault_is_caught() -> None:
    assert unexplained(PLANTED) == {"KEYS[2]", "ARGV[1]"}
    assert clock_reads(PLANTED) == 1
    assert FORBIDDEN_COMMANDS.findall(PLANTED) == ["scan"]


def test_no_lua_hides_in_python() -> None:
    hiding = [
        short(path)
        for path in (ROOT / "adapters").rglob("*.py")
        if re.search(r"redis\.p?call\(", path.read_text(encoding="utf-8"))
    ]
    assert hiding == []
