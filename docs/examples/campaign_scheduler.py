"""A campaign scheduler: create a campaign, upload its people, start it, watch it to its end.

    PENSTOCK_API_KEY=… python docs/examples/campaign_scheduler.py SENDER people.csv

Run it again after a crash: the campaign has an id of ours, and rows it has already are counted
as duplicates.
"""

from __future__ import annotations

import os
import sys
import time
from pathlib import Path

from adapters.client.errors import InvalidError
from adapters.client.shapes import CampaignPlan, CampaignStatus, template
from adapters.client.sync import Client

LOOK_EVERY_S = 1.0


def run(client: Client, sender: str, people: Path, campaign_id: str) -> CampaignStatus:
    """Send one campaign; return how it ended."""
    plan = CampaignPlan(
        id=campaign_id,
        name="Autumn offer",
        senders=[sender],
        message=template("offer", "en_US", ["{{name}}"]),
        priority="marketing",
    )
    client.create_campaign(plan)
    uploaded = client.upload(campaign_id, people)
    print(f"{uploaded.accepted} taken, {uploaded.duplicates} known, {uploaded.rejected} refused")
    for fault in uploaded.errors:
        print(f"  row {fault.row}, {fault.field}: {fault.detail}")
    client.start(campaign_id)
    return watch(client, campaign_id)


def watch(client: Client, campaign_id: str) -> CampaignStatus:
    """Tell what holds a campaign back until it is over."""
    while True:
        status = client.campaign(campaign_id)
        held = ", ".join(f"{jobs} behind {gate}" for gate, jobs in status.counts.waiting.items())
        print(f"{status.counts.accepted} of {status.enqueued} accepted; {held or 'none waits'}")
        if status.is_over:
            return status
        time.sleep(LOOK_EVERY_S)


def main() -> None:
    """Run it from the command line."""
    _, sender, people = sys.argv
    url = os.environ.get("PENSTOCK_URL", "http://127.0.0.1:8080")
    with Client(url, os.environ["PENSTOCK_API_KEY"]) as client:
        try:
            run(client, sender, Path(people), "autumn-offer")
        except InvalidError as error:
            for fault in error.errors:
                print(f"{fault.pointer}: {fault.detail}")
            sys.exit(1)


if __name__ == "__main__":
    main()
