"""Explanations of predictions: contributions of atoms and of their element features that add up to the prediction."""
