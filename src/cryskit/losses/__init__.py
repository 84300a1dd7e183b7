"""Parts of objectives: decoders, corruptions and losses, none of which a trained encoder needs."""
