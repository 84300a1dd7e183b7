"""A trained model as one file, and what it says of crystals."""
