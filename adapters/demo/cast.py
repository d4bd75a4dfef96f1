"""Who plays in the gates' acts: each act has a number of its own, so that none disturbs another."""

from __future__ import annotations

from typing import Any, Final, Protocol

from adapters.clock import Clock

ACTS: Final = {
    **{name: name for name in ("quota", "rate", "pair", "account", "sender", "template")},
    **{name: name for name in ("window", "suppression", "schedule", "source", "retry")},
    "throttle": "account",  # Meta's own throttle, beside the block for policy
}
"""Act by act, the gate that it closes and opens; the judge calls the rule by the same name."""

NOTICE, OFFER = "gate_notice", "gate_offer"
FREE, FULL = "gates-free", "gates-full"  # portfolios without a limit, and with a small one
PLACES: Final = 5
GRACE_MS: Final = 800  # what was under way when the judge first said no
THROTTLED_MS: Final = 1_500
REGAIN_S: Final = 2  # what Meta says of it
THROUGHPUTS_MPS: Final = {"rate": (10, 16), "pair": (80, 80)}  # what we keep, what the judge allows
OTHERS_MPS: Final = (25, 40)  # a margin: on a busy machine messages arrive in bunches

TOKEN: Final = "token-of-the-gates"  # noqa: S105 (a toy's, for a simulator)


class Scene(Protocol):
    """Where the acts are played: Penstock's API on one side, the judge on the other."""

    clock: Clock

    async def call(self, method: str, path: str, body: object = None) -> dict[str, Any]:
        """Return the JSON answer of Penstock's API, which must be a yes."""
        ...

    async def upload(self, campaign: str, rows: bytes) -> dict[str, Any]:
        """Give a campaign the recipients of a CSV."""
        ...

    async def control(self, method: str, path: str, body: object = None) -> None:
        """Change something in Meta's simulated world."""
        ...

    async def judge(self, what: str) -> Any:  # noqa: ANN401 (JSON)
        """Return what the simulator says."""
        ...


def number_of(act: str) -> str:
    """Return the phone number id of an act.

    >>> number_of("quota")
    '20700000000000'
    """
    return f"2070000000{list(ACTS).index(act):04}"


def waba_of(act: str) -> str:
    """Return the account of an act."""
    return f"3070000000{list(ACTS).index(act):04}"


def portfolio_of(act: str) -> str:
    """Return the portfolio of an act."""
    return FULL if act == "quota" else FREE


def person(act: str, count: int = 0) -> str:
    """Return somebody whom no other act knows.

    >>> person("quota", 7)
    '+4917000000007'
    """
    return f"+49170{list(ACTS).index(act):02}{count:06}"


def gates_world() -> dict[str, Any]:
    """Return the part of a scenario that the acts need."""
    notice = [{"type": "BODY", "text": "Hello {{1}}, this is for you."}]
    return {
        "portfolios": [{"id": FREE, "limit": -1}, {"id": FULL, "limit": PLACES}],
        "wabas": [{"id": waba_of(act), "portfolio_id": portfolio_of(act)} for act in ACTS],
        "senders": [_number(act) for act in ACTS],
        "templates": [
            {"waba": waba_of(act), "name": name, "category": category, "components": notice}
            for act in ACTS
            for name, category in ((NOTICE, "UTILITY"), (OFFER, "MARKETING"))
        ],
        "faults": [
            _refusal(80007, "throttle", lasts_ms=THROTTLED_MS, retry_after_s=REGAIN_S),
            _refusal(131056, "retry"),
        ],
    }


async def furnish_gates(scene: Scene) -> None:
    """Do what an operator does once for the acts' numbers."""
    for portfolio, limit in ((FREE, "UNLIMITED"), (FULL, PLACES)):
        await scene.call("PUT", f"/v1/portfolios/{portfolio}", {"messaging_limit": limit})
    for act in ACTS:
        await put_number(scene, act)
        await scene.call("POST", f"/v1/wabas/{waba_of(act)}/templates/import", {})


async def put_number(scene: Scene, act: str) -> None:
    """Tell of an act's number; telling it again opens it."""
    body = {
        "portfolio_id": portfolio_of(act),
        "waba_id": waba_of(act),
        "display_phone_number": _display(act),
        "access_token": TOKEN,
        "throughput": _throughputs(act)[0],
    }
    await scene.call("PUT", f"/v1/senders/{number_of(act)}", body)


def notice(text: str, name: str = NOTICE) -> dict[str, Any]:
    """Return a template message."""
    body = {"type": "body", "parameters": [{"type": "text", "text": text}]}
    template = {"name": name, "language": {"code": "en_US"}, "components": [body]}
    return {"type": "template", "template": template}


def _refusal(code: int, act: str, **more: int) -> dict[str, Any]:
    """Return the fault that refuses an act's first message with a code of Meta's."""
    once = {"kind": "error", "code": code, "times_max": 1}
    return {**once, "phone_number_ids": [number_of(act)], **more}


def _number(act: str) -> dict[str, Any]:
    return {
        "phone_number_id": number_of(act),
        "waba_id": waba_of(act),
        "portfolio_id": portfolio_of(act),
        "display_phone_number": _display(act),
        "token": TOKEN,
        "throughput_mps": _throughputs(act)[1],
    }


def _throughputs(act: str) -> tuple[int, int]:
    return THROUGHPUTS_MPS.get(act, OTHERS_MPS)


def _display(act: str) -> str:
    return f"+1 555 020 {list(ACTS).index(act):04}"
