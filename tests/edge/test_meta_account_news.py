"""What `account_update` says about sending: stopped, until when, or let go."""

import pytest

from adapters.meta.news import AccountChanged, Restriction
from engine.model import WabaId
from engine.ports import FOREVER_MS

SENDING, ADDING = "RESTRICTED_BIZ_INITIATED_MESSAGING", "RESTRICTED_ADD_PHONE_NUMBER_ACTION"


@pytest.mark.parametrize(
    ("event", "ban_state", "restrictions", "until_ms"),
    [
        (
            "ACCOUNT_RESTRICTION",
            "",
            [Restriction(SENDING, 5_000), Restriction(ADDING, 9_000)],
            5_000,
        ),
        ("ACCOUNT_RESTRICTION", "", [Restriction(SENDING)], FOREVER_MS),
        ("ACCOUNT_RESTRICTION", "", [Restriction(ADDING, 9_000)], None),
        ("DISABLED_UPDATE", "SCHEDULE_FOR_DISABLE", [], None),
        ("DISABLED_UPDATE", "DISABLE", [], FOREVER_MS),
        ("DISABLED_UPDATE", "REINSTATE", [], 0),
        ("PARTNER_REMOVED", "", [], FOREVER_MS),
        ("ACCOUNT_RECONNECTED", "", [], 0),
        ("ACCOUNT_VIOLATION", "", [], None),
    ],
)
def test_it_tells_until_when_nothing_may_be_sent(
    event: str, ban_state: str, restrictions: list[Restriction], until_ms: int | None
) -> None:
    told = AccountChanged(
        waba=WabaId("1"), event=event, ban_state=ban_state, restrictions=tuple(restrictions)
    )
    assert told.closed_until_ms == until_ms
