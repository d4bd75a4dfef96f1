"""Every metric: counted where a thing happens, or read from the ledger where it stands."""
