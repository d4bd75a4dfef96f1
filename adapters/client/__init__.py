"""The Python client of the API: typed, sync and async; what others call Penstock with."""
