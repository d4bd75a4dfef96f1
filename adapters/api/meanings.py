"""What each gate means, for whoever asks why a message waits."""

from __future__ import annotations

from engine.model import Gate

MEANINGS = {
    Gate.QUOTA: "new recipients wait for a place in the messaging limit",
    Gate.RATE: "the sender's throughput is used up",
    Gate.PAIR: "the same person got messages moments ago",
    Gate.ACCOUNT: "Meta throttles, blocks or restricts the WhatsApp Business Account",
    Gate.SENDER: "the sender is paused, not connected, has no token, or may not send this kind now",
    Gate.TEMPLATE: "the template is not APPROVED",
    Gate.WINDOW: "free-form messages need an open customer service window",
    Gate.SUPPRESSION: "this person does not want it",
    Gate.SCHEDULE: "its time has not come",
    Gate.SOURCE: "the campaign or journey does not run",
    Gate.RETRY: "an earlier try failed; it is tried again",
}
