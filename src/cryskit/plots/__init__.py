"""Figures of a training run and of a model, as PNG files."""
