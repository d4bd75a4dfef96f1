"""What the API refused, sorted by what to do about it.

PenstockError
├── UnreachableError    no answer at all: it may or may not have been done; ask again
├── BusyError           429, 408, 502, 503, 504: nothing is wrong; ask again after `retry_after_s`
├── InvalidError        400, 413, 415, 422: it can never work as it is; `errors` says where and why
├── ConflictError       409: something is in the way: another body under the key, a state
├── NotFoundError       404
├── KeyRefusedError     401, 403: another key is needed
└── BrokenError         500 and what nobody foresaw: tell us
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import msgspec

from adapters.client.steps import Answer


class FieldFault(msgspec.Struct, frozen=True):
    """One thing that is wrong, and where (RFC 6901)."""

    pointer: str = ""
    code: str = ""
    detail: str = ""


class PenstockError(Exception):
    """A call that did not do what was asked; `problem` is the API's whole answer."""

    def __init__(self, status: int, problem: Mapping[str, Any], retry_after_s: float = 0) -> None:
        self.status = status
        self.problem = dict(problem)
        self.detail = str(problem.get("detail") or f"status {status}")
        self.code = str(problem.get("code", ""))
        self.errors = _faults(problem.get("errors"))
        self.retry_after_s = retry_after_s
        super().__init__(self.detail)


class UnreachableError(PenstockError):
    """No answer: it may or may not have been done; what is repeatable is repeated."""


class BusyError(PenstockError):
    """Not now: the queue is full or the ledger is away; ask again after `retry_after_s`."""


class InvalidError(PenstockError):
    """It can never work as it is; `errors` has everything that is wrong with it."""


class ConflictError(PenstockError):
    """Something is in the way: the key has another body, or the state does not allow it."""


class NotFoundError(PenstockError):
    """It is not there, or it is not this key's."""


class KeyRefusedError(PenstockError):
    """The key is missing, wrong, revoked, or has too low a role."""


class BrokenError(PenstockError):
    """An error of ours."""


KINDS: Mapping[int, type[PenstockError]] = {
    **dict.fromkeys((408, 429, 502, 503, 504), BusyError),
    **dict.fromkeys((400, 413, 415, 422), InvalidError),
    **dict.fromkeys((401, 403), KeyRefusedError),
    404: NotFoundError,
    409: ConflictError,
}


def error_of(answer: Answer) -> PenstockError:
    """Return what an answer of 400 and more is to a caller; 0 is no answer."""
    if not answer.status:
        return UnreachableError(0, {"detail": answer.body.decode(errors="replace")})
    kind = KINDS.get(answer.status, BrokenError)
    return kind(answer.status, _problem(answer.body), _seconds(answer.headers.get("retry-after")))


def _problem(body: bytes) -> dict[str, Any]:
    try:
        return msgspec.json.decode(body, type=dict[str, Any])
    except msgspec.MsgspecError:
        return {"detail": body[:200].decode(errors="replace")}


def _faults(errors: object) -> list[FieldFault]:
    try:
        return msgspec.convert(errors or [], list[FieldFault])
    except msgspec.ValidationError:
        return []  # the rows of a file have another shape; `problem` has them


def _seconds(text: str | None) -> float:
    return float(text) if text and text.isdigit() else 0.0
