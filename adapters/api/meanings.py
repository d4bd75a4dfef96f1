"""What each gate means, for whoever asks why a message waits."""

from __future__ import annotations

from engine.books import JobView
from engine.model import Gate
from engine.quiet import shown_zone

MEANINGS = {
    Gate.QUOTA: "new recipients wait for a place in the messaging limit",
    Gate.RATE: "the sender's throughput is used up",
    Gate.PAIR: "the same person got messages moments ago",
    Gate.ACCOUNT: "Meta throttles, blocks or restricts the WhatsApp Business Account",
    Gate.SENDER: "the sender is paused, not connected, has no token, or may not send this kind now",
    Gate.TEMPLATE: "the template is not APPROVED",
    Gate.WINDOW: "free-form messages need an open customer service window",
    Gate.SUPPRESSION: "this person does not want it",
    Gate.SCHEDULE: "its time has not come, or quiet hours hold it",
    Gate.SOURCE: "the campaign or journey does not run",
    Gate.RETRY: "an earlier try failed; it is tried again",
}


def meaning_for(view: JobView) -> str:
    """Return what the gate that holds a job means; of quiet hours: whose."""
    if view.gate is None:
        return ""
    if view.zone is None:
        return MEANINGS[view.gate]
    return f"quiet hours in {shown_zone(view.zone)}" if view.zone else "quiet hours of its source"
