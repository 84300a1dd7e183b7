"""Tensor properties of crystals: notations, rotations, symmetry, frames, and the quantities that follow from them.

Everything here is NumPy on arrays of float64; nothing imports torch.
"""
