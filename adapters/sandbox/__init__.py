"""A simulator of Meta that enforces its rules and judges who breaks them."""
