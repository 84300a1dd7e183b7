"""Studies of published models and their parts, each with a result card: `python -m benchmarks.studies.NAME --help`."""
