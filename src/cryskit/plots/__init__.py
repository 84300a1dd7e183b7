"""Pictures of a run and of a model, as PNG files."""
