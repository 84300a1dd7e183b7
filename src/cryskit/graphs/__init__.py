"""From crystals to graphs: neighbours, symmetry, building, and the cache."""
