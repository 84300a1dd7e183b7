"""Networks that turn a Graph into an Encoding: one network, one file."""
