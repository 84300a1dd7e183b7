"""Words for crystals, and vectors for words."""
