"""Evaluate models: their predictions against labels, figures of merit, and overlap with the training data."""
