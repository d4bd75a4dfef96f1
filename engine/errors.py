"""What could not be done, sorted by what to do about it.

EngineError
├── InvalidJobError     the caller's fault: 422, never queued
├── LedgerError         the ledger could not answer: nothing is sent, nothing is lost, ask again
│   ├── LedgerAwayError     unreachable, read-only, full or loading
│   │   └── HalfChangedError    a campaign's rows heard of a change that nobody stored
│   └── ClockError          our clock and the ledger's differ by more than two seconds
├── QueueFullError      too many jobs wait: 429, try later
├── ProviderError       Meta did not do what an operator asked of it: 502, 503 or 429
│   ├── ProviderRefusedError   it said no: look at its code, asking again changes nothing
│   ├── ProviderAwayError      no answer, or no sensible one: whether it was done is not known
│   └── ProviderBusyError      too many management calls: none before `until_ms`
└── UnknownNameError    a portfolio, sender, source or template nobody told us of: 404
"""

from __future__ import annotations


class EngineError(Exception):
    """Anything the engine could not do."""


class InvalidJobError(EngineError):
    """The job can never be sent as it is; `pointer` names the field, `remedy` says what to do."""

    def __init__(self, detail: str, *, pointer: str, code: str, remedy: str = "") -> None:
        super().__init__(detail)
        self.detail = detail
        self.pointer = pointer
        self.code = code
        self.remedy = remedy


class LedgerError(EngineError):
    """The ledger could not answer; what was asked may or may not have happened: ask again."""


class LedgerAwayError(LedgerError):
    """The ledger is unreachable, read-only, full or loading: nothing may be sent meanwhile."""


class HalfChangedError(LedgerAwayError):
    """A campaign's rows heard of a change that nobody stored: CampaignChanges.mend."""


class ClockError(LedgerError):
    """Our clock and the ledger's differ by more than two seconds; mend the clock (NTP)."""


class QueueFullError(EngineError):
    """Too many jobs wait in this portfolio; try again after `retry_after_ms`."""

    def __init__(self, detail: str, *, retry_after_ms: int) -> None:
        super().__init__(detail)
        self.retry_after_ms = retry_after_ms


class UnknownNameError(EngineError):
    """Nobody told us of the portfolio, sender, source or template that was named."""


class ProviderError(EngineError):
    """Meta did not do what was asked; worth asking again from `until_ms` on, 0 is any time."""

    until_ms = 0


class ProviderRefusedError(ProviderError):
    """Meta refused a management call: look at its code, for asking again changes nothing."""

    def __init__(self, detail: str, *, code: int) -> None:
        super().__init__(detail)
        self.code = code


class ProviderAwayError(ProviderError):
    """Meta did not answer a management call, or not sensibly; ask again later."""


class ProviderBusyError(ProviderError):
    """Too many management calls: Meta wants none before `until_ms`, `wait_ms` from now.

    Asking sooner makes Meta's wait longer.
    """

    def __init__(self, detail: str, *, until_ms: int, wait_ms: int) -> None:
        super().__init__(detail)
        self.until_ms = until_ms
        self.wait_ms = wait_ms
