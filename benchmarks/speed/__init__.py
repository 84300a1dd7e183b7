"""Every stage from a file to a prediction, timed against a plain reference: `python -m benchmarks.speed`."""
