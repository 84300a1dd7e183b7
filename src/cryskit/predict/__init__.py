"""Predict with trained models: model files, their cards, and the tables they fill."""
