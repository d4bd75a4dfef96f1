"""Decisions: what may be sent, when, and what became of it; no input or output happens here."""
