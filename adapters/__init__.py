"""Edges: one room per neighbour of the engine, and the wiring that joins them."""
