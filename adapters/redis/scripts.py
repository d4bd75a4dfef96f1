"""Load the Lua files, put each script together from its parts, and run them in one round trip."""

from __future__ import annotations

import hashlib
import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from engine.errors import LedgerAwayError, LedgerError

Client = Redis | RedisCluster
Reply = Any  # integers, byte strings and lists of both; calls.py gives the places names
Argument = str | bytes | int

FUNCTION = re.compile(
    r"^local function (\w+)\((?:.*end\n|[^\n]*\n(?:[ \n][^\n]*\n|\n)*?end\n)", re.MULTILINE
)
DECLARED = re.compile(r"^local (?:function (\w+)|(\w+(?:, \w+)*))", re.MULTILINE)
PLAIN = re.compile(r"^local \w+(?:, \w+)*$\n?", re.MULTILINE)  # declared, and nothing given yet
WORD = re.compile(r"\w+")
COMMENT = re.compile(r"(^| +)--.*$")
CONSTANTS = re.compile(
    r"^local ([A-Z][A-Z0-9_]*(?:, [A-Z][A-Z0-9_]*)*) = (\d+(?:, \d+)*)$", re.MULTILINE
)
BEGIN = re.compile(r"^local function (begin_\w+)", re.MULTILINE)
MISSING = ("NOSCRIPT", "Function not found", "No matching script")
AWAY = ("READONLY", "LOADING", "OOM", "BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "CLUSTERDOWN")
AWAY_ERRORS = (
    exceptions.ReadOnlyError,
    exceptions.OutOfMemoryError,
    exceptions.BusyLoadingError,
    exceptions.ClusterDownError,
    exceptions.MasterDownError,
)


@dataclass(frozen=True, slots=True)
class Call:
    """One script run in one slot."""

    script: str
    tag: str
    arguments: Sequence[Argument]


@cache
def read_scripts() -> dict[str, str]:
    """Return every script's whole text by name: its parts in the order of its `uses:` lines."""
    folder = files("adapters.redis") / "lua"
    texts = {
        path.name.removesuffix(".lua"): path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name.endswith(".lua")
    }
    return {
        name: assemble(name, texts) for name in texts if not name.startswith(("part_", "gate_"))
    }


def assemble(name: str, texts: dict[str, str]) -> str:
    """Return one script: its parts, what begins each of them anew, and the script as `main`.

    Nothing but definitions stands outside functions, so a server that keeps functions runs them
    once and not at every call. Lua knows at most 200 locals at a time: numbers stand where their
    names stood, and what only one part uses is seen in that part only.
    """
    named: list[str] = []
    for line in texts[name].splitlines():
        if line.startswith("-- uses:"):
            named += line.removeprefix("-- uses:").split()
    parts = [without_comments(texts[part]) for part in named]
    begins = [found for text in parts for found in BEGIN.findall(text)]
    calls = " ".join(
        f"{begin}(keys, arguments)" if begin == "begin_slot" else f"{begin}()" for begin in begins
    )
    body = without_comments(texts[name])
    main = f"local function main(keys, arguments)\n{calls}\n{body}\nend"
    *parts, main = without_unused(with_numbers([*parts, main]))
    return "\n".join([*(closed(part, parts, main) for part in parts), main])


def with_numbers(parts: list[str]) -> list[str]:
    """Return `parts` with the numbers that their constants name."""
    numbers: dict[str, str] = {}
    for text in parts:
        for names, values in CONSTANTS.findall(text):
            numbers |= zip(names.split(", "), values.split(", "), strict=True)
    return [
        WORD.sub(lambda word: numbers.get(word.group(), word.group()), CONSTANTS.sub("", text))
        for text in parts
    ]


def without_unused(parts: list[str]) -> list[str]:
    """Return `parts` without functions that nothing in them calls."""
    while True:
        times = Counter(word for text in parts for word in WORD.findall(text))
        unused = {
            found.group(0)
            for text in parts
            for found in FUNCTION.finditer(text)
            if times[found.group(1)] == 1 and found.group(1) != "main"
        }
        if not unused:
            return parts
        for text in unused:
            parts = [part.replace(text, "") for part in parts]


def closed(part: str, parts: list[str], main: str) -> str:
    """Return `part` as a block that shows only what the others use."""
    others = {word for text in [*parts, main] if text is not part for word in WORD.findall(text)}
    declared: list[str] = []
    for is_function, names in DECLARED.findall(part):
        declared += [is_function] if is_function else names.split(", ")
    shown = [name for name in declared if name in others]
    hidden = [name for name in declared if name not in others]
    code = PLAIN.sub("", part)
    code = re.sub(r"^local (?:function (\w+)|(?=\w))", _defined, code, flags=re.MULTILINE)
    return "\n".join(
        [*_locals(shown), "do", *_locals(hidden), code, "end"],
    )


def _defined(found: re.Match[str]) -> str:
    return f"function {found[1]}" if found[1] else ""


def _locals(names: list[str]) -> list[str]:
    return [f"local {', '.join(names)}"] if names else []


def without_comments(text: str) -> str:
    """Return the code of a Lua file: its header is for readers, not for the server."""
    lines = (COMMENT.sub("", line) for line in text.splitlines())
    return "\n".join(line for line in lines if line.strip())


@dataclass(frozen=True, slots=True)
class Loaded:
    """One script in its two forms."""

    name: str
    code: str

    @property
    def digest(self) -> str:
        """Return the name of this very text: new and old versions of us live side by side."""
        return hashlib.sha1(self.code.encode(), usedforsecurity=False).hexdigest()

    @property
    def function(self) -> str:
        """Return the name under which a server keeps it as a function."""
        return f"penstock_{self.name}_{self.digest[:12]}"

    @property
    def library(self) -> str:
        """Return what FUNCTION LOAD takes."""
        register = f"redis.register_function('{self.function}', main)"
        return f"#!lua name={self.function}\n{self.code}\n{register}"

    @property
    def script(self) -> str:
        """Return what SCRIPT LOAD takes."""
        return f"#!lua\n{self.code}\nreturn main(KEYS, ARGV)"  # refused when full, whole

    @property
    def sha(self) -> str:
        """Return the name under which EVALSHA finds it."""
        return hashlib.sha1(self.script.encode(), usedforsecurity=False).hexdigest()


class Scripts:
    """Run scripts on a Redis, several in one round trip.

    Where the server keeps functions (and its access rules let us load them) they are called as
    functions: their parts are defined once, not at every call. EVALSHA is what always works.

    Raises LedgerAwayError when the server cannot answer or must not be written to: what was
    asked may have happened or not. LedgerError is a bug of ours, and says which script.
    """

    def __init__(self, client: Client, *, as_functions: bool = True) -> None:
        self._client = client
        self._loaded = {name: Loaded(name, code) for name, code in read_scripts().items()}
        self._names = {name: script.sha for name, script in self._loaded.items()}
        self._command = "EVALSHA"
        self._wants_functions = as_functions

    async def load(self) -> None:
        """Load all scripts, on every node; as functions where that is allowed."""
        try:
            if self._wants_functions and await self._load_functions():
                self._command = "FCALL"
                self._names = {name: each.function for name, each in self._loaded.items()}
                return
            self._command = "EVALSHA"
            self._names = {name: each.sha for name, each in self._loaded.items()}
            for each in self._loaded.values():
                await self._client.script_load(each.script)
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(str(error)) from error

    async def _load_functions(self) -> bool:
        try:
            for each in self._loaded.values():
                await self._client.function_load(each.library, replace=True)
        except exceptions.ResponseError as error:
            if _is_away(error):
                raise  # it may take them when it is back
            self._wants_functions = False
            return False
        return True

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Run `calls` in one round trip per node; replies in their order."""
        try:
            replies = await self._send(calls)
            missing = [at for at, reply in enumerate(replies) if _is_missing(reply)]
            if missing:  # a server restarted or flushed what it kept: of these nothing ran
                await self.load()
                again = await self._send([calls[at] for at in missing])
                for at, reply in zip(missing, again, strict=True):
                    replies[at] = reply
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(f"{type(error).__name__}: {error}") from error
        for call, reply in zip(calls, replies, strict=True):
            if isinstance(reply, Exception):
                raise _translated(call, reply) from reply
        return replies

    async def _send(self, calls: Sequence[Call]) -> list[Reply]:
        """Return each call's reply, or the error it met."""
        command, names = self._command, self._names
        if len(calls) == 1:
            call = calls[0]
            name = names[call.script]
            try:
                reply = await self._client.execute_command(
                    command, name, 1, call.tag, *call.arguments
                )
            except exceptions.ResponseError as error:
                return [error]
            return [reply]
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(command, names[call.script], 1, call.tag, *call.arguments)
        return list(await pipeline.execute(raise_on_error=False))


def _is_missing(reply: Reply) -> bool:
    """Return whether the server does not know the script: then nothing of it ran."""
    if not isinstance(reply, exceptions.ResponseError):
        return False
    return isinstance(reply, exceptions.NoScriptError) or any(
        word in str(reply) for word in MISSING
    )


def _translated(call: Call, error: Exception) -> LedgerError:
    """Return what an error of one call means to us."""
    if _is_away(error):
        return LedgerAwayError(f"{call.script}: {type(error).__name__}: {error}")
    return LedgerError(f"{call.script}: {error}")


def _is_away(error: Exception) -> bool:
    """Return whether the server cannot take a call now, whatever the call was."""
    is_answer = isinstance(error, exceptions.ResponseError) and not isinstance(error, AWAY_ERRORS)
    return not is_answer or any(word in str(error) for word in AWAY)
