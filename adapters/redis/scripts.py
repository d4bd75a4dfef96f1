"""Load the Lua files, put each script together from its parts, and run them in one round trip."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

from redis import exceptions
from redis.asyncio import Redis
from redis.asyncio.cluster import RedisCluster

from engine.errors import LedgerAwayError, LedgerError

Client = Redis | RedisCluster
Reply = Any  # integers, byte strings and lists of both; calls.py gives the places names
Argument = str | bytes | int

AWAY = ("READONLY", "LOADING", "OOM", "BUSY", "MASTERDOWN", "MISCONF", "NOREPLICAS", "CLUSTERDOWN")


@dataclass(frozen=True, slots=True)
class Call:
    """One script run in one slot."""

    script: str
    tag: str
    arguments: Sequence[Argument]


def read_scripts() -> dict[str, str]:
    """Return every script's whole text by name: its parts in the order of its `uses:` lines."""
    folder = files("adapters.redis") / "lua"
    texts = {
        path.name.removesuffix(".lua"): path.read_text(encoding="utf-8")
        for path in folder.iterdir()
        if path.name.endswith(".lua")
    }
    return {
        name: assemble(name, texts)
        for name in texts
        if not name.startswith(("part_", "gate_"))
    }


def assemble(name: str, texts: dict[str, str]) -> str:
    """Return one script with the parts it uses in front of it."""
    parts: list[str] = []
    for line in texts[name].splitlines():
        if line.startswith("-- uses:"):
            parts += line.removeprefix("-- uses:").split()
    code = [without_comments(texts[part]) for part in parts]
    return "\n".join([*code, without_comments(texts[name])])


def without_comments(text: str) -> str:
    """Return the code of a Lua file: its header is for readers, not for the server."""
    lines = (line for line in text.splitlines() if not line.lstrip().startswith("--"))
    return "\n".join(lines)


class Scripts:
    """Run scripts on a Redis, several in one round trip.

    Raises LedgerAwayError when the server cannot answer or must not be written to: what was
    asked may have happened or not. LedgerError is a bug of ours, and says which script.
    """

    def __init__(self, client: Client) -> None:
        self._client = client
        self._texts = read_scripts()
        self._shas = {
            name: hashlib.sha1(text.encode(), usedforsecurity=False).hexdigest()
            for name, text in self._texts.items()
        }
        self.seconds: dict[str, float] = {}

    async def load(self) -> None:
        """Load all scripts, on every node."""
        try:
            for text in self._texts.values():
                await self._client.script_load(text)
        except (exceptions.RedisError, OSError) as error:
            raise LedgerAwayError(str(error)) from error

    async def run(self, calls: Sequence[Call]) -> list[Reply]:
        """Run `calls` in one round trip per node; replies in their order."""
        try:
            try:
                return await self._send(calls)
            except exceptions.NoScriptError:
                await self.load()
                return await self._send(calls)
        except exceptions.ResponseError as error:
            if str(error).startswith(AWAY):
                raise LedgerAwayError(str(error)) from error
            raise LedgerError(f"{[call.script for call in calls]}: {error}") from error
        except (exceptions.RedisError, OSError, TimeoutError) as error:
            raise LedgerAwayError(f"{type(error).__name__}: {error}") from error

    async def _send(self, calls: Sequence[Call]) -> list[Reply]:
        if len(calls) == 1:
            call = calls[0]
            sha = self._shas[call.script]
            return [
                await self._client.execute_command("EVALSHA", sha, 1, call.tag, *call.arguments)
            ]
        pipeline = self._client.pipeline(transaction=False)
        for call in calls:
            pipeline.execute_command(
                "EVALSHA", self._shas[call.script], 1, call.tag, *call.arguments
            )
        return list(await pipeline.execute())
