"""Load the scripts into a Redis and run several of them in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from adapters.redis.assembly import read_scripts
from adapters.redis.lines import lines_of
from engine.errors import LedgerAwayError, LedgerError

Client = Redis | RedisCluster
Reply = Any  # integers, byte strings and lists of both; calls.py gives the places names
Argument = str | bytes | int

KEPT = frozenset({"claim", "enqueue"})
"""The scripts on a message's path: these a server keeps as functions, if it can.

What it keeps, its garbage collector walks through for ever, between the calls of all: among thirty
that are seldom run, or run for hundreds of statuses at a time, a claim costs a seventh more
(docs/adr/0028-few-scripts-are-kept.md).
"""
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

    Those on a message's path are kept by the server as functions (where it has them and its access
    rules let us load them): their parts are defined once, not at every call. EVALSHA is what
    always works.

    Raises LedgerAwayError when the server cannot answer or must not be written to: what was
    asked may have happened or not. LedgerError is a bug of ours, and says which script.
    """

    def __init__(self, client: Client, *, as_functions: bool = True) -> None:
        self._client = client
        self._loaded = {name: Loaded(name, code) for name, code in read_scripts().items()}
        self._names = {name: ("EVALSHA", script.sha) for name, script in self._loaded.items()}
        self._wants_functions = as_functions
        self._call: Callable[..., Awaitable[Reply]]
        if isinstance(client, RedisCluster):  # it chooses a node by the command
            self._call = client.execute_command
        else:
            self._call = lines_of(client).call

    async def load(self) -> None:
        """Load all scripts, on every node; those on a message's path as functions if allowed.

        What one server has already is not given to it again: to read all would keep it from its
        work for 30 ms, at the start of every process and command.
        """
        try:
            kept = KEPT if self._wants_functions and await self._load_functions() else ()
            scripts = {name: each for name, each in self._loaded.items() if name not in kept}
            self._names = {name: ("FCALL", self._loaded[name].function) for name in kept}
            self._names |= {name: ("EVALSHA", each.sha) for name, each in scripts.items()}
            there = await self._there([each.sha for each in scripts.values()])
            for each, is_there in zip(scripts.values(), there, strict=True):
                if not is_there:
                    await self._client.script_load(each.script)
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(str(error)) from error

    async def _load_functions(self) -> bool:
        try:
            known = await self._functions_there()
            for each in (self._loaded[name] for name in sorted(KEPT)):
                if each.function.encode() not in known:
                    await self._client.function_load(each.library, replace=True)
        except exceptions.ResponseError as error:
            if _is_away(error):
                raise  # it may take them when it is back
            self._wants_functions = False
            return False
        return True

    async def _there(self, shas: list[str]) -> Sequence[object]:
        """Return which scripts a server has; the nodes of a cluster are given all."""
        if isinstance(self._client, RedisCluster):
            return [False] * len(shas)
        return list(await self._client.script_exists(*shas))

    async def _functions_there(self) -> set[bytes]:
        """Return which of our functions a server has: a name holds the digest of its text."""
        if isinstance(self._client, RedisCluster):
            return set()
        try:
            libraries: Reply = await self._client.function_list(library="penstock_*")
        except exceptions.NoPermissionError:
            return set()
        return {each[1] for each in libraries}  # after the word library_name

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
        names = self._names
        if len(calls) == 1:
            call = calls[0]
            command, name = names[call.script]
            try:
                reply = await self._call(command, name, 1, call.tag, *call.arguments)
            except exceptions.ResponseError as error:
                return [error]
            return [reply]
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(*names[call.script], 1, call.tag, *call.arguments)
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
