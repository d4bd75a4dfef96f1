"""The demo: everything real, through HTTP, with Meta's simulator as the judge."""
