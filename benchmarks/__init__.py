"""Benchmarks: scripts that hold the engine against its budgets."""
