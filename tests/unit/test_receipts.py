"""Statuses become receipts of the right portfolio, job and moment."""

from dataclasses import replace
from typing import Any

import pytest

from engine.errors import LedgerAwayError
from engine.events import Event, StatusesForeign, StatusesReceived
from engine.model import DeliveryStatus, JobKey, PortfolioId, RecipientKey, SenderId
from engine.opaque import TRIAL, OpaqueCodec
from engine.ports import Receipt, Received
from engine.receipts import ReceiptFolder, StatusSeen, Unreached

CODEC = OpaqueCodec(b"secret")
PERSON = RecipientKey(b"8 bytes.")
OURS = CODEC.encode(JobKey(2, 5), 3, PERSON)
SEEN = StatusSeen("101", "wamid.1", "delivered", 1_800_000_000, "491510", OURS)
RECEIPT = Receipt(
    JobKey(2, 5),
    3,
    PERSON,
    DeliveryStatus.DELIVERED,
    1_800_000_000_999,
    "wamid.1",
    counted=True,
    undelivered=False,
    sender="101",
)


TRIED = CODEC.encode(JobKey(TRIAL, 1_799_999_999_123), 0, PERSON)


class Box:
    """Receipts that remember what they got."""

    def __init__(self) -> None:
        self.batches: list[tuple[PortfolioId, list[Receipt]]] = []
        self.is_away = False

    async def receive(self, portfolio: PortfolioId, receipts: list[Receipt]) -> Received:
        if self.is_away:
            raise LedgerAwayError("away")
        self.batches.append((portfolio, receipts))
        return Received([], [])

    async def open_window(self, *_: object) -> None:
        raise NotImplementedError


def a_folder(box: Box, events: list[Event]) -> ReceiptFolder:
    portfolios = {"101": PortfolioId("A"), "201": PortfolioId("B")}
    return ReceiptFolder(
        receipts=box,  # type: ignore[arg-type]  # a list is a Sequence
        opaque=CODEC,
        portfolio_of=portfolios.get,
        key_of=lambda digits: RecipientKey(digits.encode().ljust(8, b"_")[:8]),
        undelivered=lambda code: code == 131026,
        throttled=lambda code: code == 130429,
        emit=events.append,
    )


@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        pytest.param({}, {}, id="delivered"),
        pytest.param({"status": "sent"}, {"status": DeliveryStatus.SENT}, id="sent"),
        pytest.param({"status": "played"}, {"status": DeliveryStatus.READ}, id="played is read"),
        pytest.param({"pricing_free": True}, {"counted": False}, id="inside a service window"),
        pytest.param(
            {"status": "failed", "code": 131026},
            {"status": DeliveryStatus.UNDELIVERED, "code": 131026, "undelivered": True},
            id="failed for sure",
        ),
        pytest.param(
            {"status": "failed", "code": 1},
            {"status": DeliveryStatus.UNDELIVERED, "code": 1, "undelivered": False},
            id="failed, perhaps after all reached",
        ),
        pytest.param(
            {"status": "failed", "code": 130429},
            {"status": DeliveryStatus.UNDELIVERED, "code": 130429, "throttled": True},
            id="failed because its sender was too fast",
        ),
        pytest.param({"code": 130429}, {"code": 130429}, id="delivered, whatever its code"),
        pytest.param(
            {"opaque": "the caller's"},
            {"key": None, "attempt": 0, "recipient": RecipientKey(b"491510__")},
            id="foreign but reached: it counts",
        ),
        pytest.param(
            {"opaque": "", "status": "failed", "code": 130429},
            {
                "key": None,
                "attempt": 0,
                "recipient": RecipientKey(b"491510__"),
                "status": DeliveryStatus.UNDELIVERED,
                "code": 130429,
                "throttled": True,
            },
            id="foreign, and its sender was too fast",
        ),
    ],
)
def test_a_status_is_one_receipt(changes: dict[str, Any], expected: dict[str, Any]) -> None:
    folded = a_folder(Box(), []).fold([replace(SEEN, **changes)])
    assert folded == {"A": [replace(RECEIPT, **expected)]}


@pytest.mark.parametrize(
    "changes",
    [
        pytest.param({"status": "deleted"}, id="a status that proves nothing"),
        pytest.param({"opaque": "", "status": "sent"}, id="foreign and not yet reached"),
        pytest.param({"opaque": "", "status": "failed", "code": 131026}, id="foreign and failed"),
        pytest.param({"opaque": OURS[:-1] + "0", "status": "failed"}, id="forged"),
    ],
)
def test_what_proves_nothing_is_left_out(changes: dict[str, Any]) -> None:
    assert a_folder(Box(), []).fold([replace(SEEN, **changes)]) == {}


async def test_batches_keep_their_order_and_their_portfolio() -> None:
    box, events = Box(), list[Event]()
    statuses = [
        replace(SEEN, status="read"),
        replace(SEEN, phone_number_id="201"),
        replace(SEEN, phone_number_id="999"),
        SEEN,
    ]
    await a_folder(box, events).receive(statuses)
    assert box.batches == [
        ("A", [replace(RECEIPT, status=DeliveryStatus.READ), RECEIPT]),
        ("B", [replace(RECEIPT, sender="201")]),
    ]
    assert [type(event) for event in events] == [
        StatusesForeign,
        StatusesReceived,
        StatusesReceived,
    ]


async def test_a_ledger_that_is_away_is_heard_of_and_nothing_is_told_as_done() -> None:
    box, events = Box(), list[Event]()
    box.is_away = True
    with pytest.raises(LedgerAwayError):
        await a_folder(box, events).receive([SEEN])
    assert events == []


async def test_a_number_leads_whom_we_wrote_to_under_another_id() -> None:
    folder = a_folder(Box(), [])
    by_user_id = replace(SEEN, recipient_id="US.1349")
    await folder.receive([SEEN, by_user_id])
    assert folder.take_leads() == {PortfolioId("A"): {PERSON: RecipientKey(b"491510__")}}
    assert folder.take_leads() == {}


async def test_a_test_send_that_failed_later_gives_its_place_back_and_one_that_came_counts() -> (
    None
):
    box, events = Box(), list[Event]()
    folder = a_folder(box, events)
    failed = replace(SEEN, status="failed", opaque=TRIED, code=131026)
    await folder.receive([failed, failed, replace(failed, code=1)])
    person = Unreached(SenderId("101"), PERSON, 1_799_999_999_123)
    assert folder.take_unreached() == {PortfolioId("A"): {person}}
    assert (folder.take_unreached(), box.batches) == ({}, [])
    sent = replace(SEEN, status="sent", opaque=TRIED)
    await folder.receive([sent, replace(sent, status="delivered")])
    arrival = replace(RECEIPT, key=None, attempt=0)
    assert box.batches == [(PortfolioId("A"), [arrival])]
    nothing_counted = CODEC.encode(JobKey(TRIAL, 0), 0, PERSON)
    await folder.receive([replace(failed, opaque=nothing_counted)])
    assert folder.take_unreached() == {}
