"""One call of the API from the command line, and how its refusal is shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Callable, Iterable, Mapping
from http import HTTPStatus
from pathlib import Path
from typing import IO, Any, NoReturn, TypeVar

import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from adapters.client.errors import NotFoundError, PenstockError, UnreachableError
from adapters.client.steps import Call, path_of
from adapters.client.sync import Client
from adapters.client.talks import UPLOAD_TIMEOUT_S as UPLOAD_S
from adapters.client.talks import Patience, asked_for
from adapters.client.uploading import upload_file

URL_VARIABLE = "PENSTOCK_URL"
KEY_VARIABLE = "PENSTOCK_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8080"
FAILED = 1
REPEATS_MAX = 1  # somebody waits at a terminal
UPLOAD_REPEATS_MAX = 4  # of a whole file: what was taken already is a duplicate then

Done = TypeVar("Done")

# A file or a pipe has no edge at which an id would be cut.
console = Console(width=None if sys.stdout.isatty() else 1_000)
errors = Console(stderr=True)


class Caller:
    """The API as the command line sees it; every failure ends the program with its reason."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._key = os.environ.get(KEY_VARIABLE, "")
        url = os.environ.get(URL_VARIABLE) or DEFAULT_URL
        if not url.startswith(("http://", "https://")):
            raise typer.BadParameter(f"{URL_VARIABLE}={url} is no address: write http://HOST:PORT")
        self._client = Client(url, self._key, Patience(repeats_max=REPEATS_MAX))

    def call(
        self,
        method: str,
        *path: str,
        body: object = None,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON of an answer."""
        place = path_of(*path) + query
        return self._done(lambda: self._client.call(method, place, body, headers))

    def find(self, *path: str) -> dict[str, Any] | None:
        """Return the JSON of what is there; None when it is not."""

        def ask() -> dict[str, Any] | None:
            try:
                return self._client.call("GET", path_of(*path))
            except NotFoundError:
                return None

        return self._done(ask)

    def upload(self, *path: str, file: IO[bytes], kind: str, query: str = "") -> dict[str, Any]:
        """Return the JSON of an upload's answer; the file is never in memory as a whole.

        One that is cut off, or finds the queue full or the ledger away, is sent again from its
        begin: what was taken already is a duplicate then, and nothing is there twice.
        """
        call = Call(
            "POST", path_of(*path) + query, file, {"Content-Type": kind}, timeout_s=UPLOAD_S
        )
        talk = asked_for(call, dict[str, Any], Patience(repeats_max=UPLOAD_REPEATS_MAX))
        return self._done(lambda: self._client.walk(talk))

    def upload_recipients(self, campaign_id: str, file: IO[bytes], kind: str) -> dict[str, Any]:
        """Return the JSON of an upload's answer; one that is cut off goes on where it ended."""
        patience = Patience(repeats_max=UPLOAD_REPEATS_MAX)
        talk = upload_file(campaign_id, file, kind, "", dict[str, Any], patience)
        return self._done(lambda: self._client.walk(talk))

    def download(self, *path: str, to: IO[bytes]) -> None:
        """Write an answer to a file as it comes."""
        self._done(lambda: self._client.download(path_of(*path), to))

    def show(self, answer: dict[str, Any], names: Iterable[str] = ()) -> None:
        """Print an answer: as it is, or its named members for people."""
        if self.as_json:
            typer.echo(json.dumps(answer))
            return
        for name in names or answer:
            value = answer.get(name)
            console.print(
                f"[bold]{name}[/bold]: {escape(_plain(value))}", highlight=False, soft_wrap=True
            )

    def show_table(self, answer: dict[str, Any], name: str, columns: Iterable[str]) -> None:
        """Print a list of an answer."""
        if self.as_json:
            typer.echo(json.dumps(answer))
            return
        table = Table()
        for column in columns:  # an id that is cut is none: the others make room for it
            table.add_column(column, no_wrap=column == "id", overflow="fold")
        for row in answer[name]:
            table.add_row(*(escape(_plain(row.get(column))) for column in columns))
        console.print(table)

    def _done(self, ask: Callable[[], Done]) -> Done:
        """Return what was asked for; a refusal ends the program."""
        if not self._key:
            self._fail({"detail": f"set {KEY_VARIABLE} to a key; `penstock run` shows the first"})
        try:
            return ask()
        except UnreachableError as error:
            self._fail({"detail": f"{error.detail}; is `penstock run` up?"})
        except PenstockError as error:
            self._fail(error.problem, error.status)
        finally:
            self._client.close()  # a command is one call, seldom a few

    def _fail(self, problem: dict[str, Any], status: int = 0) -> NoReturn:
        if self.as_json:
            typer.echo(json.dumps(problem))
            raise typer.Exit(FAILED)
        detail = problem.get("detail") or HTTPStatus(status).phrase
        told = problem.get("errors", ())
        is_all = len(told) == 1 and told[0]["detail"] == detail
        at = f" ({_place_of(told[0])})" if is_all and _place_of(told[0]) else ""
        errors.print(f"[red]failed[/red]: {escape(detail + at)}", highlight=False, soft_wrap=True)
        for each in () if is_all else told:
            line = ": ".join(filter(None, (_place_of(each), each["detail"])))
            errors.print(escape(f"  {line}"), highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED)


def _place_of(error: dict[str, Any]) -> str:
    """Return where something is wrong: a pointer, a row and its field, or nothing in particular."""
    if "row" in error:
        return f"row {error['row']} {error['field']}"
    return str(error.get("pointer", ""))


def _plain(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if each)
        return inner or "-"
    if isinstance(value, list):
        between = "; " if any(isinstance(each, dict) for each in value) else ", "
        return between.join(_plain(each) for each in value) or "-"
    if isinstance(value, bool):
        return "yes" if value else "no"
    return "-" if value is None or value == "" else str(value)


def kind_of(file: Path, kinds: Mapping[str, str]) -> str:
    """Return the media type of a file by its suffix; BadParameter names those that would do."""
    kind = kinds.get(file.suffix.lower())
    if kind is None:
        raise typer.BadParameter(f"{file} is none of {', '.join(kinds)}")
    return kind


def is_terminal() -> bool:
    """Return whether a person watches."""
    return sys.stdout.isatty()
