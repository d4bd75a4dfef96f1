"""The Console: one live picture of a deployment, as a page and as JSON."""
