"""Benchmarks: the same rows, budgets and choices for every model, and test crystals that no training can reach."""
