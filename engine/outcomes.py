"""Every way a delivery can end, as values the ledger settles and the events tell."""

from __future__ import annotations

from dataclasses import dataclass

from engine.model import Gate


@dataclass(slots=True)
class Accepted:
    """Meta took the message and named it; `held` means it keeps it to judge the template."""

    wamid: str
    held: bool = False


@dataclass(slots=True)
class Unwritten:
    """No byte of it left this process: it goes back to the front of its lane, nothing is burned."""

    reason: str


@dataclass(slots=True)
class Retry:
    """It definitely failed in a way that may pass; costs an attempt and waits until `until_ms`."""

    code: int
    until_ms: int
    reason: str


@dataclass(slots=True)
class Deferred:
    """Nothing is wrong with the message: `gate` is closed until `until_ms`; costs no attempt.

    `PAIR` and `RETRY` hold this job alone; `RATE` also lowers the sender's learned rate; `ACCOUNT`,
    `SENDER` and `TEMPLATE` close that gate for every job that shares its key.
    """

    gate: Gate
    code: int
    until_ms: int
    reason: str


@dataclass(slots=True)
class InDoubt:
    """It may have been sent; its place stays taken until evidence or its policy decides."""

    reason: str


@dataclass(slots=True)
class Dropped:
    """Never for this message; kept among the dead letters with its reason.

    `strikes` counts towards parking its sender and template: the code is one we do not know.
    `field` points at what of its message no longer fits its template; Meta never saw it then.
    """

    code: int
    reason: str
    strikes: bool = False
    field: str = ""


@dataclass(slots=True)
class Suppressed:
    """A rule that came into force while it waited forbids it; Meta never saw it."""

    code: int
    reason: str


Outcome = Accepted | Unwritten | Retry | Deferred | InDoubt | Dropped | Suppressed


def never_left(outcome: Outcome) -> bool:
    """Return whether Meta surely saw nothing of it, because we looked before we wrote.

    >>> never_left(Unwritten("late")), never_left(Dropped(131026, "undeliverable"))
    (True, False)
    """
    is_misfit = isinstance(outcome, Dropped) and bool(outcome.field)
    return is_misfit or isinstance(outcome, Unwritten | Suppressed)


MISFIT_MARK = "!"  # begins what stands where an accepted job has its wamid
MISFIT_MAX = 200  # characters kept of it


def misfit(outcome: Dropped) -> str:
    """Return what is kept of a message that no longer fits its template; empty of any other.

    >>> misfit(Dropped(132000, "2 given, 1 wanted", field="/message/template/components/0"))
    '!/message/template/components/0 2 given, 1 wanted'
    """
    if not outcome.field:
        return ""
    return f"{MISFIT_MARK}{outcome.field} {outcome.reason}"[:MISFIT_MAX]
