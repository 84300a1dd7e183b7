"""From crystals to graphs: neighbours, symmetry, building, storage, and comparison of structures."""
