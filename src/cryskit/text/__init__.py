"""Words for crystals, and vectors for words."""

TOKENS_OF = "tokens:"
"""Before the name of a language model: not its vectors but its tokens, for a model that trains it (see `tokens`)."""
