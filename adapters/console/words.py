"""The words the Console explains things with, beside those of the glossary."""

from __future__ import annotations

from typing import Final

from engine.model import Gate

MEANINGS: Final[dict[Gate, str]] = {
    Gate.QUOTA: "New recipients wait for a place in the messaging limit.",
    Gate.RATE: "The sender's throughput is used up for this moment.",
    Gate.PAIR: "The same person got messages moments ago; nobody else waits for it.",
    Gate.ACCOUNT: "Meta throttles, blocks or restricts the WhatsApp Business Account.",
    Gate.SENDER: "The sender is paused, not connected, without a token, or may not send this kind.",
    Gate.TEMPLATE: "The template is not APPROVED.",
    Gate.WINDOW: "The customer service window is closed.",
    Gate.SUPPRESSION: "The recipient opted out.",
    Gate.SCHEDULE: "Its time has not come.",
    Gate.SOURCE: "The campaign or journey is not running.",
    Gate.RETRY: "An earlier attempt failed; it is made again after its backoff.",
}
"""Why jobs wait at each gate, in one sentence."""
