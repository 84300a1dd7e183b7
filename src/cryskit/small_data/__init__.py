"""From a small table of labelled crystals to the best model that can be had of it: `cryskit fit`."""
