"""Descriptions of crystals in words, and text encoders that turn them into vectors."""

TOKENS_OF = "tokens:"
"""Prefix of the name of a language model that asks for its tokens, not its vectors, for a model that trains it (see `tokens`)."""
