"""The Redis side of the ledger: key names, scripts, and the ports that speak through them."""
