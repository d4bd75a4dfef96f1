"""Our HTTP API: jobs, campaigns, portfolios, senders, and the drop-in Graph endpoint."""
