"""One call of the API from the command line, and how its refusal is shown."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterable
from http import HTTPStatus
from typing import IO, Any, NoReturn
from urllib.error import HTTPError, URLError
from urllib.parse import quote
from urllib.request import Request, urlopen

import typer
from rich.console import Console
from rich.table import Table

URL_VARIABLE = "PENSTOCK_URL"
KEY_VARIABLE = "PENSTOCK_API_KEY"
DEFAULT_URL = "http://127.0.0.1:8080"
FAILED = 1
TIMEOUT_S = 60
UPLOAD_TIMEOUT_S = 3_600

console = Console()
errors = Console(stderr=True)


class Caller:
    """The API as the command line sees it; every failure ends the program with its reason."""

    def __init__(self, *, as_json: bool) -> None:
        self.as_json = as_json
        self._url = os.environ.get(URL_VARIABLE, DEFAULT_URL).rstrip("/")
        self._key = os.environ.get(KEY_VARIABLE, "")

    def call(
        self,
        method: str,
        *path: str,
        body: object = None,
        query: str = "",
        headers: dict[str, str] | None = None,
    ) -> dict[str, Any]:
        """Return the JSON of an answer."""
        encoded = None if body is None else json.dumps(body).encode()
        kind = {"Content-Type": "application/json"} | (headers or {})
        return self._send(method, _joined(path) + query, encoded, kind, TIMEOUT_S)

    def find(self, *path: str) -> dict[str, Any] | None:
        """Return the JSON of what is there; None when it is not."""
        try:
            return _decoded(self._ask("GET", _joined(path), None, {}, TIMEOUT_S))
        except HTTPError as error:
            if error.code == HTTPStatus.NOT_FOUND:
                error.close()
                return None
            self._fail(_decoded(error.read()), error.code)

    def upload(
        self, *path: str, file: IO[bytes], length: int, kind: str, query: str = ""
    ) -> dict[str, Any]:
        """Return the JSON of an upload's answer; the file is never in memory as a whole."""
        headers = {"Content-Type": kind, "Content-Length": str(length)}
        return self._send("POST", _joined(path) + query, file, headers, UPLOAD_TIMEOUT_S)

    def show(self, answer: dict[str, Any], names: Iterable[str] = ()) -> None:
        """Print an answer: as it is, or its named members for people."""
        if self.as_json:
            typer.echo(json.dumps(answer))
            return
        for name in names or answer:
            value = answer.get(name)
            console.print(f"[bold]{name}[/bold]: {_plain(value)}", highlight=False, soft_wrap=True)

    def show_table(self, answer: dict[str, Any], name: str, columns: Iterable[str]) -> None:
        """Print a list of an answer."""
        if self.as_json:
            typer.echo(json.dumps(answer))
            return
        table = Table(*columns)
        for row in answer[name]:
            table.add_row(*(_plain(row.get(column)) for column in columns))
        console.print(table)

    def _send(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None,
        headers: dict[str, str],
        timeout_s: float,
    ) -> dict[str, Any]:
        try:
            return _decoded(self._ask(method, path, body, headers, timeout_s))
        except HTTPError as error:
            self._fail(_decoded(error.read()), error.code)

    def _ask(
        self,
        method: str,
        path: str,
        body: bytes | IO[bytes] | None,
        headers: dict[str, str],
        timeout_s: float,
    ) -> bytes:
        """Return an answer of the API; HTTPError is its refusal, all else ends the program."""
        if not self._key:
            self._fail({"detail": f"set {KEY_VARIABLE} to a key; `penstock run` shows the first"})
        request = Request(  # noqa: S310 (the operator's own address)
            self._url + path,
            data=body,
            method=method,
            headers={"Authorization": f"Bearer {self._key}", **headers},
        )
        try:
            with urlopen(request, timeout=timeout_s) as response:  # noqa: S310
                content: bytes = response.read()
        except HTTPError:
            raise
        except (URLError, OSError) as error:
            reason = getattr(error, "reason", error)
            self._fail({"detail": f"no answer from {self._url}: {reason}; is `penstock run` up?"})
        return content

    def _fail(self, problem: dict[str, Any], status: int = 0) -> NoReturn:
        if self.as_json:
            typer.echo(json.dumps(problem))
            raise typer.Exit(FAILED)
        detail = problem.get("detail") or HTTPStatus(status).phrase
        errors.print(f"[red]failed[/red]: {detail}", highlight=False, soft_wrap=True)
        for each in problem.get("errors", ()):
            place = each.get("pointer") or f"row {each.get('row')} {each.get('field')}"
            if each["detail"] != detail or place:
                errors.print(f"  {place}: {each['detail']}", highlight=False, soft_wrap=True)
        raise typer.Exit(FAILED)


def _joined(path: Iterable[str]) -> str:
    return "/" + "/".join(quote(part, safe="") for part in path)


def _decoded(body: bytes) -> dict[str, Any]:
    try:
        content = json.loads(body or b"{}")
    except ValueError:
        return {"detail": body.decode(errors="replace")[:200]}
    return content if isinstance(content, dict) else {"items": content}


def _plain(value: object) -> str:
    if isinstance(value, dict):
        inner = ", ".join(f"{name} {_plain(each)}" for name, each in value.items() if each)
        return inner or "-"
    if isinstance(value, list):
        return ", ".join(_plain(each) for each in value) or "-"
    return "-" if value is None or value == "" else str(value)


def is_terminal() -> bool:
    """Return whether a person watches."""
    return sys.stdout.isatty()
