"""What Meta's webhooks tell of the benchmark's messages: bodies of its shape, signed as it signs.

With benchmarks.engine_under_test the only module here that knows the engine.
"""

import hmac
import time
from collections.abc import Iterator, Sequence

import msgspec

from benchmarks import engine_under_test, message
from benchmarks.engine_under_test import Place
from benchmarks.programs import Command
from engine.model import DeliveryStatus

STATUSES = ("sent", "delivered", "read")  # of each message, in this order
APP_SECRET = "the-app-secret-of-the-benchmarks"  # signs for our own process only
PRICING = {"billable": True, "pricing_model": "PMP", "type": "regular", "category": "marketing"}


def listener_command(place: Place) -> Command:
    """Return how to start one API process that takes webhooks."""
    command = engine_under_test.api_command(place)
    secret = {"PENSTOCK_META_APP_SECRET": APP_SECRET}
    return Command(arguments=command.arguments, environment={**command.environment, **secret})


async def posts(place: Place, *, per_post: int) -> list[bytes]:
    """Return whole HTTP requests that tell of all messages that `claim_and_settle` settled."""
    told = await _told(place)
    return [
        _request(place.api_port, told[at : at + per_post]) for at in range(0, len(told), per_post)
    ]


async def unfolded(place: Place) -> int:
    """Return how many bodies were accepted and are not folded yet."""
    return await (await engine_under_test.at(place)).house.inbox.length()


async def read_messages(place: Place) -> int:
    """Return of how many messages the books say that they were read."""
    kept = await engine_under_test.at(place)
    books = [
        await kept.house.ledger.counts(each.portfolio_id, each.source) for each in kept.started
    ]
    return sum(counts.delivery.get(DeliveryStatus.READ, 0) for counts in books)


async def _told(place: Place) -> list[dict[str, object]]:
    """Return each status of each message: first all that were sent, then delivered, then read."""
    kept = await engine_under_test.at(place)
    house, now_s = kept.house, str(int(time.time()))
    people = [message.recipient(index) for index in range(len(kept.settled))]
    digits = dict(zip(map(house.recipients.key, people), people, strict=True))
    return [
        {
            "id": wamid,
            "status": status,
            "timestamp": now_s,
            "recipient_id": digits[recipient],
            "biz_opaque_callback_data": house.opaque.encode(key, attempt, recipient),
            "pricing": PRICING,
        }
        for status in STATUSES
        for key, attempt, recipient, wamid in kept.settled
    ]


def _request(port: int, statuses: Sequence[dict[str, object]]) -> bytes:
    value = {
        "messaging_product": "whatsapp",
        "metadata": {
            "display_phone_number": "15550783881",
            "phone_number_id": message.sender_id(0),  # any number of the portfolio
        },
        "statuses": statuses,
    }
    entry = {"id": "waba-0", "changes": [{"value": value, "field": "messages"}]}
    body = msgspec.json.encode({"object": "whatsapp_business_account", "entry": [entry]})
    signature = hmac.digest(APP_SECRET.encode(), body, "sha256").hex()
    return "\r\n".join(_head(port, len(body), signature)).encode() + body


def _head(port: int, length: int, signature: str) -> Iterator[str]:
    yield "POST /webhooks/meta HTTP/1.1"
    yield f"Host: 127.0.0.1:{port}"
    yield "Accept: */*"
    yield "User-Agent: facebookexternalua"
    yield "Content-Type: application/json"
    yield f"X-Hub-Signature-256: sha256={signature}"
    yield f"Content-Length: {length}"
    yield "\r\n"
