"""Benchmarks: scripts that hold the engine against its budgets (DESIGN section 6)."""
