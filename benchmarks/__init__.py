"""Measurements of cryskit: its speed against plain references, and studies of its models. Run from the root of the repository."""
