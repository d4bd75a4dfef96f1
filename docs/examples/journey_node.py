"""A journey node: somebody bought something, tell them now; and what to do when it cannot be told.

PENSTOCK_API_KEY=… python docs/examples/journey_node.py SENDER +4915112345678 Ada order-4711
"""

from __future__ import annotations

import asyncio
import os
import sys
from datetime import UTC, datetime, timedelta

from adapters.client.asynchronous import AsyncClient
from adapters.client.errors import ConflictError, InvalidError
from adapters.client.shapes import Job, JobStatus, Source, template

WORTH_IT = timedelta(hours=2)  # later than that nobody wants to hear of it


async def on_order(
    client: AsyncClient, sender: str, to: str, name: str, order: str, now: datetime
) -> JobStatus | None:
    """Send one message for one event; None when this person cannot be told this way."""
    job = Job(
        sender=sender,
        to=to,
        message=template("update", "en_US", [name]),
        key=f"order-{order}",  # the same event twice is one message
        source=Source("direct", "orders", node="thanks"),
        expires_at=now + WORTH_IT,
    )
    try:
        sent = await client.send(job)
    except InvalidError as error:  # it can never work: the journey takes its other branch
        for fault in error.errors:
            print(f"{fault.pointer}: {fault.code}: {fault.detail}")
        return None
    except ConflictError:  # the key was used for another body, or the source was cancelled
        return None
    assert sent.id is not None
    status = await client.job(sent.id)
    for gate in status.waiting_for:
        print(f"waits behind {gate.gate} until {gate.until or 'it opens'}: {gate.detail}")
    return status


async def main() -> None:
    """Run it from the command line."""
    _, sender, to, name, order = sys.argv
    url = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080")
    async with AsyncClient(url, os.environ["PENSTOCK_API_KEY"]) as client:
        print(await on_order(client, sender, to, name, order, datetime.now(UTC)))


if __name__ == "__main__":
    asyncio.run(main())
