"""How good a model is: its predictions beside the labels, and the figures that sum them up."""
