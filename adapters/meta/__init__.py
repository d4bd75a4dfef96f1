"""Meta on the other side of the door: the client, its error codes, its webhooks."""
