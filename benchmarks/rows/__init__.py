"""One module per row of the budget table; each measures and returns figures."""
